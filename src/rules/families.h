#ifndef GPTQ_DOCTOR_RULES_FAMILIES_H_
#define GPTQ_DOCTOR_RULES_FAMILIES_H_

// The rows of the rule table by family, and the checks that serve many rows at once. rule_table.cc joins them.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "rules/rule.h"

namespace gptq_doctor {

std::span<const Rule> ConfigRules();     // GD101..GD139: quantization settings
std::span<const Rule> ModelRules();      // GD140..GD199: the rest of the directory's configuration
std::span<const Rule> FileRules();       // GD201..GD229: weight files and headers
std::span<const Rule> IndexRules();      // GD230..GD299: shards, the index, left-overs
std::span<const Rule> StructureRules();  // GD3xx
std::span<const Rule> ValueRules();      // GD401..GD419: what a sample shows
std::span<const Rule> VerifiedRules();   // GD420..GD499: what the whole data, a hash or a base model shows
std::span<const Rule> LoaderRules();     // GD5xx
std::span<const Rule> SizeRules();       // GD6xx
std::span<const Rule> RunRuleRows();     // GD9xx

// Every Defect of files, headers, shards and index.
void CheckDefects(const RuleInput& input, FindingSink& sink);
// Every ValueDefect of the modules that were read.
void CheckValueDefects(const RuleInput& input, FindingSink& sink);

// Family 5. `limited`: the outcomes are those of loaders that the user selected, and each of their rejects, falls-back
// and garbage is an error. Otherwise silent outcomes (falls-back, garbage) of the newest profile of transformers,
// gptqmodel, vllm and sglang are errors, and everything else is a note.
// `path` is the model's, for the commands that repair.
std::vector<Finding> LoaderFindings(std::span<const LoaderOutcome> outcomes, const std::string& path, bool limited,
                                    bool fold);

// The row of a kind of defect: its code, and what the finding says before the details.
struct DefectRow {
  DefectKind kind;
  std::string_view code;
  std::string_view headline;
  std::optional<Severity> severity;  // where this kind weighs less than its rule
};
std::span<const DefectRow> DefectTable();  // one row a kind, in the order of the enum

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RULES_FAMILIES_H_
