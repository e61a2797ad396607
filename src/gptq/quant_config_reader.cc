#include <algorithm>

#include "base/text.h"
#include "gptq/key_table.h"
#include "gptq/quant_config_file.h"
#include "gptq/settings_reader.h"

namespace gptq_doctor {
namespace {

bool HasKey(const JsonValue& object, std::string_view key) { return object.Find(key) != nullptr; }

// Another method's settings that do not name their method.
std::string UnnamedFamily(const JsonValue& object) {
  const JsonValue* version = object.Find("version");
  const std::string* text = version == nullptr ? nullptr : version->AsString();
  const std::string lower = text == nullptr ? "" : LowerAscii(*text);
  // AutoAWQ's quant_config.json.
  if (lower.starts_with("gem") && (HasKey(object, "zero_point") || HasKey(object, "w_bit"))) return "awq";
  if (HasKey(object, "load_in_4bit") || HasKey(object, "load_in_8bit")) return "bitsandbytes";
  if (HasKey(object, "config_groups")) return "compressed-tensors";
  if (HasKey(object, "quant_algo")) return "modelopt";
  const JsonValue* producer = object.Find("producer");
  if (producer != nullptr && producer->IsObject() && HasKey(object, "quantization")) return "modelopt";
  return "";
}

using KeyList = std::vector<std::pair<std::string, std::string>>;

// Keys that nothing but a quantization of this kind has; `format`, `version` and the like stand in other programs'
// files too.
bool IsTelling(const std::string& key) {
  const KeyRow* row = FindKeyRow(key);
  if (row == nullptr || row->key == "format" || row->key == "method") return false;
  return row->field != ConfigField::kNone || row->key == "damp_percent" || row->key == "true_sequential";
}

// What a file of the same name is for, where none of its keys is a setting of ours.
std::string NamesakePurpose(const JsonValue& object) {
  if (HasKey(object, "per_model_config") || (HasKey(object, "per_channel") && HasKey(object, "reduce_range"))) {
    return "it was written by an ONNX exporter (transformers.js) and describes ONNX operators";
  }
  return "none of its keys is a GPTQ setting";
}

// Keys whose values are missing although loaders insist on them.
void AddGaps(const JsonValue& object, QuantConfigFile& out) {
  const Quantization& s = out.settings;
  const auto add = [&](std::string key, std::string_view why) {
    std::string message = key + " is missing: " + std::string(why);
    out.problems.push_back({.key = std::move(key),
                            .pointer = out.pointer,
                            .message = std::move(message),
                            .place = PlaceOf(out.text, object.range.begin)});
  };
  if (!s.bits) add("bits", "transformers and vLLM stop, AutoGPTQ and GPTQModel take 4");
  if (!s.group_size) {
    add("group_size", "AutoGPTQ takes -1 for it, GPTQModel and transformers 128, and vLLM stops");
  }
  const bool auto_round = out.quant_method && LowerAscii(*out.quant_method).find("round") != std::string::npos;
  if (!s.desc_act && !auto_round) {
    add("desc_act", "AutoGPTQ and GPTQModel before 5 take true for it, transformers false, and vLLM stops");
  }
  if (!s.sym) add("sym", "vLLM stops, and most other loaders take true for it");
  if (!out.pointer.empty() && !out.quant_method) {
    add("quant_method", "transformers and vLLM do not recognise the section as GPTQ");
  }
}

std::string Summary(const Quantization& s) {
  std::string out = std::to_string(*s.bits) + (*s.bits == 1 ? " bit" : " bits");
  out += *s.group_size == -1 ? ", one group a column" : ", groups of " + std::to_string(*s.group_size);
  if (s.desc_act == true) out += ", act-order";
  if (s.checkpoint_format) out += ", format " + EscapeTerminal(*s.checkpoint_format, 40);
  return out;
}

void Judge(const SettingsReading& reading, const JsonValue& object, QuantConfigFile& out) {
  const auto first_problem = [&out](bool contradiction) {
    for (const KeyProblem& problem : out.problems) {
      if (problem.contradiction == contradiction) return problem.message;
    }
    return std::string();
  };
  if (out.method_family.empty()) out.method_family = UnnamedFamily(object);
  if (!out.method_family.empty() && out.method_family != "gptq") {
    out.reading = ConfigReading::kForeign;
    out.detail = out.quant_method ? "quant_method is " + EscapeTerminal(JsonQuote(*out.quant_method), 60) + ", not GPTQ"
                                  : "its keys are those of " + out.method_family;
    return;
  }
  if (out.pointer.empty() && !out.keys.empty() &&
      !std::ranges::any_of(out.keys, IsTelling, &KeyList::value_type::first)) {
    out.reading = ConfigReading::kNamesake;
    out.detail = NamesakePurpose(object);
    return;
  }
  if (reading.impossible) {
    out.reading = ConfigReading::kMalformed;
    out.detail = first_problem(false);
  } else if (reading.contradictory) {
    out.reading = ConfigReading::kConflicting;
    out.detail = first_problem(true);
  }
  const size_t before = out.problems.size();
  AddGaps(object, out);
  if (out.reading != ConfigReading::kAbsent) return;
  if (out.problems.size() == before) {
    out.reading = ConfigReading::kValid;
    out.detail = Summary(out.settings);
    return;
  }
  out.reading = ConfigReading::kIncomplete;
  for (size_t i = before; i < out.problems.size(); ++i) {
    out.detail += (i == before ? "" : i + 1 == out.problems.size() ? " and " : ", ") + out.problems[i].key;
  }
  out.detail += out.problems.size() - before == 1 ? " is missing" : " are missing";
}

std::string KindName(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "true or false";
    case JsonKind::kNumber:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "a list";
    case JsonKind::kObject:
      return "an object";
  }
  return "";
}

// Where a strict reader stops, "" for a sound document.
std::string SyntaxDetail(const JsonDocument& json) {
  if (json.valid) return "";
  for (const JsonDefect& defect : json.defects) {
    if (defect.kind == JsonDefectKind::kDuplicateKey || defect.kind == JsonDefectKind::kNonFinite) continue;
    return "not valid JSON at line " + std::to_string(defect.place.line) + ", column " +
           std::to_string(defect.place.column) + ": " +
           (defect.message.empty() ? std::string(ToString(defect.kind)) : defect.message);
  }
  return "not valid JSON";
}

}  // namespace

QuantConfigFile ReadQuantConfig(std::string file, std::string text, std::string pointer) {
  QuantConfigFile out;
  out.file = std::move(file);
  out.pointer = std::move(pointer);
  out.text = std::move(text);
  out.json = ParseJson(out.text);
  const std::string syntax = SyntaxDetail(out.json);
  if (!out.json.root) {
    out.reading = ConfigReading::kMalformed;
    out.detail = syntax.empty() ? "not valid JSON" : syntax;
    return out;
  }
  const JsonValue* object = FindPointer(*out.json.root, out.pointer);
  if (object == nullptr || !object->IsObject()) {
    if (!syntax.empty()) {
      out.reading = ConfigReading::kMalformed;
      out.detail = syntax;
    } else if (object == nullptr) {
      out.detail = "has no " + out.pointer.substr(out.pointer.rfind('/') + 1);
    } else {
      out.reading = ConfigReading::kMalformed;
      out.detail = (out.pointer.empty() ? "the file" : out.pointer.substr(1)) + " is " + KindName(object->kind) +
                   ", not an object";
    }
    return out;
  }
  out.section = object->range;
  Judge(ReadSettings(out, *object), *object, out);
  if (!syntax.empty()) {
    out.reading = ConfigReading::kMalformed;
    out.detail = syntax;
  }
  return out;
}

const JsonValue* QuantConfigFile::Find(std::string_view key) const {
  const JsonValue* object = json.root ? FindPointer(*json.root, pointer) : nullptr;
  return object == nullptr ? nullptr : object->Find(key);
}

}  // namespace gptq_doctor
