#include "repair/overlay_source.h"
#include "repair/repairs.h"

namespace gptq_doctor {

RepairedState StateAfterRepair(const Examination& exam) {
  RepairedState state;
  const Result<Plan> plan = MakePlan(exam, {});
  if (!plan || plan->empty()) return state;
  state.writes = true;
  for (const Edit& edit : plan->edits) {
    state.weights = state.weights || edit.kind == EditKind::kRename || RoleOf(edit.file) == FileRole::kIndex;
  }
  OverlaySource overlay(*exam.source, *plan);
  const Result<ModelDir> dir = ListModel(overlay, "");
  std::vector<Error> errors;
  if (dir) state.configs = ReadConfigs(overlay, *dir, errors);
  state.writes = dir && errors.empty();
  return state;
}

}  // namespace gptq_doctor
