#include <algorithm>

#include "base/json_parser.h"
#include "base/utf8.h"

namespace gptq_doctor {
namespace {

// The length of the longest prefix that is a JSON number; 0 if none.
size_t NumberLength(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at - begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0') {
    ++at;
  } else if (digits() == 0) {
    return 0;
  }
  size_t end = at;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return end;
    end = at;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() > 0) end = at;
  }
  return end;
}

}  // namespace

JsonParser::Next JsonParser::ReadNumber(JsonValue& value) {
  const size_t begin = at_;
  while (!AtEnd() && IsWordCharacter(Peek())) ++at_;
  const std::string_view word = text_.substr(begin, at_ - begin);
  const bool strict = NumberLength(word) == word.size();
  // At the end of a cut document 4 may be the beginning of 48.
  if (AtEnd() && values_ > 0) return StopAtEnd("a number");
  value.kind = JsonKind::kNumber;
  value.range = {begin, at_};
  value.text = word;
  if (word == "-Infinity") {
    Report(JsonDefectKind::kNonFinite, begin, "-Infinity is no JSON number, Python alone reads it");
  } else if (!strict) {
    Report(JsonDefectKind::kSyntax, begin, "\"" + std::string(word.substr(0, 40)) + "\" is not a JSON number");
  }
  return Next::kGo;
}

JsonParser::Next JsonParser::ReadWord(JsonValue& value) {
  struct Word {
    std::string_view spelling, json;
    JsonKind kind;
    bool boolean;
  };
  static constexpr Word kWords[] = {
      {"true", "true", JsonKind::kBool, true},    {"false", "false", JsonKind::kBool, false},
      {"null", "null", JsonKind::kNull, false},   {"True", "true", JsonKind::kBool, true},
      {"False", "false", JsonKind::kBool, false}, {"None", "null", JsonKind::kNull, false},
      {"NaN", "", JsonKind::kNumber, false},      {"Infinity", "", JsonKind::kNumber, false},
  };
  const size_t begin = at_;
  while (!AtEnd() && IsWordCharacter(Peek())) ++at_;
  const std::string_view spelled = text_.substr(begin, at_ - begin);
  const auto* const word =
      std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& row) { return row.spelling == spelled; });
  if (word == std::end(kWords)) {
    const bool cut = AtEnd() && std::any_of(std::begin(kWords), std::end(kWords),
                                            [&](const Word& row) { return row.spelling.starts_with(spelled); });
    if (cut) return StopAtEnd("a word");
    at_ = begin;
    return Stop("\"" + std::string(spelled.substr(0, 40)) + "\" is not a JSON value; strings stand in double quotes");
  }
  value.kind = word->kind;
  value.boolean = word->boolean;
  value.range = {begin, at_};
  if (word->kind == JsonKind::kNumber) {
    value.text = spelled;
    Report(JsonDefectKind::kNonFinite, begin, std::string(spelled) + " is no JSON number, Python alone reads it");
  } else if (word->json != spelled) {
    Repair(JsonDefectKind::kPythonLiteral, value.range, std::string(word->json),
           std::string(spelled) + " is Python, JSON writes " + std::string(word->json));
  }
  return Next::kGo;
}

bool JsonParser::ReadHex4(size_t at, char32_t& value) const {
  if (text_.size() < at || text_.size() - at < 4) return false;
  value = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const char c = text_[i];
    const char lower = static_cast<char>(c | 0x20);
    if (!IsDigit(c) && !(lower >= 'a' && lower <= 'f')) return false;
    value = value << 4 | static_cast<char32_t>(IsDigit(c) ? c - '0' : lower - 'a' + 10);
  }
  return true;
}

// At a backslash. Wrong escapes are kept as they stand.
JsonParser::Next JsonParser::ReadEscape(std::string& out, char quote) {
  const size_t begin = at_++;
  if (AtEnd()) return StopAtEnd("a string");
  const char c = text_[at_++];
  static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
  if (const size_t found = kFrom.find(c); found != std::string_view::npos) {
    out += kTo[found];
    return Next::kGo;
  }
  if (c == '\'' && quote == '\'') {
    out += c;
    return Next::kGo;
  }
  char32_t value = 0, low = 0;
  if (c == 'u' && ReadHex4(at_, value)) {
    at_ += 4;
    if (value >= 0xD800 && value < 0xDC00 && text_.substr(at_, 2) == "\\u" && ReadHex4(at_ + 2, low) && low >= 0xDC00 &&
        low < 0xE000) {
      at_ += 6;
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
    }
    // A lone surrogate is accepted as Python's reader accepts it; UTF-8 cannot hold it.
    AppendUtf8(out, value >= 0xD800 && value < 0xE000 ? 0xFFFD : value);
    return Next::kGo;
  }
  if (c == 'u' && text_.size() - at_ < 4 && text_.find(quote, at_) == std::string_view::npos) {
    return StopAtEnd("a string");
  }
  at_ = begin + 1;
  Report(JsonDefectKind::kSyntax, begin,
         c == 'u' ? "\\u in a string is not followed by four hexadecimal digits"
                  : "a backslash in a string is followed by " + Here() + "; a backslash itself is written twice");
  out += '\\';
  return Next::kGo;
}

void JsonParser::ReadControl(std::string& out, char quote) {
  const auto byte = static_cast<uint8_t>(Peek());
  if (quote == '"') {
    const std::string name = byte == '\n'   ? "a line break"
                             : byte == '\t' ? "a tab"
                                            : "the byte 0x" + HexDigits(byte, 2);
    const std::string escape = byte == '\n'   ? "\\n"
                               : byte == '\t' ? "\\t"
                               : byte == '\r' ? "\\r"
                                              : "\\u" + HexDigits(byte, 4);
    Repair(JsonDefectKind::kSyntax, {at_, at_ + 1}, escape, name + " stands unescaped in a string");
  }
  out += static_cast<char>(byte);
  ++at_;
}

JsonParser::Next JsonParser::ReadString(std::string& out, JsonRange& range) {
  const size_t begin = at_;
  const char quote = text_[at_++];
  while (!AtEnd() && Peek() != quote) {
    size_t end = at_;
    while (end < text_.size() && static_cast<uint8_t>(text_[end] - 0x20) < 0x60 && text_[end] != quote &&
           text_[end] != '\\') {
      ++end;
    }
    out.append(text_, at_, end - at_);
    at_ = end;
    if (AtEnd() || Peek() == quote) break;
    if (Peek() == '\\') {
      if (ReadEscape(out, quote) == Next::kStop) return Next::kStop;
      continue;
    }
    if (static_cast<uint8_t>(Peek()) < 0x20) {
      ReadControl(out, quote);
      continue;
    }
    const CodePoint point = DecodeUtf8(text_, at_);
    if (!point.valid && !invalid_utf8_) {
      invalid_utf8_ = true;  // once a document: a Latin-1 file has thousands
      Report(JsonDefectKind::kInvalidUtf8, at_, "a string holds bytes that are not UTF-8");
    }
    AppendUtf8(out, point.value);
    at_ += static_cast<size_t>(point.size);
  }
  if (AtEnd()) return StopAtEnd("a string");
  range = {begin, ++at_};
  if (quote == '\'') {
    Repair(JsonDefectKind::kSingleQuotes, range, JsonQuote(out), "a string stands in single quotes");
  }
  return Next::kGo;
}

}  // namespace gptq_doctor
