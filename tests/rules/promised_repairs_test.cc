// A finding that names `fix` as its cure must be cured by it: the repair of its rule has a plan, and what is left after
// the plan no longer holds the finding.

#include <gtest/gtest.h>

#include "infer/examination.h"
#include "repair/overlay_source.h"
#include "repair/repairs.h"
#include "rules/rule_cases.h"

namespace gptq_doctor::testing {
namespace {

bool Promises(const Finding& finding) {
  return finding.fix && finding.fix->applicability == "certain" && finding.fix->command.starts_with("gptq-doctor fix");
}

bool Holds(const std::vector<Finding>& findings, const Finding& wanted) {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& finding) { return finding.fingerprint == wanted.fingerprint; });
}

// As its command says.
FixOptions SelectionOf(const Finding& finding) {
  const bool selects = finding.fix->command.find(" --select ") != std::string::npos;
  return selects ? FixOptions{.select = {finding.code}} : FixOptions{};
}

class PromisedRepairs : public ::testing::TestWithParam<RuleCase> {};

TEST_P(PromisedRepairs, AreKept) {
  const Directory sick = GetParam().sick();
  MemorySource source("model");
  for (const auto& [name, content] : sick.files) source.Add(name, content);
  for (const auto& [name, kind] : sick.specials) source.AddSpecial(name, kind);
  const auto exam = ReadExamination(source, {}, {});
  ASSERT_TRUE(exam.ok());
  for (const Finding& finding : DiagnoseFiles(sick).findings) {
    if (!Promises(finding)) continue;
    const Result<Plan> plan = MakePlan(**exam, SelectionOf(finding));
    ASSERT_TRUE(plan.ok()) << finding.code << " " << finding.message << ": " << plan.error().message;
    EXPECT_FALSE(plan->empty()) << finding.code << " " << finding.message;
    const auto renames = [](const Edit& edit) { return edit.kind == EditKind::kRename; };
    if (std::ranges::any_of(plan->edits, renames)) continue;  // an overlay shows changed files, not renamed ones
    OverlaySource cured(source, *plan);
    const Result<Diagnosis> after = Examine(cured, {}, {});
    ASSERT_TRUE(after.ok());
    EXPECT_FALSE(Holds(after->findings, finding)) << finding.code << " " << finding.message << " is still there";
  }
}

INSTANTIATE_TEST_SUITE_P(All, PromisedRepairs, ::testing::ValuesIn(AllCases()), [](const auto& param_info) {
  return std::string(param_info.param.code) + "_" + std::to_string(param_info.index);
});

}  // namespace
}  // namespace gptq_doctor::testing
