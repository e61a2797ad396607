#include "repair/repairs.h"

#include <algorithm>

namespace gptq_doctor {
namespace {

bool IsSelected(const Repair& repair, const std::vector<std::string>& select) {
  if (select.empty()) return true;
  return std::any_of(select.begin(), select.end(), [&](const std::string& word) {
    return word == repair.name || std::find(repair.codes.begin(), repair.codes.end(), word) != repair.codes.end();
  });
}

}  // namespace

std::span<const Repair> RepairTable() {
  static const std::vector<Repair> kTable = {
      {.name = "configuration", .codes = {}, .plan = PlanConfigs},
  };
  return kTable;
}

Result<Plan> MakePlan(const Examination& exam, const FixOptions& options) {
  Draft draft(exam);
  for (const Repair& repair : RepairTable()) {
    if (!IsSelected(repair, options.select)) continue;
    if (Status status = repair.plan(options, draft); !status) return status.error();
  }
  return draft.Finish();
}

}  // namespace gptq_doctor
