#ifndef GPTQ_DOCTOR_QUANT_CONFIG_H_
#define GPTQ_DOCTOR_QUANT_CONFIG_H_

// The settings of a GPTQ checkpoint, typed. Field names are those of quantize_config.json. An empty optional means
// "unknown" in a diagnosis and "absent" in a file.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gptq_doctor {

// One entry of `dynamic`: a regular expression over module names, matched from the start of the name, first match
// decides (GPTQModel quantization/config.py). `exclude` is the "-:" form: the module is not quantized.
struct DynamicRule {
  std::string pattern;  // without the "+:" or "-:" prefix
  bool exclude = false;
  std::optional<int> bits;
  std::optional<int64_t> group_size;
  std::optional<bool> sym;
  std::optional<bool> desc_act;
};

struct Quantization {
  std::optional<int> bits;            // 2..8
  std::optional<int64_t> group_size;  // -1: one group a column
  std::optional<bool> sym;
  std::optional<bool> desc_act;
  std::optional<std::string> checkpoint_format;  // "gptq", "gptq_v2", "gptq_p"; also "marlin", ... as a file says
  std::optional<std::string> pack_dtype;         // "int32", "int16", "int8", "int64"
  std::optional<bool> lm_head;                   // the output head is quantized
  std::optional<bool> static_groups;             // never provable from tensors
  std::vector<DynamicRule> dynamic;              // in matching order
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_QUANT_CONFIG_H_
