#ifndef GPTQ_DOCTOR_TESTS_LOADERS_MODELS_H_
#define GPTQ_DOCTOR_TESTS_LOADERS_MODELS_H_

// Model directories for the tests of loaders: a healthy one and its configuration as text, to be spoilt by each test.

#include <nlohmann/json.hpp>
#include <string>

#include "support/model_builder.h"

namespace gptq_doctor::testing {

using Json = nlohmann::ordered_json;

// Sizes that every kernel takes: hidden 256, intermediate 512, kv 128, vocabulary 128; both configurations, official
// style.
inline ModelBuilder Healthy(const GptqOptions& quant = {}) {
  ModelBuilder builder;
  builder.Layers(2).Sizes(256, 512, 128, 128).Quant(quant).WithConfigs();
  return builder;
}

inline Json Read(const ModelBuilder& builder, const std::string& file) { return Json::parse(builder.Build().at(file)); }

// The same for config.json and quantize_config.json of a two-layer model, without packing its layers.
inline Json ReadConfiguration(const ModelBuilder& builder, const std::string& file) {
  ModelBuilder light(builder);
  Json json = Read(light.Layers(0).Shards(1), file);
  if (json.contains("num_hidden_layers") && json["num_hidden_layers"] == 0) json["num_hidden_layers"] = 2;
  return json;
}

// config.json with other top-level keys; null removes one.
inline ModelBuilder& Config(ModelBuilder& builder, const Json& changes) {
  Json config = ReadConfiguration(builder, "config.json");
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null()) {
      config.erase(key);
    } else {
      config[key] = value;
    }
  }
  return builder.File("config.json", config.dump());
}

// config.json's quantization_config with other keys; null removes one.
inline ModelBuilder& Section(ModelBuilder& builder, const Json& changes) {
  Json config = ReadConfiguration(builder, "config.json");
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null()) {
      config["quantization_config"].erase(key);
    } else {
      config["quantization_config"][key] = value;
    }
  }
  return builder.File("config.json", config.dump());
}

// quantize_config.json with other keys; null removes one.
inline ModelBuilder& SideFile(ModelBuilder& builder, const Json& changes) {
  Json side = ReadConfiguration(builder, "quantize_config.json");
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null()) {
      side.erase(key);
    } else {
      side[key] = value;
    }
  }
  return builder.File("quantize_config.json", side.dump());
}

// The same keys in both places.
inline ModelBuilder& Both(ModelBuilder& builder, const Json& changes) {
  Section(builder, changes);
  return SideFile(builder, changes);
}

inline ModelBuilder& NoSection(ModelBuilder& builder) { return Config(builder, {{"quantization_config", nullptr}}); }
inline ModelBuilder& NoSideFile(ModelBuilder& builder) { return builder.Remove("quantize_config.json"); }

// Another architecture's name over the same tensors.
inline ModelBuilder& Type(ModelBuilder& builder, const std::string& model_type, const std::string& architecture) {
  return Config(builder, {{"model_type", model_type}, {"architectures", {architecture}}});
}

// Replaces a quantized module by a plain matrix.
inline ModelBuilder& Plain(ModelBuilder& builder, const std::string& stem, uint64_t in, uint64_t out) {
  for (const char* leaf : {".qweight", ".qzeros", ".scales", ".g_idx"}) builder.RemoveTensor(stem + leaf);
  return builder.Tensor(DenseTensor(stem + ".weight", {out, in}));
}

inline ModelBuilder& Quantized(ModelBuilder& builder, const std::string& stem, int64_t in, int64_t out,
                               const GptqOptions& quant = {}) {
  for (const TestTensor& tensor : GptqModule(stem, in, out, quant)) builder.Tensor(tensor);
  return builder;
}

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_LOADERS_MODELS_H_
