#include <algorithm>

#include "gptq/key_table.h"
#include "gptq/quant_config_file.h"

namespace gptq_doctor {
namespace {

using KeyList = std::vector<std::pair<std::string, std::string>>;

// transformers refuses other names of data sets while it builds GPTQConfig, even for loading
// (huggingface/transformers v4.55.0, utils/quantization_config.py).
bool IsLoadableDataset(const JsonValue& value) {
  if (value.kind == JsonKind::kNull) return true;
  if (value.kind == JsonKind::kArray) return value.items.empty();  // anything else is the calibration text itself
  const std::string* name = value.AsString();
  return name != nullptr && (*name == "wikitext2" || *name == "c4" || *name == "c4-new");
}

std::string DynamicJson(const std::vector<DynamicRule>& rules) {
  std::string out = "{";
  const auto add = [](std::string& to, const char* key, const std::string& value) {
    to += to.empty() ? "" : ",";
    to += "\n      \"" + std::string(key) + "\": " + value;
  };
  for (const DynamicRule& rule : rules) {
    std::string settings;
    if (!rule.exclude) {
      if (rule.bits) add(settings, "bits", std::to_string(*rule.bits));
      if (rule.group_size) add(settings, "group_size", std::to_string(*rule.group_size));
      if (rule.sym) add(settings, "sym", *rule.sym ? "true" : "false");
      if (rule.desc_act) add(settings, "desc_act", *rule.desc_act ? "true" : "false");
    }
    if (out.size() > 1) out += ",";
    out += "\n    " + JsonQuote((rule.exclude ? "-:" : "+:") + rule.pattern) + ": ";
    out += settings.empty() ? "{}" : "{" + settings + "\n    }";
  }
  return out + "\n  }";
}

// A value that was indented in another place, with its lines moved so that its last one stands two columns in.
std::string Reindent(const std::string& value) {
  const size_t last = value.rfind('\n');
  if (last == std::string::npos) return value;
  size_t indent = 0;
  while (last + 1 + indent < value.size() && value[last + 1 + indent] == ' ') ++indent;
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    out += value[i];
    if (value[i] != '\n') continue;
    size_t spaces = 0;
    while (spaces < indent && i + 1 < value.size() && value[i + 1] == ' ') ++spaces, ++i;
    out += "  ";
  }
  return out;
}

// Key order of GPTQModel's quantize_config.json (2.2.0, 4.2.5: sym stands after desc_act; later releases write it
// last).
KeyList ProvedKeys(const Quantization& s) {
  KeyList keys;
  const auto add_bool = [&keys](const char* key, const std::optional<bool>& value) {
    if (value) keys.emplace_back(key, *value ? "true" : "false");
  };
  if (s.bits) keys.emplace_back("bits", std::to_string(*s.bits));
  if (!s.dynamic.empty()) keys.emplace_back("dynamic", DynamicJson(s.dynamic));
  if (s.group_size) keys.emplace_back("group_size", std::to_string(*s.group_size));
  add_bool("desc_act", s.desc_act.value_or(false));
  add_bool("static_groups", s.static_groups);
  add_bool("sym", s.sym);
  add_bool("lm_head", s.lm_head);
  keys.emplace_back("quant_method", "\"gptq\"");
  if (s.checkpoint_format) keys.emplace_back("checkpoint_format", JsonQuote(*s.checkpoint_format));
  if (s.pack_dtype) keys.emplace_back("pack_dtype", JsonQuote(*s.pack_dtype));
  return keys;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> KeysToKeep(const QuantConfigFile& file) {
  KeyList out;
  const JsonValue* object = file.json.root ? FindPointer(*file.json.root, file.pointer) : nullptr;
  if (object == nullptr || !object->IsObject()) return out;
  for (const JsonMember& member : object->members) {
    const KeyRow* row = FindKeyRow(member.key);
    if (row != nullptr && row->fate != KeyFate::kKept) continue;
    if (row != nullptr && row->key == "dataset" && !IsLoadableDataset(member.value)) continue;
    std::string value = file.text.substr(member.value.range.begin, member.value.range.end - member.value.range.begin);
    const auto same = std::ranges::find(out, member.key, &KeyList::value_type::first);
    if (same != out.end()) {
      same->second = std::move(value);  // readers take the last of two
    } else {
      out.emplace_back(member.key, std::move(value));
    }
  }
  return out;
}

std::string WriteQuantConfig(const Quantization& settings, ConfigTarget target,
                             const std::vector<std::pair<std::string, std::string>>& keep) {
  KeyList keys = ProvedKeys(settings);
  for (const auto& [key, value] : keep) {
    if (std::ranges::find(keys, key, &KeyList::value_type::first) != keys.end()) continue;
    const KeyRow* row = FindKeyRow(key);
    if (row != nullptr && row->fate != KeyFate::kKept) continue;
    // GPTQModel since 4 refuses the two together.
    if (key == "act_group_aware" && value == "true" && settings.desc_act == true) continue;
    keys.emplace_back(key, Reindent(value));
  }
  // transformers writes config.json with sorted keys.
  if (target == ConfigTarget::kConfigJsonSection) std::ranges::sort(keys, {}, &KeyList::value_type::first);
  std::string out = "{";
  for (const auto& [key, value] : keys) {
    if (out.size() > 1) out += ",";
    out += "\n  " + JsonQuote(key) + ": " + value;
  }
  return out + "\n}";
}

}  // namespace gptq_doctor
