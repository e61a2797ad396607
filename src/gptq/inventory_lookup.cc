#include "gptq/inventory.h"
#include "gptq/suffix_table.h"

namespace gptq_doctor {
namespace {

size_t TableSize(size_t entries) {
  size_t size = 16;
  while (size < entries * 2) size *= 2;
  return size;
}

}  // namespace

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

int64_t Inventory::FindModule(std::string_view stem) const {
  if (modules.empty()) return -1;
  if (table_.empty()) {
    table_.assign(TableSize(modules.size()), 0);
    const size_t mask = table_.size() - 1;
    for (const bool own : {false, true}) {
      for (size_t i = 0; i < modules.size(); ++i) {
        if ((components(modules[i]).front().suffix >= FirstUnknownSuffix()) != own) continue;
        size_t slot = HashName(modules[i].stem) & mask;
        while (table_[slot] != 0 && modules[table_[slot] - 1].stem != modules[i].stem) slot = (slot + 1) & mask;
        if (table_[slot] == 0) table_[slot] = static_cast<uint32_t>(i + 1);
      }
    }
  }
  const size_t mask = table_.size() - 1;
  for (size_t slot = HashName(stem) & mask; table_[slot] != 0; slot = (slot + 1) & mask) {
    if (modules[table_[slot] - 1].stem == stem) return table_[slot] - 1;
  }
  return -1;
}

SplitName SplitTensorName(std::string_view name) {
  size_t begin = name.rfind('.') + 1;  // npos + 1 is 0
  if (const auto match = MatchSuffix(name)) begin = match->begin;
  return {.stem = name.substr(0, begin == 0 ? 0 : begin - 1), .suffix = name.substr(begin)};
}

}  // namespace gptq_doctor
