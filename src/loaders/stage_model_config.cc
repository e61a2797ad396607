// config.json as transformers' AutoConfig and plain readers take it, before anything of the quantization is looked at.

#include <algorithm>
#include <string>
#include <utility>

#include "loaders/model_types.h"
#include "loaders/simulate.h"
#include "loaders/stages.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kSource =
    "huggingface/transformers src/transformers/configuration_utils.py (_get_config_dict, __init__), "
    "models/auto/configuration_auto.py (AutoConfig.from_pretrained)";

// What _get_config_dict raises where it notes the commit in what it read.
std::string NotAnObject(const JsonValue& root) {
  if (root.kind == JsonKind::kArray) return "TypeError: list indices must be integers or slices, not str";
  return "TypeError: '" + std::string(PythonType(root)) + "' object does not support item assignment";
}

bool RejectUnknownType(Walk& walk, const std::string& type) {
  walk.Remedy("take a release of transformers that knows it, or correct model_type in config.json");
  return walk.Rejects("config", "stops: transformers has no configuration class for model_type " + type, kSource,
                      "ValueError: The checkpoint you are trying to load has model type `" + type +
                          "` but Transformers does not recognize this architecture.");
}

// model_type is there; code that comes with the model is another matter.
bool CheckType(Walk& walk, const JsonValue& value) {
  if (value.kind == JsonKind::kArray || value.IsObject()) {
    return walk.Rejects("config", "stops: model_type is no string", kSource,
                        "TypeError: unhashable type: '" + std::string(PythonType(value)) + "'");
  }
  if (value.AsString() == nullptr) return RejectUnknownType(walk, PythonRepr(value));
  const std::string& type = *value.AsString();
  const Version& release = walk.profile.config.transformers;
  if (KnowsModelType(release, type)) return true;
  if (release != Version{}) {
    if (KnowsModelType({}, type))
      walk.Assume(
          "the release of transformers is the one named here: later ones of the same range may know model_type " +
          type);
    return RejectUnknownType(walk, type);
  }
  // Loaders with a list of their own ask AutoConfig first; what only that list names came with code of its own.
  const auto lists = [&](const ArchitectureRow& row) { return HasWord(row.model_types, type); };
  const auto& own = walk.profile.modules.architectures;
  if (!own.empty()) return std::ranges::any_of(own, lists) || RejectUnknownType(walk, type);
  if (!type.empty()) {
    walk.Assume("the program itself, or code that comes with the model, knows model_type " + type +
                ": transformers does not");
  }
  return true;
}

// config.json names no model_type.
bool RejectNoType(Walk& walk) {
  const ConfigFacts& facts = walk.profile.config;
  if (facts.no_type_message.empty() && facts.transformers < Version{5, 0, 0}) {
    const std::string dir = walk.Dir();
    const std::string_view name = std::string_view(dir).substr(dir.rfind('/') + 1);
    if (const std::string_view type = TypeInName(name); !type.empty()) {
      walk.Degrade(Outcome::kUnknown, "config",
                   "config.json names no model_type: transformers 4 takes " + std::string(type) +
                       ", which is a part of the directory's name, transformers 5 stops",
                   kSource);
      return false;
    }
    walk.Assume("no model type is a part of the directory's path, for which transformers 4 would take it");
  }
  static constexpr std::string_view kUnrecognized =
      "ValueError: Unrecognized model in {dir}. Should have a `model_type` key in its config.json";
  return walk.Rejects("config", "stops: config.json names no model_type", kSource,
                      walk.Message(facts.no_type_message.empty() ? kUnrecognized : facts.no_type_message));
}

// Its dtype is looked up as an attribute of torch; the key dtype since 4.56.
bool CheckDtype(Walk& walk) {
  static constexpr std::string_view kTorchDtypes =
      "float16 half bfloat16 float32 float float64 double int8 uint8 int16 short int32 int int64 long bool "
      "float8_e4m3fn float8_e5m2";
  const ModelConfig& config = walk.configs.model;
  const Version& release = walk.profile.config.transformers;
  const JsonValue* named = release < Version{4, 56, 0} ? nullptr : config.Find("dtype");
  const JsonValue* dtype = named != nullptr && named->kind != JsonKind::kNull ? named : config.Find("torch_dtype");
  if (dtype == nullptr || dtype->AsString() == nullptr || HasWord(kTorchDtypes, *dtype->AsString())) return true;
  return walk.Rejects("config", "stops: the dtype \"" + *dtype->AsString() + "\" is none of torch", kSource,
                      "AttributeError: module 'torch' has no attribute '" + *dtype->AsString() + "'");
}

// Sizes that are none: the model class stops at some of them and computes with others.
void DoubtSizes(Walk& walk) {
  const bool by_layer = walk.configs.model.Find("block_configs") != nullptr;  // sizes stand there, layer by layer
  for (const char* key : {"hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size"}) {
    const JsonValue* value = walk.configs.model.Find(key);
    if (value == nullptr || value->AsInt().value_or(0) > 0 || by_layer) continue;
    walk.Degrade(Outcome::kUnknown, "config",
                 "config.json says " + std::string(key) + " " + PythonRepr(*value) +
                     ": what the model class makes of that is not examined",
                 kSource);
    return;
  }
}

}  // namespace

bool RejectInvalidConfig(Walk& walk) {
  // No fault that it catches.
  if (std::string error = PythonJsonError(walk.configs.model.text); error.starts_with("RecursionError"))
    return walk.Rejects("config", "stops: config.json is nested too deep", kSource, std::move(error));
  return walk.Rejects(
      "config", "stops: config.json is not valid JSON", kSource,
      walk.Message("OSError: It looks like the config file at '{dir}/config.json' is not a valid JSON file."));
}

bool StageModelConfig(Walk& walk) {
  const ModelConfig& config = walk.configs.model;
  if (!config.present) {
    walk.Remedy("copy config.json from the model it was quantized from");
    return walk.Rejects("config", "stops: there is no config.json, so the architecture is unknown", kSource,
                        walk.Message("OSError: {dir} does not appear to have a file named config.json."));
  }
  if (!config.json.valid || !config.json.root) {
    walk.Remedy(kFixCommand);
    return RejectInvalidConfig(walk);
  }
  const JsonValue& root = *config.json.root;
  if (!root.IsObject())
    return walk.Rejects("config", "stops: config.json is no JSON object", kSource, NotAnObject(root));
  const bool read_elsewhere = !walk.profile.config.no_type_message.empty();
  const JsonValue* code = root.Find("auto_map");
  if (code != nullptr && !read_elsewhere && (code->kind == JsonKind::kNull || PythonNumber(*code))) {
    return walk.Rejects("config", "stops: auto_map is no JSON object", kSource,
                        "TypeError: argument of type '" + std::string(PythonType(*code)) + "' is not iterable");
  }
  const bool own_code = code != nullptr && code->Find("AutoConfig") != nullptr;
  const JsonValue* type = root.Find("model_type");
  if (type == nullptr || (read_elsewhere && config.model_type.empty())) {
    if (!own_code) return RejectNoType(walk);
  } else if (!own_code && !read_elsewhere && !CheckType(walk, *type)) {
    return false;
  }
  DoubtSizes(walk);
  return CheckDtype(walk);
}

bool StageRawConfig(Walk& walk) {
  const std::string_view source = walk.profile.config.source;
  const ModelConfig& config = walk.configs.model;
  if (!config.present) {
    return walk.Rejects("config", "stops: there is no config.json", source,
                        walk.Message("FileNotFoundError: [Errno 2] No such file or directory: '{dir}/config.json'"));
  }
  if (config.json.valid) return true;
  return walk.Rejects("config", "stops: config.json is not valid JSON", source, PythonJsonError(config.text));
}

}  // namespace gptq_doctor
