#ifndef GPTQ_DOCTOR_DEQUANT_DEQUANTIZE_H_
#define GPTQ_DOCTOR_DEQUANT_DEQUANTIZE_H_

// From an examined GPTQ directory to the plan of a dense one that transformers loads: every quantized module as
// X.weight, all other tensors byte for byte, config.json without quantization_config, tokenizer and other files copied.
// A module that cannot be read is an error, never a tensor of zeros.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dequant/model_writer.h"
#include "dequant/offers.h"
#include "dequant/producers.h"

namespace gptq_doctor {

struct DequantizeOptions {
  std::optional<Dtype> dtype;  // of the weights; default the checkpoint's own
  bool keep_zero_bias = false;
  uint64_t max_shard_bytes = 5'000'000'000;
};

struct DequantizePlan {
  OutModel model;
  Dtype dtype = Dtype::kF16;
  int64_t modules = 0, copied = 0;
  std::vector<std::string> dropped_biases;
  std::vector<std::string> warnings;
};

// The dtype in which most of the dense floating-point tensors are stored, else that of the scales.
Dtype OwnDtype(const Examination& exam);
// nn.Linear or, for the GPT-2 family, Conv1D.
Orientation OrientationOf(const Examination& exam);
// config.json's text without quantization settings and with the dtype; untouched bytes stay as they are. Absent where
// there is no readable config.json.
std::optional<std::string> DenseConfig(const ModelConfig& config, Dtype dtype);
// Tokenizer, generation config, code, ...: what a dense directory keeps.
std::vector<OutFile> CompanionFiles(const Examination& exam);

// kRefused where a shard is missing or damaged, or where two hold one tensor.
Status CheckWhole(const Examination& exam);
// A zero-filled bias of a quantized module whose architecture, by its config, has none there. Reads it.
Result<bool> IsArtefactBias(const Examination& exam, const Offer& offer, const ModelConfig& config);

// One tensor of the new model.
struct Choice {
  const Examination* exam = nullptr;
  const Offer* offer = nullptr;
};
// Tensors in this order; config, other files, dtype and orientation are those of `companion`. kRefused where a module
// cannot be read. The offers may go; the examinations must outlive the plan.
Result<DequantizePlan> PlanChoices(std::span<const Choice> choices, const Examination& companion,
                                   const DequantizeOptions& options);
// All of one model. kRefused with names where the model is not GPTQ, tensors contradict each other, or shards are
// missing.
Result<DequantizePlan> PlanDequantize(const Examination& exam, const DequantizeOptions& options);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_DEQUANTIZE_H_
