#include "gptq/name_fold.h"

#include <cstring>

#include "base/ascii.h"

namespace gptq_doctor {
namespace {

constexpr int kMaxDigits = 9;  // always fits 32 bits

}  // namespace

void FoldedName::Fold(std::string_view name) {
  text.resize(name.size());
  numbers.clear();
  irregular = false;
  char* out = text.data();
  const char* at = name.data();
  const char* const end = at + name.size();
  while (true) {
    const char* const part = at;
    uint32_t number = 0;
    while (at != end && IsDigit(*at)) number = number * 10 + static_cast<uint32_t>(*at++ - '0');
    if (at != part && (at == end || *at == '.')) {
      irregular |= at - part > kMaxDigits || (*part == '0' && at - part > 1);
      numbers.push_back(number);
      *out++ = '*';
    } else {
      while (at != end && *at != '.') ++at;
      irregular |= at - part == 1 && *part == '*';
      std::memcpy(out, part, static_cast<size_t>(at - part));
      out += at - part;
    }
    if (at == end) break;
    *out++ = *at++;
  }
  text.resize(static_cast<size_t>(out - text.data()));
}

void AppendStars(std::string_view pattern, std::vector<uint32_t>& stars) {
  for (size_t i = pattern.find('*'); i != std::string_view::npos; i = pattern.find('*', i + 1)) {
    const bool whole = (i == 0 || pattern[i - 1] == '.') && (i + 1 == pattern.size() || pattern[i + 1] == '.');
    if (whole) stars.push_back(static_cast<uint32_t>(i));
  }
}

bool MatchesFolded(std::string_view name, std::string_view pattern, std::span<const uint32_t> stars,
                   std::vector<uint32_t>& numbers) {
  const size_t before = numbers.size();
  const char* at = name.data();
  const char* const end = at + name.size();
  size_t from = 0;  // in the pattern
  for (const uint32_t star : stars) {
    const size_t literal = star - from;
    if (static_cast<size_t>(end - at) < literal || std::memcmp(at, pattern.data() + from, literal) != 0) break;
    at += literal;
    const char* const part = at;
    uint32_t number = 0;
    while (at != end && IsDigit(*at)) number = number * 10 + static_cast<uint32_t>(*at++ - '0');
    const bool regular = at != part && at - part <= kMaxDigits && (*part != '0' || at - part == 1);
    if (!regular || (at != end && *at != '.')) break;
    numbers.push_back(number);
    from = star + 1;
  }
  const size_t rest = pattern.size() - from;
  if (numbers.size() - before == stars.size() && static_cast<size_t>(end - at) == rest &&
      std::memcmp(at, pattern.data() + from, rest) == 0) {
    return true;
  }
  numbers.resize(before);
  return false;
}

}  // namespace gptq_doctor
