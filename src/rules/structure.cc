// Family 3: the tensors of one module against each other. One look a module class.

#include <algorithm>
#include <set>
#include <string>
#include <unordered_set>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/dotted_name.h"
#include "base/text.h"
#include "gptq/format_table.h"
#include "gptq/packing.h"
#include "infer/unread.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

struct Parts {
  const TensorRecord* qweight = nullptr;
  const TensorRecord* qzeros = nullptr;
  const TensorRecord* scales = nullptr;
  const TensorRecord* g_idx = nullptr;
  const TensorRecord* zeros = nullptr;
};

Parts PartsOf(const Examination& exam, uint32_t class_id) {
  const Module& module = Representative(exam, class_id);
  const auto find = [&](SuffixId suffix) { return exam.inventory.Find(exam.tensors, module, suffix); };
  return {find(kQweight), find(kQzeros), find(kScales), find(kGIdx), find(kZeros)};
}

// Classes of another format have their own components.
bool IsForeign(const Examination& exam, uint32_t class_id) {
  const int format = exam.inventory.classes[class_id].format;
  return format >= 0 && !IsGptq(format);
}

std::string ShapeText(const TensorRecord& tensor) {
  std::string out = std::string(ToString(tensor.dtype)) + " [";
  for (size_t i = 0; i < tensor.dims().size() && i < 4; ++i)
    out += (i > 0 ? ", " : "") + std::to_string(tensor.dims()[i]);
  return out + "]";
}

std::string Describe(const Parts& parts) {
  std::string out;
  const auto add = [&](const char* name, const TensorRecord* tensor) {
    if (tensor == nullptr) return;
    out += (out.empty() ? "" : ", ") + std::string(name) + " " + ShapeText(*tensor);
  };
  add("qweight", parts.qweight);
  add("qzeros", parts.qzeros);
  add("scales", parts.scales);
  add("zeros", parts.zeros);
  add("g_idx", parts.g_idx);
  return out;
}

// Names of the components a class lacks.
std::vector<std::string_view> Missing(const Parts& parts) {
  std::vector<std::string_view> out;
  if (parts.qweight == nullptr) out.push_back("qweight");
  if (parts.scales == nullptr) out.push_back("scales");
  if (parts.qzeros == nullptr && parts.zeros == nullptr) out.push_back("qzeros");
  return out;
}

bool Rank2(const TensorRecord* tensor) { return tensor != nullptr && tensor->rank == 2; }

// qweight as [N, packed K] where [packed K, N] is due.
bool LooksTransposed(const Parts& parts) {
  if (!Rank2(parts.qweight) || !Rank2(parts.scales)) return false;
  const auto q = parts.qweight->dims();
  const auto s = parts.scales->dims();
  return (q[0] == s[1] && q[1] != s[1]) || (s[0] == q[1] && s[1] < s[0]);
}

}  // namespace

void CheckComponents(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (IsUnread(exam, {FileRole::kWeights})) return;  // it may hold what is missing
  const std::unordered_set<std::string_view> absent(exam.tensors.missing_names.begin(),
                                                    exam.tensors.missing_names.end());
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (IsForeign(exam, c)) continue;
    const Parts parts = PartsOf(exam, c);
    // `scales` alone may be anything; with one of the others the module means to be GPTQ.
    if (parts.qweight == nullptr && parts.qzeros == nullptr && parts.g_idx == nullptr) continue;
    const auto missing = Missing(parts);
    if (missing.empty()) continue;
    if (parts.qweight == nullptr && !exam.quant.is_gptq) continue;
    Observation report;
    std::string list;
    for (std::string_view name : missing) list += (list.empty() ? "" : ", ") + std::string(name);
    int64_t count = 0;
    for (uint32_t module : exam.inventory.members(exam.inventory.classes[c])) {
      const std::string stem(exam.inventory.modules[module].stem);
      // In a shard that is not here: that is the shard's finding.
      if (!absent.empty() && absent.contains(stem + "." + std::string(missing.front()))) continue;
      if (report.names.size() < sink.limit()) NameModule(input, module, report);
      ++count;
    }
    if (count == 0) continue;
    report.count = count;
    report.cause = list;
    report.value = list;
    report.message = "{names}: " + list + (missing.size() == 1 ? " is missing" : " are missing");
    report.evidence.push_back("present: " + Describe(parts));
    sink.Add(std::move(report));
  }
}

void CheckShapes(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsGptqClass(exam, c)) continue;
    const ClassFacts& facts = exam.quant.classes[c];
    if (facts.contradiction.empty() && !facts.floor_truncated) continue;
    Observation report;
    NameClass(input, sink, c, report);
    report.evidence.push_back(Describe(PartsOf(exam, c)));
    if (facts.floor_truncated) {
      report.cause = "truncated";
      report.message = "{names}: channels were cut off when the module was packed";
      if (!facts.contradiction.empty()) report.evidence.push_back(facts.contradiction);
      sink.Add("GD305", std::move(report));
    } else {
      report.cause = facts.contradiction;
      report.message = "{names}: the shapes contradict each other: " + facts.contradiction;
      sink.Add("GD302", std::move(report));
    }
  }
}

void CheckDtypes(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (IsForeign(exam, c)) continue;
    const Parts parts = PartsOf(exam, c);
    if (parts.qweight == nullptr || parts.scales == nullptr) continue;
    if (parts.qzeros == nullptr && parts.zeros == nullptr) continue;
    std::string wrong;
    if (!IsInteger(parts.qweight->dtype)) {
      wrong = fmt::format("qweight is {}, not an integer type", ToString(parts.qweight->dtype));
    } else if (parts.qzeros != nullptr && !IsInteger(parts.qzeros->dtype)) {
      wrong = fmt::format("qzeros is {}, not {} like qweight", ToString(parts.qzeros->dtype),
                          ToString(parts.qweight->dtype));
    } else if (parts.qzeros != nullptr && BitsOf(parts.qzeros->dtype) != BitsOf(parts.qweight->dtype)) {
      wrong = fmt::format("qzeros is {} and qweight {}", ToString(parts.qzeros->dtype), ToString(parts.qweight->dtype));
    } else if (!IsFloat(parts.scales->dtype)) {
      wrong = fmt::format("scales is {}, not floating point", ToString(parts.scales->dtype));
    } else if (parts.g_idx != nullptr && parts.g_idx->dtype != Dtype::kI32) {
      wrong = fmt::format("g_idx is {}, not I32", ToString(parts.g_idx->dtype));
    }
    Observation report;
    if (!wrong.empty()) {
      NameClass(input, sink, c, report);
      report.cause = wrong;
      report.value = wrong;
      report.message = "{names}: " + wrong;
      sink.Add("GD303", std::move(report));
      continue;
    }
    if (exam.inventory.classes[c].format >= 0) continue;
    NameClass(input, sink, c, report);
    const bool transposed = LooksTransposed(parts);
    report.cause = transposed ? "transposed" : "unknown";
    report.message = transposed ? "{names}: qweight looks transposed: GPTQ packs the input channels into rows"
                                : "{names}: qweight, qzeros and scales fit no known layout";
    report.evidence.push_back(Describe(parts));
    sink.Add("GD304", std::move(report));
  }
}

void CheckDenseBeside(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsGptqClass(exam, c)) continue;
    const TensorRecord* weight = exam.inventory.Find(exam.tensors, Representative(exam, c), kWeight);
    if (weight == nullptr) continue;
    Observation report;
    NameClass(input, sink, c, report);
    report.cause = "weight";
    report.message = "{names}: a dense weight beside qweight";
    report.evidence.push_back("weight " + ShapeText(*weight));
    sink.Add(std::move(report));
  }
}

void CheckWidths(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsGptqClass(exam, c)) continue;
    const ClassFacts& facts = exam.quant.classes[c];
    if (!facts.bits || facts.out_features <= 0 || facts.floor_truncated || !facts.contradiction.empty() ||
        facts.float_zeros)
      continue;
    if (facts.pack_bits % *facts.bits != 0) continue;
    const int64_t factor = facts.pack_bits / *facts.bits;
    if (facts.out_features % factor == 0) continue;
    Observation report;
    NameClass(input, sink, c, report);
    report.cause = "width";
    report.value = std::to_string(facts.out_features);
    report.message = fmt::format("{{names}}: out_features {} is not a multiple of {}, the fields of a word",
                                 facts.out_features, factor);
    sink.Add(std::move(report));
  }
}

void CheckTensorParallel(const RuleInput& input, FindingSink& sink) {
  // Row-parallel layers: each rank holds a slice of in_features.
  constexpr std::string_view kRowParallel[] = {"o_proj", "down_proj", "out_proj", "dense_4h_to_h",
                                               "fc2",    "c_proj",    "wo",       "w2"};
  const Examination& exam = input.exam;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsGptqClass(exam, c)) continue;
    const std::string& pattern = exam.inventory.classes[c].pattern;
    if (pattern.find("experts") != std::string::npos) continue;  // experts are spread over ranks whole
    if (std::find(std::begin(kRowParallel), std::end(kRowParallel), LastPart(pattern)) == std::end(kRowParallel))
      continue;
    const ClassFacts& facts = exam.quant.classes[c];
    if (facts.in_features <= 0 || !facts.group_size || !facts.contradiction.empty()) continue;
    // One group a column is not cut, but a rank's share must fill whole words.
    const int64_t unit = *facts.group_size > 0 ? *facts.group_size : 32;
    std::string bad;
    for (int64_t ranks : {2, 4, 8}) {
      if (facts.in_features % SaturatingMul(ranks, unit) != 0) bad += (bad.empty() ? "" : ", ") + std::to_string(ranks);
    }
    if (bad.empty()) continue;
    Observation report;
    NameClass(input, sink, c, report);
    report.cause = fmt::format("{} {} {}", facts.in_features, unit, bad);
    report.value = bad;
    report.message =
        fmt::format("{{names}}: in_features {} over {} ranks is no multiple of {}", facts.in_features, bad, unit);
    sink.Add(std::move(report));
  }
}

void CheckFormats(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq) return;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsForeign(exam, c)) continue;
    const FormatRow& row = FormatTable()[static_cast<size_t>(exam.inventory.classes[c].format)];
    Observation report;
    NameClass(input, sink, c, report);
    report.cause = row.family;
    report.value = row.family;
    report.message = "{names}: " + std::string(row.title) + " beside GPTQ modules";
    report.evidence.push_back(std::string(row.why));
    sink.Add(std::move(report));
  }
}

void CheckFloatZeros(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  Observation report;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (IsGptqClass(exam, c) && exam.quant.classes[c].float_zeros) NameClass(input, sink, c, report);
  }
  if (report.names.empty()) return;
  report.cause = "zeros";
  report.message = "{names}: the dialect of March 2023, with floating-point zeros; no current loader reads it";
  sink.Add(std::move(report));
}

void CheckGIdxAbsent(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (IsUnread(exam, {FileRole::kWeights})) return;
  int64_t with = 0, without = 0;
  uint32_t example = 0;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    if (!IsGptqClass(exam, c) || exam.quant.classes[c].float_zeros) continue;
    const bool has = exam.inventory.Find(exam.tensors, Representative(exam, c), kGIdx) != nullptr;
    (has ? with : without) += exam.inventory.classes[c].count;
    if (!has) example = c;
  }
  if (without == 0) return;
  Observation report;
  NameClass(input, sink, example, report);
  report.names.resize(1);
  report.count = without;
  report.cause = with == 0 ? "all" : "some";
  report.message = with == 0
                       ? "no module has g_idx, which is harmless without act-order; TGI 0.9 insisted on it"
                       : FormatCount(static_cast<uint64_t>(without)) + " of " +
                             FormatCount(static_cast<uint64_t>(with + without)) + " quantized modules have no g_idx";
  sink.Add(std::move(report));
}

}  // namespace gptq_doctor
