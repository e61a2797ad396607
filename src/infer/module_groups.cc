#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/dotted_name.h"
#include "infer/dynamic_rules.h"
#include "infer/infer_state.h"

namespace gptq_doctor {
namespace {

// What separates groups. Unknown values are groups of their own.
struct GroupKey {
  std::optional<int> bits;
  std::optional<int64_t> group_size;
  std::optional<bool> sym, desc_act;
  auto operator<=>(const GroupKey&) const = default;
};

struct GroupTally {
  int64_t count = 0, weights = 0;
  std::set<std::string> patterns;
};

// Modules of one (bits, group_size).
struct SettingTally {
  int64_t weights = 0, modules = 0;
  bool one_group = true;
};

// Votes of one class's modules that were read.
struct ClassVotes {
  std::map<std::optional<bool>, int64_t> sym;
  int64_t act_order = 0, in_order = 0;
};

template <typename Key>
Key Majority(const std::map<Key, int64_t>& votes, Key fallback) {
  int64_t most = 0;
  for (const auto& [key, count] : votes) {
    if (count > most) most = count, fallback = key;
  }
  return fallback;
}

}  // namespace

std::optional<bool> SymOf(ZeroKind kind) {
  switch (kind) {
    case ZeroKind::kSymV1:
    case ZeroKind::kSymV2:
    case ZeroKind::kSymBroken3Bit:
    case ZeroKind::kSymShiftedBase:
      return true;
    case ZeroKind::kVaried:
      return false;
    case ZeroKind::kConstantOther:
    case ZeroKind::kNotRead:
      return std::nullopt;
  }
  return std::nullopt;
}

bool IsOutputHead(std::string_view pattern) {
  static constexpr std::string_view kHeads[] = {"lm_head", "embed_out", "output", "output_layer"};
  return pattern.find('*') == std::string_view::npos &&
         std::ranges::find(kHeads, LastPart(pattern)) != std::end(kHeads);
}

void ChooseBase(InferState& s) {
  // An output head of its own settings is an override, however large the vocabulary is beside a small model.
  const auto is_head = [&](size_t c) { return IsOutputHead(s.in.inventory.classes[c].pattern); };
  const auto speaks = [&](size_t c) { return s.q.classes[c].gptq && s.q.classes[c].bits.has_value(); };
  bool heads_only = true;
  for (size_t c = 0; c < s.q.classes.size(); ++c) heads_only = heads_only && (!speaks(c) || is_head(c));
  std::map<std::pair<int, std::optional<int64_t>>, SettingTally> settings;
  for (size_t c = 0; c < s.q.classes.size(); ++c) {
    if (!speaks(c) || (is_head(c) && !heads_only)) continue;
    SettingTally& tally = settings[{*s.q.classes[c].bits, s.q.classes[c].group_size}];
    tally.weights += s.weights[c] + 1;
    tally.modules += s.in.inventory.classes[c].count;
    tally.one_group = tally.one_group && s.q.classes[c].groups == 1;
  }
  if (settings.empty()) return;
  const auto heaviest = std::ranges::max_element(settings, {}, [](const auto& row) { return row.second.weights; });
  auto base = heaviest;
  // Columns of one group are those of any large group_size. Where they are most modules by far, a smaller size in few
  // heavy modules reads as the override.
  for (auto row = settings.begin(); row != settings.end(); ++row) {
    const bool by_far = row->second.modules >= 2 * heaviest->second.modules;
    if (row->first.first == heaviest->first.first && row->second.one_group && by_far) base = row;
  }
  std::tie(s.q.base.bits, s.q.base.group_size) = base->first;
}

void MakeGroups(InferState& s) {
  std::vector<ClassVotes> votes(s.q.classes.size());
  for (const ModuleReport& report : s.reports) {
    ClassVotes& vote = votes[s.ClassOf(report.module)];
    if (report.zeros.kind != ZeroKind::kNotRead) ++vote.sym[SymOf(report.zeros.kind)];
    vote.act_order += report.g_idx.kind == GIdxKind::kActOrder;
    vote.in_order += report.g_idx.kind == GIdxKind::kSequential;
  }
  std::map<GroupKey, GroupTally> groups;
  for (size_t c = 0; c < s.q.classes.size(); ++c) {
    const ClassFacts& facts = s.q.classes[c];
    if (!facts.gptq) continue;
    const ModuleClass& one = s.in.inventory.classes[c];
    GroupKey key{.bits = facts.bits, .group_size = facts.group_size, .desc_act = s.q.base.desc_act};
    if (votes[c].act_order > 0) key.desc_act = true;
    if (votes[c].in_order > 0 && votes[c].act_order == 0 && s.q.base.desc_act == true) key.desc_act = false;
    // Modules that were not read go with the majority of their class, then with the base.
    const std::optional<bool> likely = Majority(votes[c].sym, facts.float_zeros ? std::nullopt : s.q.base.sym);
    int64_t left = one.count;
    const auto put = [&](std::optional<bool> sym, int64_t count) {
      if (count == 0) return;
      key.sym = sym;
      GroupTally& tally = groups[key];
      tally.count += count;
      tally.weights += s.weights[c] / std::max<int64_t>(1, one.count) * count;
      tally.patterns.insert(one.pattern);
    };
    for (const auto& [sym, count] : votes[c].sym) {
      if (sym == likely) continue;
      put(sym, count);
      left -= count;
    }
    put(likely, left);
  }
  for (auto& [key, tally] : groups) {
    ModuleGroup group{.count = tally.count, .patterns = {tally.patterns.begin(), tally.patterns.end()}};
    group.settings = {.bits = key.bits,
                      .group_size = key.group_size,
                      .sym = key.sym,
                      .desc_act = key.desc_act,
                      .checkpoint_format = s.q.base.checkpoint_format,
                      .pack_dtype = s.q.base.pack_dtype};
    s.q.groups.push_back(std::move(group));
  }
  const auto rank = [&](const ModuleGroup& group) {
    const bool base = group.settings.bits == s.q.base.bits && group.settings.group_size == s.q.base.group_size;
    return std::tuple(!base, -group.count);
  };
  std::ranges::stable_sort(s.q.groups, {}, rank);
}

}  // namespace gptq_doctor
