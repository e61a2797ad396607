#ifndef GPTQ_DOCTOR_CLI_PLAN_TEXT_H_
#define GPTQ_DOCTOR_CLI_PLAN_TEXT_H_

// What `fix` and `apply` print: a plan as a unified diff that `patch` takes, its reasons before each file as comments,
// and what was done.

#include <string>

#include "repair/apply.h"
#include "repair/diff.h"
#include "repair/plan.h"

namespace gptq_doctor {

class JsonWriter;

std::string PlanText(const Plan& plan, const DiffOptions& options);
std::string AppliedText(const Applied& applied, const std::string& elsewhere);
std::string UndoneText(const Undone& undone);
// One sentence: which keys must be assumed before the plan may be written.
std::string NeedsAssumption(const Plan& plan);
// The keys "plan" and "applied" (null where nothing was written) of the JSON output.
void PutPlan(JsonWriter& json, const Plan& plan, const Applied* applied);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_PLAN_TEXT_H_
