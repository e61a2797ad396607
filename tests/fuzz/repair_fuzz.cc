// Plans of edits and the record of the last write: what they name is written, so nothing may lead out of the model.

#include <string>

#include "base/os_error.h"
#include "fuzz/fuzz_target.h"
#include "repair/apply.h"
#include "support/memory_files.h"

namespace gptq_doctor::fuzz {
namespace {

testing::MemoryFiles SomeFiles() {
  testing::MemoryFiles out;
  out.files = {{"config.json", "{}"},
               {"config.json.gptq-doctor.bak", "{\"a\": 1}"},
               {"quantize_config.json", "{\"bits\": 4}"},
               {"model.safetensors", "a model"}};
  return out;
}

void RequireInside(const testing::MemoryFiles& directory) {
  for (const auto& [name, content] : directory.files) Require(IsInsideName(name), "what is written lies in the model");
}

}  // namespace

void Plan(std::string_view input) {
  const Result<gptq_doctor::Plan> plan = PlanFromJson(input, "plan.json");
  if (!plan) return;
  for (const Edit& edit : plan->edits) {
    Require(IsSafeName(edit.file) && edit.file.find("..") != 0, "a plan writes inside the model");
    if (edit.kind == EditKind::kRename) Require(IsSafeName(edit.to), "a plan renames inside the model");
  }
  const Result<gptq_doctor::Plan> again = PlanFromJson(PlanToJson(*plan), "plan.json");
  Require(again.ok() && again->edits.size() == plan->edits.size(), "a plan survives writing and reading");
  testing::MemoryFiles directory = SomeFiles();
  const auto before = directory.files;
  const auto source = directory.source();
  const auto sink = directory.sink();
  if (!ApplyPlan(*plan, *source, *sink)) return Require(directory.files == before, "all edits are made, or none");
  RequireInside(directory);
  Require(plan->edits.empty() || UndoLast(*source, *sink).ok(), "what was applied can be undone");
  Require(directory.files == before, "undoing restores every file");
}

void Journal(std::string_view input) {
  testing::MemoryFiles directory = SomeFiles();
  directory.files[kJournalName] = input;
  const auto source = directory.source();
  const auto sink = directory.sink();
  const Result<std::optional<gptq_doctor::Journal>> journal = ReadJournal(*source);
  if (!journal) Require(!journal.error().message.empty(), "a refusal has its reason");
  const auto before = directory.files;
  if (!UndoLast(*source, *sink)) return Require(directory.files == before, "what is refused changes nothing");
  RequireInside(directory);
}

}  // namespace gptq_doctor::fuzz
