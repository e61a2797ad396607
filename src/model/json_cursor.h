#ifndef GPTQ_DOCTOR_MODEL_JSON_CURSOR_H_
#define GPTQ_DOCTOR_MODEL_JSON_CURSOR_H_

// Strict JSON over a text in memory, a token at a time: what safetensors headers and shard indexes are read with where
// their layout is not the common one. Accepts exactly what serde_json 1.0 accepts (RFC 8259; at most 127 containers
// deep; numbers that overflow a double refused). Never recurses, allocates nothing but messages.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/json_scan.h"
#include "model/text_fault.h"

namespace gptq_doctor {

// The bytes between the quotes, as they stand in the text.
struct RawString {
  const char* data = nullptr;
  size_t size = 0;
  bool escaped = false;  // holds a backslash
  bool valid = true;     // no control character, bad escape or invalid UTF-8
  std::string_view view() const { return {data, size}; }
};

struct TextProblem {
  size_t offset = 0;  // in the text
  TextFault fault = TextFault::kSyntax;
  std::string message;
  bool utf8() const { return fault == TextFault::kUtf8; }
};

class JsonCursor {
 public:
  static constexpr int kMaxDepth = 127;
  static constexpr uint32_t kMaxProblems = 100;  // of either sort

  // [begin, end) is followed by 64 zero bytes.
  JsonCursor(const char* begin, const char* end) : p(begin), begin_(begin), end_(end) {}

  const char* p;  // the next byte; fast paths move it

  bool failed() const { return failed_; }
  bool AtEnd() const { return p >= end_; }
  size_t offset() const { return OffsetOf(p); }
  // Goes on in another window of the same text; [begin, end) stands at `offset` in it.
  void Rebase(const char* begin, const char* end, size_t offset) {
    p = begin_ = begin;
    end_ = end;
    base_ = offset;
  }
  const char* end() const { return end_; }
  const std::vector<TextProblem>& problems() const { return problems_; }
  // Beyond those kept in problems().
  uint32_t more_problems(bool utf8) const { return counts_[utf8] > kMaxProblems ? counts_[utf8] - kMaxProblems : 0; }

  void SkipSpace() {
    while (IsJsonSpace(*p)) ++p;
  }
  // True and past it where `c` is next after white space.
  bool Accept(char c) {
    SkipSpace();
    if (*p != c || p >= end_) return false;
    ++p;
    return true;
  }
  bool Expect(char c, const char* where);
  // At its opening quote. False where it never ends; what is wrong inside it is noted and reading goes on.
  bool ReadString(RawString* out);
  // Any value; `depth` containers are open around it. False: the rest cannot be read.
  bool SkipValue(int depth);
  // A number; its spelling. False where it is none or overflows a double.
  bool ReadNumber(std::string_view* spelling);
  void Fail(const char* at, std::string message, TextFault fault = TextFault::kSyntax);
  // What stands at `at`, for a message.
  std::string Describe(const char* at) const;

 private:
  bool SkipScalar();
  bool SkipKey();
  // Notes a problem that does not end the reading, followed by what stands at `at` where `describe`.
  void Note(const char* at, TextFault fault, const char* message, bool describe = false);
  const char* CheckEscape(const char* p, RawString* out);
  bool NumberOutOfRange(const char* at);

  size_t OffsetOf(const char* at) const { return base_ + static_cast<size_t>(at - begin_); }

  const char* begin_;
  const char* end_;
  size_t base_ = 0;
  bool failed_ = false;
  uint32_t counts_[2] = {0, 0};
  std::vector<TextProblem> problems_;
};

// The length of the well-formed UTF-8 sequence at `p` (a byte from 0x80 on), 0 where there is none before `end`.
size_t Utf8Sequence(const char* p, const char* end);
// Decodes the escapes of a string into `to`, which has room for `raw.size` bytes; returns the bytes written. What is no
// escape stays as it is.
size_t Unescape(const RawString& raw, char* to);
std::string Unescaped(const RawString& raw);
// Digits alone, no sign, no leading zero, within 64 bits.
bool ParsePlainUint(std::string_view spelling, uint64_t* value);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_JSON_CURSOR_H_
