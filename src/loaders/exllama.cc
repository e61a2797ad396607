// ExLlamaV2 goes by tensors alone; ExLlamaV3 and TensorRT-LLM have no GPTQ.

#include <string>

#include "loaders/exllama_keys.h"
#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

bool PowerOfTwo(int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

bool CheckBias(Walk& walk, const ClassDigest& digest, std::string_view source) {
  if (!digest.bias_expected) return true;
  const std::string stem(digest.stem);
  if (*digest.bias_expected && digest.bias == nullptr) {
    return walk.Rejects("tensors", "stops: the architecture has a bias here, the files do not", source,
                        "AssertionError: " + stem + " has no bias but bias expected");
  }
  if (!*digest.bias_expected && digest.bias != nullptr)
    walk.Assume("biases of layers that have none in this architecture are all zero, as AutoGPTQ writes them");
  return true;
}

bool CheckLayer(Walk& walk, const ClassDigest& digest, std::string_view source) {
  const std::string stem(digest.stem);
  if (digest.qzeros == nullptr || digest.scales == nullptr || digest.qweight == nullptr) {
    const std::string lacking = digest.qweight == nullptr ? "qweight" : digest.qzeros == nullptr ? "qzeros" : "scales";
    if (lacking == "qweight")
      return walk.Rejects("tensors", "stops: " + stem + " has no qweight", source,
                          "ValueError:  ## Could not find " + stem + ".* in model");
    return walk.Rejects("tensors", "stops: " + stem + " has no " + lacking, source, "KeyError: '" + lacking + "'");
  }
  if (digest.bits && *digest.bits != 4) {
    walk.Remedy("it does 4 bits only: take another loader");
    return walk.Rejects("tensors",
                        "stops: " + stem + " has " + std::to_string(*digest.bits) + " bits; only 4 are supported",
                        source, "RuntimeError: q_weight and gptq_qzeros have incompatible shapes");
  }
  if (digest.groups > 1 && digest.group_size && *digest.group_size > 0 && !PowerOfTwo(*digest.group_size)) {
    walk.Degrade(Outcome::kGarbage, "tensors",
                 "group_size " + std::to_string(*digest.group_size) +
                     " is no power of two: it rounds up and takes wrong groups, no message",
                 source);
  }
  return CheckBias(walk, digest, source);
}

bool CheckFormatType(Walk& walk) {
  const JsonValue* value = walk.declared.Find("checkpoint_format");
  if (value == nullptr || value->kind == JsonKind::kNull || value->AsString() != nullptr) return true;
  return walk.Rejects("config", "stops: checkpoint_format is no string", walk.profile.config.source,
                      "TypeError: Value for checkpoint_format is not of expected type <class 'str'>");
}

}  // namespace

bool StageExllamaV2(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  const ModelConfig& config = walk.configs.model;
  if (!config.present) {
    walk.Remedy("copy config.json from the model it was quantized from");
    return walk.Rejects("config", "stops: there is no config.json", source,
                        "AssertionError: Can't find " + walk.Dir() + "/config.json");
  }
  if (!config.json.valid)
    return walk.Rejects("config", "stops: config.json is not valid JSON", source, PythonJsonError(config.text));
  if (!CheckExllamaConfig(walk) || !StageConfig(walk) || !CheckFormatType(walk) || !StageFiles(walk)) return false;
  if (!CheckExllamaKeys(walk)) return false;
  if (walk.facts.quantized_modules == 0) {
    walk.dense_model = true;
    return false;
  }
  if (!StageModules(walk)) return false;
  walk.kernel = &walk.profile.kernels.front();
  if (walk.options.tp > 1) {
    return walk.Rejects("kernel", "stops: GPTQ layers cannot be split over GPUs", source,
                        "Tensor split not implemented for GPTQ matrices");
  }
  if (!walk.facts.config_clash.empty()) {
    return walk.Rejects("tensors", "stops: " + walk.facts.config_clash, source, "AssertionError");
  }
  bool headed = false;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (!digest.gptq) continue;
    if (!CheckLayer(walk, digest, source)) return false;
    headed = headed || digest.g_idx != nullptr;
  }
  if (!headed && walk.declared.section != nullptr) {
    const JsonValue* desc_act = walk.declared.section->Find("desc_act");
    if (desc_act != nullptr && Truthy(*desc_act)) {
      walk.Degrade(Outcome::kGarbage, "tensors", "desc_act is true but there is no g_idx: treated as no act-order",
                   source);
    }
  }
  // Only the order in g_idx counts, whatever desc_act says.
  walk.declared.desc_act = walk.facts.act_order.value_or(false);
  walk.Step("tensors", "every layer has its tensors; bits, groups and order come from their shapes and g_idx", source);
  return true;
}

bool StageRefusesGptq(Walk& walk) {
  if (walk.facts.quantized_modules == 0) {
    walk.dense_model = true;
    walk.Step("tensors", "loads plain weights", walk.profile.tensors.source);
    return false;
  }
  const ClassDigest* first = walk.facts.first_class;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (digest.gptq && digest.leaf == "q_proj") {
      first = &digest;
      break;
    }
  }
  walk.Remedy("it has no GPTQ: take another loader, or dequantize and convert");
  return walk.Rejects("tensors", "stops: GPTQ tensors are none of its formats", walk.profile.tensors.source,
                      walk.Message(walk.profile.tensors.unexpected_message,
                                   {{"stem", std::string(first == nullptr ? "" : first->stem)}}));
}

}  // namespace gptq_doctor
