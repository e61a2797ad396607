#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/bytes.h"
#include "infer/quantities.h"

namespace gptq_doctor {
namespace {

// A dead channel needs this many columns whose zero point is no edge value: chance gives 2^(-bits * columns).
constexpr int64_t kWitnessColumns = 24;
// The mean of q - stored is near 1 for v1 and near 0 for v2; simulated and real data stray by 0.1 at most, skewed
// weights by 0.3 (gptq-format B.6).
constexpr double kMargin = 0.25;
constexpr double kNearlyAll = 0.9;
constexpr double kStrongDistance = 0.15;
constexpr int64_t kEnoughCodes = 4096;  // keeps the error of a module's mean below 0.06 at 4 bits

// 2 / (2^b - 1) in the precision of the scales: find_params takes the range [-1, 1] for a group of zeros.
float EmptyGroupScale(int bits, int scale_bits) {
  const float exact = 2.0f / static_cast<float>((1 << bits) - 1);
  if (scale_bits == 16) return HalfToFloat(FloatToHalf(exact));
  if (scale_bits == 17) return BfloatToFloat(FloatToBfloat(exact));
  return exact;
}

// +1 where every usable column has q = stored + 1, 0 where q = stored, -1 otherwise.
int DeadChannel(const CodeWindow& w, size_t row) {
  const uint8_t* codes = w.codes.data() + row * static_cast<size_t>(w.columns);
  const uint8_t* stored = w.stored.data() + static_cast<size_t>(w.group[row]) * static_cast<size_t>(w.columns);
  const int top = (1 << w.bits) - 1;
  int difference = -1;
  int64_t usable = 0;
  int low = top, high = 0;
  for (int64_t n = 0; n < w.columns; ++n) {
    if (stored[n] == top) continue;  // an underflow of v1 and its neighbours
    const int one = codes[n] - stored[n];
    if (one != 0 && one != 1) return -1;
    if (difference >= 0 && one != difference) return -1;
    difference = one;
    low = std::min<int>(low, stored[n]);
    high = std::max<int>(high, stored[n]);
    ++usable;
  }
  // A row of one zero point would make an ordinary row of constants look dead.
  return usable >= kWitnessColumns && high - low >= (w.bits == 2 ? 1 : 2) ? difference : -1;
}

void FindEmptyGroups(const CodeWindow& w, WitnessReport& report) {
  const float empty = EmptyGroupScale(w.bits, w.scale_bits);
  const int middle = 1 << (w.bits - 1);
  const int64_t rows = std::min(w.zero_rows, w.scale_rows);
  std::vector<std::vector<size_t>> members;
  for (int64_t g = 0; g < rows; ++g) {
    if (static_cast<size_t>(g) >= w.group_whole.size() || !w.group_whole[static_cast<size_t>(g)]) continue;
    for (int64_t n = 0; n < w.columns; ++n) {
      const auto at = static_cast<size_t>(g * w.columns + n);
      const int stored = w.stored[at];
      if (w.scales[at] != empty || (stored != middle && stored != middle - 1)) continue;
      if (members.empty()) {
        members.resize(static_cast<size_t>(rows));
        for (size_t row = 0; row < w.group.size(); ++row) {
          if (w.group[row] >= 0 && w.group[row] < rows) members[static_cast<size_t>(w.group[row])].push_back(row);
        }
      }
      const auto& rows_of_group = members[static_cast<size_t>(g)];
      const bool all_middle = std::ranges::all_of(rows_of_group, [&](size_t row) {
        return w.codes[row * static_cast<size_t>(w.columns) + static_cast<size_t>(n)] == middle;
      });
      if (all_middle && rows_of_group.size() >= 8) ++(stored == middle ? report.group_v2 : report.group_v1);
    }
  }
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

struct Tally {
  int64_t v1 = 0, v2 = 0, between = 0, modules_v1 = 0, modules_v2 = 0;
};

void AddWitnesses(std::span<const FormatVote> votes, FormatAnswer& answer) {
  Tally dead, group;
  for (const FormatVote& vote : votes) {
    dead.v1 += vote.report.dead_v1, dead.v2 += vote.report.dead_v2;
    dead.modules_v1 += vote.report.dead_v1 > 0, dead.modules_v2 += vote.report.dead_v2 > 0;
    group.v1 += vote.report.group_v1, group.v2 += vote.report.group_v2;
    group.modules_v1 += vote.report.group_v1 > 0, group.modules_v2 += vote.report.group_v2 > 0;
  }
  const int64_t v1 = dead.v1 + group.v1, v2 = dead.v2 + group.v2;
  if (v1 == 0 && v2 == 0) return;
  const bool is_v1 = v1 > v2;
  const auto add = [&](const Tally& tally, const char* what, bool side, std::vector<Fact>& facts) {
    const int64_t count = side ? tally.v1 : tally.v2;
    if (count == 0) return;
    facts.push_back({.source = "qweight and qzeros",
                     .detail = std::to_string(count) + " " + what +
                               (side ? " store the zero point less one" : " store the zero point itself"),
                     .modules = side ? tally.modules_v1 : tally.modules_v2});
  };
  for (const bool side : {true, false}) {
    std::vector<Fact>& facts = side == is_v1 ? answer.facts : answer.dissent;
    add(dead, "dead input channels, whose codes equal the zero point in every column,", side, facts);
    add(group, "all-zero groups, whose zero point is the middle code,", side, facts);
  }
  // Witnesses of both kinds cancel out: one of them is an accident that this file cannot name.
  if (v1 != 0 && v2 != 0) return;
  answer.format = is_v1 ? ZeroFormat::kV1 : ZeroFormat::kV2;
  answer.confidence = Confidence::kCertain;
  answer.strong = true;
}

void AddStatistics(std::span<const FormatVote> votes, FormatAnswer& answer) {
  Tally tally;
  double sum = 0;
  int64_t count = 0;
  for (const FormatVote& vote : votes) {
    if (vote.report.count < kEnoughCodes) continue;
    const double mean = vote.report.mean();
    sum += vote.report.sum;
    count += vote.report.count;
    if (mean > 0.5 + kMargin && mean < 1.5) {
      ++tally.v1;
    } else if (mean < 0.5 - kMargin && mean > -0.5) {
      ++tally.v2;
    } else {
      ++tally.between;
    }
  }
  const int64_t all = tally.v1 + tally.v2 + tally.between;
  if (all == 0) return;
  const bool is_v1 = tally.v1 > tally.v2;
  const int64_t most = std::max(tally.v1, tally.v2);
  const Fact fact = {.source = "qweight and qzeros",
                     .detail = "the mean of code - stored zero over " + std::to_string(count) + " codes is " +
                               Number(sum / static_cast<double>(count)) + " (1 for gptq, 0 for gptq_v2); " +
                               std::to_string(most) + " of " + std::to_string(all) +
                               " modules are nearer than 0.25 to " + (is_v1 ? "1" : "0"),
                     .modules = most};
  if (answer.confidence == Confidence::kCertain) {
    (is_v1 == (answer.format == ZeroFormat::kV1) ? answer.facts : answer.dissent).push_back(fact);
    return;
  }
  answer.facts.push_back(fact);
  const bool agreed =
      static_cast<double>(most) >= kNearlyAll * static_cast<double>(all) && std::min(tally.v1, tally.v2) == 0;
  if (!agreed) return;
  answer.format = is_v1 ? ZeroFormat::kV1 : ZeroFormat::kV2;
  answer.confidence = Confidence::kInferred;
  const double distance = std::fabs(sum / static_cast<double>(count) - (is_v1 ? 1 : 0));
  answer.strong = all >= 4 && tally.between == 0 && distance < kStrongDistance;
}

// Fields of 2^b - 1 that always run to the top of their word come from a zero point of 0 that v1 could not hold.
void AddUnderflow(std::span<const ZeroReport* const> zeros, FormatAnswer& answer) {
  int64_t runs = 0, lone = 0, modules = 0, top = 0, fields = 0;
  double explained = 0;
  for (const ZeroReport* one : zeros) {
    const ZeroReport& report = *one;
    runs += report.run_fields;
    lone += report.lone_fields;
    top += report.run_fields + report.lone_fields + report.top_fields;
    fields += report.fields;
    explained += report.run_bits;
    modules += report.run_fields > 0;
  }
  if (runs == 0 || lone > 0 || fields == 0) return;
  const double share = static_cast<double>(top) / static_cast<double>(fields);
  if (explained * -std::log2(share) < 40) return;  // less than one chance in 10^12
  const Fact fact = {.source = "qzeros",
                     .detail = std::to_string(runs) +
                               " zero fields are all ones up to the top of their word: zero points of 0 that "
                               "gptq could not hold",
                     .modules = modules};
  if (answer.format == ZeroFormat::kV2) {
    answer.dissent.push_back(fact);
    if (answer.confidence != Confidence::kCertain)
      answer.format = ZeroFormat::kUnknown, answer.confidence = Confidence::kUnknown;
    return;
  }
  answer.facts.push_back(fact);
  if (answer.format == ZeroFormat::kUnknown) answer.format = ZeroFormat::kV1, answer.confidence = Confidence::kInferred;
}

}  // namespace

WitnessReport FindWitnesses(const CodeWindow& w) {
  WitnessReport report;
  const int top = (1 << w.bits) - 1;
  for (size_t row = 0; row < w.group.size(); ++row) {
    if (w.group[row] < 0 || w.group[row] >= w.zero_rows) continue;
    const int dead = DeadChannel(w, row);
    report.dead_v1 += dead == 1;
    report.dead_v2 += dead == 0;
    const uint8_t* codes = w.codes.data() + row * static_cast<size_t>(w.columns);
    const uint8_t* stored = w.stored.data() + static_cast<size_t>(w.group[row]) * static_cast<size_t>(w.columns);
    int64_t sum = 0, count = 0;
    for (int64_t n = 0; n < w.columns; ++n) {
      const bool counts = stored[n] != top;
      sum += counts ? codes[n] - stored[n] : 0;
      count += counts;
    }
    report.sum += static_cast<double>(sum);
    report.count += count;
  }
  if (!w.scales.empty()) FindEmptyGroups(w, report);
  return report;
}

double Entropy(std::span<const uint8_t> codes) {
  std::array<int64_t, 256> histogram{};
  for (uint8_t code : codes) ++histogram[code];
  double bits = 0;
  for (int64_t count : histogram) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(codes.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

FormatAnswer JudgeAsymmetric(std::span<const FormatVote> votes, std::span<const ZeroReport* const> zeros) {
  FormatAnswer answer;
  AddWitnesses(votes, answer);
  AddStatistics(votes, answer);
  AddUnderflow(zeros, answer);
  return answer;
}

}  // namespace gptq_doctor
