#include "gptq/module_pattern.h"

namespace gptq_doctor {

void PatternList::Add(std::string_view pattern) {
  constexpr int64_t kStepsToCompile = 20;  // an instruction; bounds the memory as well
  std::optional<ModulePattern> compiled;
  if (budget_ >= 0) compiled = ModulePattern::Compile(pattern);
  if (compiled) budget_ -= kStepsToCompile * static_cast<int64_t>(compiled->size());
  patterns_.push_back(std::move(compiled));
}

std::optional<bool> PatternList::Matches(size_t i, std::string_view name) const {
  if (!patterns_[i] || budget_ < 0) return std::nullopt;
  const bool matches = patterns_[i]->Matches(name, budget_);
  return budget_ < 0 ? std::nullopt : std::optional(matches);
}

SettingsByName::SettingsByName(const Quantization& settings) : settings_(settings) {
  for (const DynamicRule& rule : settings.dynamic) patterns_.Add(rule.pattern);
}

std::optional<SettingsByName::Setting> SettingsByName::Of(std::string_view module) const {
  Setting out{.bits = settings_.bits, .group_size = settings_.group_size, .sym = settings_.sym};
  for (size_t i = 0; i < patterns_.size(); ++i) {
    const std::optional<bool> matches = patterns_.Matches(i, module);
    if (!matches) return std::nullopt;
    if (!*matches) continue;
    const DynamicRule& rule = settings_.dynamic[i];
    out.rule = &rule;
    out.excluded = rule.exclude;
    if (rule.bits) out.bits = rule.bits;
    if (rule.group_size) out.group_size = rule.group_size;
    if (rule.sym) out.sym = rule.sym;
    break;
  }
  return out;
}

}  // namespace gptq_doctor
