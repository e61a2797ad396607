#include "repair/apply.h"
#include "base/sha256.h"

#include <gtest/gtest.h>

#include "repair/restore.h"
#include "support/memory_files.h"

namespace gptq_doctor {
namespace {

using testing::Killed;
using testing::MemoryFiles;
using Files = std::map<std::string, std::string>;

const Files kOriginal = {
    {"config.json", "{\"a\": 1}"}, {"old.safetensors", "weights"}, {"stray.json", "junk"}, {"tokenizer.json", "{}"}};

Edit Replace(const std::string& file, const std::string& before, const std::string& after) {
  return {.kind = EditKind::kReplace,
          .file = file,
          .before_sha256 = Sha256(before),
          .before_size = static_cast<int64_t>(before.size()),
          .before = before,
          .after = after};
}

Plan EveryKind() {
  Plan plan{.model = "model"};
  plan.edits.push_back(Replace("config.json", "{\"a\": 1}", "{\"a\": 2}"));
  plan.edits.push_back({.kind = EditKind::kCreate, .file = "quantize_config.json", .after = "{}"});
  plan.edits.push_back({.kind = EditKind::kRename,
                        .file = "old.safetensors",
                        .to = "model.safetensors",
                        .before_size = 7,
                        .head_sha256 = Sha256("weights")});
  Edit remove = Replace("stray.json", "junk", "");
  remove.kind = EditKind::kRemove;
  plan.edits.push_back(remove);
  return plan;
}

const Files kApplied = {{"config.json", "{\"a\": 2}"},
                        {"model.safetensors", "weights"},
                        {"quantize_config.json", "{}"},
                        {"tokenizer.json", "{}"}};

// The model's own files, without what we keep beside them.
Files ModelFiles(const MemoryFiles& memory) {
  Files out;
  for (const auto& [name, content] : memory.files) {
    if (name.find(".gptq-doctor") == std::string::npos) out[name] = content;
  }
  return out;
}

Result<Applied> ApplyTo(MemoryFiles& memory, const Plan& plan) {
  const auto source = memory.source();
  const auto sink = memory.sink();
  return ApplyPlan(plan, *source, *sink);
}
Result<Undone> UndoIn(MemoryFiles& memory) {
  const auto source = memory.source();
  const auto sink = memory.sink();
  return UndoLast(*source, *sink);
}

TEST(Apply, CarriesOutEveryKindAndUndoesIt) {
  MemoryFiles memory{.files = kOriginal};
  const Result<Applied> applied = ApplyTo(memory, EveryKind());
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(ModelFiles(memory), kApplied);
  EXPECT_EQ(applied->backups, (std::vector<std::string>{"config.json.gptq-doctor.bak", "stray.json.gptq-doctor.bak"}));
  EXPECT_EQ(memory.files["config.json.gptq-doctor.bak"], "{\"a\": 1}");
  const Result<Undone> undone = UndoIn(memory);
  ASSERT_TRUE(undone) << undone.error().message;
  EXPECT_EQ(undone->deleted, std::vector<std::string>{"quantize_config.json"});
  EXPECT_EQ(memory.files, kOriginal);  // byte for byte, nothing left behind
}

TEST(Apply, FailureAtAnyStepChangesNothing) {
  MemoryFiles counting{.files = kOriginal};
  ASSERT_TRUE(ApplyTo(counting, EveryKind()));
  for (const bool after : {false, true}) {
    for (int64_t step = 0; step < counting.steps; ++step) {
      MemoryFiles memory{.files = kOriginal, .fail_at = step, .after = after};
      const Result<Applied> applied = ApplyTo(memory, EveryKind());
      ASSERT_FALSE(applied) << step;
      EXPECT_EQ(applied.error().kind, ErrorKind::kNoSpace);
      EXPECT_EQ(memory.files, kOriginal) << "step " << step << (after ? " after its effect" : "");
    }
  }
}

TEST(Apply, KilledAtAnyStepLeavesEveryFileWholeAndCanBeUndone) {
  MemoryFiles counting{.files = kOriginal};
  ASSERT_TRUE(ApplyTo(counting, EveryKind()));
  for (const bool after : {false, true}) {
    for (int64_t step = 0; step < counting.steps; ++step) {
      MemoryFiles memory{.files = kOriginal, .fail_at = step, .kill = true, .after = after};
      EXPECT_THROW((void)ApplyTo(memory, EveryKind()), Killed);
      for (const auto& [name, content] : ModelFiles(memory)) {
        const bool original = kOriginal.contains(name) && kOriginal.at(name) == content;
        const bool done = kApplied.contains(name) && kApplied.at(name) == content;
        EXPECT_TRUE(original || done) << name << " at step " << step;
      }
      memory.kill = false;
      memory.fail_at = -1;
      if (!memory.files.contains(kJournalName)) {
        EXPECT_EQ(ModelFiles(memory), kOriginal) << step;
        continue;
      }
      const Result<Undone> undone = UndoIn(memory);
      ASSERT_TRUE(undone) << undone.error().message << " at step " << step;
      EXPECT_EQ(memory.files, kOriginal) << "step " << step;
    }
  }
}

TEST(Apply, NextWriteAfterAKillEitherGoesOnOrAsksForUndo) {
  MemoryFiles counting{.files = kOriginal};
  ASSERT_TRUE(ApplyTo(counting, EveryKind()));
  int asked = 0, went_on = 0;
  for (int64_t step = 0; step < counting.steps; ++step) {
    MemoryFiles memory{.files = kOriginal, .fail_at = step, .kill = true};
    EXPECT_THROW((void)ApplyTo(memory, EveryKind()), Killed);
    memory.kill = false;
    memory.fail_at = -1;
    if (ModelFiles(memory) == kApplied) continue;  // the same plan no longer fits
    const Result<Applied> again = ApplyTo(memory, EveryKind());
    if (!again) {
      EXPECT_EQ(again.error().kind, ErrorKind::kRefused);
      EXPECT_NE(again.error().message.find("--undo"), std::string::npos) << again.error().message;
      ASSERT_TRUE(UndoIn(memory));
      ASSERT_TRUE(ApplyTo(memory, EveryKind()));
      ++asked;
    } else {
      ++went_on;
    }
    EXPECT_EQ(ModelFiles(memory), kApplied) << step;
  }
  EXPECT_GT(asked, 0);
  EXPECT_GT(went_on, 0);
}

TEST(Apply, KilledUndoCanBeRunAgain) {
  MemoryFiles ready{.files = kOriginal};
  ASSERT_TRUE(ApplyTo(ready, EveryKind()));
  MemoryFiles counting{.files = ready.files};
  ASSERT_TRUE(UndoIn(counting));
  for (const bool after : {false, true}) {
    for (int64_t step = 0; step < counting.steps; ++step) {
      MemoryFiles memory{.files = ready.files, .fail_at = step, .kill = true, .after = after};
      EXPECT_THROW((void)UndoIn(memory), Killed);
      memory.kill = false;
      memory.fail_at = -1;
      if (memory.files.contains(kJournalName)) {
        const Result<Undone> again = UndoIn(memory);
        ASSERT_TRUE(again) << again.error().message;
      }
      EXPECT_EQ(memory.files, kOriginal) << "step " << step;
    }
  }
}

TEST(Apply, BackupsAreNumberedAndNeverOverwritten) {
  MemoryFiles memory{.files = kOriginal};
  std::string before = kOriginal.at("config.json");
  for (const char* after : {"{\"a\": 2}", "{\"a\": 3}", "{\"a\": 4}"}) {
    Plan plan;
    plan.edits.push_back(Replace("config.json", before, after));
    ASSERT_TRUE(ApplyTo(memory, plan));
    before = after;
  }
  EXPECT_EQ(memory.files["config.json.gptq-doctor.bak"], "{\"a\": 1}");
  EXPECT_EQ(memory.files["config.json.gptq-doctor.bak.1"], "{\"a\": 2}");
  EXPECT_EQ(memory.files["config.json.gptq-doctor.bak.2"], "{\"a\": 3}");
  ASSERT_TRUE(UndoIn(memory));  // the last write alone
  EXPECT_EQ(memory.files["config.json"], "{\"a\": 3}");
  EXPECT_TRUE(memory.files.contains("config.json.gptq-doctor.bak.1"));
  EXPECT_FALSE(UndoIn(memory));
}

TEST(Apply, RefusesFilesThatAreNotAsPlanned) {
  struct Case {
    const char* what;
    Files changes;
  };
  for (const Case& c : {Case{"replaced file changed", {{"config.json", "{\"a\": 7}"}}},
                        Case{"created file exists", {{"quantize_config.json", "{}"}}},
                        Case{"target of a rename exists", {{"model.safetensors", "x"}}},
                        Case{"renamed file changed", {{"old.safetensors", "weighty"}}},
                        Case{"removed file changed", {{"stray.json", "gold"}}}}) {
    MemoryFiles memory{.files = kOriginal};
    for (const auto& [name, content] : c.changes) memory.files[name] = content;
    const Files before = memory.files;
    const Result<Applied> applied = ApplyTo(memory, EveryKind());
    ASSERT_FALSE(applied) << c.what;
    EXPECT_EQ(applied.error().kind, ErrorKind::kRefused) << c.what;
    EXPECT_EQ(memory.files, before) << c.what;
  }
}

TEST(Apply, NeverWritesThroughASymbolicLink) {
  MemoryFiles memory{.files = kOriginal, .symlinks = {"config.json"}};
  const Result<Applied> applied = ApplyTo(memory, EveryKind());
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().kind, ErrorKind::kRefused);
  EXPECT_EQ(applied.error().path, "model/config.json");
  EXPECT_NE(applied.error().message.find("--out"), std::string::npos);
  EXPECT_EQ(memory.files, kOriginal);
}

TEST(Apply, UndoRefusesWhereAFileChangedSince) {
  for (const char* file : {"config.json", "quantize_config.json", "config.json.gptq-doctor.bak"}) {
    MemoryFiles memory{.files = kOriginal};
    ASSERT_TRUE(ApplyTo(memory, EveryKind()));
    memory.files[file] += " ";
    const Files before = memory.files;
    const Result<Undone> undone = UndoIn(memory);
    ASSERT_FALSE(undone) << file;
    EXPECT_EQ(undone.error().kind, ErrorKind::kRefused);
    EXPECT_EQ(memory.files, before) << file;
  }
}

TEST(Apply, UndoRefusesWithoutARecord) {
  MemoryFiles memory{.files = kOriginal};
  EXPECT_EQ(UndoIn(memory).error().kind, ErrorKind::kRefused);
  memory.files[kJournalName] = "{";
  EXPECT_EQ(UndoIn(memory).error().kind, ErrorKind::kRefused);
  memory.files[kJournalName] =
      R"({"state": "applied", "entries": [{"kind": "create", "file": "../escape", "after_sha256": ""}]})";
  EXPECT_EQ(UndoIn(memory).error().kind, ErrorKind::kRefused);
}

// The record lies in the model, where anyone can have written it.
TEST(Apply, UndoRefusesARecordThatNoWriteMakes) {
  MemoryFiles good{.files = kOriginal};
  ASSERT_TRUE(ApplyTo(good, EveryKind()));
  const std::pair<std::string, std::string> changes[] = {
      {"\"config.json.gptq-doctor.bak\"", "\"\""},
      {"\"config.json.gptq-doctor.bak\"", "\"config.json\""},
      {"\"config.json.gptq-doctor.bak\"", "\"stray.json.gptq-doctor.bak\""},
      {"\"quantize_config.json\"", "\"config.json\""},
      {"\"quantize_config.json\"", "\".gptq-doctor.journal.json\""},
      {"\"" + Sha256("{\"a\": 2}") + "\"", "\"\""},
      {"\"" + Sha256("{\"a\": 1}") + "\"", "\"12\""},
      {"\"create\"", "\"remove\""},
      {"\"size\": 7", "\"size\": -1"},
      {"\"to\": \"model.safetensors\"", "\"to\": \"\""}};
  for (const auto& [from, to] : changes) {
    MemoryFiles memory{.files = good.files};
    std::string& journal = memory.files[kJournalName];
    ASSERT_NE(journal.find(from), std::string::npos) << from;
    journal.replace(journal.find(from), from.size(), to);
    const Files before = memory.files;
    EXPECT_FALSE(UndoIn(memory)) << from;
    EXPECT_EQ(memory.files, before) << from;
  }
}

TEST(Apply, WritesElsewhereAllOrNothing) {
  Plan plan = EveryKind();
  plan.edits.resize(2);
  MemoryFiles model{.files = kOriginal}, counting;
  ASSERT_TRUE(WriteElsewhere(plan, *model.source(), *counting.sink()));
  EXPECT_EQ(counting.files, (Files{{"config.json", "{\"a\": 2}"}, {"quantize_config.json", "{}"}}));
  EXPECT_EQ(model.files, kOriginal);
  for (int64_t step = 0; step < counting.steps; ++step) {
    MemoryFiles other{.fail_at = step};
    EXPECT_FALSE(WriteElsewhere(plan, *model.source(), *other.sink()));
    EXPECT_TRUE(other.files.empty()) << step;
  }
  MemoryFiles occupied{.files = {{"config.json", "mine"}}};
  EXPECT_FALSE(WriteElsewhere(plan, *model.source(), *occupied.sink()));
  EXPECT_EQ(occupied.files, (Files{{"config.json", "mine"}}));
}

TEST(Plan, SurvivesJson) {
  Plan plan = EveryKind();
  plan.edits[0].reasons = {"bits is 8"};
  plan.edits[0].codes = {"GD101"};
  plan.edits[1].applicability = Applicability::kAssumed;
  plan.assumed = {"checkpoint_format=gptq"};
  plan.manual = {{"config.json", "do it"}};
  const std::string json = PlanToJson(plan);
  const Result<Plan> read = PlanFromJson(json, "plan.json");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(PlanToJson(*read), json);
  MemoryFiles memory{.files = kOriginal};
  ASSERT_TRUE(ApplyTo(memory, *read));
  EXPECT_EQ(ModelFiles(memory), kApplied);
}

TEST(Plan, RefusesWhatIsNoPlan) {
  const std::string good = PlanToJson(EveryKind());
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("{}"), changed("\"1.0\"", "\"2.0\""),
        changed("\"quantize_config.json\"", "\"../quantize_config.json\""),
        changed("\"quantize_config.json\"", "\"config.json\""),
        changed("\"quantize_config.json\"", "\".gptq-doctor.journal.json\""),
        changed("\"config.json\"", "\"/etc/config.json\""), changed("\"model.safetensors\"", "\"a/../../b\""),
        changed("\"replace\"", "\"append\""), changed("\"content\": \"{}\"", "\"content\": \"{ }\""),
        changed(Sha256("{\"a\": 1}"), "12")}) {
    const Result<Plan> plan = PlanFromJson(text, "plan.json");
    ASSERT_FALSE(plan) << text;
    EXPECT_EQ(plan.error().kind, ErrorKind::kRefused);
  }
}

}  // namespace
}  // namespace gptq_doctor
