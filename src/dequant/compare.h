#ifndef GPTQ_DOCTOR_DEQUANT_COMPARE_H_
#define GPTQ_DOCTOR_DEQUANT_COMPARE_H_

// A quantized model against the dense one it came from: how far each module is off, how far its bits and groups let it
// be off, and whose weights it holds where they are not its own.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dequant/module_slab.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

enum class Relation : uint8_t {
  kClose,        // what its bits and groups give
  kCoarse,       // the same weights, but farther off than its bits and groups explain
  kSwapped,      // another module of the base
  kTransposed,   // a module of the base, its own or another, turned
  kUnrelated,    // nothing in the base: random numbers, or another model
  kOtherShape,   // the base's matrix has another shape
  kAbsent,       // the base has no such matrix
  kNotCompared,  // the module's own weights are not finite or cannot be read: a finding of its own
};
const char* ToString(Relation relation);
// Whether a Comparison has errors and a cosine.
inline bool HasNumbers(Relation relation) { return relation < Relation::kOtherShape; }

struct Comparison {
  Relation relation = Relation::kAbsent;
  double relative_error = 0;  // |W - B| / |B|, Frobenius norms
  double expected_error = 0;  // of rounding B to this many levels a group
  double cosine = 0;
  double max_error = 0;
  double step_ratio = 0;  // mean scale over the mean scale that B needs
  std::string base_name;  // the tensor of the base that it was compared with, or that it matches
  std::string detail;     // one sentence where the relation is not kClose
};

struct DenseCheck {  // a tensor that was left dense and differs from the base's
  uint32_t module = 0;
  std::string name, detail;
};

struct BaseReport {
  std::string path;
  int64_t compared = 0, absent = 0, not_compared = 0;  // quantized modules
  int64_t dense_equal = 0, dense_absent = 0;
  std::vector<DenseCheck> dense_differ;
};

struct CompareProgress {
  std::function<bool(uint64_t bytes)> step;  // false: stop
};

// Compares `layouts` (of `exam`) with the matrices of `base`; the result is in their order. Reads in slabs, so memory
// is bounded by the threads. Errors: kRefused where the base is not dense, kInterrupted, and those of reading.
Result<std::vector<Comparison>> CompareModules(const Examination& exam, const std::vector<ModuleLayout>& layouts,
                                               const Examination& base, ThreadPool* pool,
                                               const CompareProgress& progress);
// Tensors that neither packs: equal bytes, or equal values after one rounding to the model's dtype.
Result<BaseReport> CompareDense(const Examination& exam, const Examination& base, ThreadPool* pool,
                                const CompareProgress& progress);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_COMPARE_H_
