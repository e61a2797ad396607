// What the rows of transformers and optimum cannot say: the plain build that ignores packed tensors, GPTQConfig's
// checks, the block prefix.

#include <algorithm>
#include <string>
#include <utility>

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

bool CheckDataset(Walk& walk) {
  const JsonValue* dataset = walk.declared.Find("dataset");
  if (dataset == nullptr || dataset->kind == JsonKind::kNull || dataset->kind == JsonKind::kArray) return true;
  const std::string name = PythonRepr(*dataset);
  if (name == "wikitext2" || name == "c4" || name == "c4-new") return true;
  std::string message =
      "ValueError: You have entered a string value for dataset. You can only choose between "
      "['wikitext2','c4','c4-new'], but we found " +
      name;
  if (dataset->AsString() == nullptr) {
    message =
        "ValueError: dataset needs to be either a list of string or a value in ['wikitext2','c4','c4-new'], but "
        "we found " +
        name;
  } else if (!Report5(walk) && (name == "ptb" || name == "ptb-new")) {
    message =
        "ValueError: " + name + " dataset was deprecated. You can only choose between ['wikitext2','c4','c4-new']";
  }
  walk.Remedy("remove the key dataset from config.json's quantization_config");
  return walk.Rejects("settings", "stops: dataset " + name + " is none it knows", kConfig, std::move(message));
}

// The format, and since 4.49 the back end, are lower-cased whatever they are; transformers 5 also reads the key format.
bool CheckFormatType(Walk& walk) {
  if (!Report5(walk) && walk.profile.since < Version{4, 49, 0}) return true;
  for (const std::string_view key : {"format", "checkpoint_format", "backend"}) {
    const JsonValue* format = walk.declared.Find(key);
    if (format == nullptr || format->AsString() != nullptr || (key == "format" && !Report5(walk))) continue;
    if ((key == "backend" || (key == "checkpoint_format" && Report5(walk))) && format->kind == JsonKind::kNull)
      continue;
    return walk.Rejects("settings", "stops: " + std::string(key) + " is no string", kConfig,
                        "AttributeError: '" + std::string(PythonType(*format)) + "' object has no attribute 'lower'");
  }
  return true;
}

// Switches of AutoGPTQ's kernels, gone with transformers 5.
bool CheckExllama(Walk& walk) {
  const JsonValue* exllama = walk.declared.Find("exllama_config");
  if (exllama != nullptr && (exllama->kind == JsonKind::kNumber || exllama->kind == JsonKind::kBool)) {
    return walk.Rejects("settings", "stops: exllama_config is no JSON object", kConfig,
                        "TypeError: argument of type '" + std::string(PythonType(*exllama)) + "' is not iterable");
  }
  if (exllama != nullptr && exllama->kind != JsonKind::kNull) {
    const JsonValue* version = exllama->Find("version");
    if (version == nullptr) {
      return walk.Rejects("settings", "stops: exllama_config names no version", kConfig,
                          "ValueError: `exllama_config` needs to have a `version` key.");
    }
    const auto number = PythonNumber(*version);
    if (number != 1.0 && number != 2.0) {
      return walk.Rejects("settings", "stops: exllama_config names a version it does not know", kConfig,
                          "ValueError: Only supported versions are in [ExllamaVersion.ONE, ExllamaVersion.TWO] - not "
                          "recognized version " +
                              PythonRepr(*version));
    }
  }
  const auto given = [&](std::string_view key) {
    const JsonValue* value = walk.declared.Find(key);
    return value != nullptr && value->kind != JsonKind::kNull;
  };
  if (walk.profile.since >= Version{4, 49, 0} || !given("disable_exllama") || !given("use_exllama")) return true;
  walk.Remedy("remove disable_exllama and use_exllama from config.json's quantization_config");
  return walk.Rejects(
      "settings", "stops: disable_exllama and use_exllama are both set", kConfig,
      "ValueError: Cannot specify both `disable_exllama` and `use_exllama`. Please use just `use_exllama`");
}

// optimum adds the lists up: sum(modules_in_block_to_quantize, []).
bool CheckKeepList(Walk& walk) {
  const JsonValue* keep = walk.declared.Find("modules_in_block_to_quantize");
  if (keep == nullptr || keep->kind == JsonKind::kNull) return true;
  const JsonValue* odd = nullptr;
  for (const JsonValue& item : keep->items) {
    if (odd == nullptr && item.kind != JsonKind::kArray) odd = &item;
  }
  std::string message;
  if (keep->kind == JsonKind::kNumber || keep->kind == JsonKind::kBool) {
    message = "TypeError: '" + std::string(PythonType(*keep)) + "' object is not iterable";
  } else if (keep->kind != JsonKind::kArray || odd != nullptr) {
    message = "TypeError: can only concatenate list (not \"" + std::string(odd == nullptr ? "str" : PythonType(*odd)) +
              "\") to list";
  }
  if (message.empty()) return true;
  walk.Remedy("write modules_in_block_to_quantize as a list of lists");
  return walk.Rejects("modules", "stops: modules_in_block_to_quantize is no list of lists", kOptimum,
                      std::move(message));
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

bool StageGptqFormats(Walk& walk) {
  return walk.dense_model || walk.declared.section == nullptr || CheckFormatType(walk);
}

bool StageBitsAndBytes(Walk& walk) {
  if (walk.dense_model || walk.declared.section == nullptr) return true;
  for (const std::string_view flag : {"load_in_8bit", "load_in_4bit"}) {
    const JsonValue* value = walk.declared.Find(flag);
    if (value == nullptr || !Truthy(*value)) continue;
    walk.Degrade(Outcome::kUnknown, "method",
                 std::string(flag) + " makes it take the settings for those of bitsandbytes, which is not examined",
                 "huggingface/transformers src/transformers/quantizers/auto.py (AutoQuantizationConfig)");
    return false;
  }
  return true;
}

bool StageGptqConfig(Walk& walk) {
  if (walk.dense_model || walk.declared.section == nullptr) return true;
  if (!CheckDataset(walk) || (!Report5(walk) && !CheckExllama(walk))) return false;
  const JsonValue* keep = walk.declared.Find("modules_in_block_to_quantize");
  if (keep != nullptr && keep->kind == JsonKind::kArray && keep->items.empty()) {
    walk.dense_model = true;
    walk.dense_why = "modules_in_block_to_quantize is an empty list, so optimum replaces no layer";
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
  if (!CheckKeepList(walk)) return false;
  for (size_t i = 0; i < walk.built.size(); ++i) {
    if (walk.built[i] == Built::kQuantized && !walk.facts.classes[i].stem.starts_with(prefix))
      walk.built[i] = Built::kDense;
  }
  walk.Step("modules", "replaces every linear layer under " + prefix, kOptimum);
  return true;
}

}  // namespace gptq_doctor
