#ifndef GPTQ_DOCTOR_TESTS_LOADERS_TABLES_SERVING_H_
#define GPTQ_DOCTOR_TESTS_LOADERS_TABLES_SERVING_H_

// Directories that the tables of serving engines and converters are built from.

#include <string>
#include <vector>

#include "loaders/table.h"

namespace gptq_doctor::testing::serving {

using O = Outcome;
inline const std::vector<std::string> kVllm = {"vllm@0.7", "vllm@0.9", "vllm@0.10", "vllm@0.15", "vllm@main"};

inline ModelBuilder SideOnly() {
  ModelBuilder builder = Healthy();
  NoSection(builder);
  return builder;
}
inline ModelBuilder Changed(const Json& keys, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Both(builder, keys);
  return builder;
}
// The section is what counts; quantize_config.json is not there to help.
inline ModelBuilder SectionChanged(const Json& keys, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Section(builder, keys);
  NoSideFile(builder);
  return builder;
}
inline ModelBuilder Nested(const char* parent) {
  ModelBuilder builder = Healthy();
  const Json section = ReadConfiguration(builder, "config.json")["quantization_config"];
  NoSection(builder);
  NoSideFile(builder);
  return Config(builder, {{parent, {{"quantization_config", section}}}});
}
// The section as a file of its own, and nothing else.
inline ModelBuilder Moved(const char* file) {
  ModelBuilder builder = Healthy();
  const Json section = ReadConfiguration(builder, "config.json")["quantization_config"];
  NoSection(builder);
  NoSideFile(builder);
  return builder.File(file, section.dump());
}
inline ModelBuilder Grouped(int64_t group_size, const GptqOptions& base = {}) {
  GptqOptions quant = base;
  quant.group_size = group_size;
  return Healthy(quant);
}
// An expert layer beside the attention.
inline ModelBuilder Experts(const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Type(builder, "qwen3_moe", "Qwen3MoeForCausalLM");
  for (int expert = 0; expert < 2; ++expert) {
    const std::string stem = "model.layers.1.mlp.experts." + std::to_string(expert) + ".";
    Quantized(builder, stem + "gate_proj", 256, 128, quant);
    Quantized(builder, stem + "up_proj", 256, 128, quant);
    Quantized(builder, stem + "down_proj", 128, 256, quant);
  }
  return builder;
}
inline ModelBuilder NoGIdx(bool desc_act) {
  GptqOptions quant;
  quant.g_idx = false;
  ModelBuilder builder = Healthy(quant);
  return Both(builder, {{"desc_act", desc_act}});
}

}  // namespace gptq_doctor::testing::serving

#endif  // GPTQ_DOCTOR_TESTS_LOADERS_TABLES_SERVING_H_
