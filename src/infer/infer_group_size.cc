#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "infer/quantities.h"
#include "model/sizes.h"

namespace gptq_doctor {
namespace {

// Groups that the padder of tensor-parallel models may leave behind in_features (gptq-format A.5).
constexpr int64_t kPaddedGroups = 3;
constexpr size_t kManyCandidates = 4000;

bool PowerOfTwo(int64_t value) { return value > 0 && std::has_single_bit(static_cast<uint64_t>(value)); }

bool Fits(const ClassFacts& facts, int64_t group) {
  return group > 0 && facts.groups > 1 && group >= facts.group_min && group <= facts.group_max;
}

// One candidate's claim on the classes that are left.
struct Claim {
  int64_t weight = 0;
  bool exact = false, declared = false, power = false;
  int64_t integral = 0;  // classes whose channels it divides without a rest
  int64_t classes = 0;
  int64_t group = 0;
  auto Rank() const { return std::tuple(weight, exact, declared, power, integral, -group); }
};

class Resolver {
 public:
  explicit Resolver(const GroupSizeInput& input) : in_(input) {
    const size_t count = in_.classes.size();
    out_.by_class.resize(count);
    out_.confidence.resize(count, Confidence::kUnknown);
    out_.by_declaration.resize(count, false);
  }

  GroupSizeAnswer Run() {
    CollectCandidates();
    while (Step()) {
    }
    SettleOddOnes();
    SettleSingleGroups();
    return std::move(out_);
  }

 private:
  bool Open(size_t c) const {
    return in_.classes[c].gptq && in_.classes[c].groups > 1 && in_.classes[c].in_features > 0 && !out_.by_class[c];
  }

  void CollectCandidates() {
    for (size_t c = 0; c < in_.classes.size(); ++c) {
      const ClassFacts& facts = in_.classes[c];
      if (!facts.gptq || facts.groups < 2 || facts.in_features <= 0) continue;
      if (in_.exact[c]) {
        candidates_.insert(*in_.exact[c]);
        exact_.insert(*in_.exact[c]);
        continue;
      }
      if (facts.group_max < facts.group_min) continue;
      candidates_.insert(facts.group_min);
      candidates_.insert(facts.group_max);
      const auto power = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(facts.group_min)));
      if (power <= facts.group_max) candidates_.insert(power);
    }
    for (int64_t group : in_.declared) {
      if (group > 0) candidates_.insert(group);
    }
    // A model has a handful of shapes. Thousands are hostile or corrupt: the usual sizes alone keep the time linear.
    if (candidates_.size() <= kManyCandidates) return;
    std::erase_if(candidates_,
                  [&](int64_t group) { return !PowerOfTwo(group) && std::ranges::count(in_.declared, group) == 0; });
  }

  bool Claims(size_t c, int64_t group) const {
    return in_.exact[c] ? *in_.exact[c] == group : Fits(in_.classes[c], group);
  }

  // Gives the strongest candidate its classes. False when none is left that fits.
  bool Step() {
    std::optional<Claim> best;
    for (int64_t group : candidates_) {
      Claim claim{.exact = exact_.contains(group),
                  .declared = std::ranges::count(in_.declared, group) > 0,
                  .power = PowerOfTwo(group),
                  .group = group};
      for (size_t c = 0; c < in_.classes.size(); ++c) {
        if (!Open(c) || !Claims(c, group)) continue;
        claim.weight += in_.weights[c] + 1;
        ++claim.classes;
        claim.integral += in_.classes[c].in_features == group * in_.classes[c].groups;
      }
      if (claim.weight > 0 && (!best || claim.Rank() > best->Rank())) best = claim;
    }
    if (!best) return false;
    Assign(*best);
    return true;
  }

  void Assign(const Claim& claim) {
    int64_t low = 1, high = INT64_MAX;
    for (size_t c = 0; c < in_.classes.size(); ++c) {
      if (!Open(c) || !Claims(c, claim.group) || in_.exact[c]) continue;
      low = std::max(low, in_.classes[c].group_min);
      high = std::min(high, in_.classes[c].group_max);
    }
    const bool single = low == high;
    const bool modal = claim.integral > 1 && claim.integral == claim.classes;
    const bool voiced = claim.exact || claim.declared || claim.power;
    const bool settled = single || voiced || modal;
    for (size_t c = 0; c < in_.classes.size(); ++c) {
      if (!Open(c) || !Claims(c, claim.group)) continue;
      // An interval without a power of two and without any other voice stays an interval.
      if (!settled) {
        unsettled_.insert(c);
        out_.by_class[c] = claim.group;
        continue;
      }
      out_.by_class[c] = claim.group;
      if (!voiced && claim.classes == 1) lonely_.insert(c);
      out_.confidence[c] = single || claim.exact || in_.exact[c] ? Confidence::kCertain : Confidence::kInferred;
      out_.by_declaration[c] = claim.declared && !single && !claim.exact && !claim.power;
      base_weight_[claim.group] += in_.weights[c] + 1;
    }
  }

  std::optional<int64_t> Base() const {
    std::optional<int64_t> base;
    int64_t most = 0;
    for (const auto& [group, weight] : base_weight_) {
      if (weight > most) base = group, most = weight;
    }
    return base;
  }

  // Padded in_features leave more groups than the channels need: a class whose odd size nothing else supports follows
  // the base.
  void SettleOddOnes() {
    for (size_t c : unsettled_) out_.by_class[c].reset();
    for (size_t c = 0; c < in_.classes.size(); ++c) {
      if (!Open(c) || !in_.exact[c]) continue;
      out_.by_class[c] = in_.exact[c];
      out_.confidence[c] = Confidence::kCertain;
    }
    const std::optional<int64_t> base = Base();
    for (size_t c = 0; c < in_.classes.size() && base; ++c) {
      if ((!Open(c) && !lonely_.contains(c)) || out_.by_class[c] == base) continue;
      const int64_t extra = in_.classes[c].groups - GroupsOf(in_.classes[c].in_features, *base);
      if (extra <= 0 || extra > kPaddedGroups) continue;
      out_.by_class[c] = base;
      out_.confidence[c] = Confidence::kInferred;
    }
  }

  // The size that a column of one group most likely had: the base where it covers the column, else a declared size or
  // the smallest of the other modules' that does, else one group by intent. The values are the same.
  int64_t CoveringSize(int64_t features, std::optional<int64_t> base) const {
    if (base && features <= *base) return *base;
    for (int64_t group : in_.declared) {
      if (group >= features) return group;
    }
    const auto other = base_weight_.lower_bound(features);
    return other == base_weight_.end() ? -1 : other->first;
  }

  void SettleSingleGroups() {
    const std::optional<int64_t> base = Base();
    int64_t widest = 0;
    bool others = false;
    for (const ClassFacts& facts : in_.classes) {
      if (!facts.gptq) continue;
      widest = std::max(widest, facts.in_features);
      others |= facts.groups > 1;
    }
    int64_t alone = -1;
    bool declared = false;
    for (int64_t group : in_.declared) {
      if (declared || (group != -1 && group < widest)) continue;
      alone = group, declared = true;
    }
    for (size_t c = 0; c < in_.classes.size(); ++c) {
      const ClassFacts& facts = in_.classes[c];
      if (!facts.gptq || facts.groups != 1) continue;
      out_.confidence[c] = Confidence::kInferred;
      if (others) {
        out_.by_class[c] = CoveringSize(facts.in_features, base);
      } else {
        out_.by_class[c] = alone;
        out_.by_declaration[c] = declared && alone != -1;
      }
    }
  }

  const GroupSizeInput& in_;
  GroupSizeAnswer out_;
  std::set<int64_t> candidates_, exact_;
  std::set<size_t> unsettled_, lonely_;
  std::map<int64_t, int64_t> base_weight_;
};

}  // namespace

GroupSizeAnswer ResolveGroupSizes(const GroupSizeInput& input) { return Resolver(input).Run(); }

}  // namespace gptq_doctor
