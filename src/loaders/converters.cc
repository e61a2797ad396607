// What the rows of llama.cpp's converter, LMDeploy, MLX-LM, KTransformers and TensorRT-LLM cannot say.

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

std::string DictOf(const Declared& read) {
  std::string text = "{";
  if (read.section == nullptr) return text + "}";
  for (const JsonMember& member : read.section->members) {
    const bool quoted = member.value.kind == JsonKind::kString;
    text += (text.size() > 1 ? ", '" : "'") + member.key + "': " + (quoted ? "'" : "") + PythonRepr(member.value) +
            (quoted ? "'" : "");
    if (text.size() > 300) break;
  }
  return text + "}";
}

}  // namespace

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
  if (!walk.declared.format_given) walk.declared.format = "gptq";
  walk.declared.desc_act = facts.act_order.value_or(false);
  walk.Step("tensors", "dequantizes every layer; act-order and groups come from g_idx", source);
  return true;
}

bool StageLmdeploy(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  if (!StageConfig(walk)) return false;
  const ModelFacts& facts = walk.facts;
  const Declared& read = walk.declared;
  if (facts.quantized_modules == 0) {
    walk.dense_model = true;
    if (walk.profile.backend.empty()) StageFiles(walk);
    return false;
  }
  if (walk.profile.backend == "pytorch") {
    walk.Remedy("use its TurboMind engine");
    return walk.Rejects("method", "stops: the PyTorch engine has no GPTQ", source,
                        "TypeError: Unsupported quant method: gptq");
  }
  if (walk.dense_model) {
    const std::string prefix(facts.first_class == nullptr ? "" : facts.first_class->stem);
    walk.Remedy("gptq-doctor fix --write, or --model-format gptq");
    return walk.Rejects("tensors", "stops: no quantization_config, so it looks for plain weights", source,
                        "KeyError: \"no checkpoint tensors found at prefix '" + prefix + "'\"");
  }
  if (read.method != "gptq")
    return walk.Rejects("config", "stops: quant_method is missing or unknown", source,
                        "AssertionError: unsupported quant_config: " + DictOf(read));
  if (read.desc_act || !read.sym) {
    return walk.Rejects("config",
                        std::string("stops: TurboMind refuses ") + (read.desc_act ? "desc_act true" : "sym false"),
                        source, "AssertionError: unsupported quant config: " + DictOf(read));
  }
  const int64_t group = read.Has(kKeyGroupSize) && read.group_size != 0 ? read.group_size : 128;
  if (group != 128) {
    return walk.Rejects("config", "stops: group_size " + std::to_string(group) + "; only 128 is supported", source,
                        "ValueError: Unsupported group_size=" + std::to_string(group) +
                            " for model_format=\"gptq\". Supported group_size values: 128.");
  }
  if (!StageFiles(walk) || !StageModules(walk)) return false;
  walk.kernel = &walk.profile.kernels.front();
  for (const ClassDigest& digest : facts.classes) {
    if (!digest.gptq) continue;
    if (digest.bits && *digest.bits != 4) {
      walk.Degrade(Outcome::kUnknown, "tensors",
                   std::string(digest.pattern) + " has " + std::to_string(*digest.bits) +
                       " bits; bits are not read, it fails later or decodes wrongly",
                   source);
      break;
    }
    if (digest.groups > 0 && digest.in_features > 0 && GroupsFor(digest.in_features, 128) != digest.groups) {
      walk.Degrade(Outcome::kUnknown, "tensors",
                   std::string(digest.pattern) + " has " + std::to_string(digest.groups) +
                       " groups, not those of group_size 128",
                   source);
      break;
    }
  }
  walk.Step("dtype", "runs at float16", source);
  return true;
}

bool StageMlx(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  const ModelFacts& facts = walk.facts;
  if (!StageModelConfig(walk) || !StageFiles(walk)) return false;
  if (facts.quantized_modules == 0) {
    walk.dense_model = true;
    return false;
  }
  bool exists = false, broken = false;
  const JsonValue* native = FindSection(walk.configs, {"config.json", "/quantization"}, &exists, &broken);
  const JsonValue* section = FindSection(walk.configs, {"config.json", "/quantization_config"}, &exists, &broken);
  if (section == nullptr)
    section = FindSection(walk.configs, {"config.json", "/text_config/quantization_config"}, &exists, &broken);
  if (native != nullptr || section == nullptr || !section->IsObject()) {
    return walk.Rejects(
        "tensors",
        native != nullptr ? "stops: the key quantization makes it a native model"
                          : "stops: without a quantization_config the packed tensors are unexpected parameters",
        source, "ValueError: Received " + std::to_string(facts.quantized_tensors) + " parameters not in model");
  }
  const JsonValue* method = section->Find("quant_method");
  if (method == nullptr)
    return walk.Rejects("method", "stops: quant_method is missing", source, "KeyError: 'quant_method'");
  const JsonValue* bits = section->Find("bits");
  if (bits != nullptr && bits->AsInt() && *bits->AsInt() != 4) {
    return walk.Rejects(
        "config", "stops: only 4 bits are converted", source,
        "ValueError: Only bits=" + std::to_string(*bits->AsInt()) + " is supported for AutoAWQ/GPTQ models.");
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
    return walk.Rejects("method", "stops: quant_method gptq is none of its methods", source,
                        "NotImplementedError: Unsupported quantization_config: " + DictOf(walk.declared) + ".");
  }
  walk.Assume(
      "without a quantization_config it builds plain layers; how it then meets packed tensors was not examined");
  return walk.Rejects("tensors", "has no GPTQ: nothing it builds takes packed tensors", source, "");
}

}  // namespace gptq_doctor
