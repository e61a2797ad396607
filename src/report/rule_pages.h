#ifndef GPTQ_DOCTOR_REPORT_RULE_PAGES_H_
#define GPTQ_DOCTOR_REPORT_RULE_PAGES_H_

// The catalogue of rules for people and machines: `rules`, `explain` and docs/rules/ are renderings of the one table.

#include <span>
#include <string>

#include "report/report.h"
#include "rules/rule.h"

namespace gptq_doctor {

// "configuration", "files and shards", ... by the code's first digit.
std::string_view FamilyOf(const Rule& rule);
// How a finding of the rule is silenced, for one module, one directory or a whole run.
std::string SuppressionText(const Rule& rule);

std::string RulePageText(const Rule& rule, const RenderOptions& options);
std::string RulePageMarkdown(const Rule& rule);  // docs/rules/CODE.md
std::string RuleListText(std::span<const Rule> rules, const RenderOptions& options);
std::string RuleListMarkdown(std::span<const Rule> rules);  // docs/rules/README.md
// One object: tool and rules[] with every field of the table.
std::string RulesJson(std::span<const Rule> rules);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_RULE_PAGES_H_
