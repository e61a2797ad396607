#include "repair/repairs.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "repair/overlay_source.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

bool IsSelected(const Repair& repair, const FixOptions& options) {
  return std::any_of(repair.codes.begin(), repair.codes.end(),
                     [&](std::string_view code) { return options.Selects(code); });
}

// A base of another architecture would make a directory that loads and computes nonsense.
Status CheckBase(const Examination& exam, const Plan& plan, const std::string& base_name) {
  OverlaySource overlay(*exam.source, plan);
  const Result<std::unique_ptr<Examination>> after = ReadExamination(overlay, exam.options, {});
  if (!after) return after.error();
  const ByteTotals unused;
  for (const Finding& finding : RunRules({.exam = **after, .loaders = {}, .bytes = unused}, true)) {
    if (finding.code != "GD143" && finding.code != "GD141") continue;
    return Error{ErrorKind::kRefused, base_name, "it does not describe this model: " + finding.message};
  }
  return Ok();
}

}  // namespace

bool FixOptions::Selects(std::string_view code) const {
  return select.empty() || std::find(select.begin(), select.end(), code) != select.end();
}

std::span<const Repair> RepairTable() {
  static const std::vector<Repair> kTable = {
      {.name = "configuration",
       .codes = {"GD101", "GD102", "GD103", "GD104", "GD105", "GD106", "GD107", "GD108", "GD109", "GD110", "GD111",
                 "GD113", "GD114", "GD116", "GD118", "GD124", "GD125", "GD140", "GD141", "GD142", "GD143"},
       .plan = PlanConfigs},
      {.name = "index", .codes = {"GD230", "GD233", "GD234", "GD236", "GD239"}, .plan = PlanIndex},
      {.name = "weight-name", .codes = {"GD242"}, .plan = PlanWeightName},
  };
  return kTable;
}

Result<Plan> MakePlan(const Examination& exam, const FixOptions& options) {
  Draft draft(exam);
  std::optional<Error> refusal;
  for (const Repair& repair : RepairTable()) {
    if (!IsSelected(repair, options)) continue;
    draft.Checkpoint();
    const Status status = repair.plan(options, draft);
    if (status) continue;
    draft.RollBack();
    if (status.error().kind != ErrorKind::kRefused) return status.error();
    if (!refusal) refusal = status.error();
  }
  Plan plan = draft.Finish();
  if (!options.base_config.empty() && !plan.empty()) {
    if (Status status = CheckBase(exam, plan, options.base_name); !status) return status.error();
  }
  if (!refusal) return plan;
  // What one repair refuses is no reason to keep back another one.
  if (plan.empty()) return *refusal;
  plan.warnings.push_back(refusal->message);
  return plan;
}

}  // namespace gptq_doctor
