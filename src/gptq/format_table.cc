#include "gptq/format_table.h"

#include <array>
#include <cassert>

#include "gptq/suffix_table.h"

namespace gptq_doctor {
namespace {

// A set of known suffixes.
struct SuffixSet {
  std::array<uint64_t, 4> bits{};
  void Add(SuffixId id) { bits[id / 64] |= uint64_t{1} << (id % 64); }
  bool Contains(const SuffixSet& other) const {
    for (size_t i = 0; i < bits.size(); ++i) {
      if ((other.bits[i] & ~bits[i]) != 0) return false;
    }
    return true;
  }
  bool Meets(const SuffixSet& other) const {
    for (size_t i = 0; i < bits.size(); ++i) {
      if ((other.bits[i] & bits[i]) != 0) return true;
    }
    return false;
  }
};

// A row's suffixes as sets, so that the many classes of a strange model cost little each.
struct RowSets {
  SuffixSet must, must_not, any;
};

SuffixSet SetOf(const std::vector<std::string_view>& suffixes) {
  SuffixSet set;
  for (const std::string_view suffix : suffixes) {
    const auto match = MatchSuffix(suffix);
    assert(match && match->begin == 0);  // every suffix of a row stands in suffix_table.cc
    set.Add(match->id);
  }
  return set;
}

const std::vector<RowSets>& Sets() {
  static const std::vector<RowSets> sets = [] {
    std::vector<RowSets> out;
    for (const FormatRow& row : FormatTable()) {
      out.push_back({.must = SetOf(row.must), .must_not = SetOf(row.must_not), .any = SetOf(row.any)});
    }
    return out;
  }();
  return sets;
}

}  // namespace

const TensorRecord* ModuleView::Get(std::string_view suffix) const {
  for (const Component& component : inventory.components(module)) {
    if (inventory.SuffixName(component.suffix) == suffix) return &tensors.at(component.tensor);
  }
  return nullptr;
}

int DetectFormat(const ModuleView& module) {
  SuffixSet present;
  bool known = false;
  for (const Component& component : module.inventory.components(module.module)) {
    if (component.suffix >= FirstUnknownSuffix()) continue;
    present.Add(component.suffix);
    known |= component.suffix != kWeight && component.suffix != kBias;
  }
  if (!known) return -1;  // dense, or nothing that any format stores
  const std::span<const FormatRow> rows = FormatTable();
  const auto& sets = Sets();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!present.Contains(sets[i].must) || present.Meets(sets[i].must_not)) continue;
    if (!rows[i].any.empty() && !present.Meets(sets[i].any)) continue;
    if (rows[i].test == nullptr || rows[i].test(module)) return static_cast<int>(i);
  }
  return -1;
}

bool IsGptq(int format) {
  return format >= 0 && static_cast<size_t>(format) < FormatTable().size() &&
         FormatTable()[static_cast<size_t>(format)].family == "gptq";
}

}  // namespace gptq_doctor
