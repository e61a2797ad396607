#include <algorithm>

#include "infer/infer_state.h"
#include "infer/value_checks.h"

namespace gptq_doctor {
namespace {

// Defects of values that only the whole checkpoint shows: writers' known faults and labels that the zeros contradict.
class DefectFinisher {
 public:
  DefectFinisher(InferState& state, bool broken_asymmetric) : s_(state), broken_asymmetric_(broken_asymmetric) {}

  void Run() {
    std::vector<ValueDefect>& defects = s_.q.value_defects;
    for (const ModuleReport& report : s_.reports) CheckReport(report, defects);
    CheckDtypes(s_.in.tensors, s_.in.inventory, s_.q.classes, defects);
    CheckWriterDefects(defects);
    if (s_.q.zero_format == ZeroFormat::kV1) {
      CheckShiftByVersion(defects);
      if (!broken_asymmetric_) CheckUnderflow(s_.reports, defects);
    }
    CheckLabel(defects);
    std::ranges::stable_sort(defects, [](const ValueDefect& a, const ValueDefect& b) {
      return std::pair(a.catalogue, a.module) < std::pair(b.catalogue, b.module);
    });
  }

 private:
  // C-27 of asymmetric modules shows only in the writer's version: the zeros themselves look like any others.
  void CheckShiftByVersion(std::vector<ValueDefect>& defects) {
    const bool writer =
        std::ranges::any_of(s_.declarations, [](const Declaration& d) { return QuantizerBelow(d.quantizer, "7.3.2"); });
    const std::optional<int> base = s_.q.base.bits;
    if (!writer || !base || (s_.q.shifted_base_bits != 0 && s_.q.shifted_base_bits != *base)) return;
    for (const ModuleReport& report : s_.reports) {
      if (report.zeros.kind != ZeroKind::kVaried || s_.FactsOf(report).bits == base) continue;
      s_.q.shifted_base_bits = *base;
      defects.push_back({.catalogue = 27,
                         .variant = "asymmetric",
                         .module = report.module,
                         .detail = "written by GPTQModel before 7.3.2, which shifts the zeros of every module by the "
                                   "constant of the base's " +
                                   std::to_string(*base) + " bits",
                         .affected = report.zeros.fields});
    }
  }

  // C-3: a label that the zeros contradict. To every loader a missing label of a gptq config means gptq.
  void CheckLabel(std::vector<ValueDefect>& defects) {
    const bool proved = s_.q.zero_format == ZeroFormat::kPlanar ? s_.layout_confidence == Confidence::kCertain
                                                                : s_.constant_words || s_.asymmetric.strong;
    if (!proved || s_.q.zero_format == ZeroFormat::kUnknown || s_.reports.empty()) return;
    for (const Declaration& d : s_.declarations) {
      if (d.voice == Voice::kName || !d.speaks_gptq ||
          d.settings.checkpoint_format.value_or("gptq").starts_with("gptq") == false)
        continue;
      const bool labelled = d.settings.checkpoint_format.has_value();
      if (d.voice == Voice::kMetadata && !labelled) continue;
      const std::string label = d.settings.checkpoint_format.value_or("gptq");
      if (LabelFits(label)) continue;
      defects.push_back({.catalogue = 3,
                         .variant = labelled ? "label" : "no label",
                         .module = s_.reports.front().module,
                         .detail = d.source +
                                   (labelled ? " says " + label : " names no checkpoint_format, which means gptq,") +
                                   " but the zeros are those of " + s_.q.base.checkpoint_format.value_or(""),
                         .affected = s_.q.coverage.modules});
      return;
    }
  }

  bool LabelFits(std::string_view label) const {
    switch (s_.q.zero_format) {
      case ZeroFormat::kV1:
        return label == "gptq";
      case ZeroFormat::kV2:
        return label == "gptq_v2" || (label == "gptq_p" && !HasThreeBits());
      case ZeroFormat::kPlanar:
        return label == "gptq_p";
      case ZeroFormat::kUnknown:
        return true;
    }
    return true;
  }

  bool HasThreeBits() const {
    return std::ranges::any_of(s_.q.classes, [](const ClassFacts& facts) { return facts.gptq && facts.bits == 3; });
  }

  // C-2 and C-27.
  void CheckWriterDefects(std::vector<ValueDefect>& defects) {
    for (const ModuleReport& report : s_.reports) {
      const ZeroKind kind = report.zeros.kind;
      const bool asymmetric_3bit = broken_asymmetric_ && kind == ZeroKind::kVaried && *s_.FactsOf(report).bits == 3;
      if (kind == ZeroKind::kSymBroken3Bit || asymmetric_3bit) {
        defects.push_back({.catalogue = 2,
                           .variant = asymmetric_3bit ? "asymmetric" : "symmetric",
                           .module = report.module,
                           .detail = "3-bit zeros were shifted by the constants of GPTQModel before 7.0.0, whose words "
                                     "stand in the wrong order",
                           .affected = report.zeros.fields});
      }
      if (kind == ZeroKind::kSymShiftedBase) {
        defects.push_back(
            {.catalogue = 27,
             .variant = "symmetric",
             .module = report.module,
             .detail = "zeros were shifted by the constant of " + std::to_string(report.zeros.base_bits) + " bits",
             .affected = report.zeros.fields});
      }
    }
  }

  InferState& s_;
  const bool broken_asymmetric_;  // 3-bit asymmetric zeros of GPTQModel before 7.0.0
};

}  // namespace

void FinishValueDefects(InferState& state, bool broken_asymmetric) { DefectFinisher(state, broken_asymmetric).Run(); }

}  // namespace gptq_doctor
