// What the rows of llama.cpp's converter, KTransformers and TensorRT-LLM cannot say.

#include <algorithm>
#include <string>

#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

bool LlamaCppLayers(Walk& walk, std::string_view source) {
  const Declared& read = walk.declared;
  std::vector<const ClassDigest*> order;  // by name
  for (const ClassDigest& digest : walk.facts.classes) {
    if (digest.gptq) order.push_back(&digest);
  }
  std::sort(order.begin(), order.end(), [](const ClassDigest* a, const ClassDigest* b) { return a->stem < b->stem; });
  for (const ClassDigest* next : order) {
    const ClassDigest& digest = *next;
    const std::string stem(digest.stem);
    for (const auto& [tensor, leaf] :
         {std::pair{digest.g_idx, ".g_idx"}, {digest.qzeros, ".qzeros"}, {digest.scales, ".scales"}}) {
      if (tensor != nullptr || digest.qweight == nullptr) continue;
      return walk.Rejects("tensors", "stops: " + stem + " lacks " + std::string(leaf).substr(1), source,
                          "KeyError: '" + stem + leaf + "'");
    }
    if (digest.bits && *digest.bits != read.bits) {
      walk.Assume("other bits than the configuration's fail at a reshape: derived from the code path, not executed");
      walk.Remedy(kFixCommand);
      return walk.Rejects("tensors",
                          "stops: " + stem + " has " + std::to_string(*digest.bits) + " bits, the configuration says " +
                              std::to_string(read.bits) + " for all layers",
                          source, "RuntimeError: shape '[...]' is invalid for input of size");
    }
  }
  return true;
}

}  // namespace

void DoubtIncomplete(Walk& walk, std::string_view consequence) {
  const std::string_view source = walk.profile.tensors.source;
  const bool lacks_bias = std::ranges::any_of(walk.facts.classes, [](const ClassDigest& digest) {
    return digest.gptq && digest.bias_expected == true && digest.bias == nullptr;
  });
  if (lacks_bias) {
    walk.Degrade(Outcome::kUnknown, "tensors",
                 "the architecture has biases that the files lack; what comes of that depends on the model", source);
  }
  if (walk.facts.absent.empty()) return;
  walk.Degrade(Outcome::kUnknown, "tensors",
               "no file holds " + walk.facts.absent.front() + ".weight" + std::string(consequence), source);
}

// What transformers cannot read is read again as plain JSON (conversion/base.py, load_hparams, get_model_architecture).
bool StageLlamaCppConfig(Walk& walk) {
  const std::string_view source = walk.profile.config.source;
  const ModelConfig& config = walk.configs.model;
  const JsonValue& root = *config.json.root;
  if (root.kind == JsonKind::kNull || PythonNumber(root)) {
    return walk.Rejects("config", "stops: config.json is no JSON object", source,
                        "TypeError: argument of type '" + std::string(PythonType(root)) + "' is not iterable");
  }
  if (!root.IsObject()) {
    return walk.Rejects("config", "stops: config.json is no JSON object", source,
                        "AttributeError: '" + std::string(PythonType(root)) + "' object has no attribute 'get'");
  }
  if (!config.architectures.empty()) return true;
  return walk.Rejects("config", "stops: config.json names no architectures", source,
                      "ValueError: Failed to detect model architecture");
}

bool StageLlamaCpp(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  const ModelFacts& facts = walk.facts;
  const bool old = walk.profile.until <= Version{2025, 10, 0};
  if (facts.quantized_modules == 0) {
    walk.dense_model = true;
    walk.Step("config", "converts the plain weights", source);
    return false;
  }
  const std::string cannot = "ValueError: Can not map tensor '" + facts.first_tensor + "'";
  if (old) {
    walk.Remedy("gptq-doctor dequantize, then convert; or a converter since October 2025");
    return walk.Rejects("tensors", "stops: the model is already quantized and this converter wants 16-bit weights",
                        source, cannot);
  }
  if (!StageConfig(walk)) return false;
  if (walk.dense_model || !walk.declared.Has(kKeyMethod)) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("tensors", "stops: config.json does not say quant_method gptq, so nothing is dequantized",
                        source, cannot);
  }
  if (walk.declared.method != "gptq") {
    return walk.Rejects("method", "stops: quant_method \"" + walk.declared.method + "\" is none it dequantizes", source,
                        "NotImplementedError: Quant method is not yet supported: '" + walk.declared.method + "'");
  }
  if (!walk.declared.Has(kKeyBits))
    return walk.Rejects("config", "stops: bits are missing", source, "KeyError: 'bits'");
  const int64_t bits = walk.declared.bits;
  if (bits == 3)
    return walk.Rejects("config", "stops: 3 bits are not implemented", source,
                        "NotImplementedError: 3-bit gptq dequantization is not yet implemented");
  if (bits != 2 && bits != 4 && bits != 8)
    return walk.Rejects("config", "stops: bits " + walk.declared.bits_text, source, "AssertionError");
  if (!StageModules(walk) || !LlamaCppLayers(walk, source)) return false;
  walk.kernel = &walk.profile.kernels.front();
  DoubtIncomplete(walk, ", so the GGUF lacks it; what llama.cpp makes of that is not examined");
  if (!walk.declared.format_given) walk.declared.format = "gptq";
  walk.declared.desc_act = facts.act_order.value_or(false);
  walk.Step("tensors", "dequantizes every layer; act-order and groups come from g_idx", source);
  return true;
}

bool StageKtransformers(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  const ClassDigest* expert = nullptr;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (digest.part == Part::kExpert && digest.gptq) expert = &digest;
  }
  bool exists = false, broken = false;
  const JsonValue* section = FindSection(walk.configs, {"config.json", "/quantization_config"}, &exists, &broken);
  if (section != nullptr && section->IsObject()) {
    const JsonValue* desc_act = section->Find("desc_act");
    const JsonValue* sym = section->Find("sym");
    if (desc_act != nullptr && Truthy(*desc_act))
      return walk.Rejects("config", "stops: desc_act is true", source, "GPTQ desc_act=true is not supported.");
    if (sym != nullptr && !Truthy(*sym))
      return walk.Rejects("config", "stops: sym is false", source, "GPTQ sym=false (asymmetric) is not supported.");
  }
  if (expert == nullptr) {
    if (walk.facts.quantized_modules == 0) {
      walk.dense_model = true;
      return false;
    }
    return walk.Rejects("tensors", "stops: it takes only the experts of a mixture model, and there are none", source,
                        "No GPTQ experts found for keys: []");
  }
  if (!StageModules(walk)) return false;
  walk.kernel = &walk.profile.kernels.front();
  if (expert->bits && *expert->bits != 4) {
    walk.Degrade(Outcome::kGarbage, "tensors",
                 "the experts have " + std::to_string(*expert->bits) + " bits; it takes them for 4 without checking",
                 source);
  }
  walk.Step("tensors", "reads qweight and scales of the experts; qzeros and g_idx are never read", source);
  return StageValues(walk);
}

bool StageTensorRt(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  if (walk.facts.quantized_modules == 0) {
    walk.dense_model = true;
    return false;
  }
  bool exists = false, broken = false;
  const JsonValue* section = FindSection(walk.configs, {"config.json", "/quantization_config"}, &exists, &broken);
  const JsonValue* method = section == nullptr ? nullptr : section->Find("quant_method");
  walk.Remedy("it has no GPTQ: take another loader, or the legacy converters with --quant_ckpt_path");
  if (method != nullptr && method->kind != JsonKind::kNull) {
    walk.declared.section = section;
    return walk.Rejects(
        "method", "stops: quant_method gptq is none of its methods", source,
        "NotImplementedError: Unsupported quantization_config: " + PythonDict(walk.declared.section) + ".");
  }
  walk.Assume(
      "without a quantization_config it builds plain layers; how it then meets packed tensors was not examined");
  return walk.Rejects("tensors", "has no GPTQ: nothing it builds takes packed tensors", source, "");
}

}  // namespace gptq_doctor
