#ifndef GPTQ_DOCTOR_RULES_RULE_H_
#define GPTQ_DOCTOR_RULES_RULE_H_

// A rule looks at an Examination (and the loaders' outcomes) and reports findings. It is silent when it is not sure.
// One row a rule in rule_table.cc, sorted by code: the single source of `rules`, `explain`, docs/rules/ and SARIF.

#include <span>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "infer/examination.h"

namespace gptq_doctor {

struct RuleInput {
  const Examination& exam;
  std::span<const LoaderOutcome> loaders;  // empty where not simulated
  const ByteTotals& bytes;
};

// Collects findings of one rule: fills in code, name and severity, folds equal causes, counts. See rules/findings.h for
// the folding.
class FindingSink;

struct Rule {
  std::string_view code;  // "GD101"
  std::string_view name;  // "config-missing"
  Severity severity;
  std::string_view title;                         // one line
  std::string_view what, why, evidence, fix;      // paragraphs for `explain` and docs/rules
  std::string_view example = {};                  // a message as the rule words it
  std::string_view since;                         // version that introduced it
  void (*check)(const RuleInput&, FindingSink&);  // null: reported by a family's shared check
};

std::span<const Rule> RuleTable();
const Rule* FindRule(std::string_view code_or_name);
// Runs every rule; sorted by severity, code, natural order of names.
std::vector<Finding> RunRules(const RuleInput& input, bool fold);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RULES_RULE_H_
