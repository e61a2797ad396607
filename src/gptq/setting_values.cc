#include "gptq/setting_values.h"

#include "base/text.h"

namespace gptq_doctor {
namespace {

constexpr size_t kMaxProblems = 100;

std::string PointerPart(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string SettingName(const JsonMember& member) { return EscapeTerminal(member.key, 60); }

std::string SettingValues::Spelled(const JsonValue& value) const {
  return out_.text.substr(value.range.begin, value.range.end - value.range.begin);
}

void SettingValues::AddProblem(const JsonMember& member, std::string message, bool contradiction) {
  contradictory_ |= contradiction;
  if (out_.problems.size() >= kMaxProblems) return;  // each place costs a pass over the text
  out_.problems.push_back({.key = member.key,
                           .pointer = out_.pointer + PointerPart(member.key),
                           .message = std::move(message),
                           .place = PlaceOf(out_.text, member.value.range.begin),
                           .contradiction = contradiction});
}

void SettingValues::AddImpossible(const JsonMember& member, std::string_view wanted) {
  AddProblem(member,
             SettingName(member) + " is " + EscapeTerminal(Spelled(member.value), 40) + ", not " + std::string(wanted));
  impossible_ = true;
}

std::optional<int64_t> SettingValues::ParseInt(const JsonMember& member) {
  const JsonValue& value = member.value;
  if (const auto plain = value.AsInt()) return plain;
  if (const auto whole = value.AsIntegral()) {
    AddProblem(member, SettingName(member) + " is " + Spelled(value) + ", not an integer");
    return whole;
  }
  if (value.kind == JsonKind::kNull) {
    AddProblem(member, SettingName(member) + " is null");
    return std::nullopt;
  }
  if (const std::string* text = value.AsString()) {
    const bool negative = text->starts_with('-');
    const std::string digits = text->substr(negative ? 1 : 0);
    if (!digits.empty() && digits.size() < 10 && digits.find_first_not_of("0123456789") == std::string::npos) {
      // GPTQModel config.py since 6.0 takes digit strings for bits.
      AddProblem(member, SettingName(member) + " is the string " + JsonQuote(*text) +
                             ", not a number: only GPTQModel 6 and later take one, and only for bits");
      const int64_t number = std::stoll(digits);
      return negative ? -number : number;
    }
  }
  AddImpossible(member, "an integer");
  return std::nullopt;
}

std::optional<bool> SettingValues::ParseBool(const JsonMember& member, bool null_matters) {
  const JsonValue& value = member.value;
  if (const auto plain = value.AsBool()) return plain;
  if (value.kind == JsonKind::kNull) {
    if (null_matters) AddProblem(member, SettingName(member) + " is null");
    return std::nullopt;
  }
  if (const auto number = value.AsInt(); number && (*number == 0 || *number == 1)) {
    AddProblem(member, SettingName(member) + " is " + Spelled(value) + ", not true or false");
    return *number == 1;
  }
  if (const std::string* text = value.AsString()) {
    const std::string lower = LowerAscii(*text);
    if (lower == "true" || lower == "false") {
      AddProblem(member, SettingName(member) + " is the string " + JsonQuote(*text) +
                             ": Python takes every string that is not empty for true");
      return lower == "true";
    }
  }
  AddImpossible(member, "true or false");
  return std::nullopt;
}

std::optional<std::string> SettingValues::ParseString(const JsonMember& member, std::string_view null_effect) {
  if (const std::string* text = member.value.AsString()) return *text;
  if (member.value.kind == JsonKind::kNull) {
    if (!null_effect.empty()) AddProblem(member, SettingName(member) + " is null: " + std::string(null_effect));
    return std::nullopt;
  }
  AddImpossible(member, "a string");
  return std::nullopt;
}

std::optional<std::string> SettingValues::ParsePackDtype(const JsonMember& member) {
  std::optional<std::string> value = ParseString(member, "");
  if (!value) return value;
  if (value->starts_with("torch.")) value->erase(0, 6);
  for (const char* known : {"int8", "int16", "int32", "int64"}) {
    if (*value == known) return value;
  }
  AddProblem(member, SettingName(member) + " is " + EscapeTerminal(JsonQuote(*value), 60) +
                         ", not int8, int16, int32 or int64");
  return std::nullopt;
}

}  // namespace gptq_doctor
