// Family 3: which modules of a model are quantized, and how alike. Looks at classes first and at single modules only
// where classes differ.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/dotted_name.h"
#include "base/text.h"
#include "gptq/module_pattern.h"
#include "rules/checks.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

struct FusedSet {
  std::string_view name;
  std::vector<std::string_view> members;
};

const std::vector<FusedSet>& FusedSets() {
  static const std::vector<FusedSet> sets = {{"qkv_proj", {"q_proj", "k_proj", "v_proj"}},
                                             {"gate_up_proj", {"gate_proj", "up_proj"}}};
  return sets;
}

// What must be equal among the members of a fused group.
struct Setting {
  bool quantized = false;
  int bits = 0;
  int64_t group_size = 0;
  auto operator<=>(const Setting&) const = default;
};

Setting SettingOf(const Examination& exam, uint32_t class_id) {
  Setting setting;
  setting.quantized = IsGptqClass(exam, class_id);
  if (!setting.quantized) return setting;
  const ClassFacts& facts = exam.quant.classes[class_id];
  setting.bits = facts.bits.value_or(0);
  setting.group_size = facts.group_size.value_or(0);
  return setting;
}

std::string ValueText(const Setting& setting) {
  if (!setting.quantized) return "dense";
  return std::to_string(setting.bits) + " bits, group_size " + std::to_string(setting.group_size);
}

// Classes under one parent whose last part belongs to the set: "model.layers.*.self_attn" -> {q, k, v}.
using Parents = std::map<std::string, std::vector<uint32_t>, std::less<>>;

Parents ParentsOf(const Examination& exam, const FusedSet& set) {
  Parents parents;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const std::string& pattern = exam.inventory.classes[c].pattern;
    if (std::find(set.members.begin(), set.members.end(), LastPart(pattern)) == set.members.end()) continue;
    if (!IsGptqClass(exam, c) && !IsDenseLinear(exam, c)) continue;
    parents[std::string(ParentPart(pattern))].push_back(c);
  }
  return parents;
}

// Modules of mixed classes: parents whose members differ, with the words for the difference.
void ReportMixed(const RuleInput& input, const FusedSet& set, const std::vector<uint32_t>& classes,
                 std::optional<Severity> severity, FindingSink& sink) {
  const Examination& exam = input.exam;
  std::map<std::string_view, std::vector<std::pair<std::string_view, Setting>>> by_parent;
  for (uint32_t c : classes) {
    const Setting setting = SettingOf(exam, c);
    for (uint32_t module : exam.inventory.members(exam.inventory.classes[c])) {
      const std::string_view stem = exam.inventory.modules[module].stem;
      by_parent[ParentPart(stem)].emplace_back(stem, setting);
    }
  }
  for (auto& [parent, members] : by_parent) {
    std::sort(members.begin(), members.end());
    const bool differ = std::any_of(members.begin(), members.end(),
                                    [&first = members.front()](const auto& m) { return m.second != first.second; });
    if (!differ) continue;
    std::string words;
    for (const auto& [stem, setting] : members)
      words += (words.empty() ? "" : "; ") + std::string(LastPart(stem)) + " " + ValueText(setting);
    Observation report;
    const int64_t module = exam.inventory.FindModule(members.front().first);
    if (module >= 0) report.file = FileOfModule(exam, static_cast<uint32_t>(module));
    report.names.emplace_back(parent);
    report.across_files = true;
    report.severity = severity;
    report.cause = words;
    report.value = words;
    report.unit = "group";
    report.message = "{names}: the parts of " + std::string(set.name) + " differ: " + words;
    sink.Add(std::move(report));
  }
}

bool DynamicDeclared(const Examination& exam) {
  const auto files = GptqFiles(exam);
  return files.empty() || std::any_of(files.begin(), files.end(),
                                      [](const QuantConfigFile* file) { return !file->settings.dynamic.empty(); });
}

// One report over all classes that `test` selects.
template <typename Test>
Observation ReportClasses(const RuleInput& input, const FindingSink& sink, const Test& test) {
  Observation report;
  for (uint32_t c = 0; c < input.exam.inventory.classes.size(); ++c) {
    if (test(c)) NameClass(input, sink, c, report);
  }
  return report;
}

// First number in a stem after its class's first star, -1 if none.
int64_t LayerOf(std::string_view stem, size_t star) {
  int64_t number = 0;
  size_t at = star;
  for (; at < stem.size() && stem[at] >= '0' && stem[at] <= '9' && at - star < 9; ++at)
    number = number * 10 + (stem[at] - '0');
  return at == star ? -1 : number;
}

std::string Ranges(const std::vector<int64_t>& numbers) {
  std::string out;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    out +=
        (out.empty() ? "" : ", ") + std::to_string(numbers[i]) + (last > i ? "-" + std::to_string(numbers[last]) : "");
    i = last + 1;
  }
  return out;
}

bool Complete(const RuleInput& input) {
  const Examination& exam = input.exam;
  if (!WholeDirectory(input) || !exam.tensors.missing_names.empty()) return false;
  return std::all_of(exam.tensors.shards.begin(), exam.tensors.shards.end(),
                     [](const ShardHeader& shard) { return shard.readable; });
}

}  // namespace

void CheckFused(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq) return;
  const std::optional<Severity> severity = DynamicDeclared(exam) ? std::optional(Severity::kNote) : std::nullopt;
  for (const FusedSet& set : FusedSets()) {
    for (const auto& [parent, classes] : ParentsOf(exam, set)) {
      // Experts are fused as a whole, which is another rule's matter.
      if (parent.find("experts") != std::string::npos) continue;
      const bool any = std::any_of(classes.begin(), classes.end(), [&](uint32_t c) { return IsGptqClass(exam, c); });
      const bool same = std::all_of(classes.begin(), classes.end(), [&exam, first = classes.front()](uint32_t c) {
        return SettingOf(exam, c) == SettingOf(exam, first);
      });
      if (any && !same) ReportMixed(input, set, classes, severity, sink);
    }
  }
}

void CheckRouters(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  Observation report = ReportClasses(input, sink, [&](uint32_t c) {
    const std::string& pattern = exam.inventory.classes[c].pattern;
    return IsGptqClass(exam, c) && IsRouter(pattern);
  });
  if (report.names.empty()) return;
  report.cause = "router";
  report.message = "{names}: a quantized router, which vLLM 0.9 to 0.10 and others build dense";
  sink.Add(std::move(report));
}

void CheckVision(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  Observation report = ReportClasses(input, sink, [&](uint32_t c) {
    const std::string& pattern = exam.inventory.classes[c].pattern;
    const bool encoder = pattern.starts_with("visual.") || pattern.find("vision_tower.") != std::string::npos ||
                         pattern.find("vision_model.") != std::string::npos ||
                         pattern.find(".visual.") != std::string::npos ||
                         pattern.find("audio_tower.") != std::string::npos;
    return IsGptqClass(exam, c) && encoder;
  });
  if (report.names.empty()) return;
  report.cause = "encoder";
  report.message = "{names}: a quantized encoder, which loaders build dense";
  sink.Add(std::move(report));
}

void CheckTiedHead(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (exam.configs.model.tie_word_embeddings != true) return;
  bool quantized = false;
  Observation report = ReportClasses(input, sink, [&](uint32_t c) {
    const std::string& pattern = exam.inventory.classes[c].pattern;
    if (pattern != "lm_head" && !pattern.ends_with(".lm_head")) return false;
    quantized = quantized || IsGptqClass(exam, c);
    return true;
  });
  if (report.names.empty()) return;
  report.cause = quantized ? "quantized" : "dense";
  report.message =
      quantized
          ? "{names}: a quantized head although tie_word_embeddings is true: loaders that tie use the embedding instead"
          : "{names}: stored although tie_word_embeddings is true: older vLLM and SGLang stop with KeyError "
            "'lm_head.weight'";
  sink.Add(std::move(report));
}

void CheckExperts(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!exam.quant.is_gptq) return;
  std::set<std::string_view> quantized;
  for (uint32_t c = 0; c < exam.inventory.classes.size(); ++c) {
    const std::string& pattern = exam.inventory.classes[c].pattern;
    if (IsGptqClass(exam, c) && pattern.find("experts.*.") != std::string::npos) quantized.insert(pattern);
  }
  Observation report = ReportClasses(input, sink, [&](uint32_t c) {
    return quantized.contains(exam.inventory.classes[c].pattern) && IsDenseLinear(exam, c);
  });
  if (report.names.empty()) return;
  report.cause = "dense experts";
  report.message = "{names}: dense while other experts are quantized: loaders with fused experts stop";
  sink.Add(std::move(report));
}

void CheckLayers(const RuleInput& input, FindingSink& sink) {
  const Examination& exam = input.exam;
  if (!Complete(input) || exam.inventory.classes.empty()) return;
  std::map<std::string, std::set<int64_t>> stacks;
  for (const ModuleClass& cls : exam.inventory.classes) {
    const size_t star = cls.pattern.find(".*.");
    // Experts repeat the layer's number; other modules of the layer stand for it.
    if (star == std::string::npos || cls.pattern.find('*', star + 2) != std::string::npos) continue;
    std::set<int64_t>& numbers = stacks[cls.pattern.substr(0, star + 1)];
    for (uint32_t module : exam.inventory.members(cls)) {
      const int64_t layer = LayerOf(exam.inventory.modules[module].stem, star + 1);
      if (layer >= 0) numbers.insert(numbers.end(), layer);
    }
  }
  for (const auto& [prefix, numbers] : stacks) {
    if (!prefix.ends_with("layers.") && !prefix.ends_with(".h.") && !prefix.ends_with("blocks.")) continue;
    std::vector<int64_t> missing;
    for (int64_t layer = 0; !numbers.empty() && layer < *numbers.rbegin() && missing.size() < 10000; ++layer) {
      if (!numbers.contains(layer)) missing.push_back(layer);
    }
    // A stack that begins late or holds every n-th layer is a choice of its architecture.
    if (missing.empty() || missing.size() * 2 > numbers.size() || missing.front() == 0) continue;
    Observation report;
    report.cause = prefix;
    report.value = Ranges(missing);
    report.message =
        std::string(prefix) + "N: no tensors for N = " + report.value + " of 0-" + std::to_string(*numbers.rbegin());
    sink.Add(std::move(report));
  }
}

// The modules of class `c` whose parent has no part `wanted`. Classes hold their modules in natural order, so the part
// of a module nearly always follows that of the one before in the class `like`, which saves looking it up.
Observation MissingSiblings(const Examination& exam, const ModuleClass& c, const ModuleClass& like,
                            std::string_view wanted, size_t limit) {
  Observation report;
  const auto candidates = exam.inventory.members(like);
  size_t next = 0;
  std::string name;
  for (const uint32_t module : exam.inventory.members(c)) {
    name.assign(ParentPart(exam.inventory.modules[module].stem)).append(".").append(wanted);
    if (next < candidates.size() && exam.inventory.modules[candidates[next]].stem == name) {
      ++next;
      continue;
    }
    if (const int64_t found = exam.inventory.FindModule(name); found >= 0) {
      const auto at = std::ranges::lower_bound(candidates, static_cast<uint32_t>(found));
      if (at != candidates.end() && *at == found) next = static_cast<size_t>(at - candidates.begin()) + 1;
      continue;
    }
    if (report.file.empty()) report.file = FileOfModule(exam, module);
    if (report.names.size() < limit) report.names.push_back(name);
    ++report.count;
  }
  return report;
}

void CheckSiblings(const RuleInput& input, FindingSink& sink) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"up_proj", "down_proj"}, {"down_proj", "up_proj"}, {"o_proj", "q_proj"}};
  const Examination& exam = input.exam;
  if (!Complete(input) || !exam.quant.is_gptq) return;
  struct Pattern {
    const ModuleClass* first = nullptr;
    int64_t count = 0;
  };
  std::map<std::string_view, Pattern> patterns;
  for (const ModuleClass& cls : exam.inventory.classes) {
    Pattern& pattern = patterns[cls.pattern];
    if (pattern.first == nullptr) pattern.first = &cls;
    pattern.count += cls.count;
  }
  for (const auto& [present, wanted] : kPairs) {
    for (const ModuleClass& cls : exam.inventory.classes) {
      if (LastPart(cls.pattern) != present) continue;
      const auto found = patterns.find(std::string(ParentPart(cls.pattern)) + "." + std::string(wanted));
      // A part that exists nowhere belongs to another architecture.
      if (found == patterns.end() || found->second.count >= patterns[cls.pattern].count) continue;
      Observation report = MissingSiblings(exam, cls, *found->second.first, wanted, sink.limit());
      if (report.count == 0) continue;
      report.across_files = true;
      report.cause = "sibling";
      report.message = "{names}: no tensors, although " + std::string(present) + " of the same block is there";
      sink.Add(std::move(report));
    }
  }
}

}  // namespace gptq_doctor
