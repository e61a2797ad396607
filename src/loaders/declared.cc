// What a loader reads out of the settings it found: its own spellings, defaults and order.

#include <algorithm>
#include <cmath>
#include <string>

#include "base/text.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

// The value a field gets. Programs with aliases walk the file: the last spelling in it counts.
const JsonValue* FieldValue(const ConfigFacts& facts, const JsonValue& section, std::string_view field,
                            bool* negated = nullptr) {
  if (facts.aliases.empty()) return FindKey(section, field, facts.lower_keys);
  const JsonValue* found = nullptr;
  for (const JsonMember& member : section.members) {
    const std::string key = facts.lower_keys ? LowerAscii(member.key) : member.key;
    bool hit = key == field, opposite = false;
    for (const KeyAlias& alias : facts.aliases) {
      if (key != alias.spelling) continue;
      opposite = negated != nullptr && alias.field.starts_with("not ") && alias.field.substr(4) == field;
      hit = hit || alias.field == field || opposite;
    }
    if (!hit) continue;
    found = &member.value;
    if (negated != nullptr) *negated = opposite;
  }
  return found;
}

// Python's 4.0 and True pass where 4 and 1 do.
int64_t ReadInteger(const JsonValue& value, bool digit_strings, std::string* spelled) {
  *spelled = PythonRepr(value);
  if (const auto number = value.AsInt()) return *number;
  const auto number = digit_strings ? DigitsOrNumber(value) : PythonNumber(value);
  if (!number || *number != std::floor(*number) || std::abs(*number) >= 1e9) return 0;
  if (digit_strings) *spelled = std::to_string(static_cast<int64_t>(*number));
  return static_cast<int64_t>(*number);
}

// What stands for the format when the whole file is walked: the last of the spellings, or the last of `format`'s own.
std::string WalkedFormat(const ConfigFacts& facts, const JsonValue& section, bool* given) {
  std::string plain, checkpoint;
  bool has_plain = false, has_checkpoint = false;
  const bool one = facts.format_key == FormatKey::kLastOfBoth;
  for (const JsonMember& member : section.members) {
    const std::string key = facts.lower_keys ? LowerAscii(member.key) : member.key;
    const std::string text = PythonRepr(member.value);
    const std::string lower = LowerAscii(text);
    if (key == "format" || (facts.version_names_format && key == "version") || (one && key == "checkpoint_format")) {
      plain = facts.lower_format && member.value.AsString() != nullptr ? lower : text;
      has_plain = true;
    } else if (key == "checkpoint_format") {
      checkpoint = facts.lower_format && member.value.AsString() != nullptr ? lower : text;
      has_checkpoint = true;
    } else if (facts.method_names_format && (key == "quant_method" || key == "method") && member.value.AsString() &&
               (lower == "marlin" || lower == "bitblas")) {
      plain = lower;
      has_plain = has_plain || one;
    } else if (facts.flag_names_format && key == "is_marlin_format" && Truthy(member.value)) {
      plain = "marlin";
      has_plain = true;
    }
  }
  *given = has_plain || has_checkpoint;
  return has_plain || !has_checkpoint ? plain : checkpoint;
}

std::string ReadFormat(const ConfigFacts& facts, const JsonValue& section, bool* given) {
  if (facts.format_key == FormatKey::kLastOfBoth || facts.format_key == FormatKey::kFormatFirst)
    return WalkedFormat(facts, section, given);
  const JsonValue* checkpoint = FindKey(section, "checkpoint_format", facts.lower_keys);
  const JsonValue* chosen = nullptr;
  if (facts.format_key == FormatKey::kCheckpointFormat) chosen = checkpoint;
  if (facts.format_key == FormatKey::kCheckpointFormatFirst) {
    chosen = checkpoint != nullptr && checkpoint->kind != JsonKind::kNull
                 ? checkpoint
                 : FindKey(section, "format", facts.lower_keys);
  }
  *given = chosen != nullptr;
  if (chosen == nullptr || chosen->AsString() == nullptr) return {};
  return facts.lower_format ? LowerAscii(*chosen->AsString()) : *chosen->AsString();
}

}  // namespace

void ReadDeclared(Walk& walk, const JsonValue& section, std::string_view file) {
  const ConfigFacts& facts = walk.profile.config;
  Declared& read = walk.declared;
  read = Declared{};
  read.section = &section;
  read.file = file;
  read.bits = facts.bits;
  read.group_size = facts.group_size;
  read.desc_act = facts.desc_act;
  read.sym = facts.sym;
  if (const JsonValue* value = FieldValue(facts, section, "bits")) {
    read.present |= kKeyBits;
    read.bits_value = value;
    read.bits = ReadInteger(*value, facts.digit_strings, &read.bits_text);
  }
  if (const JsonValue* value = FieldValue(facts, section, "group_size")) {
    read.present |= kKeyGroupSize;
    read.group_size_value = value;
    read.group_size = ReadInteger(*value, false, &read.group_size_text);
  }
  if (const JsonValue* value = FieldValue(facts, section, "desc_act")) {
    read.present |= kKeyDescAct;
    read.desc_act = Truthy(*value);
  }
  bool negated = false;
  if (const JsonValue* value = FieldValue(facts, section, "sym", &negated)) {
    read.present |= kKeySym;
    read.sym = Truthy(*value) != negated;
    if (!negated) read.sym_value = value;
  }
  if (const JsonValue* value = FindKey(section, "lm_head", facts.lower_keys)) read.lm_head = Truthy(*value);
  if (const JsonValue* value = FieldValue(facts, section, "quant_method")) {
    read.present |= kKeyMethod;
    read.method_value = value;
    if (value->AsString() != nullptr) read.method = *value->AsString();
  }
  read.format = ReadFormat(facts, section, &read.format_given);
}

}  // namespace gptq_doctor
