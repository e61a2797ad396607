#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "infer/quantities.h"

namespace gptq_doctor {
namespace {

// Padding of in_features before quantization adds at most this many groups' worth of channels (gptq-format A.5).
constexpr int64_t kPaddedGroups = 3;

int64_t Entry(std::span<const char> bytes, int entry_bytes, int64_t k) {
  const char* at = bytes.data() + k * entry_bytes;
  return entry_bytes == 8 ? static_cast<int64_t>(LoadLe64(at)) : static_cast<int32_t>(LoadLe32(at));
}

struct Scanned {
  int64_t low = 0, high = 0;  // at most and at least 0
  bool rising = true;
};

// Two plain loops, which become vector code.
template <typename Word>
Scanned Scan(std::span<const char> bytes) {
  const auto load = [&](size_t k) {
    Word word;
    std::memcpy(&word, bytes.data() + k * sizeof(Word), sizeof(Word));
    return word;
  };
  const size_t count = bytes.size() / sizeof(Word);
  Word low = 0, high = 0, falls = 0;
  for (size_t k = 0; k < count; ++k) {
    low = std::min(low, load(k));
    high = std::max(high, load(k));
  }
  for (size_t k = 1; k < count; ++k) falls |= static_cast<Word>(load(k) < load(k - 1));
  return {low, high, falls == 0};
}

// Of a rising g_idx, whose entries of one group stand together: the first behind `group`, not before `from`.
int64_t EndOfGroup(std::span<const char> bytes, int entry_bytes, int64_t from, int64_t features, int64_t group) {
  int64_t end = features;
  while (from < end) {
    const int64_t middle = from + (end - from) / 2;
    if (Entry(bytes, entry_bytes, middle) <= group) {
      from = middle + 1;
    } else {
      end = middle;
    }
  }
  return end;
}

// Entries of each group.
std::vector<int64_t> CountEntries(std::span<const char> bytes, int entry_bytes, int64_t features, int64_t groups,
                                  bool rising) {
  std::vector<int64_t> counts(static_cast<size_t>(groups), 0);
  if (!rising) {
    for (int64_t k = 0; k < features; ++k) ++counts[static_cast<size_t>(Entry(bytes, entry_bytes, k))];
    return counts;
  }
  int64_t begin = 0;
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t end = EndOfGroup(bytes, entry_bytes, begin, features, group);
    counts[static_cast<size_t>(group)] = end - begin;
    begin = end;
  }
  return counts;
}

// The size that the full groups have: the largest where all but one share it, else the most common.
int64_t FullSize(const std::vector<int64_t>& counts) {
  const int64_t top = *std::ranges::max_element(counts);
  if (std::ranges::count(counts, top) >= static_cast<int64_t>(counts.size()) - 1) return top;
  std::vector<int64_t> sorted = counts;
  std::ranges::sort(sorted);
  int64_t best = 0, best_run = 0;
  for (size_t i = 0; i < sorted.size();) {
    size_t end = i;
    while (end < sorted.size() && sorted[end] == sorted[i]) ++end;
    if (static_cast<int64_t>(end - i) >= best_run && sorted[i] > 0)
      best = sorted[i], best_run = static_cast<int64_t>(end - i);
    i = end;
  }
  return best;
}

void JudgeCounts(const std::vector<int64_t>& counts, int64_t features, GIdxReport& report) {
  const auto groups = static_cast<int64_t>(counts.size());
  const int64_t full = FullSize(counts);
  report.group_size = full;
  report.empty_groups = std::ranges::count(counts, 0);
  const int64_t remainder = features - (groups - 1) * full;
  int64_t larger = 0;
  bool remainder_seen = remainder == full;
  for (int64_t count : counts) {
    if (count == full) continue;
    larger += count > full;
    if (count == remainder && !remainder_seen) {
      remainder_seen = true;
    } else {
      ++report.uneven_groups;
    }
  }
  const int64_t missing = groups * full - features;
  report.padded = report.uneven_groups > 0 && larger == 0 && missing > 0 && missing <= (kPaddedGroups + 1) * full;
}

}  // namespace

const char* ToString(GIdxKind kind) {
  switch (kind) {
    case GIdxKind::kNotRead:
      return "not read";
    case GIdxKind::kAbsent:
      return "absent";
    case GIdxKind::kSequential:
      return "sequential";
    case GIdxKind::kConstantOneGroup:
      return "one group";
    case GIdxKind::kActOrder:
      return "act-order";
    case GIdxKind::kAllZero:
      return "all-zero";
    case GIdxKind::kInvalid:
      return "invalid";
  }
  return "";
}

GIdxReport ReadGIdx(std::span<const char> bytes, int entry_bytes, int64_t groups) {
  GIdxReport report;
  const auto features = static_cast<int64_t>(bytes.size()) / entry_bytes;
  const auto [low, high, rising] = entry_bytes == 8 ? Scan<int64_t>(bytes) : Scan<int32_t>(bytes);
  if (low < 0 || high >= groups) {
    for (int64_t k = 0; k < features; ++k) {
      const int64_t group = Entry(bytes, entry_bytes, k);
      report.out_of_range += group < 0 || group >= groups;
    }
    report.kind = GIdxKind::kInvalid;
    return report;
  }
  if (groups == 1) {
    report.kind = GIdxKind::kConstantOneGroup;
    return report;
  }
  if (high == 0) {
    report.kind = GIdxKind::kAllZero;
    return report;
  }
  report.kind = rising ? GIdxKind::kSequential : GIdxKind::kActOrder;
  if (groups > features) return report;
  std::vector<int64_t> counts = CountEntries(bytes, entry_bytes, features, groups, rising);
  if (rising) {
    // Trailing groups that padding left behind do not blur the size of the others.
    size_t used = counts.size();
    while (counts[used - 1] == 0) --used;
    const auto behind = static_cast<int64_t>(counts.size() - used);
    counts.resize(used);
    JudgeCounts(counts, features, report);
    report.even = behind == 0 && std::ranges::all_of(counts, [&](int64_t count) { return count == report.group_size; });
    report.empty_groups += behind;
    // Padding is small beside the model's dimension; a g_idx of larger groups leaves half or more of them behind.
    report.padded |= behind > 0 && behind <= kPaddedGroups && report.uneven_groups == 0 &&
                     behind * report.group_size.value_or(features) < features / 2;
  } else {
    JudgeCounts(counts, features, report);
  }
  return report;
}

}  // namespace gptq_doctor
