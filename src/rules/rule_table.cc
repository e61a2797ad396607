#include <algorithm>
#include <array>
#include <vector>

#include "rules/families.h"
#include "rules/findings.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

std::vector<Rule> AllRules() {
  std::vector<Rule> out;
  for (std::span<const Rule> family : {ConfigRules(), ModelRules(), FileRules(), IndexRules(), StructureRules(),
                                       ValueRules(), VerifiedRules(), LoaderRules(), SizeRules(), RunRuleRows()}) {
    out.insert(out.end(), family.begin(), family.end());
  }
  std::sort(out.begin(), out.end(), [](const Rule& a, const Rule& b) { return a.code < b.code; });
  return out;
}

}  // namespace

std::span<const Rule> RuleTable() {
  static const std::vector<Rule> rules = AllRules();
  return rules;
}

const Rule* FindRule(std::string_view code_or_name) {
  const std::span<const Rule> rules = RuleTable();
  const auto by_code = std::lower_bound(rules.begin(), rules.end(), code_or_name,
                                        [](const Rule& rule, std::string_view code) { return rule.code < code; });
  if (by_code != rules.end() && by_code->code == code_or_name) return &*by_code;
  for (const Rule& rule : rules) {
    if (rule.name == code_or_name) return &rule;
  }
  return nullptr;
}

std::vector<Finding> RunRules(const RuleInput& input, bool fold) {
  FindingSink sink(fold);
  for (const Rule& rule : RuleTable()) {
    if (rule.check == nullptr) continue;
    sink.Use(rule);
    rule.check(input, sink);
  }
  CheckDefects(input, sink);
  CheckValueDefects(input, sink);
  std::vector<Finding> out = sink.Take();
  std::vector<Finding> loaders =
      LoaderFindings(input.loaders, input.exam.source->DisplayPath(), !input.exam.options.judge_loaders.empty(), fold);
  std::move(loaders.begin(), loaders.end(), std::back_inserter(out));
  std::stable_sort(out.begin(), out.end(), FindingLess);
  return out;
}

}  // namespace gptq_doctor
