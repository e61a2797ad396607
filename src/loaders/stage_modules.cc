// What a loader makes of each module class: a quantized layer, a plain one, or nothing.

#include <algorithm>
#include <string>

#include "base/text.h"
#include "gptq/pattern_fault.h"
#include "loaders/stages.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

const ArchitectureRow* FindArchitecture(const Profile& profile, std::string_view type) {
  const std::string wanted = profile.modules.fold_type_case ? LowerAscii(type) : std::string(type);
  for (const ArchitectureRow& row : profile.modules.architectures) {
    if (profile.since < row.since || row.until <= profile.since) continue;
    if (HasWord(row.model_types, wanted)) return &row;
  }
  return nullptr;
}

bool EndsWithOneOf(std::string_view stem, std::string_view suffixes) {
  return AnyWord(suffixes, [&](std::string_view suffix) { return stem.ends_with(suffix); });
}

// Modules that modern model classes hold as bare parameters, no nn.Linear: never replaced.
bool BareParameter(const ModelFacts& facts, const ClassDigest& digest) {
  return digest.part == Part::kRouter &&
         (facts.model_type.starts_with("deepseek") || facts.model_type.starts_with("glm4_moe"));
}

bool LinearLike(const ModelFacts& facts, const ClassDigest& digest) {
  if (digest.gptq) return digest.part != Part::kEmbedding;
  return digest.dense_linear && !BareParameter(facts, digest);
}

bool HeadIsQuantized(const Walk& walk, const ClassDigest& digest) {
  switch (walk.profile.modules.lm_head) {
    case LmHeadRule::kNever:
      return false;
    case LmHeadRule::kIfKey:
      return walk.declared.lm_head;
    case LmHeadRule::kIfTensors:
      return digest.gptq;
    case LmHeadRule::kIfKeyOrTensors:
      return walk.declared.lm_head || digest.gptq;
  }
  return false;
}

bool BuildsQuantized(const Walk& walk, const ClassDigest& digest, const ArchitectureRow* architecture,
                     const std::vector<std::string_view>& keep) {
  const ModelFacts& facts = walk.facts;
  switch (walk.profile.modules.rule) {
    case ModuleRule::kByTensors:
      return digest.gptq;
    case ModuleRule::kHeaders:
      if (digest.part == Part::kExpert) return true;
      if (keep.empty()) return digest.gptq;
      return ListedAsPart(keep, digest.stem);
    case ModuleRule::kAllLinears:
      if (!digest.in_blocks) return false;
      return digest.part != Part::kRouter && digest.part != Part::kVision;
    case ModuleRule::kBlockLinears:
      if (!digest.in_blocks || digest.part == Part::kVision) return false;
      if (keep.empty()) return true;
      return std::any_of(keep.begin(), keep.end(), [&](std::string_view part) { return digest.stem.ends_with(part); });
    case ModuleRule::kOutside:
      return digest.in_blocks;
    case ModuleRule::kSuffixes:
      if (!digest.in_blocks || digest.part == Part::kVision) return false;
      if (architecture != nullptr && !architecture->suffixes.empty())
        return EndsWithOneOf(digest.stem, architecture->suffixes);
      if (digest.part == Part::kRouter) return false;
      return digest.gptq;
    case ModuleRule::kExpertsOnly:
      return digest.part == Part::kExpert && digest.gptq;
  }
  (void)facts;
  return digest.gptq;
}

// "builds 252 modules as quantized layers, as many as hold packed tensors, and 1 linear layer plain".
std::string BuildText(int64_t stored, int64_t quantized, int64_t plain) {
  std::string text = "builds " + Modules(quantized) + " as quantized layers";
  text += quantized == stored ? ", as many as hold packed tensors"
                              : ", while the files hold " + Modules(stored) + " with packed tensors";
  if (plain > 0)
    text += ", and " + std::to_string(plain) + (plain == 1 ? " linear layer plain" : " linear layers plain");
  return text;
}

// Loaders compile a pattern when the first module reaches it.
bool RejectPattern(Walk& walk, const JsonMember& rule) {
  const std::string_view text = PatternOfKey(rule.key);
  const PatternFault fault = *FindPatternFault(text);
  // The regex package drops re's second half and points behind what stays open.
  const std::string_view what = fault.what.substr(0, fault.what.find(','));
  const bool behind = what.starts_with("missing") || what.starts_with("unterminated") || what.starts_with("bad");
  walk.Remedy("correct the pattern " + rule.key);
  return walk.Rejects(
      "modules", "stops: the key " + rule.key + " of dynamic is no regular expression", walk.profile.modules.source,
      Fill(walk.profile.modules.pattern_message,
           {{"re", std::string(fault.what) + " at position " + std::to_string(fault.at)},
            {"regex", std::string(what) + " at position " + std::to_string(behind ? text.size() : fault.at)},
            {"p", rule.key}}));
}

}  // namespace

std::string Modules(int64_t count) { return std::to_string(count) + (count == 1 ? " module" : " modules"); }

std::vector<std::string_view> KeepList(const Declared& read) {
  std::vector<std::string_view> names;
  const JsonValue* list = read.Find("modules_in_block_to_quantize");
  if (list == nullptr) return names;
  for (const JsonValue& item : list->items) {
    if (const std::string* text = item.AsString()) names.push_back(*text);
    for (const JsonValue& inner : item.items) {
      if (const std::string* text = inner.AsString()) names.push_back(*text);
    }
  }
  return names;
}

bool ListedAsPart(const std::vector<std::string_view>& keep, std::string_view stem) {
  return std::any_of(keep.begin(), keep.end(),
                     [&](std::string_view part) { return stem.find(part) != std::string_view::npos; });
}

bool StageModelType(Walk& walk) {
  const ModuleFacts& facts = walk.profile.modules;
  if (facts.architectures.empty()) return true;
  const std::string& type = walk.facts.model_type;
  if (FindArchitecture(walk.profile, type) != nullptr) {
    walk.Step("model type", "knows model_type " + type, facts.source);
    return true;
  }
  return walk.Rejects("model type", "stops: model_type \"" + type + "\" is not in its list", facts.source,
                      walk.Message(facts.type_message));
}

bool StageModules(Walk& walk) {
  const ModuleFacts& rule = walk.profile.modules;
  const ModelFacts& facts = walk.facts;
  const ArchitectureRow* architecture = FindArchitecture(walk.profile, facts.model_type);
  const std::vector<std::string_view> keep =
      rule.modules_in_block ? KeepList(walk.declared) : std::vector<std::string_view>();
  const JsonValue* dynamic = rule.dynamic ? walk.declared.Find("dynamic") : nullptr;
  walk.built.assign(facts.classes.size(), Built::kNothing);
  int64_t quantized = 0, plain = 0;
  for (size_t i = 0; i < facts.classes.size(); ++i) {
    const ClassDigest& digest = facts.classes[i];
    if (digest.foreign || !LinearLike(facts, digest)) continue;
    bool build = !walk.dense_model;
    if (build)
      build = digest.part == Part::kLmHead ? HeadIsQuantized(walk, digest)
                                           : BuildsQuantized(walk, digest, architecture, keep);
    walk.built[i] = build ? Built::kQuantized : Built::kDense;
    if (build && dynamic != nullptr && dynamic->IsObject() && !dynamic->members.empty()) {
      const DynamicEffect& effect = facts.EffectsOf(*dynamic, rule.names)[i];
      if (effect.fault != nullptr) return RejectPattern(walk, *effect.fault);
      if (effect.excluded == digest.count) walk.built[i] = Built::kDense;
      if (effect.unknown || (effect.excluded > 0 && effect.excluded < digest.count)) walk.built[i] = Built::kUnknown;
    }
    const bool of_mixture = digest.part == Part::kExpert || digest.part == Part::kRouter;
    if (build && rule.stacked_experts && of_mixture) walk.built[i] = Built::kUnknown;
    (walk.built[i] == Built::kQuantized ? quantized : plain) += digest.count;
  }
  if (!walk.dense_model) walk.Step("modules", BuildText(facts.quantized_modules, quantized, plain), rule.source);
  return true;
}

}  // namespace gptq_doctor
