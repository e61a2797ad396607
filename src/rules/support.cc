#include <algorithm>

#include "base/dotted_name.h"
#include "base/text.h"
#include "gptq/format_table.h"
#include "rules/checks.h"

namespace gptq_doctor {

FixHint FixCommand(const RuleInput& input, std::string_view applicability, std::string_view description,
                   std::string_view options) {
  std::string command = "gptq-doctor fix " + ShellQuote(input.exam.source->DisplayPath());
  command += std::string(options) + " --write";
  return {std::string(applicability), std::move(command), std::string(description)};
}

std::string FileOfModule(const Examination& exam, uint32_t module) {
  const auto components = exam.inventory.components(exam.inventory.modules[module]);
  if (components.empty()) return {};
  return exam.tensors.shard_of(exam.tensors.at(components.front().tensor)).file;
}

void NameModule(const RuleInput& input, uint32_t module, Observation& report) {
  if (report.file.empty()) report.file = FileOfModule(input.exam, module);
  report.names.emplace_back(input.exam.inventory.modules[module].stem);
  report.across_files = true;
}

void NameClass(const RuleInput& input, const FindingSink& sink, uint32_t class_id, Observation& report) {
  const Inventory& inventory = input.exam.inventory;
  const auto members = inventory.members(inventory.classes[class_id]);
  const size_t named = std::min(members.size(), sink.limit());
  for (size_t i = 0; i < named; ++i) NameModule(input, members[i], report);
  report.count += static_cast<int64_t>(members.size());
}

bool WholeDirectory(const RuleInput& input) { return input.exam.options.only_file.empty(); }

bool DeclaresGptq(const QuantConfigFile& file) {
  return file.reading == ConfigReading::kValid || file.reading == ConfigReading::kIncomplete ||
         file.reading == ConfigReading::kConflicting;
}

std::vector<const QuantConfigFile*> GptqFiles(const Examination& exam) {
  std::vector<const QuantConfigFile*> out;
  for (const QuantConfigFile& file : exam.configs.files) {
    if (DeclaresGptq(file)) out.push_back(&file);
  }
  return out;
}

std::string PlaceName(const QuantConfigFile& file) {
  return file.pointer.empty() ? file.file : file.file + " at " + file.pointer;
}

Observation KeyReport(const QuantConfigFile& file, std::string_view key) {
  Observation report;
  report.file = file.file;
  report.pointer = file.pointer;
  const JsonValue* value = file.Find(key);
  if (value == nullptr) return report;
  report.pointer += "/" + std::string(key);
  const JsonPlace place = PlaceOf(file.text, value->range.begin);
  report.line = place.line;
  report.column = place.column;
  report.value = file.text.substr(value->range.begin, std::min<size_t>(value->range.end - value->range.begin, 200));
  return report;
}

const Evidence* EvidenceOf(const Examination& exam, std::string_view key) {
  for (const Evidence& evidence : exam.quant.evidence) {
    if (evidence.key == key) return &evidence;
  }
  return nullptr;
}

const Module& Representative(const Examination& exam, uint32_t class_id) {
  return exam.inventory.modules[exam.inventory.classes[class_id].representative];
}

bool IsGptqClass(const Examination& exam, uint32_t class_id) {
  return class_id < exam.quant.classes.size() && exam.quant.classes[class_id].gptq;
}

bool IsRouter(std::string_view pattern) {
  constexpr std::string_view kEnds[] = {"mlp.gate", "block_sparse_moe.gate", ".router", "router.gate",
                                        "shared_expert_gate"};
  return std::any_of(std::begin(kEnds), std::end(kEnds), [&](std::string_view end) { return pattern.ends_with(end); });
}

bool IsDenseLinear(const Examination& exam, uint32_t class_id) {
  const ModuleClass& cls = exam.inventory.classes[class_id];
  if (cls.format >= 0) return false;
  const TensorRecord* weight = exam.inventory.Find(exam.tensors, Representative(exam, class_id), kWeight);
  if (weight == nullptr || weight->rank != 2 || !IsFloat(weight->dtype)) return false;
  constexpr std::string_view kNoLinear[] = {"embed", "wte", "wpe", "norm", "ln_", "position", "rel_attn_bias", "conv"};
  const std::string_view last = LastPart(cls.pattern);
  return std::none_of(std::begin(kNoLinear), std::end(kNoLinear),
                      [&](std::string_view word) { return last.find(word) != std::string_view::npos; });
}

}  // namespace gptq_doctor
