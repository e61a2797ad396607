#ifndef GPTQ_DOCTOR_GPTQ_SUFFIX_TABLE_H_
#define GPTQ_DOCTOR_GPTQ_SUFFIX_TABLE_H_

// The component suffixes that this and other formats use, interned. Knows names only: what a set of suffixes means is
// the business of format_table.h.

#include <optional>
#include <span>
#include <string_view>

#include "gptq/inventory.h"

namespace gptq_doctor {

// Indexed by SuffixId; the first ones are those of KnownSuffix.
std::span<const std::string_view> SuffixTable();
// Ids from here up are suffixes that only one inventory knows.
SuffixId FirstUnknownSuffix();
// Stands for all further unknown suffixes once an inventory has run out of ids; its name is "(other)".
inline constexpr SuffixId kOverflowSuffix = 0xFFFF;

// Where the known suffix of a tensor name begins. Compound suffixes ("weight.absmax", "centroids.weight") are one
// suffix.
struct SuffixMatch {
  SuffixId id = 0;
  size_t begin = 0;  // of the suffix in the name; the stem ends one byte earlier (or is empty)
};
std::optional<SuffixMatch> MatchSuffix(std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_SUFFIX_TABLE_H_
