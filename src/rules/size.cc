// Family 6: the size against what the settings promise for the matrices they apply to. Embeddings, norms and an output
// head that is not declared quantized are promised at 16 bits: they make small models compress less, which is nobody's
// fault.

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/text.h"
#include "model/sizes.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

// All members of a dense class at two bytes an element.
int64_t HalfBytesOf(const Examination& exam, const ModuleClass& cls) {
  int64_t bytes = 0;
  for (const Component& component : exam.inventory.components(exam.inventory.modules[cls.representative])) {
    const TensorRecord& tensor = exam.tensors.at(component.tensor);
    int64_t one = ClampToInt64(tensor.bytes());
    if (IsFloat(tensor.dtype) && BitsOf(tensor.dtype) > 0)
      one = ClampToInt64(tensor.bytes() / static_cast<uint64_t>(BitsOf(tensor.dtype)) * 16);
    bytes = SaturatingAdd(bytes, one);
  }
  return SaturatingMul(bytes, cls.count);
}

int64_t QuantizedBytesOf(const Examination& exam, uint32_t class_id, const ClassFacts& facts) {
  const ModuleClass& cls = exam.inventory.classes[class_id];
  const Module& module = Representative(exam, class_id);
  const ModuleShape shape{.in_features = facts.in_features,
                          .out_features = facts.out_features,
                          .bits = *facts.bits,
                          .group_size = facts.group_size.value_or(-1),
                          .pack_bits = facts.pack_bits,
                          .g_idx = exam.inventory.Find(exam.tensors, module, kGIdx) != nullptr,
                          .bias = exam.inventory.Find(exam.tensors, module, kBias) != nullptr};
  return SaturatingMul(QuantizedBytes(shape), cls.count);
}

int64_t AsIfQuantized(const Examination& exam, uint32_t class_id, int bits, int64_t group_size) {
  const TensorRecord* weight = exam.inventory.Find(exam.tensors, Representative(exam, class_id), kWeight);
  if (weight == nullptr || weight->rank != 2) return 0;
  const ModuleShape shape{.in_features = ClampToInt64(weight->dims()[1]),
                          .out_features = ClampToInt64(weight->dims()[0]),
                          .bits = bits,
                          .group_size = group_size};
  return SaturatingMul(QuantizedBytes(shape), exam.inventory.classes[class_id].count);
}

// What the tensors would take if the settings were carried out; 0 where that cannot be said.
int64_t PromisedBytes(const RuleInput& input) {
  const Examination& exam = input.exam;
  const Quantization& base = exam.quant.base;
  if (!base.bits) return 0;
  const std::vector<uint32_t> undeclared = UndeclaredDense(input);
  int64_t promised = 0;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const ModuleClass& cls = exam.inventory.classes[c];
    if (IsGptqClass(exam, c)) {
      const ClassFacts& facts = exam.quant.classes[c];
      if (!facts.bits || facts.in_features <= 0 || facts.out_features <= 0) return 0;
      promised = SaturatingAdd(promised, QuantizedBytesOf(exam, c, facts));
    } else if (cls.format >= 0) {
      promised = SaturatingAdd(promised, cls.bytes);
    } else if (std::find(undeclared.begin(), undeclared.end(), c) != undeclared.end()) {
      promised = SaturatingAdd(promised, AsIfQuantized(exam, c, *base.bits, base.group_size.value_or(-1)));
    } else {
      promised = SaturatingAdd(promised, HalfBytesOf(exam, cls));
    }
  }
  return promised;
}

// A dense model whose configuration declares bits: all linear layers of its blocks should have been quantized.
int64_t PromisedOfDense(const RuleInput& input, const QuantConfigFile& file) {
  const Examination& exam = input.exam;
  int64_t promised = 0;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const ModuleClass& cls = exam.inventory.classes[c];
    const bool in_block = cls.pattern.find(".*.") != std::string::npos && IsDenseLinear(exam, c);
    promised = SaturatingAdd(
        promised, in_block ? AsIfQuantized(exam, c, *file.settings.bits, file.settings.group_size.value_or(-1))
                           : HalfBytesOf(exam, cls));
  }
  return promised;
}

std::string Size(int64_t bytes) { return FormatBytes(static_cast<uint64_t>(std::max<int64_t>(bytes, 0))); }

// Dense tensors stored at 32 bits.
int64_t WideDenseBytes(const Examination& exam) {
  int64_t bytes = 0;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const ModuleClass& cls = exam.inventory.classes[c];
    const TensorRecord* weight = exam.inventory.Find(exam.tensors, Representative(exam, c), kWeight);
    if (cls.format < 0 && weight != nullptr && weight->dtype == Dtype::kF32) bytes = SaturatingAdd(bytes, cls.bytes);
  }
  return bytes;
}

}  // namespace

void CheckCompression(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  const ByteTotals& bytes = input.bytes;
  if (!WholeDirectory(input) || bytes.tensors <= 0 || bytes.dense_equivalent <= 0) return;
  int64_t promised = 0;
  if (exam.quant.is_gptq) {
    promised = PromisedBytes(input);
  } else if (exam.kind() == "dense") {
    const auto files = GptqFiles(exam);
    if (!files.empty() && files.front()->settings.bits && *files.front()->settings.bits >= 2 &&
        *files.front()->settings.bits <= 8) {
      promised = PromisedOfDense(input, *files.front());
    }
  }
  if (promised <= 0) return;
  const double ratio = static_cast<double>(bytes.dense_equivalent) / static_cast<double>(bytes.tensors);
  const double due = static_cast<double>(bytes.dense_equivalent) / static_cast<double>(promised);
  if (ratio >= exam.options.min_compression * due) return;
  Observation report;
  report.cause = "ratio";
  report.message = fmt::format(
      "compression is {:.1f}x where the settings promise {:.1f}x: {} of tensors where {} would do, {} at 16 bits",
      ratio, due, Size(bytes.tensors), Size(promised), Size(bytes.dense_equivalent));
  report.evidence.push_back(
      fmt::format("tensors of quantized modules {}, all others {}", Size(bytes.quantized), Size(bytes.dense)));
  if (!bytes.ratio_note.empty()) report.evidence.push_back(bytes.ratio_note);
  const int64_t wide = WideDenseBytes(exam);
  if (wide > 0) report.evidence.push_back(Size(wide) + " of dense tensors are F32: half of that would do at 16 bits");
  sink.Add(std::move(report));
}

}  // namespace gptq_doctor
