#include "repair/overlay_source.h"
#include "repair/repairs.h"

namespace gptq_doctor {

RepairedState StateAfterRepair(const Examination& exam, std::vector<Error>& errors) {
  RepairedState state;
  const Result<Plan> plan = MakePlan(exam, {});
  if (!plan && plan.error().kind != ErrorKind::kRefused) errors.push_back(plan.error());
  if (!plan || plan->empty()) return state;
  for (const Edit& edit : plan->edits) {
    state.weights = state.weights || edit.kind == EditKind::kRename || RoleOf(edit.file) == FileRole::kIndex;
  }
  OverlaySource overlay(*exam.source, *plan);
  const Result<ModelDir> dir = ListModel(overlay, "");
  if (!dir) {
    errors.push_back(dir.error());
    return state;
  }
  state.configs = ReadConfigs(overlay, *dir, errors);
  state.writes = true;
  return state;
}

}  // namespace gptq_doctor
