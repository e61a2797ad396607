// What a loader's own configuration class accepts of the settings that it read, before any kernel is asked.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "base/text.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

// Python's message of `value <op> 0` for a value that does not compare with a number.
std::string NoOrder(std::string_view op, std::string_view left, std::string_view right) {
  return Fill("TypeError: '{op}' not supported between instances of '{l}' and '{r}'",
              {{"op", std::string(op)}, {"l", std::string(left)}, {"r", std::string(right)}});
}

// 0 where it is no whole number that can be a width.
int64_t WholeBits(std::optional<double> number) {
  return number && *number > 0 && *number < 32 && *number == std::floor(*number) ? static_cast<int64_t>(*number) : 0;
}

bool Allowed(uint32_t set, int64_t bits) { return bits > 0 && bits < 32 && ((set >> bits) & 1) != 0; }

// A word for bits is folded before it is looked up.
std::string BitsWord(std::string_view spelled) {
  std::string word = LowerAscii(spelled);
  std::replace(word.begin(), word.end(), '-', '_');
  return word;
}

std::string_view BitsMessage(const LimitFacts& facts, const Declared& read) {
  const JsonValue* value = read.bits_value;
  const bool number = value == nullptr || value->kind == JsonKind::kNumber || value->kind == JsonKind::kBool;
  const bool word = !number && value->AsString() != nullptr && read.bits == 0;
  if (word && !facts.bits_word_message.empty()) return facts.bits_word_message;
  const double spelled = value == nullptr ? 0 : PythonNumber(*value).value_or(0);
  const bool fraction = !std::isfinite(spelled) || spelled != std::floor(spelled);
  if ((fraction || (!number && value->AsString() == nullptr)) && !facts.bits_type_message.empty())
    return facts.bits_type_message;
  return read.bits == 1 && !facts.one_bit_message.empty() ? facts.one_bit_message : facts.bits_message;
}

// Where bits are specifications of several kinds, those of a rule are read as the model's own are.
std::string RuleBitsMessage(const LimitFacts& facts, const std::string& rule, const JsonValue& bits) {
  const std::optional<double> number = PythonNumber(bits);
  const bool one = number == 1.0 && !facts.one_bit_message.empty();
  if (facts.bits_type_message.empty() || one) return Fill(facts.dynamic_bits_message, {{"k", rule}});
  if (number && std::isfinite(*number) && *number == std::floor(*number)) return std::string(facts.bits_message);
  const std::string spelled = PythonRepr(bits);
  if (bits.AsString() == nullptr) return Fill(facts.bits_type_message, {{"b", spelled}});
  return Fill(facts.bits_word_message, {{"b", BitsWord(spelled)}});
}

// A format that is looked up in a table before it is compared.
const JsonValue* UnhashableFormat(const Walk& walk) {
  if (walk.profile.config.format_key != FormatKey::kLastOfBoth) return nullptr;
  for (const char* key : {"checkpoint_format", "format", "version"}) {
    const bool version = std::string_view(key) == "version";
    if (version && !walk.profile.config.version_names_format) continue;
    const JsonValue* value = FindKey(*walk.declared.section, key, walk.profile.config.lower_keys);
    if (value != nullptr && (value->kind == JsonKind::kArray || value->IsObject())) return value;
  }
  return nullptr;
}

bool CheckGroupSize(Walk& walk) {
  const LimitFacts& facts = walk.profile.limits;
  const Declared& read = walk.declared;
  if (!facts.group_size_checked) return true;
  const JsonValue* value = read.group_size_value;
  if (value != nullptr && value->kind != JsonKind::kNumber && value->kind != JsonKind::kBool) {
    return walk.Rejects("settings", "stops: group_size is no number", facts.source,
                        NoOrder("<=", PythonType(*value), "int"));
  }
  const double size = value == nullptr ? static_cast<double>(read.group_size) : PythonNumber(*value).value_or(0);
  if (size == -1 || !(size <= 0)) return true;  // nan is not below 0
  return walk.Rejects("settings", "stops: group_size must be -1 or above 0", facts.source,
                      walk.Message(facts.group_size_message));
}

// Numbers of the quantization run, which loading does not use but checks.
bool CheckDamping(Walk& walk) {
  const LimitFacts& facts = walk.profile.limits;
  const bool fold = walk.profile.config.lower_keys;
  const JsonValue& section = *walk.declared.section;
  const JsonValue* damp = facts.damp_message.empty() ? nullptr : FindKey(section, "damp_percent", fold);
  if (damp != nullptr && !(damp->kind == JsonKind::kNull && facts.damp_null)) {
    if (damp->kind != JsonKind::kNumber && damp->kind != JsonKind::kBool) {
      return walk.Rejects("settings", "stops: damp_percent is no number", facts.source,
                          NoOrder("<", "int", PythonType(*damp)));
    }
    const std::optional<double> number = PythonNumber(*damp);
    if (!number || !(*number > 0 && *number < 1)) {
      return walk.Rejects("settings", "stops: damp_percent " + PythonRepr(*damp) + " is not between 0 and 1",
                          facts.source, std::string(facts.damp_message));
    }
  }
  const JsonValue* step =
      facts.damp_increment_message.empty() ? nullptr : FindKey(section, "damp_auto_increment", fold);
  if (step != nullptr && !PythonNumber(*step) && !(step->kind == JsonKind::kNull && facts.damp_null)) {
    return walk.Rejects("settings", "stops: damp_auto_increment is no number", facts.source,
                        NoOrder("<", PythonType(*step), "int"));
  }
  if (step != nullptr && PythonNumber(*step).value_or(0) < 0) {
    return walk.Rejects("settings", "stops: damp_auto_increment is below 0", facts.source,
                        std::string(facts.damp_increment_message));
  }
  return true;
}

bool CheckDynamic(Walk& walk) {
  const LimitFacts& facts = walk.profile.limits;
  const JsonValue* dynamic = FindKey(*walk.declared.section, "dynamic", walk.profile.config.lower_keys);
  if (facts.dynamic_bits_message.empty() || dynamic == nullptr || dynamic->kind == JsonKind::kNull) return true;
  if (!dynamic->IsObject()) {
    return walk.Rejects("settings", "stops: dynamic is no JSON object", facts.source,
                        "AttributeError: '" + std::string(PythonType(*dynamic)) + "' object has no attribute 'items'");
  }
  for (const JsonMember& rule : dynamic->members) {
    if (!rule.value.IsObject()) {
      return walk.Rejects(
          "settings", "stops: dynamic rule " + rule.key + " is no JSON object", facts.source,
          "AttributeError: '" + std::string(PythonType(rule.value)) + "' object has no attribute 'items'");
    }
    for (const JsonMember& setting : rule.value.members) {
      const std::optional<double> number =
          walk.profile.config.digit_strings ? DigitsOrNumber(setting.value) : PythonNumber(setting.value);
      if (setting.key == "bits" && !Allowed(facts.bits, WholeBits(number))) {
        return walk.Rejects("settings", "stops: dynamic rule " + rule.key + " has bits it does not accept",
                            facts.source, RuleBitsMessage(facts, rule.key, setting.value));
      }
      if (setting.key == "group_size" && !PythonNumber(setting.value)) {
        return walk.Rejects("settings", "stops: dynamic rule " + rule.key + " has a group_size that is no number",
                            facts.source, NoOrder("<=", PythonType(setting.value), "int"));
      }
      if (setting.key == "group_size" && number && *number != -1 && *number <= 0) {
        return walk.Rejects(
            "settings", "stops: dynamic rule " + rule.key + " has a group_size it does not accept", facts.source,
            std::string(facts.dynamic_group_message.empty() ? facts.group_size_message : facts.dynamic_group_message));
      }
    }
  }
  return true;
}

}  // namespace

bool StageLimits(Walk& walk) {
  const LimitFacts& facts = walk.profile.limits;
  const Declared& read = walk.declared;
  if (walk.dense_model || read.section == nullptr) return true;
  if (const JsonValue* format = UnhashableFormat(walk); format != nullptr && !facts.formats.empty()) {
    return walk.Rejects("settings", "stops: checkpoint_format is no string", facts.source,
                        "TypeError: unhashable type: '" + std::string(PythonType(*format)) + "'");
  }
  if (!facts.formats.empty() && read.format_given &&
      std::find(facts.formats.begin(), facts.formats.end(), read.format) == facts.formats.end()) {
    return walk.Rejects(
        "settings", "stops: checkpoint_format \"" + read.format + "\" is none it knows", facts.source,
        walk.Message(facts.format_message, {{"v", read.format}, {"m", read.method.empty() ? "gptq" : read.method}}));
  }
  if (facts.bits != 0 && !Allowed(facts.bits, read.bits)) {
    const std::string spelled = read.bits_value == nullptr ? std::to_string(read.bits) : read.bits_text;
    const std::string_view message = BitsMessage(facts, read);
    const bool word = !message.empty() && message == facts.bits_word_message;
    return walk.Rejects("settings", "stops: bits " + spelled + " is outside what it accepts", facts.source,
                        walk.Message(message, {{"b", word ? BitsWord(spelled) : spelled}}));
  }
  if (!CheckDynamic(walk) || !CheckGroupSize(walk) || !CheckDamping(walk)) return false;
  const JsonValue* meta = FindKey(*read.section, "meta", walk.profile.config.lower_keys);
  if (!facts.meta_message.empty() && meta != nullptr && meta->kind != JsonKind::kNull && !meta->IsObject()) {
    return walk.Rejects("settings", "stops: meta is no JSON object", facts.source, std::string(facts.meta_message));
  }
  // 4.0 and True equal numbers that are accepted; what the layers make of them is another matter.
  const auto odd = [](const JsonValue* value, const std::string& text) {
    return value != nullptr && !text.empty() && value->kind != JsonKind::kString && !value->AsInt() &&
           text == PythonRepr(*value);
  };
  if (facts.group_size_checked &&
      (odd(read.bits_value, read.bits_text) || odd(read.group_size_value, read.group_size_text))) {
    walk.Degrade(
        Outcome::kUnknown, "settings",
        walk.Message("accepts bits {b} and group_size {g} as they are spelled; what its layers make of a number "
                     "that is no integer is not known"),
        facts.source);
    // 4.0 still counts 4; a fraction or an infinity gives no shapes to go on with.
    const auto whole = [](const JsonValue* value) {
      return value == nullptr || value->kind != JsonKind::kNumber || value->AsIntegral().has_value();
    };
    return whole(read.bits_value) && whole(read.group_size_value);
  }
  return true;
}

}  // namespace gptq_doctor
