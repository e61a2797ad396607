#include <charconv>
#include <limits>

#include "model/defect_list.h"
#include "model/json_cursor.h"

namespace gptq_doctor {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool JsonCursor::NumberOutOfRange(const char* at) {
  Fail(at, "a number beyond the range of a double");
  return false;
}

// Follows serde_json 1.0.87 de.rs (parse_integer .. f64_from_parts) so that the same spellings overflow.
bool JsonCursor::ReadNumber(std::string_view* spelling) {
  const char* const start = p;
  const char* at = p;
  if (*at == '-') ++at;
  if (!IsDigit(*at)) {
    Fail(start, Concat({"expected a value, found ", Describe(at)}));
    return false;
  }
  uint64_t significand = 0;
  int64_t exponent = 0;  // of ten; a header is shorter than 2^63 digits
  bool full = false;     // further digits no longer fit the significand
  const auto take = [&](char c) {
    uint64_t next = 0;
    if (!full && !__builtin_mul_overflow(significand, uint64_t{10}, &next) &&
        !__builtin_add_overflow(next, static_cast<uint64_t>(c - '0'), &next)) {
      significand = next;
      return true;
    }
    return false;
  };
  if (*at == '0') {
    ++at;
    if (IsDigit(*at)) {
      Fail(start, "a number with a leading zero");
      return false;
    }
  } else {
    for (; IsDigit(*at); ++at) {
      if (!take(*at)) full = true, ++exponent;
    }
  }
  bool is_float = full;
  full = false;
  if (*at == '.') {
    is_float = true;
    ++at;
    if (!IsDigit(*at)) {
      Fail(start, "a number with nothing after its decimal point");
      return false;
    }
    for (; IsDigit(*at); ++at) {
      if (take(*at))
        --exponent;
      else
        full = true;
    }
  }
  if (*at == 'e' || *at == 'E') {
    is_float = true;
    ++at;
    const bool negative = *at == '-';
    if (*at == '-' || *at == '+') ++at;
    if (!IsDigit(*at)) {
      Fail(start, "a number with nothing after its exponent sign");
      return false;
    }
    int64_t written = 0;
    for (; IsDigit(*at); ++at) {
      if (written < 100'000'000'000) written = written * 10 + (*at - '0');
    }
    if (!negative && written > INT32_MAX && significand != 0) return NumberOutOfRange(start);
    exponent += negative ? -written : written;
  }
  if (is_float && significand != 0 && exponent > 0) {
    if (exponent > 308) return NumberOutOfRange(start);
    const std::string ten = "1e" + std::to_string(exponent);
    double power = 0;
    std::from_chars(ten.data(), ten.data() + ten.size(), power);
    if (static_cast<double>(significand) * power > std::numeric_limits<double>::max()) return NumberOutOfRange(start);
  }
  *spelling = {start, static_cast<size_t>(at - start)};
  p = at;
  return true;
}

bool ParsePlainUint(std::string_view spelling, uint64_t* value) {
  if (spelling.empty() || (spelling.size() > 1 && spelling[0] == '0')) return false;
  uint64_t number = 0;
  for (const char c : spelling) {
    if (!IsDigit(c) || __builtin_mul_overflow(number, uint64_t{10}, &number) ||
        __builtin_add_overflow(number, static_cast<uint64_t>(c - '0'), &number)) {
      return false;
    }
  }
  *value = number;
  return true;
}

}  // namespace gptq_doctor
