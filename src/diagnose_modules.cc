// Formats by share, and the list of quantized modules.

#include <algorithm>

#include "diagnose.h"

namespace gptq_doctor {
namespace {

void AddFiles(const Examination& exam, const Module& module, std::vector<std::string>& files) {
  for (const Component& component : exam.inventory.components(module)) {
    const std::string& file = exam.tensors.shard_of(exam.tensors.at(component.tensor)).file;
    if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  }
}

ModuleRow RowOf(const Examination& exam, uint32_t number) {
  const Module& module = exam.inventory.modules[number];
  const ClassFacts& facts = exam.quant.classes[module.class_id];
  ModuleRow row;
  row.name = std::string(module.stem);
  row.bits = facts.bits;
  row.group_size = facts.group_size;
  row.in_features = facts.in_features;
  row.out_features = facts.out_features;
  row.g_idx = exam.inventory.Find(exam.tensors, module, kGIdx) == nullptr ? ToString(GIdxKind::kAbsent)
                                                                          : ToString(GIdxKind::kNotRead);
  AddFiles(exam, module, row.files);
  if (const ModuleData* data = exam.quant.DataOf(number)) {
    row.sampled = true;
    row.g_idx = ToString(data->g_idx);
    if (data->group_size) row.group_size = data->group_size;
    switch (data->zeros) {
      case ZeroKind::kSymV1:
      case ZeroKind::kSymV2:
      case ZeroKind::kSymBroken3Bit:
      case ZeroKind::kSymShiftedBase:
        row.sym = true;
        break;
      case ZeroKind::kConstantOther:
      case ZeroKind::kVaried:
        row.sym = false;
        break;
      case ZeroKind::kNotRead:
        break;
    }
  }
  return row;
}

}  // namespace

std::vector<ModuleRow> ListModules(const Examination& exam) {
  std::vector<ModuleRow> rows;
  if (!exam.quant.is_gptq) return rows;
  for (uint32_t id = 0; id < exam.inventory.classes.size(); ++id) {
    if (id >= exam.quant.classes.size() || !exam.quant.classes[id].gptq) continue;
    for (const uint32_t number : exam.inventory.members(exam.inventory.classes[id])) {
      rows.push_back(RowOf(exam, number));
    }
  }
  return rows;
}

std::vector<FormatShare> DescribeFormats(const Examination& exam) {
  std::vector<FormatShare> shares;
  FormatShare dense{.name = "dense", .variant = "dense", .why = "no tensor of a quantization format"};
  std::vector<int> rows;
  for (const ModuleClass& c : exam.inventory.classes) {
    if (c.format < 0) {
      dense.modules += c.count;
      dense.bytes += c.bytes;
      continue;
    }
    const auto found = std::find(rows.begin(), rows.end(), c.format);
    const size_t at = static_cast<size_t>(found - rows.begin());
    if (found == rows.end()) {
      const FormatRow& row = FormatTable()[static_cast<size_t>(c.format)];
      rows.push_back(c.format);
      shares.push_back(
          {.name = std::string(row.family), .variant = std::string(row.variant), .why = std::string(row.why)});
    }
    shares[at].modules += c.count;
    shares[at].bytes += c.bytes;
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const FormatShare& a, const FormatShare& b) { return a.bytes > b.bytes; });
  if (dense.modules > 0) shares.push_back(std::move(dense));
  return shares;
}

}  // namespace gptq_doctor
