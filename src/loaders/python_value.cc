#include "loaders/python_value.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace gptq_doctor {
namespace {

// repr(), for a message: long containers are cut.
std::string Quoted(const JsonValue& value) {
  constexpr size_t kShown = 8;
  if (value.kind == JsonKind::kString) return "'" + value.text + "'";
  if (value.kind != JsonKind::kArray && value.kind != JsonKind::kObject) return PythonRepr(value);
  const bool object = value.IsObject();
  const size_t count = object ? value.members.size() : value.items.size();
  std::string text = object ? "{" : "[";
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    if (i == kShown) {
      text += "...";
      break;
    }
    text += object ? "'" + value.members[i].key + "': " + Quoted(value.members[i].value) : Quoted(value.items[i]);
  }
  return text + (object ? "}" : "]");
}

}  // namespace

std::string PythonDict(const JsonValue* object) {
  constexpr size_t kLong = 300;
  std::string text = "{";
  if (object == nullptr) return text + "}";
  for (auto member = object->members.begin(); member != object->members.end(); ++member) {
    // A key that is there twice stands in its first place with its last value.
    const auto same = [&](const JsonMember& other) { return other.key == member->key; };
    if (std::any_of(object->members.begin(), member, same)) continue;
    text += (text.size() > 1 ? ", '" : "'") + member->key + "': " + Quoted(*object->Find(member->key));
    if (text.size() > kLong) break;
  }
  return text + "}";
}

std::string_view PythonType(const JsonValue& value) {
  switch (value.kind) {
    case JsonKind::kNull:
      return "NoneType";
    case JsonKind::kBool:
      return "bool";
    case JsonKind::kNumber:
      return value.text.find_first_of(".eEnN") == std::string::npos ? "int" : "float";
    case JsonKind::kString:
      return "str";
    case JsonKind::kArray:
      return "list";
    case JsonKind::kObject:
      return "dict";
  }
  return {};
}

std::optional<double> PythonNumber(const JsonValue& value) {
  if (value.kind == JsonKind::kBool) return value.boolean ? 1.0 : 0.0;
  if (value.kind != JsonKind::kNumber) return std::nullopt;
  if (value.text == "Infinity") return std::numeric_limits<double>::infinity();
  if (value.text == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (value.text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return value.AsDouble();
}

std::optional<double> DigitsOrNumber(const JsonValue& value) {
  const std::string* text = value.AsString();
  if (text == nullptr) return PythonNumber(value);
  const std::string_view blank = " \t\n\r\f\v";
  const size_t from = std::min(text->find_first_not_of(blank), text->size());
  const std::string word = text->substr(from, text->find_last_not_of(blank) + 1 - from);
  const bool digits = !word.empty() && word.size() < 9 &&
                      std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::optional<double>(std::stod(word)) : std::nullopt;
}

const JsonValue* FindKey(const JsonValue& section, std::string_view key, bool fold_case) {
  if (!fold_case) return section.Find(key);
  const JsonValue* found = nullptr;
  for (const JsonMember& member : section.members) {
    if (LowerAscii(member.key) == key) found = &member.value;
  }
  return found;
}

bool Truthy(const JsonValue& value) {
  switch (value.kind) {
    case JsonKind::kNull:
      return false;
    case JsonKind::kBool:
      return value.boolean;
    case JsonKind::kNumber:
      return value.AsDouble().value_or(1) != 0;
    case JsonKind::kString:
      return !value.text.empty();
    case JsonKind::kArray:
      return !value.items.empty();
    case JsonKind::kObject:
      return !value.members.empty();
  }
  return false;
}

std::string PythonRepr(const JsonValue& value) {
  switch (value.kind) {
    case JsonKind::kNull:
      return "None";
    case JsonKind::kBool:
      return value.boolean ? "True" : "False";
    case JsonKind::kNumber:
      if (value.text == "NaN") return "nan";
      if (value.text == "Infinity") return "inf";
      return value.text == "-Infinity" ? "-inf" : value.text;
    case JsonKind::kString:
      return value.text;
    case JsonKind::kArray:
    case JsonKind::kObject:
      return Quoted(value);
  }
  return {};
}

}  // namespace gptq_doctor
