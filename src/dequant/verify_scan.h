#ifndef GPTQ_DOCTOR_DEQUANT_VERIFY_SCAN_H_
#define GPTQ_DOCTOR_DEQUANT_VERIFY_SCAN_H_

// The pass over the data: which bytes are read, in file order, and what each module's add up to.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "dequant/code_scan.h"
#include "dequant/module_slab.h"
#include "dequant/verify.h"

namespace gptq_doctor {

// A module to verify, or a tensor that is read for NaN and infinity alone (`layout` empty).
struct ScanTarget {
  std::optional<ModuleLayout> layout;
  const TensorRecord* dense = nullptr;
  uint32_t module = 0;
};

// What is read in one go.
struct ScanPiece {
  enum class Kind : uint8_t { kCodes, kScales, kDense };
  Kind kind = Kind::kCodes;
  uint32_t target = 0;
  const TensorRecord* tensor = nullptr;
  uint64_t begin = 0, bytes = 0;  // within the tensor
};
// In file order; pieces of codes are whole row blocks.
std::vector<ScanPiece> PlanPieces(const std::vector<ScanTarget>& targets);

// The codes of one module.
class ModuleScan {
 public:
  ModuleScan(const Examination& exam, const ModuleLayout& layout, int64_t pieces);
  // Adds a piece of codes. Thread-safe. True with the last piece: the caller then calls Finish.
  Result<bool> Add(const ScanPiece& piece, std::span<const char> data);
  ModuleCheck Finish() const;

 private:
  void PrepareZeros();
  Status LoadZeros();
  std::vector<uint8_t> ZerosOf(int64_t group) const;
  int64_t GroupOf(int64_t input) const;
  CodeCounts Count(const ScanPiece& piece, std::span<const char> data) const;
  void JudgeColumns(ModuleCheck& check) const;

  const Examination& exam_;
  const ModuleLayout& layout_;
  CodeShape shape_;
  std::vector<uint8_t> constant_zeros_;  // where every zero point is the same
  bool by_group_ = false;                // zero points differ, and groups follow one another
  std::once_flag loaded_;
  std::optional<Error> load_error_;
  std::vector<char> qzeros_;
  std::mutex mutex_;
  CodeCounts counts_;
  int64_t left_;
};

// Scales of 0 whose groups hold different codes: reads the module again, slab by slab.
Result<int64_t> ZeroScalesInUse(const Examination& exam, const ModuleLayout& layout);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_VERIFY_SCAN_H_
