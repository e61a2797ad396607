#ifndef GPTQ_DOCTOR_TESTS_LOADERS_TABLES_PYTHON_H_
#define GPTQ_DOCTOR_TESTS_LOADERS_TABLES_PYTHON_H_

// Directories that the tables of Python loaders are built from.

#include <string>
#include <vector>

#include "loaders/table.h"

namespace gptq_doctor::testing::python {

using O = Outcome;
inline const std::vector<std::string> kAutoGptq = {"autogptq@0.5", "autogptq@0.6", "autogptq@0.7.0", "autogptq@0.7.1",
                                                   "autogptq@main"};
inline const std::vector<std::string> kGptqModelWithGate = {"gptqmodel@1.6", "gptqmodel@2.0", "gptqmodel@4.0",
                                                            "gptqmodel@5.0", "gptqmodel@5.2", "gptqmodel@5.7",
                                                            "gptqmodel@6.0", "gptqmodel@7.0", "gptqmodel@7.3.4"};
inline const std::vector<std::string> kTransformers = {"transformers@4.44", "transformers@4.55/auto-gptq",
                                                       "transformers@4.55/gptqmodel", "transformers@5.0"};

inline const std::vector<std::string> kGptqModel = {"gptqmodel@1.4", "gptqmodel@2.0", "gptqmodel@4.0",
                                                    "gptqmodel@5.0", "gptqmodel@6.0", "gptqmodel@7.3.4"};

inline ModelBuilder Bare(const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  NoSection(builder);
  NoSideFile(builder);
  return builder;
}
inline ModelBuilder SectionOnly(const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  NoSideFile(builder);
  return builder;
}
inline ModelBuilder SideOnly() {
  ModelBuilder builder = Healthy();
  NoSection(builder);
  return builder;
}
inline ModelBuilder Old() {  // keys that AutoGPTQ 0.4 knows
  ModelBuilder builder = Healthy();
  builder.WeightName("gptq_model-4bit-128g.safetensors");
  builder.File(
      "quantize_config.json",
      R"({"bits": 4, "group_size": 128, "damp_percent": 0.01, "desc_act": false, "sym": true, "true_sequential": true, "model_name_or_path": null, "model_file_base_name": null})");
  return builder;
}
inline ModelBuilder Changed(const Json& keys, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Both(builder, keys);
  return builder;
}
// Both spellings of the format, in this order.
inline ModelBuilder Spellings(const char* first, const char* first_value, const char* second,
                              const char* second_value) {
  ModelBuilder builder = Healthy({.bits = 2});
  Both(builder, {{"checkpoint_format", nullptr}});
  Both(builder, {{first, first_value}});
  Both(builder, {{second, second_value}});
  return builder;
}

}  // namespace gptq_doctor::testing::python

#endif  // GPTQ_DOCTOR_TESTS_LOADERS_TABLES_PYTHON_H_
