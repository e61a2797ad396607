// What the rules of a `dynamic` object do to each module class.

#include <algorithm>
#include <optional>
#include <string>

#include "gptq/module_pattern.h"
#include "gptq/pattern_fault.h"
#include "loaders/facts.h"

namespace gptq_doctor {
namespace {

struct CompiledRules {
  struct Rule {
    const JsonMember* member = nullptr;
    bool exclude = false;
    bool fault = false;  // no regular expression at all
  };
  std::vector<Rule> rules;
  PatternList patterns;  // of each rule
};

CompiledRules CompileRules(const JsonValue& dynamic) {
  CompiledRules out;
  for (const JsonMember& member : dynamic.members) {
    const std::string_view text = PatternOfKey(member.key);
    out.rules.push_back({&member, member.key.starts_with("-:"), FindPatternFault(text).has_value()});
    out.patterns.Add(text);
  }
  return out;
}

std::optional<int64_t> IntegerOf(const JsonMember& rule, std::string_view key) {
  const JsonValue* value = rule.value.Find(key);
  return value == nullptr ? std::nullopt : value->AsInt();
}

// A rule that takes nothing out decided for one member.
void Apply(const JsonMember& rule, DynamicEffect& effect) {
  ++effect.ruled;
  if (std::find(effect.rules.begin(), effect.rules.end(), &rule) == effect.rules.end()) effect.rules.push_back(&rule);
  const auto bits = IntegerOf(rule, "bits"), group_size = IntegerOf(rule, "group_size");
  if (!bits && !group_size) return;
  if (effect.changed++ == 0) {
    effect.bits = bits;
    effect.group_size = group_size;
  } else if (effect.bits != bits || effect.group_size != group_size) {
    effect.uniform = false;
  }
}

void Judge(const CompiledRules& compiled, const std::string& name, std::string_view stem, DynamicEffect& effect) {
  for (size_t i = 0; i < compiled.rules.size(); ++i) {
    const CompiledRules::Rule& rule = compiled.rules[i];
    const std::optional<bool> matches = rule.fault ? std::nullopt : compiled.patterns.Matches(i, name);
    if (!matches) {
      effect.unknown = true;
      if (rule.fault && effect.fault == nullptr) effect.fault = rule.member;
      return;
    }
    if (!*matches) continue;
    if (!rule.exclude) return Apply(*rule.member, effect);
    if (effect.excluded++ == 0) effect.first_excluded = stem;
    return;
  }
}

}  // namespace

std::string EngineName(const ClassDigest& digest, std::string_view stem) {
  if (digest.part == Part::kExpert) return std::string(stem.substr(0, stem.find(".experts."))) + ".experts";
  if (digest.fused.empty()) return std::string(stem);
  return std::string(stem.substr(0, stem.rfind('.') + 1)) + std::string(digest.fused);
}

const std::vector<DynamicEffect>& ModelFacts::EffectsOf(const JsonValue& dynamic, NameStyle style) const {
  for (const KeptEffects& kept : effects_) {
    if (kept.dynamic == &dynamic && kept.style == style) return kept.effects;
  }
  const CompiledRules rules = CompileRules(dynamic);
  std::vector<DynamicEffect> effects(classes.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    const ClassDigest& digest = classes[i];
    if (!digest.gptq && !digest.dense_linear) continue;
    for (const uint32_t number : exam->inventory.members(exam->inventory.classes[digest.id])) {
      const std::string_view stem = exam->inventory.modules[number].stem;
      Judge(rules, style == NameStyle::kFiles ? std::string(stem) : EngineName(digest, stem), stem, effects[i]);
    }
    if (effects[i].changed > 0 && effects[i].changed + effects[i].excluded < digest.count) effects[i].uniform = false;
  }
  return effects_.emplace_back(KeptEffects{&dynamic, style, std::move(effects)}).effects;
}

}  // namespace gptq_doctor
