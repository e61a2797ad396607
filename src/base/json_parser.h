#ifndef GPTQ_DOCTOR_BASE_JSON_PARSER_H_
#define GPTQ_DOCTOR_BASE_JSON_PARSER_H_

// The reader behind ParseJson: structure in json_parser.cc, numbers, words and strings in json_tokens.cc. Goes on after
// what it can repair, stops at what it cannot.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/json.h"

namespace gptq_doctor {

// What numbers and bare words consist of.
inline bool IsWordCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '+' || c == '-' || c == '.';
}
std::string HexDigits(uint32_t value, int digits);

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}
  JsonDocument Run();

 private:
  // Where reading goes on after something was read.
  enum class Next { kGo, kStop };

  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return text_[at_]; }

  void Report(JsonDefectKind kind, size_t offset, std::string message);
  void Repair(JsonDefectKind kind, JsonRange range, std::string replacement, std::string message);
  Next Stop(std::string message) {
    Report(JsonDefectKind::kSyntax, at_, std::move(message));
    return Next::kStop;
  }
  Next StopAtEnd(std::string_view inside) {
    at_ = text_.size();
    return Stop("the text ends in the middle of " + std::string(inside));
  }
  std::string Here() const;

  bool ReadMark();
  Next SkipBlanks();
  Next ReadDocument();
  Next ReadValue(JsonValue& value, int depth);
  Next ReadArray(JsonValue& value, int depth);
  Next ReadObject(JsonValue& value, int depth);
  Next ReadObjectMembers(JsonValue& value, int depth);
  Next ReadMember(JsonMember& member, int depth);
  // After a value: consumes ',' or `close`. `done` tells which.
  Next ReadSeparator(char close, bool& done);
  Next ReadNumber(JsonValue& value);
  Next ReadWord(JsonValue& value);
  Next ReadString(std::string& out, JsonRange& range);
  Next ReadEscape(std::string& out, char quote);
  void ReadControl(std::string& out, char quote);
  bool ReadHex4(size_t at, char32_t& value) const;
  void FindDuplicates(const std::vector<JsonMember>& members);
  void Finish();

  std::string_view text_;
  size_t at_ = 0;
  size_t values_ = 0;
  bool invalid_ = false, hopeless_ = false;
  bool invalid_utf8_ = false;
  JsonDocument document_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_JSON_PARSER_H_
