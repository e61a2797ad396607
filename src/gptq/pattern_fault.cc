#include "gptq/pattern_fault.h"

#include <vector>

namespace gptq_doctor {
namespace {

// One past the "]" of the set that opens at `open`; npos where it stays open.
size_t EndOfSet(std::string_view pattern, size_t open) {
  size_t at = open + 1;
  if (at < pattern.size() && pattern[at] == '^') ++at;
  const size_t first = at;  // a "]" here stands for itself
  for (; at < pattern.size(); ++at) {
    if (pattern[at] == '\\') {
      ++at;
    } else if (pattern[at] == ']' && at != first) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

// Behind "(?": one past what makes the group special ("?:", "?<=", "?P<name>"), or at the ")" that ends it ("(?i)");
// npos where it stays open, for which each dialect has words of its own.
size_t EndOfGroupKind(std::string_view pattern, size_t question) {
  size_t at = question + 1;
  const char last = at < pattern.size() && pattern[at] == '#' ? ')' : '\0';
  while (at < pattern.size()) {
    const char c = pattern[at];
    if (c == ')') return at;
    ++at;
    if (last == '\0' && (c == ':' || c == '=' || c == '!' || c == '>')) return at;
  }
  return std::string_view::npos;
}

}  // namespace

std::optional<PatternFault> FindPatternFault(std::string_view pattern) {
  std::vector<size_t> open;  // positions of "("
  bool repeatable = false;   // something stands before that a quantifier can repeat
  size_t at = 0;
  while (at < pattern.size()) {
    const char c = pattern[at];
    switch (c) {
      case '\\':
        if (at + 1 == pattern.size()) return PatternFault{"bad escape (end of pattern)", at};
        at += 2;
        repeatable = true;
        break;
      case '[': {
        const size_t end = EndOfSet(pattern, at);
        if (end == std::string_view::npos) return PatternFault{"unterminated character set", at};
        at = end;
        repeatable = true;
        break;
      }
      case '(':
        open.push_back(at);
        repeatable = false;
        at = pattern.substr(at + 1).starts_with('?') ? EndOfGroupKind(pattern, at + 1) : at + 1;
        if (at == std::string_view::npos) return std::nullopt;
        break;
      case ')':
        if (open.empty()) return PatternFault{"unbalanced parenthesis", at};
        open.pop_back();
        ++at;
        repeatable = true;
        break;
      case '*':
      case '+':
      case '?':
        if (!repeatable) return PatternFault{"nothing to repeat", at};
        ++at;
        break;
      default:
        repeatable = c != '|';
        ++at;
    }
  }
  if (!open.empty()) return PatternFault{"missing ), unterminated subpattern", open.back()};
  return std::nullopt;
}

std::string_view PatternOfKey(std::string_view key) {
  return key.starts_with("+:") || key.starts_with("-:") ? key.substr(2) : key;
}

}  // namespace gptq_doctor
