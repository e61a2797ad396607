// The list of tensors, for `tensors`.

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "diagnose.h"

namespace gptq_doctor {

std::vector<TensorRow> ListTensors(const Examination& exam) {
  std::vector<bool> quantized(exam.tensors.size(), false);
  for (const ModuleClass& c : exam.inventory.classes) {
    if (c.format < 0) continue;
    for (const uint32_t member : exam.inventory.members(c)) {
      for (const Component& component : exam.inventory.components(exam.inventory.modules[member])) {
        quantized[component.tensor] = true;
      }
    }
  }
  std::vector<std::pair<const TensorRecord*, uint32_t>> order;  // with the number in the index
  order.reserve(exam.tensors.size());
  for (const ShardHeader& shard : exam.tensors.shards) {
    for (const TensorRecord& tensor : shard.tensors) order.emplace_back(&tensor, static_cast<uint32_t>(order.size()));
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return NaturalLess(a.first->name(), b.first->name()); });
  std::vector<TensorRow> rows;
  rows.reserve(order.size());
  for (const auto& [record, number] : order) {
    const TensorRecord& tensor = *record;
    TensorRow row;
    row.name = std::string(tensor.name());
    row.dtype = ToString(tensor.dtype);
    row.file = exam.tensors.shard_of(tensor).file;
    row.shape.assign(tensor.dims().begin(), tensor.dims().end());
    row.begin = exam.tensors.file_offset(tensor);
    row.end = row.begin + tensor.bytes();
    if (quantized[number]) {
      const std::string_view stem = SplitTensorName(tensor.name()).stem;
      row.logical = stem.empty() ? "weight" : std::string(stem) + ".weight";
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace gptq_doctor
