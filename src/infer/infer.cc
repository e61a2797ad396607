#include "infer/infer.h"

#include <algorithm>
#include <array>
#include <map>

#include "infer/infer_state.h"
#include "infer/value_checks.h"

namespace gptq_doctor {
namespace {

// Of the data budget, what codes and scales may take when qzeros and g_idx used nearly all of it.
constexpr uint64_t kWindowShare = 4;
constexpr int kSlabsSym = 2, kSlabsVaried = 8;

class Inference {
 public:
  Inference(const InferInput& input, const ExamineOptions& options, const ExamineContext& context,
            std::vector<Error>& errors)
      : s_{.in = input, .options = options}, context_(context), errors_(errors) {}

  InferredQuant Run() {
    s_.q.classes = ReadClassFacts(s_.in.tensors, s_.in.inventory, s_.in.configs.model);
    s_.declarations = CollectDeclarations(s_.in, errors_);
    s_.q.is_gptq = std::ranges::any_of(s_.q.classes, &ClassFacts::gptq);
    if (!s_.q.is_gptq) {
      if (TensorsAreElsewhere()) AssembleDeclared(s_);
      return std::move(s_.q);
    }
    for (size_t c = 0; c < s_.q.classes.size(); ++c) {
      s_.weights.push_back(WeightsOf(s_.q.classes[c], s_.in.inventory.classes[c]));
    }
    NoteContradictions();
    ReadSmallTensors();
    ResolveGroups();
    ChooseBase(s_);
    JudgeConstants();
    ReadCodes();
    JudgeFormat();
    AssembleEvidence(s_);
    FinishValueDefects(s_, broken_asymmetric_);
    MakeGroups(s_);
    return std::move(s_.q);
  }

 private:
  // No GPTQ module is at hand, yet the index or the configs promise them and the files that would hold them are
  // missing.
  bool TensorsAreElsewhere() const {
    bool qweight = false, qzeros = false;
    for (std::string_view name : s_.in.tensors.missing_names) {
      qweight |= name.ends_with(".qweight");
      qzeros |= name.ends_with(".qzeros");
      if (qweight && qzeros) return true;
    }
    if (qweight) return std::ranges::any_of(s_.declarations, &Declaration::speaks_gptq);
    if (s_.in.tensors.size() > 0) return false;
    return std::ranges::any_of(s_.declarations,
                               [](const Declaration& d) { return d.voice == Voice::kConfig && d.speaks_gptq; });
  }

  std::string Names(size_t class_id) const {
    return NameModules(s_.in, s_.in.inventory.members(s_.in.inventory.classes[class_id]));
  }

  void NoteContradictions() {
    std::map<int, size_t> words;  // bits of a storage word -> a class
    for (size_t c = 0; c < s_.q.classes.size(); ++c) {
      const ClassFacts& facts = s_.q.classes[c];
      s_.q.coverage.modules += facts.gptq ? s_.in.inventory.classes[c].count : 0;
      if (!facts.gptq) continue;
      if (!facts.contradiction.empty()) {
        s_.q.contradictions.push_back(Names(c) + ": " + facts.contradiction);
      } else if (!facts.bits && !facts.bits_candidates.empty()) {
        std::string widths;
        for (int bits : facts.bits_candidates) widths += (widths.empty() ? "" : ", ") + std::to_string(bits);
        s_.q.contradictions.push_back(Names(c) + ": ambiguous, the shapes fit " + widths + " bits");
      } else if (facts.bits) {
        words.emplace(facts.pack_bits, c);
      }
    }
    if (words.size() < 2) return;
    std::string text;
    for (const auto& [bits, c] : words)
      text += (text.empty() ? "" : "; ") + std::to_string(bits) + "-bit words in " + Names(c);
    s_.q.contradictions.push_back("pack_dtype is one setting for the whole checkpoint: " + text);
  }

  void ReadSmallTensors() {
    const SamplePlan plan = PlanSample(s_.in, s_.q.classes, s_.options);
    SampleReports sample = ReadSample(s_.in, s_.q.classes, plan, context_, errors_);
    s_.q.coverage.complete = plan.complete && sample.modules.size() == plan.modules.size();
    s_.q.coverage.modules_read = static_cast<int64_t>(sample.modules.size());
    s_.q.coverage.bytes_read = static_cast<int64_t>(sample.bytes);
    s_.reports = std::move(sample.modules);
    s_.kept = std::move(sample.kept);
  }

  // The size that g_idx proves for a class, where the modules that were read agree.
  std::vector<std::optional<int64_t>> ExactGroups() const {
    std::vector<std::optional<int64_t>> exact(s_.q.classes.size());
    std::vector<bool> disputed(s_.q.classes.size(), false);
    for (const ModuleReport& report : s_.reports) {
      const GIdxReport& g = report.g_idx;
      const ClassFacts& facts = s_.FactsOf(report);
      if (!g.group_size || (!g.padded && (g.uneven_groups > 0 || g.empty_groups > 0))) continue;
      if (!g.padded && (*g.group_size < facts.group_min || *g.group_size > facts.group_max)) continue;
      const uint32_t c = s_.ClassOf(report.module);
      if (exact[c] && exact[c] != g.group_size) disputed[c] = true;
      exact[c] = g.group_size;
    }
    for (size_t c = 0; c < exact.size(); ++c) {
      if (disputed[c]) exact[c].reset();
    }
    return exact;
  }

  void ResolveGroups() {
    const std::vector<std::optional<int64_t>> exact = ExactGroups();
    s_.exact_group_size = std::ranges::any_of(exact, [](const auto& group) { return group.has_value(); });
    GroupSizeInput input{.classes = s_.q.classes, .weights = s_.weights, .exact = exact};
    for (const Declaration& d : s_.declarations) {
      if (d.voice != Voice::kName && d.settings.group_size) input.declared.push_back(*d.settings.group_size);
    }
    s_.group_sizes = ResolveGroupSizes(input);
    for (size_t c = 0; c < s_.q.classes.size(); ++c) s_.q.classes[c].group_size = s_.group_sizes.by_class[c];
    for (const ModuleReport& report : s_.reports) {
      s_.q.data.push_back({.module = report.module,
                           .g_idx = report.g_idx.kind,
                           .zeros = report.zeros.kind,
                           .group_size = report.g_idx.group_size,
                           .zero_constant = report.zeros.constant,
                           .base_bits = report.zeros.base_bits});
    }
  }

  // Constant words: the base bits' constant is believed only where one width explains all shifted modules and sound v1
  // modules of that width exist.
  void JudgeConstants() {
    std::array<int64_t, 9> sound{};
    int base = 0;
    bool agreed = true, shifted = false;
    for (const ModuleReport& report : s_.reports) {
      if (report.zeros.kind == ZeroKind::kSymV1 || report.zeros.kind == ZeroKind::kSymBroken3Bit)
        ++sound[static_cast<size_t>(*s_.FactsOf(report).bits)];
      if (report.zeros.kind != ZeroKind::kSymShiftedBase) continue;
      agreed = agreed && (!shifted || base == report.zeros.base_bits);
      base = report.zeros.base_bits;
      shifted = true;
    }
    if (shifted && agreed && sound[static_cast<size_t>(base)] > 0) {
      s_.q.shifted_base_bits = base;
    } else if (shifted) {
      for (size_t i = 0; i < s_.reports.size(); ++i) {
        if (s_.reports[i].zeros.kind != ZeroKind::kSymShiftedBase) continue;
        s_.reports[i].zeros.kind = s_.q.data[i].zeros = ZeroKind::kConstantOther;
        s_.q.data[i].base_bits = 0;
      }
    }
    for (const ModuleReport& report : s_.reports) {
      s_.q.broken_3bit_zeros |= report.zeros.kind == ZeroKind::kSymBroken3Bit;
    }
  }

  // Codes and scales of the modules whose zeros are in memory.
  void ReadCodes() {
    std::vector<const ModuleReport*> kept;
    bool varied = false;
    for (const ModuleReport& report : s_.reports) {
      if (report.kept) kept.push_back(&report);
      varied |= report.zeros.kind == ZeroKind::kVaried;
    }
    const uint64_t limit = s_.options.sample_bytes, used = static_cast<uint64_t>(s_.q.coverage.bytes_read);
    const uint64_t budget = std::max(limit - std::min(limit, used), limit / kWindowShare);
    const uint64_t bytes = ReadWindows(s_.in, s_.q.classes,
                                       {.modules = kept, .budget = budget, .slabs = varied ? kSlabsVaried : kSlabsSym},
                                       context_, errors_, [&](const ModuleWindow& window) { Take(window); });
    s_.q.coverage.bytes_read += static_cast<int64_t>(bytes);
  }

  void Take(const ModuleWindow& window) {
    CheckWindow(window, s_.q.value_defects);
    const CodeWindow& w = window.window;
    if (w.codes.empty()) return;
    if (w.bits == 3) {
      continuous_entropy_ += Entropy(w.codes) * static_cast<double>(w.codes.size());
      planar_entropy_ += Entropy(window.planar_codes) * static_cast<double>(w.codes.size());
      codes_of_3bit_ += static_cast<int64_t>(w.codes.size());
    }
    const ModuleData* data = s_.q.DataOf(window.module);
    if (data == nullptr || data->zeros != ZeroKind::kVaried || w.zero_rows == 0) return;
    FormatVote vote{.module = window.module, .report = FindWitnesses(w)};
    // Of mixed widths the base speaks: writers of v1 may have shifted the others by its constant (C-27).
    const bool base_speaks = s_.q.base.bits.value_or(8) <= 4;
    if (w.bits > 4 || (base_speaks && w.bits != *s_.q.base.bits)) vote.report.count = 0;
    votes_.push_back(vote);
  }

  void JudgeFormat() {
    JudgeLayout();
    JudgeBrokenAsymmetric();
    std::vector<const ZeroReport*> varied;
    for (const ModuleReport& report : s_.reports) {
      if (report.zeros.kind == ZeroKind::kVaried) varied.push_back(&report.zeros);
    }
    // Fields of broken zeros and of the wrong layout mean nothing.
    if (s_.q.layout == CodeLayout::kContinuous && !broken_asymmetric_) s_.asymmetric = JudgeAsymmetric(votes_, varied);
    DecideZeroFormat();
  }

  // Planar or continuous matters at 3 bits alone; 5, 6 and 7 bits exist in planes only and make the whole checkpoint
  // planar.
  void JudgeLayout() {
    bool planar_words = false, continuous_words = false;
    int64_t three = 0;
    for (const ModuleReport& report : s_.reports) {
      const ZeroReport& z = report.zeros;
      if (*s_.FactsOf(report).bits != 3 || z.kind == ZeroKind::kNotRead) continue;
      ++three;
      planar_words |= z.planar;
      continuous_words |= !z.planar && z.kind != ZeroKind::kVaried && z.kind != ZeroKind::kConstantOther;
    }
    for (const ClassFacts& facts : s_.q.classes) {
      if (facts.gptq && facts.bits && *facts.bits >= 5 && *facts.bits <= 7) s_.q.layout = CodeLayout::kPlanar;
    }
    if (planar_words) s_.q.layout = CodeLayout::kPlanar;
    if (three == 0 || planar_words || continuous_words || s_.q.layout == CodeLayout::kPlanar) return;
    if (codes_of_3bit_ < 4096) return;
    // Simulated: 2.4 to 2.7 bits in the right layout, 2.97 to 3.0 in the wrong one (gptq-format B.6).
    const double planar = planar_entropy_ / static_cast<double>(codes_of_3bit_);
    const double continuous = continuous_entropy_ / static_cast<double>(codes_of_3bit_);
    if (planar + 0.1 < continuous) {
      s_.q.layout = CodeLayout::kPlanar;
      s_.layout_confidence = Confidence::kInferred;
      s_.layout_facts.push_back({.source = "qweight",
                                 .detail = "3-bit codes read as bit planes are far less random than read as one stream",
                                 .modules = three});
    }
  }

  void JudgeBrokenAsymmetric() {
    std::vector<const ZeroReport*> varied;
    for (const ModuleReport& report : s_.reports) {
      if (*s_.FactsOf(report).bits == 3 && report.zeros.kind == ZeroKind::kVaried) varied.push_back(&report.zeros);
    }
    if (varied.empty() || s_.q.layout == CodeLayout::kPlanar) return;
    const Declaration* label = FirstWith(s_.declarations, FormatIn);
    const bool labelled_v1 = label == nullptr || SpellSetting(FormatIn(label->settings)) == "gptq";
    const bool old_writer = labelled_v1 && std::ranges::any_of(s_.declarations, [](const Declaration& d) {
                              return QuantizerBelow(d.quantizer, "7.0.0");
                            });
    const PositionVerdict verdict = JudgePositions(varied);
    broken_asymmetric_ =
        verdict == PositionVerdict::kBroken3Bit || (old_writer && verdict == PositionVerdict::kUnclear);
    if (!broken_asymmetric_) return;
    s_.q.broken_3bit_zeros = true;
    s_.asymmetric.format = ZeroFormat::kV1;
    s_.asymmetric.confidence = Confidence::kInferred;
    s_.asymmetric.facts.push_back({.source = "qzeros",
                                   .detail = "3-bit zeros shifted by the constants of GPTQModel before 7.0.0: their "
                                             "mean depends on the output's position",
                                   .modules = static_cast<int64_t>(varied.size())});
  }

  void DecideZeroFormat() {
    int64_t v1 = 0, v2 = 0;
    std::vector<uint32_t> v1_modules, v2_modules;
    for (const ModuleReport& report : s_.reports) {
      const ZeroKind kind = report.zeros.kind;
      const bool is_v1 =
          kind == ZeroKind::kSymV1 || kind == ZeroKind::kSymBroken3Bit || kind == ZeroKind::kSymShiftedBase;
      if (is_v1) ++v1, v1_modules.push_back(report.module);
      if (kind == ZeroKind::kSymV2) ++v2, v2_modules.push_back(report.module);
    }
    if (s_.q.layout == CodeLayout::kPlanar) {
      s_.q.zero_format = ZeroFormat::kPlanar;
    } else if (v1 > 0 && v2 > 0) {
      s_.q.contradictions.push_back(
          "checkpoint_format is one setting for the whole checkpoint: zeros are those of gptq in " +
          NameModules(s_.in, v1_modules) + ", those of gptq_v2 in " + NameModules(s_.in, v2_modules));
    } else if (v1 > 0 || v2 > 0) {
      s_.q.zero_format = v1 > 0 ? ZeroFormat::kV1 : ZeroFormat::kV2;
      s_.constant_words = true;
    } else {
      s_.q.zero_format = s_.asymmetric.format;
    }
  }

  InferState s_;
  const ExamineContext& context_;
  std::vector<Error>& errors_;
  std::vector<FormatVote> votes_;
  double continuous_entropy_ = 0, planar_entropy_ = 0;
  int64_t codes_of_3bit_ = 0;
  bool broken_asymmetric_ = false;
};

}  // namespace

const ModuleData* InferredQuant::DataOf(uint32_t module) const {
  const auto found = std::ranges::lower_bound(data, module, {}, &ModuleData::module);
  return found != data.end() && found->module == module ? &*found : nullptr;
}

std::string NameModules(const InferInput& input, std::span<const uint32_t> modules) {
  std::string out;
  for (size_t i = 0; i < modules.size() && i < 3; ++i)
    out += (i ? ", " : "") + std::string(input.inventory.modules[modules[i]].stem);
  if (modules.size() > 3) out += " and " + std::to_string(modules.size() - 3) + " more";
  return out;
}

InferredQuant Infer(const InferInput& input, const ExamineOptions& options, const ExamineContext& context,
                    std::vector<Error>& errors) {
  return Inference(input, options, context, errors).Run();
}

}  // namespace gptq_doctor
