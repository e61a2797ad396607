// Where a loader's quantization settings come from, and what it makes of their keys.

#include <algorithm>
#include <string>

#include "base/text.h"
#include "loaders/stages.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

// "quantize_config.json (bits 4, group_size 128, desc_act false, sym true)".
std::string Describe(const Walk& walk, std::string_view file) {
  const Declared& read = walk.declared;
  std::string text = "takes its settings from " + std::string(file) +
                     walk.Message(": bits {b}, group_size {g}, desc_act ") + (read.desc_act ? "true" : "false") +
                     ", sym " + (read.sym ? "true" : "false");
  if (walk.profile.config.format_key != FormatKey::kNotRead) {
    text += ", checkpoint_format " + (read.format_given ? read.format : "absent (gptq)");
  }
  std::string absent;
  const auto note = [&](KeyBit key, std::string_view name) {
    if (!read.Has(key)) absent += (absent.empty() ? "" : ", ") + std::string(name);
  };
  note(kKeyBits, "bits");
  note(kKeyGroupSize, "group_size");
  note(kKeyDescAct, "desc_act");
  note(kKeySym, "sym");
  if (!absent.empty()) text += "; absent, so its own default: " + absent;
  return text;
}

bool NoSettings(Walk& walk) {
  const ConfigFacts& facts = walk.profile.config;
  const bool quantized = walk.facts.quantized_modules > 0;
  switch (facts.no_config) {
    case NoConfig::kRejects:
      walk.Remedy(kFixCommand);
      return walk.Rejects("config", "stops: no file supplies the quantization settings where it looks for them",
                          facts.source, walk.Message(facts.no_config_message));
    case NoConfig::kDefaults:
      walk.Step("config",
                "finds no settings and goes on with its defaults: bits " + std::to_string(facts.bits) +
                    ", group_size " + std::to_string(facts.group_size),
                facts.source);
      walk.declared.bits = facts.bits;
      walk.declared.group_size = facts.group_size;
      walk.declared.desc_act = facts.desc_act;
      walk.declared.sym = facts.sym;
      return true;
    case NoConfig::kNotNeeded:
      walk.Step("config", "needs no quantization settings: it recognises GPTQ layers by their tensors", facts.source);
      return true;
    case NoConfig::kDenseModel:
      walk.dense_model = true;
      walk.Step(
          "config",
          quantized ? "finds no quantization settings, so it builds plain layers" : "finds no quantization settings",
          facts.source);
      return true;
  }
  return true;
}

bool RejectMalformed(Walk& walk, const ConfigPlace& place) {
  walk.Remedy(kFixCommand);
  if (place.file == "config.json") return RejectInvalidConfig(walk);
  const QuantConfigFile* file = walk.configs.Get(place.file);
  return walk.Rejects("config", "stops: " + std::string(place.file) + " is not valid JSON", walk.profile.config.source,
                      file == nullptr ? std::string("json.decoder.JSONDecodeError") : PythonJsonError(file->text));
}

}  // namespace

const JsonValue* FindSection(const ConfigSet& configs, const ConfigPlace& place, bool* file_exists, bool* broken) {
  *broken = false;
  const JsonDocument* document = nullptr;
  if (place.file == "config.json") {
    *file_exists = configs.model.present;
    if (*file_exists) document = &configs.model.json;
  } else {
    const QuantConfigFile* file = configs.Get(place.file);
    *file_exists = file != nullptr;
    if (*file_exists) document = &file->json;
  }
  if (document == nullptr) return nullptr;
  if (!document->valid || !document->root) {
    *broken = true;
    return nullptr;
  }
  return FindPointer(*document->root, place.pointer);
}

bool CheckRequired(Walk& walk, uint16_t required, std::string_view message) {
  static constexpr std::pair<KeyBit, std::string_view> kNames[] = {{kKeyBits, "bits"},
                                                                   {kKeyGroupSize, "group_size"},
                                                                   {kKeyDescAct, "desc_act"},
                                                                   {kKeySym, "sym"},
                                                                   {kKeyMethod, "quant_method"}};
  for (const auto& [bit, name] : kNames) {
    if ((required & bit) == 0 || walk.declared.Has(bit)) continue;
    walk.Remedy(kFixCommand);
    return walk.Rejects("config",
                        "stops: " + walk.declared.file + " lacks the key " + std::string(name) + ", which it requires",
                        walk.profile.config.source, walk.Message(message, {{"key", std::string(name)}}));
  }
  return true;
}

bool StageConfig(Walk& walk) {
  const ConfigFacts& facts = walk.profile.config;
  for (const ConfigPlace& place : facts.places) {
    bool exists = false, broken = false;
    const JsonValue* section = FindSection(walk.configs, place, &exists, &broken);
    const std::string name(place.file);
    if (broken) return RejectMalformed(walk, place);
    if (!exists && facts.only_first) return NoSettings(walk);
    if (!exists) continue;
    if (section == nullptr) {
      if (!place.must_hold) continue;
      walk.Remedy(kFixCommand);
      return walk.Rejects("config", "stops: it takes config.json, which has no quantization_config", facts.source,
                          "KeyError: 'quantization_config'");
    }
    if (section->kind == JsonKind::kNull && !place.pointer.empty()) {
      if (facts.null_message.empty()) continue;
      walk.Assume("a null quantization_config stops it: derived from the code path, not executed");
      return walk.Rejects("config", "stops: quantization_config is null", facts.source,
                          std::string(facts.null_message));
    }
    if (!section->IsObject()) {
      if (facts.no_config == NoConfig::kNotNeeded && !Truthy(*section)) continue;
      const std::string type(PythonType(*section));
      return walk.Rejects(
          "config", "stops: the settings in " + name + " are no JSON object", facts.source,
          facts.not_object_member.empty()
              ? "TypeError: auto_gptq.modeling._base.BaseQuantizeConfig() argument after ** must be a mapping, not " +
                    type
              : Fill("AttributeError: '{t}' object has no attribute '{a}'",
                     {{"t", type}, {"a", std::string(facts.not_object_member)}}));
    }
    ReadDeclared(walk, *section, place.file);
    walk.Step("config", Describe(walk, place.file), facts.source);
    if (facts.unknown_key_rejects) {
      static constexpr std::string_view kKnown[] = {
          "bits",          "group_size",         "damp_percent",        "desc_act", "sym", "true_sequential",
          "static_groups", "model_name_or_path", "model_file_base_name"};
      for (const JsonMember& member : section->members) {
        if (std::find(std::begin(kKnown), std::end(kKnown), member.key) != std::end(kKnown)) continue;
        return walk.Rejects(
            "config", "stops: it knows no key " + member.key, facts.source,
            "TypeError: BaseQuantizeConfig.__init__() got an unexpected keyword argument '" + member.key + "'");
      }
    }
    // Where a method must be named, its class is what asks for the other keys.
    return walk.profile.method.required || CheckRequired(walk, facts.required, facts.required_message);
  }
  return NoSettings(walk);
}

bool StageMethod(Walk& walk) {
  const MethodFacts& facts = walk.profile.method;
  Declared& read = walk.declared;
  if (walk.dense_model || read.section == nullptr || facts.accepted.empty()) return true;
  const JsonValue* value = read.method_value;
  if (value != nullptr && value->AsString() == nullptr && !facts.not_string_message.empty()) {
    walk.Remedy(kFixCommand);
    return walk.Rejects(
        "method", "stops: quant_method is no string", facts.source,
        walk.Message(facts.not_string_message, {{"t", std::string(PythonType(*value))}, {"v", PythonRepr(*value)}}));
  }
  if (!read.Has(kKeyMethod) || (value != nullptr && value->kind == JsonKind::kNull)) {
    if (!facts.required) return true;
    walk.Remedy(kFixCommand);
    return walk.Rejects("method", "stops: the settings name no quant_method", facts.source,
                        walk.Message(facts.missing_message));
  }
  if (facts.required && (value->kind == JsonKind::kArray || value->kind == JsonKind::kObject)) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("method", "stops: quant_method is no string", facts.source,
                        "TypeError: unhashable type: '" + std::string(PythonType(*value)) + "'");
  }
  const std::string method = facts.case_sensitive ? read.method : LowerAscii(read.method);
  if (std::find(facts.accepted.begin(), facts.accepted.end(), method) != facts.accepted.end()) {
    walk.Step("method", "recognises quant_method " + method, facts.source);
    return !facts.required || CheckRequired(walk, walk.profile.config.required, walk.profile.config.required_message);
  }
  if (std::find(facts.elsewhere.begin(), facts.elsewhere.end(), method) != facts.elsewhere.end()) {
    walk.Degrade(Outcome::kUnknown, "method",
                 "leaves " + method + " to a quantizer with a package of its own, which is not examined", facts.source);
    return false;
  }
  const std::string spelled = facts.case_sensitive ? PythonRepr(*value) : LowerAscii(PythonRepr(*value));
  const std::string message = walk.Message(facts.unknown_message, {{"x", spelled}, {"v", spelled}});
  switch (facts.unknown) {
    case UnknownMethod::kIgnored:
      return true;
    case UnknownMethod::kRejects:
      walk.Remedy(kFixCommand);
      return walk.Rejects("method", "stops: quant_method \"" + spelled + "\" is none it knows", facts.source, message);
    case UnknownMethod::kDenseModel:
      walk.dense_model = true;
      walk.dense_why = "does not know quant_method \"" + spelled + "\" and skips the quantization";
      walk.dense_message = message;
      walk.Step("method", walk.dense_why, facts.source);
      return true;
  }
  return true;
}

}  // namespace gptq_doctor
