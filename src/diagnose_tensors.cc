// The list of tensors, for `tensors`.

#include <algorithm>
#include <numeric>

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
  std::vector<uint32_t> order(exam.tensors.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return NaturalLess(exam.tensors.at(a).name(), exam.tensors.at(b).name());
  });
  std::vector<TensorRow> rows;
  rows.reserve(order.size());
  for (const uint32_t number : order) {
    const TensorRecord& tensor = exam.tensors.at(number);
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
