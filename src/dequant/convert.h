#ifndef GPTQ_DOCTOR_DEQUANT_CONVERT_H_
#define GPTQ_DOCTOR_DEQUANT_CONVERT_H_

// From an examined GPTQ directory to the plan of one that holds the same model in another layout: zero points as gptq
// or gptq_v2 stores them, 32-bit words, g_idx for modules without one, other file names and sizes. What nothing asks to
// change is copied byte for byte. Zero points that GPTQModel before 7.0.0 (3 bits) and before 7.3.2 (mixed bits) wrote
// wrongly are restored where the words themselves prove the defect.

#include <optional>
#include <string>
#include <vector>

#include "dequant/model_writer.h"
#include "dequant/repack.h"
#include "infer/examination.h"

namespace gptq_doctor {

struct ConvertOptions {
  std::string checkpoint_format;  // "gptq", "gptq_v2"; empty: as it is
  bool pack_int32 = false;        // words of 32 bits
  bool add_g_idx = false;         // for modules that have none, and for those whose all-zero one is read as none
  bool drop_zero_bias = false;    // zero-filled biases that the architecture does not have
  bool half_scales = false;       // F32 and BF16 scales as F16
  bool rename = false;            // weight files to the names that loaders look for
  bool reshard = false;           // into files of max_shard_bytes, with those names
  uint64_t max_shard_bytes = 5'000'000'000;
  bool AsksNothing() const;
};

// Zero points of a module that some reader of the new file, or of the old one, takes for something else.
struct ZeroLoss {
  std::string module;
  int64_t zeros = 0;
  bool before = false;  // lost when the source was written; else: no place for them in the new file
};

struct ConvertPlan {
  OutModel model;
  int64_t modules = 0;                                  // quantized
  int64_t copied = 0;                                   // tensors
  int64_t zeros = 0, codes = 0, g_idx = 0, scales = 0;  // tensors made anew, by kind
  std::vector<std::string> restored;                    // modules whose wrongly written zero points are restored
  std::vector<std::string> dropped_biases;
  std::vector<std::string> changed_files;  // configuration files written anew
  std::vector<ZeroLoss> losses;
  std::vector<std::string> warnings;
};

// kRefused with names where the model is not whole, not GPTQ, where it cannot be held in that layout, or where nothing
// would change. The examination must be a deep one and outlive the plan. Reads zero points and scales on `pool`.
Result<ConvertPlan> PlanConvert(const Examination& exam, const ConvertOptions& options, const ExamineContext& context);
// kRefused, with the first modules, where the plan has losses.
Status CheckLossless(const ConvertPlan& plan);

// What is read of one module before it is converted (convert_checks.cc).
struct ModuleToConvert {
  ModuleLayout layout;
  Packing to;
  bool codes = false, zeros = false, g_idx = false, scales = false;  // tensors made anew
  bool restored = false;                                             // wrongly written zero points among them
};
// Adds losses, and refuses scales that F16 cannot hold.
Status CheckValues(const Examination& exam, std::span<const ModuleToConvert> modules, const ExamineContext& context,
                   ConvertPlan& plan);

// Configuration, index and every other file (convert_files.cc). `renamed`: weight files have other names than before;
// `same_tensors`: all tensors have the names, dtypes and shapes that they had.
struct FileChanges {
  bool renamed = false, same_tensors = true;
};
Status PlanFiles(const Examination& exam, const ConvertOptions& options, const FileChanges& changes, ConvertPlan& plan);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_CONVERT_H_
