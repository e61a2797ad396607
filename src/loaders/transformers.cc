// What the rows of transformers and optimum cannot say: the plain build that ignores packed tensors, GPTQConfig's
// checks, the block prefix.

#include <algorithm>
#include <string>

#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kConfig =
    "huggingface/transformers src/transformers/utils/quantization_config.py (GPTQConfig)";
constexpr std::string_view kOptimum = "huggingface/optimum optimum/gptq/quantizer.py, constants.py (BLOCK_PATTERNS)";
constexpr std::string_view kModeling = "huggingface/transformers src/transformers/modeling_utils.py";

// transformers 5 prints one table; text-generation-webui runs on it.
bool Report5(const Walk& walk) {
  return walk.profile.loader == "text-generation-webui" || walk.profile.since >= Version{5, 0, 0};
}

std::string FallbackMessage(const Walk& walk) {
  const std::string packed =
      walk.facts.first_class == nullptr ? "qweight" : std::string(walk.facts.first_class->stem) + ".qweight";
  const std::string plain =
      walk.facts.first_class == nullptr ? "weight" : std::string(walk.facts.first_class->stem) + ".weight";
  if (Report5(walk)) {
    return walk.Message("{Class} LOAD REPORT from: {dir}\nKey | Status\n") + packed + " | UNEXPECTED\n" + plain +
           " | MISSING\nMISSING: those params were newly initialized because missing from the checkpoint. Consider "
           "training on your downstream task.";
  }
  return walk.Message("Some weights of the model checkpoint at {dir} were not used when initializing {Class}: ['") +
         packed + "', ...]\nSome weights of " + walk.facts.class_name +
         walk.Message(" were not initialized from the model checkpoint at {dir} and are newly initialized: ['") +
         plain +
         "', ...]\nYou should probably TRAIN this model on a down-stream task to be able to use it for predictions and "
         "inference.";
}

}  // namespace

bool StageFallback(Walk& walk) {
  if (!walk.dense_model) return true;
  const std::string why = walk.dense_why.empty() ? "config.json has no quantization_config" : walk.dense_why;
  const std::string message =
      walk.dense_message.empty() ? FallbackMessage(walk) : walk.dense_message + "\n" + FallbackMessage(walk);
  if (walk.facts.quantized_modules == 0) {
    walk.Step("modules", "builds the plain model that the files hold", kModeling);
    return false;
  }
  if (!Report5(walk))
    walk.Assume("without torch_dtype transformers 4.x takes float32, with \"auto\" what config.json says");
  FallBack(walk, "modules", why, kModeling, message);
  return false;
}

bool StageGptqConfig(Walk& walk) {
  if (walk.dense_model || walk.declared.section == nullptr) return true;
  const JsonValue& section = *walk.declared.section;
  if (const JsonValue* dataset = section.Find("dataset"); dataset != nullptr && dataset->AsString() != nullptr) {
    const std::string& name = *dataset->AsString();
    if (name != "wikitext2" && name != "c4" && name != "c4-new") {
      walk.Remedy("remove the key dataset from config.json's quantization_config");
      return walk.Rejects("settings", "stops: dataset \"" + name + "\" is none it knows", kConfig,
                          "ValueError: You have entered a string value for dataset. You can only choose between "
                          "['wikitext2','c4','c4-new'], but we found " +
                              name);
    }
  }
  if (const JsonValue* damp = section.Find("damp_percent"); damp != nullptr) {
    if (damp->kind == JsonKind::kNull) {
      return walk.Rejects("settings", "stops: damp_percent is null", kConfig,
                          "TypeError: '<' not supported between instances of 'int' and 'NoneType'");
    }
    const double value = damp->AsDouble().value_or(0.1);
    if (!(value > 0 && value < 1)) {
      return walk.Rejects("settings", "stops: damp_percent must lie between 0 and 1", kConfig,
                          "ValueError: damp_percent must between 0 and 1.");
    }
  }
  const bool reads_format = Report5(walk) || walk.profile.since >= Version{4, 49, 0};
  if (const JsonValue* format = section.Find("checkpoint_format");
      reads_format && format != nullptr && format->kind == JsonKind::kNull && !Report5(walk)) {
    return walk.Rejects("settings", "stops: checkpoint_format is null", kConfig,
                        "AttributeError: 'NoneType' object has no attribute 'lower'");
  }
  if (!Report5(walk)) {
    const JsonValue* exllama = section.Find("exllama_config");
    const JsonValue* disabled = section.Find("disable_exllama");
    const JsonValue* used = section.Find("use_exllama");
    if (exllama != nullptr && exllama->IsObject() && exllama->Find("version") == nullptr) {
      return walk.Rejects("settings", "stops: exllama_config names no version", kConfig,
                          "ValueError: `exllama_config` needs to have a `version` key.");
    }
    if (!reads_format && disabled != nullptr && disabled->kind != JsonKind::kNull && used != nullptr &&
        used->kind != JsonKind::kNull) {
      walk.Remedy("remove disable_exllama and use_exllama from config.json's quantization_config");
      return walk.Rejects(
          "settings", "stops: disable_exllama and use_exllama are both set", kConfig,
          "ValueError: Cannot specify both `disable_exllama` and `use_exllama`. Please use just `use_exllama`");
    }
  }
  return true;
}

bool StageBlockPattern(Walk& walk) {
  if (walk.dense_model || walk.facts.quantized_modules == 0) return true;
  const JsonValue* named = walk.declared.Find("block_name_to_quantize");
  std::string prefix = named != nullptr && named->AsString() != nullptr ? *named->AsString() : "";
  if (prefix.empty()) {
    const bool late = Report5(walk) || walk.profile.since >= Version{4, 49, 0} ||
                      (walk.profile.loader == "optimum" && walk.profile.since >= Version{1, 24, 0});
    for (const std::string_view pattern : {"transformer.h", "model.decoder.layers", "gpt_neox.layers", "model.layers",
                                           "model.language_model.layers", "h", "decoder.layers", "layers"}) {
      if (!late && (pattern == "model.language_model.layers" || pattern == "h" || pattern == "decoder.layers" ||
                    pattern == "layers"))
        break;
      const bool found = std::any_of(walk.facts.classes.begin(), walk.facts.classes.end(),
                                     [&](const ClassDigest& digest) { return digest.stem.starts_with(pattern); });
      if (found) {
        prefix = pattern;
        break;
      }
    }
  }
  if (prefix.empty()) {
    walk.Assume("module names in the files are those of the model class");
    return walk.Rejects(
        "modules", "stops: no block of layers has a name that optimum knows", kOptimum,
        "ValueError: Block pattern could not be match. Pass `block_name_to_quantize` argument in `quantize_model`");
  }
  for (size_t i = 0; i < walk.built.size(); ++i) {
    if (walk.built[i] == Built::kQuantized && !walk.facts.classes[i].stem.starts_with(prefix))
      walk.built[i] = Built::kDense;
  }
  walk.Step("modules", "replaces every linear layer under " + prefix, kOptimum);
  return true;
}

}  // namespace gptq_doctor
