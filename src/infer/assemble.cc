#include <algorithm>
#include <map>
#include <set>

#include "infer/dynamic_rules.h"
#include "infer/infer_state.h"

namespace gptq_doctor {
namespace {

std::string Shape(const TensorRecord* tensor) {
  if (tensor == nullptr) return "absent";
  std::string out = "[";
  for (size_t i = 0; i < tensor->dims().size() && i < 4; ++i)
    out += (i ? ", " : "") + std::to_string(tensor->dims()[i]);
  return out + "]";
}

const char* NameOf(ZeroFormat format) {
  switch (format) {
    case ZeroFormat::kV1:
      return "gptq";
    case ZeroFormat::kV2:
      return "gptq_v2";
    case ZeroFormat::kPlanar:
      return "gptq_p";
    case ZeroFormat::kUnknown:
      return "";
  }
  return "";
}

class Assembler {
 public:
  explicit Assembler(InferState& state) : s_(state), q_(state.q) {}

  void Run() {
    CountModules();
    Bits();
    GroupSize();
    Sym();
    DescAct();
    Format();
    PackDtype();
    LmHead();
    StaticGroups();
    Dynamic();
  }

 private:
  Evidence& Add(std::string key, Value value, Confidence confidence) {
    q_.evidence.push_back({.key = std::move(key), .value = std::move(value), .confidence = confidence});
    return q_.evidence.back();
  }

  void CountModules() {
    for (size_t c = 0; c < q_.classes.size(); ++c) {
      const ClassFacts& facts = q_.classes[c];
      if (!facts.gptq) continue;
      const auto count = static_cast<int64_t>(s_.in.inventory.classes[c].count);
      if (facts.bits) by_bits_[*facts.bits].push_back(c);
      if (facts.group_size) by_group_[*facts.group_size].push_back(c);
      modules_ += count;
    }
  }

  int64_t CountOf(const std::vector<size_t>& classes) const {
    int64_t count = 0;
    for (size_t c : classes) count += s_.in.inventory.classes[c].count;
    return count;
  }

  // "model.layers.*.mlp.down_proj, lm_head and 3 more".
  std::string PatternsOf(const std::vector<size_t>& classes) const {
    std::set<std::string_view> seen;
    std::string out;
    for (size_t c : classes) {
      const std::string_view pattern = s_.in.inventory.classes[c].pattern;
      if (!seen.insert(pattern).second || seen.size() > 3) continue;
      out += (out.empty() ? "" : ", ") + std::string(pattern);
    }
    return seen.size() > 3 ? out + " and " + std::to_string(seen.size() - 3) + " more" : out;
  }

  // Where more modules have other values than the base's, calling the heaviest value the base is a convention.
  bool Outnumbered(const std::vector<size_t>& base) const { return 2 * CountOf(base) < modules_; }

  // The class of `classes` with most weights: its shapes stand for all.
  size_t Largest(const std::vector<size_t>& classes) const {
    return *std::ranges::max_element(classes, {}, [&](size_t c) { return s_.weights[c]; });
  }

  void Bits() {
    Evidence& e = Add("bits", BitsIn(q_.base), Confidence::kUnknown);
    if (!q_.base.bits) return Weigh(s_.declarations, BitsIn, e);
    const std::vector<size_t>& base = by_bits_[*q_.base.bits];
    const size_t c = Largest(base);
    const ClassFacts& facts = q_.classes[c];
    const bool single = facts.bits_candidates.size() == 1 && !facts.float_zeros;
    e.confidence = single && !Outnumbered(base) ? Confidence::kCertain : Confidence::kInferred;
    const ModuleTensors t = TensorsOf(s_.in.tensors, s_.in.inventory, s_.in.inventory.classes[c].representative);
    e.facts.push_back({.source = "tensor shapes",
                       .detail = "qweight " + Shape(t.qweight) + ", qzeros " + Shape(t.qzeros ? t.qzeros : t.zeros) +
                                 ", scales " + Shape(t.scales) + ", g_idx " + Shape(t.g_idx) + " of " +
                                 s_.in.inventory.classes[c].pattern +
                                 (single ? " fit no other width" : " fit best with the model's other dimensions"),
                       .modules = CountOf(base)});
    for (const auto& [bits, classes] : by_bits_) {
      if (bits == *q_.base.bits) continue;
      e.dissent.push_back({.source = "tensor shapes",
                           .detail = std::to_string(bits) + " bits in " + PatternsOf(classes),
                           .modules = CountOf(classes)});
    }
    Weigh(s_.declarations, BitsIn, e);
  }

  void GroupSize() {
    Evidence& e = Add("group_size", GroupSizeIn(q_.base), Confidence::kUnknown);
    if (!q_.base.group_size) {
      for (size_t c = 0; c < q_.classes.size(); ++c) {
        const ClassFacts& facts = q_.classes[c];
        if (!facts.gptq || facts.groups < 2 || facts.group_max < facts.group_min || !e.facts.empty()) continue;
        e.facts.push_back({.source = "tensor shapes",
                           .detail = std::to_string(facts.groups) + " groups for " + std::to_string(facts.in_features) +
                                     " input channels: any size from " + std::to_string(facts.group_min) + " to " +
                                     std::to_string(facts.group_max) + " fits",
                           .modules = static_cast<int64_t>(s_.in.inventory.classes[c].count)});
      }
      return Weigh(s_.declarations, GroupSizeIn, e);
    }
    const int64_t base = *q_.base.group_size;
    const std::vector<size_t>& classes = by_group_[base];
    // Columns of several groups show the size; those of one group it merely covers.
    std::vector<size_t> speaking = classes;
    std::erase_if(speaking, [&](size_t one) { return q_.classes[one].groups < 2; });
    const size_t c = Largest(speaking.empty() ? classes : speaking);
    const bool proved = std::ranges::any_of(
        classes, [&](size_t one) { return s_.group_sizes.confidence[one] == Confidence::kCertain; });
    e.confidence = proved && !Outnumbered(classes) ? Confidence::kCertain : Confidence::kInferred;
    AddGroupFacts(classes, c, e);
    for (const auto& [group, others] : by_group_) {
      if (group == base) continue;
      e.dissent.push_back({.source = "tensor shapes",
                           .detail = (group < 0 ? "one group a column" : "groups of " + std::to_string(group)) +
                                     " in " + PatternsOf(others),
                           .modules = CountOf(others)});
    }
    const size_t before = e.facts.size();
    Weigh(s_.declarations, GroupSizeIn, e);
    const bool confirmed =
        std::any_of(e.facts.begin() + static_cast<std::ptrdiff_t>(before), e.facts.end(),
                    [](const Fact& fact) { return fact.source != "file name" && fact.source != "directory name"; });
    if (confirmed && q_.classes[c].groups > 1 && !Outnumbered(classes)) e.confidence = Confidence::kCertain;
  }

  void AddGroupFacts(const std::vector<size_t>& classes, size_t c, Evidence& e) const {
    const ClassFacts& facts = q_.classes[c];
    if (facts.groups > 1) {
      e.facts.push_back({.source = "tensor shapes",
                         .detail = std::to_string(facts.groups) + " groups for " + std::to_string(facts.in_features) +
                                   " input channels",
                         .modules = CountOf(classes)});
    } else {
      e.facts.push_back(
          {.source = "tensor shapes",
           .detail = *q_.base.group_size < 0
                         ? "every column has one group; any size of at least in_features gives the same values"
                         : "every column has one group, which the declared size covers",
           .modules = CountOf(classes)});
    }
    int64_t exact = 0;
    for (const ModuleData& data : q_.data) exact += data.group_size == q_.base.group_size;
    if (exact > 0)
      e.facts.push_back({.source = "g_idx",
                         .detail = "groups hold " + std::to_string(*q_.base.group_size) + " channels",
                         .modules = exact});
  }

  void Sym() {
    int64_t sym = 0, varied = 0, other = 0, broken = 0, weight_sym = 0, weight_varied = 0;
    std::vector<uint32_t> sym_modules, varied_modules, other_modules;
    for (const ModuleReport& report : s_.reports) {
      const int64_t weight = s_.weights[s_.ClassOf(report.module)] /
                                 std::max<int64_t>(1, s_.in.inventory.classes[s_.ClassOf(report.module)].count) +
                             1;
      const ZeroKind kind = report.zeros.kind;
      if (kind == ZeroKind::kNotRead) continue;
      const std::optional<bool> one = gptq_doctor::SymOf(kind);
      broken += kind == ZeroKind::kSymBroken3Bit || kind == ZeroKind::kSymShiftedBase;
      if (one == true) ++sym, weight_sym += weight, sym_modules.push_back(report.module);
      if (one == false) ++varied, weight_varied += weight, varied_modules.push_back(report.module);
      if (!one) ++other, other_modules.push_back(report.module);
    }
    if (sym + varied > 0) q_.base.sym = weight_sym > weight_varied;
    Evidence& e = Add("sym", SymIn(q_.base), Confidence::kUnknown);
    std::vector<Fact>& for_sym = q_.base.sym == true ? e.facts : e.dissent;
    std::vector<Fact>& for_varied = q_.base.sym == true ? e.dissent : e.facts;
    if (sym > 0)
      for_sym.push_back({.source = "qzeros",
                         .detail = "one constant, the middle of the range, in " + NameModules(s_.in, sym_modules),
                         .modules = sym});
    if (broken > 0)
      for_sym.push_back(
          {.source = "qzeros", .detail = "the constant words of a packer's known defect", .modules = broken});
    if (varied > 0)
      for_varied.push_back({.source = "qzeros",
                            .detail = "zero points vary in " + NameModules(s_.in, varied_modules),
                            .modules = varied});
    if (other > 0)
      e.dissent.push_back(
          {.source = "qzeros",
           .detail = "a constant that is not the middle of the range in " + NameModules(s_.in, other_modules),
           .modules = other});
    if (q_.base.sym) {
      e.confidence = s_.q.coverage.complete && (sym == 0 || varied == 0) ? Confidence::kCertain : Confidence::kInferred;
      if (*q_.base.sym == false && sym == 0) e.confidence = Confidence::kCertain;
    } else if (const Declaration* d = FirstWith(s_.declarations, SymIn); d != nullptr) {
      q_.base.sym = d->settings.sym;
      e.value = SymIn(q_.base);
      e.confidence = Confidence::kAssumed;
    }
    Weigh(s_.declarations, SymIn, e);
  }

  void DescAct() {
    std::map<GIdxKind, int64_t> kinds;
    for (const ModuleReport& report : s_.reports) ++kinds[report.g_idx.kind];
    const int64_t shuffled = kinds[GIdxKind::kActOrder];
    bool any_g_idx = false;
    for (size_t c = 0; c < q_.classes.size(); ++c) {
      if (q_.classes[c].gptq)
        any_g_idx |=
            TensorsOf(s_.in.tensors, s_.in.inventory, s_.in.inventory.classes[c].representative).g_idx != nullptr;
    }
    if (shuffled > 0) {
      q_.base.desc_act = true;
      Evidence& e = Add("desc_act", true, Confidence::kCertain);
      e.facts.push_back({.source = "g_idx", .detail = "groups are not contiguous", .modules = shuffled});
      if (kinds[GIdxKind::kSequential] > 0) {
        e.dissent.push_back(
            {.source = "g_idx", .detail = "groups are contiguous", .modules = kinds[GIdxKind::kSequential]});
      }
      return Weigh(s_.declarations, DescActIn, e);
    }
    // Static groups, one group a column and reordering undone by the writer leave the tensors of false: a declared true
    // is kept.
    const Declaration* d = FirstWith(s_.declarations, DescActIn);
    const bool declared = d != nullptr && d->settings.desc_act == true;
    q_.base.desc_act = declared;
    Evidence& e = Add("desc_act", declared, declared ? Confidence::kAssumed : Confidence::kInferred);
    const int64_t in_order = kinds[GIdxKind::kSequential] + kinds[GIdxKind::kConstantOneGroup];
    const char* const look_alike =
        "; act-order with static groups or one group would look the same and changes no value";
    if (!any_g_idx) {
      e.facts.push_back({.source = "g_idx",
                         .detail = std::string("no g_idx: groups are contiguous") + look_alike,
                         .modules = modules_});
    } else if (in_order > 0) {
      e.facts.push_back(
          {.source = "g_idx", .detail = std::string("g_idx is k // group_size") + look_alike, .modules = in_order});
    } else {
      e.confidence = Confidence::kAssumed;
    }
    if (kinds[GIdxKind::kAllZero] > 0) {
      e.dissent.push_back({.source = "g_idx",
                           .detail = "all zero although there are several groups: some loaders take it as absent, "
                                     "others put every channel into group 0",
                           .modules = kinds[GIdxKind::kAllZero]});
    }
    Weigh(s_.declarations, DescActIn, e);
  }

  void Format() {
    const Declaration* label = FirstWith(s_.declarations, FormatIn);
    const std::string labelled = label == nullptr ? "" : *label->settings.checkpoint_format;
    Evidence& e = Add("checkpoint_format", {}, Confidence::kUnknown);
    if (q_.zero_format == ZeroFormat::kPlanar) {
      e.confidence = s_.layout_confidence;
      e.facts = s_.layout_facts;
      if (e.facts.empty())
        e.facts.push_back({.source = "tensor shapes",
                           .detail = "5, 6 and 7 bits exist in bit planes only, and the words of 3 bits are planes",
                           .modules = modules_});
    } else if (s_.constant_words) {
      e.confidence = Confidence::kCertain;
      e.facts.push_back({.source = "qzeros",
                         .detail = q_.zero_format == ZeroFormat::kV1
                                       ? "symmetric zeros store the middle of the range less one"
                                       : "symmetric zeros store the middle of the range",
                         .modules = ConstantModules()});
    } else {
      e.confidence = s_.asymmetric.confidence;
      e.facts = s_.asymmetric.facts;
      e.dissent = s_.asymmetric.dissent;
      PreferLabel(labelled, e);
    }
    if (q_.zero_format != ZeroFormat::kUnknown) {
      q_.base.checkpoint_format = NameOf(q_.zero_format);
      // 2, 4 and 8 bits are the same bytes in planes.
      if (labelled == "gptq_p" && q_.zero_format == ZeroFormat::kV2 && !by_bits_.contains(3))
        q_.base.checkpoint_format = labelled;
    }
    e.value = FormatIn(q_.base);
    Weigh(s_.declarations, FormatIn, e);
  }

  // A label decides where the data do not, or where all they have is a weak statistic against it.
  void PreferLabel(const std::string& labelled, Evidence& e) {
    const ZeroFormat said = labelled == "gptq"                              ? ZeroFormat::kV1
                            : labelled == "gptq_v2" || labelled == "gptq_p" ? ZeroFormat::kV2
                                                                            : ZeroFormat::kUnknown;
    const bool float_zeros = std::ranges::any_of(q_.classes, &ClassFacts::float_zeros);
    if (said == ZeroFormat::kUnknown || float_zeros || said == q_.zero_format) return;
    if (q_.zero_format != ZeroFormat::kUnknown && (e.confidence == Confidence::kCertain || s_.asymmetric.strong))
      return;
    if (!q_.contradictions.empty() && s_.asymmetric.facts.empty() && HasConstantModules()) return;
    if (q_.zero_format != ZeroFormat::kUnknown) e.dissent.swap(e.facts);
    q_.zero_format = said;
    e.confidence = Confidence::kAssumed;
  }

  int64_t ConstantModules() const {
    return std::ranges::count_if(
        s_.reports, [](const ModuleReport& report) { return gptq_doctor::SymOf(report.zeros.kind) == true; });
  }
  bool HasConstantModules() const { return ConstantModules() > 0; }

  void PackDtype() {
    const auto base = q_.base.bits ? by_bits_.find(*q_.base.bits) : by_bits_.end();
    if (base == by_bits_.end()) return void(Add("pack_dtype", {}, Confidence::kUnknown));
    const size_t c = Largest(base->second);
    q_.base.pack_dtype = "int" + std::to_string(q_.classes[c].pack_bits);
    Evidence& e = Add("pack_dtype", PackDtypeIn(q_.base), Confidence::kCertain);
    const ModuleTensors t = TensorsOf(s_.in.tensors, s_.in.inventory, s_.in.inventory.classes[c].representative);
    // A class without qweight has its word width from qzeros.
    const TensorRecord* words = t.qweight != nullptr ? t.qweight : t.qzeros;
    e.facts.push_back(
        {.source = "tensor dtypes",
         .detail = std::string(words == t.qweight ? "qweight is " : "qzeros is ") + ToString(words->dtype),
         .modules = modules_});
    Weigh(s_.declarations, PackDtypeIn, e);
  }

  void LmHead() {
    std::string head;
    for (size_t c = 0; c < q_.classes.size(); ++c) {
      if (q_.classes[c].gptq && IsOutputHead(s_.in.inventory.classes[c].pattern))
        head = s_.in.inventory.classes[c].pattern;
    }
    q_.base.lm_head = !head.empty();
    Evidence& e = Add("lm_head", *q_.base.lm_head, Confidence::kCertain);
    e.facts.push_back({.source = "tensor names",
                       .detail = head.empty() ? "no output head has a qweight" : head + " has a qweight",
                       .modules = head.empty() ? 0 : 1});
    Weigh(s_.declarations, LmHeadIn, e);
  }

  void StaticGroups() {
    const Declaration* d = FirstWith(s_.declarations, StaticGroupsIn);
    if (d != nullptr) q_.base.static_groups = d->settings.static_groups;
    Evidence& e =
        Add("static_groups", StaticGroupsIn(q_.base), d == nullptr ? Confidence::kUnknown : Confidence::kAssumed);
    if (d == nullptr) e.facts.push_back({.source = "tensors", .detail = "static groups leave no trace in the tensors"});
    Weigh(s_.declarations, StaticGroupsIn, e);
  }

  void Dynamic() {
    DynamicAnswer answer = MakeDynamic(s_.in.tensors, s_.in.inventory, q_.classes, q_.base);
    q_.base.dynamic = std::move(answer.rules);
    if (q_.base.dynamic.empty() && answer.facts.empty()) return;
    Evidence& e = Add("dynamic", static_cast<int64_t>(q_.base.dynamic.size()), Confidence::kCertain);
    e.facts = std::move(answer.facts);
  }

  InferState& s_;
  InferredQuant& q_;
  std::map<int, std::vector<size_t>> by_bits_;
  std::map<int64_t, std::vector<size_t>> by_group_;
  int64_t modules_ = 0;
};

}  // namespace

void AssembleEvidence(InferState& state) { Assembler(state).Run(); }

}  // namespace gptq_doctor
