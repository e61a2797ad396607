#ifndef GPTQ_DOCTOR_GPTQ_PATTERN_FAULT_H_
#define GPTQ_DOCTOR_GPTQ_PATTERN_FAULT_H_

// Keys of `dynamic` that are no regular expression in any dialect a loader uses (Python's re and regex, PCRE): loaders
// stop at them, where ModulePattern only says that it cannot judge a pattern.

#include <cstddef>
#include <optional>
#include <string_view>

namespace gptq_doctor {

struct PatternFault {
  std::string_view what;  // as Python's re words it: "nothing to repeat"
  size_t at = 0;          // where re puts it, in bytes from the start of the pattern
};
// The first fault, in the order in which a parser meets them; empty where there is none of these five: unbalanced
// parentheses either way, an open character set, a repetition of nothing, an escape of nothing.
std::optional<PatternFault> FindPatternFault(std::string_view pattern);

// A key without the "+:" or "-:" that stands before the expression.
std::string_view PatternOfKey(std::string_view key);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_PATTERN_FAULT_H_
