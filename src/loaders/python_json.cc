// What Python's json.load says of a text that is no JSON: its scanner's order of checks, message and place
// (python/cpython 3.11 Modules/_json.c, Lib/json/decoder.py).

#include <cctype>
#include <string>

#include "base/text.h"
#include "loaders/python_value.h"

namespace gptq_doctor {
namespace {

constexpr int kRecursionLimit = 900;  // of 1000 frames, what a loader leaves

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // The message without its place; empty where Python reads the document.
  std::string_view Run() {
    if (text_.starts_with("\xEF\xBB\xBF")) return Fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0), what_;
    SkipSpace();
    if (!Value(0)) return what_;
    SkipSpace();
    if (at_ < text_.size()) Fail("Extra data", at_);
    return what_;
  }
  size_t where() const { return where_; }

 private:
  bool Fail(std::string_view what, size_t where) {
    what_ = what;
    where_ = where;
    return false;
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void SkipSpace() {
    while (at_ < text_.size() && (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r')) ++at_;
  }
  bool Digit(size_t at) const { return at < text_.size() && text_[at] >= '0' && text_[at] <= '9'; }
  void SkipDigits() {
    while (Digit(at_)) ++at_;
  }

  bool Value(int depth) {
    if (depth > kRecursionLimit) return Fail("maximum recursion depth exceeded", at_);
    if (Take('"')) return String();
    if (Take('{')) return Object(depth);
    if (Take('[')) return Array(depth);
    for (const std::string_view word : {"null", "true", "false", "NaN", "Infinity", "-Infinity"}) {
      if (TakeWord(word)) return true;
    }
    return Number();
  }

  bool Number() {
    const size_t digits = at_ + (Peek() == '-' ? 1 : 0);
    if (!Digit(digits)) return Fail("Expecting value", at_);
    at_ = digits + 1;
    if (text_[digits] != '0') SkipDigits();
    if (Peek() == '.' && Digit(at_ + 1)) {
      ++at_;
      SkipDigits();
    }
    if (Peek() == 'e' || Peek() == 'E') {
      const size_t sign = at_ + 1 < text_.size() && (text_[at_ + 1] == '+' || text_[at_ + 1] == '-') ? 1 : 0;
      if (Digit(at_ + 1 + sign)) {
        at_ += 1 + sign;
        SkipDigits();
      }
    }
    return true;
  }

  // Behind the opening quote.
  bool String() {
    const size_t begin = at_ - 1;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) <= 0x1f) return Fail("Invalid control character at", at_ - 1);
      if (c != '\\') continue;
      if (at_ >= text_.size()) break;
      const char escape = text_[at_++];
      if (escape == 'u') {
        if (at_ + 4 >= text_.size()) return Fail("Invalid \\uXXXX escape", at_);
        for (size_t i = 0; i < 4; ++i) {
          if (!std::isxdigit(static_cast<unsigned char>(text_[at_ + i])))
            return Fail("Invalid \\uXXXX escape", at_ - 1);
        }
        at_ += 4;
      } else if (std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos) {
        return Fail("Invalid \\escape", at_ - 2);
      }
    }
    return Fail("Unterminated string starting at", begin);
  }

  bool Object(int depth) {
    SkipSpace();
    if (Take('}')) return true;
    for (;;) {
      if (!Take('"')) return Fail("Expecting property name enclosed in double quotes", at_);
      if (!String()) return false;
      SkipSpace();
      if (!Take(':')) return Fail("Expecting ':' delimiter", at_);
      SkipSpace();
      if (!Value(depth + 1)) return false;
      SkipSpace();
      if (Take('}')) return true;
      if (!Take(',')) return Fail("Expecting ',' delimiter", at_);
      SkipSpace();
    }
  }

  bool Array(int depth) {
    SkipSpace();
    if (Take(']')) return true;
    for (;;) {
      if (!Value(depth + 1)) return false;
      SkipSpace();
      if (Take(']')) return true;
      if (!Take(',')) return Fail("Expecting ',' delimiter", at_);
      SkipSpace();
    }
  }

  std::string_view text_, what_;
  size_t at_ = 0, where_ = 0;
};

}  // namespace

std::string PythonJsonError(std::string_view text) {
  if (!IsValidUtf8(text)) return "UnicodeDecodeError: 'utf-8' codec can't decode byte";
  Scanner scanner(text);
  const std::string_view what = scanner.Run();
  if (what.empty()) return "json.decoder.JSONDecodeError";
  if (what.starts_with("maximum recursion")) return "RecursionError: " + std::string(what);
  // Python counts characters.
  size_t line = 1, column = 1, characters = 0;
  for (size_t i = 0; i < scanner.where(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    ++characters;
    ++column;
    if (text[i] != '\n') continue;
    ++line;
    column = 1;
  }
  return "json.decoder.JSONDecodeError: " + std::string(what) + ": line " + std::to_string(line) + " column " +
         std::to_string(column) + " (char " + std::to_string(characters) + ")";
}

}  // namespace gptq_doctor
