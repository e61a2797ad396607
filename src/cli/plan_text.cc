#include "cli/plan_text.h"

#include "base/text.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

std::string Join(const std::vector<std::string>& parts, std::string_view between) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : std::string(between)) + part;
  return out;
}

std::string Lines(std::string_view verb, const std::vector<std::string>& files) {
  std::string out;
  for (const std::string& file : files) out += std::string(verb) + " " + EscapeTerminal(file, kNoLimit) + "\n";
  return out;
}

}  // namespace

std::string PlanText(const Plan& plan, const DiffOptions& options) {
  std::string out;
  for (const Edit& edit : plan.edits) {
    out += "# " + EscapeTerminal(edit.file, kNoLimit) + " (" + ToString(edit.applicability) +
           (edit.codes.empty() ? "" : ", " + Join(edit.codes, " ")) + ")\n";
    for (const std::string& reason : edit.reasons) out += "#   " + EscapeTerminal(reason, 1000) + "\n";
    out += DiffOf(edit, options);
  }
  for (const ManualStep& step : plan.manual) {
    out += "# by hand: " + EscapeTerminal(step.file, kNoLimit) + ": " + EscapeTerminal(step.text, 1000) + "\n";
  }
  if (plan.empty()) out += plan.manual.empty() ? "Nothing to repair.\n" : "Nothing to repair beyond that.\n";
  return out;
}

std::string AppliedText(const Applied& applied, const std::string& elsewhere) {
  std::string out;
  for (const std::string& file : applied.created) {
    out += "wrote " + EscapeTerminal(elsewhere.empty() ? file : elsewhere + "/" + file, kNoLimit) + "\n";
  }
  out += Lines("changed", applied.replaced) + Lines("renamed", applied.renamed) + Lines("removed", applied.removed);
  return out + Lines("kept", applied.backups);
}

std::string UndoneText(const Undone& undone) {
  const std::string out = Lines("restored", undone.restored) + Lines("deleted", undone.deleted);
  return out.empty() ? "Everything is as it was before the last write.\n" : out;
}

std::string NeedsAssumption(const Plan& plan) {
  std::string commands;
  for (const std::string& key : plan.open) {
    commands += commands.empty() ? "" : ", ";
    commands += key == "checkpoint_format" ? "--assume checkpoint_format=gptq or --assume checkpoint_format=gptq_v2"
                                           : "--assume " + key + "=VALUE";
  }
  return Join(plan.open, " and ") +
         " cannot be told from the tensors, and loaders take a missing key for a value of their own: the plan is not "
         "written "
         "before you say " +
         commands;
}

void PutPlan(JsonWriter& json, const Plan& plan, const Applied* applied) {
  std::string document = PlanToJson(plan);
  while (!document.empty() && document.back() == '\n') document.pop_back();
  json.Key("plan").Raw(document).Field("open", plan.open).Key("applied");
  if (applied == nullptr) {
    json.Put(nullptr);
    return;
  }
  json.BeginObject().Field("created", applied->created).Field("replaced", applied->replaced);
  json.Field("renamed", applied->renamed)
      .Field("removed", applied->removed)
      .Field("backups", applied->backups)
      .EndObject();
}

}  // namespace gptq_doctor
