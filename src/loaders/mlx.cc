// What MLX-LM's row cannot say: one converter for AWQ and GPTQ, which refuses g_idx.

#include <string>

#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

bool CheckConfig(Walk& walk) {
  const std::string_view source = walk.profile.config.source;
  const ModelConfig& config = walk.configs.model;
  if (!StageRawConfig(walk) || !StageFiles(walk)) return false;
  const JsonValue& root = *config.json.root;
  if (!root.IsObject()) {
    return walk.Rejects("config", "stops: config.json is no JSON object", source,
                        "AttributeError: '" + std::string(PythonType(root)) + "' object has no attribute 'get'");
  }
  const JsonValue* type = root.Find("model_type");
  if (type == nullptr)
    return walk.Rejects("config", "stops: config.json names no model_type", source, "KeyError: 'model_type'");
  if (type->AsString() == nullptr) {
    const bool looked_up = type->kind == JsonKind::kArray || type->IsObject();
    return walk.Rejects("config", "stops: model_type is no string", source,
                        looked_up ? "TypeError: unhashable type: '" + std::string(PythonType(*type)) + "'"
                                  : "ValueError: Model type " + PythonRepr(*type) + " not supported.");
  }
  return StageModelType(walk);
}

// Packed tensors under a model class that was told of no quantization.
bool RejectParameters(Walk& walk, std::string detail) {
  int64_t count = 0;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (!digest.gptq) continue;
    for (const TensorRecord* tensor : {digest.qweight, digest.qzeros, digest.scales, digest.g_idx})
      count += tensor == nullptr ? 0 : digest.count;
    count += digest.bias != nullptr && digest.bias_expected == false ? digest.count : 0;
  }
  return walk.Rejects("tensors", std::move(detail), walk.profile.tensors.source,
                      "ValueError: Received " + std::to_string(count) + " parameters not in model: \n" +
                          walk.facts.first_tensor + "...");
}

const JsonValue* FindMember(const Walk& walk, std::string_view pointer) {
  bool exists = false, broken = false;
  const JsonValue* value = FindSection(walk.configs, {"config.json", pointer}, &exists, &broken);
  return value == nullptr || !Truthy(*value) ? nullptr : value;
}

}  // namespace

bool StageMlx(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  const ModelFacts& facts = walk.facts;
  if (!CheckConfig(walk)) return false;
  if (facts.quantized_modules == 0) {
    walk.dense_model = true;
    return false;
  }
  if (FindMember(walk, "/quantization") != nullptr) {
    walk.Assume("its layers are made for the key quantization, so that scales are parameters of theirs");
    return RejectParameters(walk, "stops: the key quantization makes it a native model");
  }
  const JsonValue* section = FindMember(walk, "/quantization_config");
  const bool top = walk.configs.model.json.root->Find("quantization_config") != nullptr;
  if (section == nullptr && !top) section = FindMember(walk, "/text_config/quantization_config");
  if (section == nullptr)
    return RejectParameters(walk, "stops: without a quantization_config the packed tensors are unexpected parameters");
  if (!section->IsObject()) {
    return walk.Rejects("config", "stops: quantization_config is no JSON object", source,
                        section->kind == JsonKind::kArray
                            ? "TypeError: list indices must be integers or slices, not str"
                        : section->kind == JsonKind::kString
                            ? "TypeError: string indices must be integers, not 'str'"
                            : "TypeError: '" + std::string(PythonType(*section)) + "' object is not subscriptable");
  }
  const JsonValue* method = section->Find("quant_method");
  if (method == nullptr)
    return walk.Rejects("method", "stops: quant_method is missing", source, "KeyError: 'quant_method'");
  const std::string name = method->AsString() == nullptr ? "" : *method->AsString();
  if (name != "gptq" && name != "awq") {
    return RejectParameters(walk, "stops: quant_method \"" + PythonRepr(*method) +
                                      "\" is none that it converts, so the packed tensors are unexpected parameters");
  }
  const JsonValue* bits = section->Find("bits");
  if (bits != nullptr && PythonNumber(*bits) != 4.0) {
    const std::string shown = bits->kind == JsonKind::kString ? "'" + PythonRepr(*bits) + "'" : PythonRepr(*bits);
    return walk.Rejects("config", "stops: only 4 bits are converted", source,
                        "ValueError: Only bits=" + shown + " is supported for AutoAWQ/GPTQ models.");
  }
  for (const ClassDigest& digest : facts.classes) {
    if (digest.g_idx == nullptr) continue;
    walk.Remedy("it has no loader for normal GPTQ files: take another loader, or dequantize and convert");
    return walk.Rejects(
        "tensors", "stops at the first g_idx tensor", source,
        "ValueError: Found " + std::string(digest.g_idx->name()) +
            " in weights. Models with non-contiguous group indices (g_idx) are not currently supported.");
  }
  walk.Assume(
      "GPTQ files without g_idx are read in AWQ layout: a shape error, or garbage for square layers; derived from the "
      "code path, not executed");
  walk.Degrade(Outcome::kUnknown, "tensors", "reads the packed tensors in AWQ layout, which is not theirs", source);
  return false;
}

}  // namespace gptq_doctor
