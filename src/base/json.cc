#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace gptq_doctor {
namespace {

// Plain JSON numbers only: from_chars alone would also take "inf", "01" and "1.".
bool IsStrictNumber(std::string_view text) {
  const size_t first = text.starts_with('-') ? 1 : 0;
  if (text.size() <= first || text[first] < '0' || text[first] > '9') return false;
  if (text[first] == '0' && text.size() > first + 1 && text[first + 1] >= '0' && text[first + 1] <= '9') return false;
  if (text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) return false;
  const size_t dot = text.find('.');
  return dot == std::string_view::npos || (dot + 1 < text.size() && text[dot + 1] >= '0' && text[dot + 1] <= '9');
}

}  // namespace

const JsonValue* JsonValue::Find(std::string_view key) const {
  const auto found =
      std::find_if(members.rbegin(), members.rend(), [&](const JsonMember& member) { return member.key == key; });
  return found == members.rend() ? nullptr : &found->value;
}

std::optional<bool> JsonValue::AsBool() const {
  if (kind != JsonKind::kBool) return std::nullopt;
  return boolean;
}

std::optional<int64_t> JsonValue::AsInt() const {
  if (kind != JsonKind::kNumber || !IsStrictNumber(text)) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> JsonValue::AsIntegral() const {
  if (const std::optional<int64_t> plain = AsInt()) return plain;
  const std::optional<double> value = AsDouble();
  constexpr double kExact = 9007199254740992.0;  // 2^53: below it every whole number is a double of its own
  if (!value || std::fabs(*value) >= kExact || *value != std::trunc(*value)) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<double> JsonValue::AsDouble() const {
  if (kind != JsonKind::kNumber || !IsStrictNumber(text)) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

const std::string* JsonValue::AsString() const { return kind == JsonKind::kString ? &text : nullptr; }

const char* ToString(JsonDefectKind kind) {
  switch (kind) {
    case JsonDefectKind::kSyntax:
      return "syntax";
    case JsonDefectKind::kDuplicateKey:
      return "duplicate-key";
    case JsonDefectKind::kPythonLiteral:
      return "python-literal";
    case JsonDefectKind::kSingleQuotes:
      return "single-quotes";
    case JsonDefectKind::kComment:
      return "comment";
    case JsonDefectKind::kTrailingComma:
      return "trailing-comma";
    case JsonDefectKind::kNonFinite:
      return "non-finite";
    case JsonDefectKind::kByteOrderMark:
      return "byte-order-mark";
    case JsonDefectKind::kInvalidUtf8:
      return "invalid-utf8";
    case JsonDefectKind::kTrailingText:
      return "trailing-text";
    case JsonDefectKind::kDepth:
      return "depth";
    case JsonDefectKind::kEmpty:
      return "empty";
  }
  return "";
}

JsonPlace PlaceOf(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const size_t line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const auto columns = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_begin), before.end(),
                                     [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
  return {static_cast<int>(std::min<std::ptrdiff_t>(lines, INT32_MAX - 1)) + 1,
          static_cast<int>(std::min<std::ptrdiff_t>(columns, INT32_MAX - 1)) + 1};
}

std::string ApplyRepairs(std::string_view text, const JsonDocument& document) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (const JsonRepair& repair : document.repairs) {
    if (repair.range.begin < at || repair.range.end > text.size()) continue;
    out.append(text, at, repair.range.begin - at);
    out += repair.replacement;
    at = repair.range.end;
  }
  return out.append(text, at);
}

const JsonValue* FindPointer(const JsonValue& root, std::string_view pointer) {
  const JsonValue* value = &root;
  while (!pointer.empty()) {
    if (pointer[0] != '/') return nullptr;
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    std::string token;
    for (size_t i = 0; i < end; ++i) {
      if (pointer[i] != '~') {
        token += pointer[i];
      } else if (i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
        token += pointer[++i] == '0' ? '~' : '/';
      } else {
        return nullptr;
      }
    }
    pointer.remove_prefix(end);
    if (value->kind == JsonKind::kArray) {
      size_t index = 0;
      const auto [stop, error] = std::from_chars(token.data(), token.data() + token.size(), index);
      const bool spelled = !token.empty() && (token[0] != '0' || token.size() == 1);
      if (error != std::errc() || stop != token.data() + token.size() || !spelled || index >= value->items.size()) {
        return nullptr;
      }
      value = &value->items[index];
    } else {
      value = value->Find(token);
      if (value == nullptr) return nullptr;
    }
  }
  return value;
}

// \uXXXX, above U+FFFF as a pair of surrogates.
static void AppendUnicodeEscape(std::string& out, char32_t value) {
  if (value > 0xFFFF) {
    AppendUnicodeEscape(out, 0xD800 + ((value - 0x10000) >> 10));
    value = 0xDC00 + ((value - 0x10000) & 0x3FF);
  }
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 0xF];
}

std::string JsonQuote(std::string_view text) {
  static constexpr std::string_view kSpecial = "\"\\\b\f\n\r\t", kLetter = "\"\\bfnrt";
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    const size_t special = kSpecial.find(c);
    if (special != std::string_view::npos) {
      out += '\\';
      out += kLetter[special];
      ++at;
      continue;
    }
    const CodePoint point = DecodeUtf8(text, at);
    at += static_cast<size_t>(point.size);
    if (point.value < 0x20 || point.value == 0x7F || IsDeceptive(point.value)) {
      AppendUnicodeEscape(out, point.value);
    } else {
      AppendUtf8(out, point.value);
    }
  }
  return out += '"';
}

}  // namespace gptq_doctor
