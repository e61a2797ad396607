#ifndef GPTQ_DOCTOR_REPAIR_REPAIRS_H_
#define GPTQ_DOCTOR_REPAIR_REPAIRS_H_

// The table of repairs, and the plan they make together. A repair is one small file and one row.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/simulate.h"
#include "repair/draft.h"
#include "repair/settled_settings.h"

namespace gptq_doctor {

struct FixOptions {
  std::vector<Assumption> assumptions;
  std::vector<std::string> select;  // rule codes; empty: every repair
  std::string base_config;          // text of the base model's config.json; empty: none
  std::string base_name;            // what the user called it, for reasons
  bool Selects(std::string_view code) const;
};

struct Repair {
  std::string_view name;
  std::vector<std::string_view> codes;  // of the rules whose findings it repairs
  // Changes the draft, or leaves it as it is where there is nothing to repair. An error ends the plan.
  Status (*plan)(const FixOptions& options, Draft& draft);
};
std::span<const Repair> RepairTable();

// kRefused where the model cannot be repaired at all, with the reason; an empty plan where nothing needs repair.
Result<Plan> MakePlan(const Examination& exam, const FixOptions& options);

// The model as the plan without assumptions would leave it, for those who judge whether that helps.
// `errors`: gets what could not be read meanwhile.
RepairedState StateAfterRepair(const Examination& exam, std::vector<Error>& errors);  // repaired_state.cc

// The repairs, one file each.
Status PlanConfigs(const FixOptions& options, Draft& draft);     // config_plan.cc
Status PlanIndex(const FixOptions& options, Draft& draft);       // index_plan.cc
Status PlanWeightName(const FixOptions& options, Draft& draft);  // weights_plan.cc
// PlanConfigs for settings that are settled before.
Status PlanSettled(const FixOptions& options, const SettledSettings& settled, Draft& draft);
// model_file_base_name of both configuration files, where it names another weight file than model.safetensors.
Status PlanBaseName(Draft& draft);  // weights_plan.cc

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_REPAIRS_H_
