#include <charconv>
#include <limits>

#include "base/ascii.h"
#include "model/defect_list.h"
#include "model/json_cursor.h"

namespace gptq_doctor {
namespace {

// What was read of a number: significand * 10^exponent. Follows serde_json 1.0.87 de.rs (parse_integer to
// f64_from_parts), so that the same spellings overflow.
struct Decimal {
  uint64_t significand = 0;
  int64_t exponent = 0;  // a header is shorter than 2^63 digits
  bool full = false;     // further digits no longer fit the significand

  bool Take(char c) {
    uint64_t next = 0;
    if (full || __builtin_mul_overflow(significand, uint64_t{10}, &next) ||
        __builtin_add_overflow(next, static_cast<uint64_t>(c - '0'), &next))
      return false;
    significand = next;
    return true;
  }
  const char* TakeWhole(const char* at) {
    for (; IsDigit(*at); ++at) {
      if (!Take(*at)) full = true, ++exponent;
    }
    return at;
  }
  const char* TakeFraction(const char* at) {
    full = false;
    for (; IsDigit(*at); ++at) {
      if (Take(*at))
        --exponent;
      else
        full = true;
    }
    return at;
  }
  // The digits behind "e" and its sign. False where no double holds the number.
  bool TakeExponent(const char*& at, bool negative) {
    int64_t written = 0;
    for (; IsDigit(*at); ++at) {
      if (written < 100'000'000'000) written = written * 10 + (*at - '0');
    }
    if (!negative && written > INT32_MAX && significand != 0) return false;
    exponent += negative ? -written : written;
    return true;
  }
  bool FitsDouble() const {
    if (significand == 0 || exponent <= 0) return true;
    if (exponent > 308) return false;
    const std::string ten = "1e" + std::to_string(exponent);
    double power = 0;
    std::from_chars(ten.data(), ten.data() + ten.size(), power);
    return static_cast<double>(significand) * power <= std::numeric_limits<double>::max();
  }
};

}  // namespace

bool JsonCursor::NumberOutOfRange(const char* at) {
  Fail(at, "a number beyond the range of a double", TextFault::kNumberRange);
  return false;
}

bool JsonCursor::ReadNumber(std::string_view* spelling) {
  const char* const start = p;
  const auto fail = [&](std::string what) {
    Fail(start, std::move(what));
    return false;
  };
  const char* at = p;
  if (*at == '-') ++at;
  if (!IsDigit(*at)) {
    const bool non_finite = StartsWith(at, "Infinity") || StartsWith(start, "NaN");
    Fail(start, Concat({"expected a value, found ", Describe(at)}),
         non_finite ? TextFault::kNonFinite : TextFault::kSyntax);
    return false;
  }
  Decimal number;
  if (*at == '0') {
    if (IsDigit(*++at)) return fail("a number with a leading zero");
  } else {
    at = number.TakeWhole(at);
  }
  bool is_float = number.full;
  if (*at == '.') {
    is_float = true;
    if (!IsDigit(*++at)) return fail("a number with nothing after its decimal point");
    at = number.TakeFraction(at);
  }
  if (*at == 'e' || *at == 'E') {
    is_float = true;
    ++at;
    const bool negative = *at == '-';
    if (*at == '-' || *at == '+') ++at;
    if (!IsDigit(*at)) return fail("a number with nothing after its exponent sign");
    if (!number.TakeExponent(at, negative)) return NumberOutOfRange(start);
  }
  if (is_float && !number.FitsDouble()) return NumberOutOfRange(start);
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
