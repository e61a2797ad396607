#ifndef GPTQ_DOCTOR_RULES_SETTINGS_H_
#define GPTQ_DOCTOR_RULES_SETTINGS_H_

// gptq-doctor.toml: what a team writes down once for every run of `check`. Unknown keys are errors with a suggestion,
// so that a typing error never switches a rule off in silence.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/result.h"
#include "rules/policy.h"

namespace gptq_doctor {

struct CheckSettings {
  Policy policy;
  std::vector<std::string> loaders;
  std::optional<std::string> fail_on;  // "error", "warning", "note", "never"
  std::optional<double> min_compression;
  std::optional<std::string> baseline;  // relative to the settings file
};

// Error kUsage with line and column where the text is not TOML or says something unknown. `name` stands in messages.
Result<CheckSettings> ParseSettings(std::string_view text, const std::string& name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RULES_SETTINGS_H_
