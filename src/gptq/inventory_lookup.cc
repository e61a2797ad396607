#include <algorithm>

#include "base/dotted_name.h"
#include "base/text.h"
#include "gptq/inventory.h"
#include "gptq/suffix_table.h"

namespace gptq_doctor {
const TensorRecord* Inventory::Find(const TensorIndex& tensors, const Module& module, SuffixId suffix) const {
  for (const Component& component : components(module)) {
    if (component.suffix == suffix) return &tensors.at(component.tensor);
  }
  return nullptr;
}

std::string_view Inventory::SuffixName(SuffixId suffix) const {
  const SuffixId first_unknown = FirstUnknownSuffix();
  if (suffix < first_unknown) return SuffixTable()[suffix];
  if (suffix - first_unknown < static_cast<int>(unknown_suffixes_.size()))
    return unknown_suffixes_[suffix - first_unknown];
  return "(other)";
}

bool Inventory::IsOwn(const ModuleClass& c) const {
  return components(modules[c.representative]).front().suffix >= FirstUnknownSuffix();
}

void Inventory::ListPatterns() {
  by_pattern_.reserve(classes.size());
  for (uint32_t id = 0; id < classes.size(); ++id) {
    const std::string_view pattern = classes[id].pattern;
    by_pattern_.emplace_back(HashName(IsOwn(classes[id]) ? ParentPart(pattern) : pattern), id);
  }
  std::ranges::sort(by_pattern_);
}

int64_t Inventory::FindModule(std::string_view stem) const {
  int64_t own = -1;
  const auto stem_of = [this](uint32_t member) { return modules[member].stem; };
  const uint64_t hash = HashName(FoldNumbers(stem));
  const auto first = std::ranges::lower_bound(by_pattern_, std::pair(hash, uint32_t{0}));
  for (auto at = first; at != by_pattern_.end() && at->first == hash; ++at) {
    const ModuleClass& c = classes[at->second];
    const auto found = std::ranges::lower_bound(members(c), stem, NaturalLess, stem_of);
    if (found == members(c).end() || stem_of(*found) != stem) continue;
    if (!IsOwn(c)) return *found;
    if (own < 0) own = *found;
  }
  return own;
}

SplitName SplitTensorName(std::string_view name) {
  size_t begin = name.rfind('.') + 1;  // npos + 1 is 0
  if (const auto match = MatchSuffix(name)) begin = match->begin;
  return {.stem = name.substr(0, begin == 0 ? 0 : begin - 1), .suffix = name.substr(begin)};
}

}  // namespace gptq_doctor
