#include "repair/repairs.h"

#include <algorithm>

namespace gptq_doctor {
namespace {

bool IsSelected(const Repair& repair, const FixOptions& options) {
  return std::any_of(repair.codes.begin(), repair.codes.end(),
                     [&](std::string_view code) { return options.Selects(code); });
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
  };
  return kTable;
}

Result<Plan> MakePlan(const Examination& exam, const FixOptions& options) {
  Draft draft(exam);
  for (const Repair& repair : RepairTable()) {
    if (!IsSelected(repair, options)) continue;
    if (Status status = repair.plan(options, draft); !status) return status.error();
  }
  return draft.Finish();
}

}  // namespace gptq_doctor
