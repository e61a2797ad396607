#include "loaders/python_value.h"

#include "base/text.h"

namespace gptq_doctor {

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
  return value.AsDouble();
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
    case JsonKind::kString:
      return value.text;
    case JsonKind::kArray:
      return "[...]";
    case JsonKind::kObject:
      return "{...}";
  }
  return {};
}

std::string PythonJsonError(const JsonDocument& document) {
  for (const JsonDefect& defect : document.defects) {
    std::string what;
    switch (defect.kind) {
      case JsonDefectKind::kDuplicateKey:
      case JsonDefectKind::kNonFinite:
        continue;
      case JsonDefectKind::kSingleQuotes:
      case JsonDefectKind::kComment:
      case JsonDefectKind::kTrailingComma:
        what = "Expecting property name enclosed in double quotes";
        break;
      case JsonDefectKind::kByteOrderMark:
        what = "Unexpected UTF-8 BOM (decode using utf-8-sig)";
        break;
      case JsonDefectKind::kTrailingText:
        what = "Extra data";
        break;
      case JsonDefectKind::kInvalidUtf8:
        return "UnicodeDecodeError: 'utf-8' codec can't decode byte";
      default:
        what = "Expecting value";
        break;
    }
    return "json.decoder.JSONDecodeError: " + what + ": line " + std::to_string(defect.place.line) + " column " +
           std::to_string(defect.place.column) + " (char " + std::to_string(defect.offset) + ")";
  }
  return "json.decoder.JSONDecodeError";
}

}  // namespace gptq_doctor
