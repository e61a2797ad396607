// A loader's remedy is a prescription: `fix --write` is named where it helps that loader, and nowhere else.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "gptq_doctor/doctor.h"
#include "loaders/simulate.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using testing::GptqOptions;
using testing::ModelBuilder;

// What the row of that loader and version says; a row that is not there fails the test.
LoaderOutcome OutcomeOf(Source& source, const std::string& row) {
  const Result<Diagnosis> diagnosis = Examine(source, {.judge_loaders = {row}}, {});
  EXPECT_TRUE(diagnosis.ok() && diagnosis->loaders.size() == 1) << row;
  return diagnosis.ok() && diagnosis->loaders.size() == 1 ? diagnosis->loaders.front() : LoaderOutcome{};
}

TEST(Remedies, FixIsNamedWhereTheConfigurationIsMissing) {
  const auto sick = ModelBuilder().Quant(GptqOptions{}).Memory();
  for (const char* row : {"autogptq@0.7.1", "vllm@0.15", "sglang@0.5"}) {
    EXPECT_EQ(OutcomeOf(*sick, row).remedy, kFixCommand) << row;
  }
}

TEST(Remedies, FixIsNotNamedWhereTheConfigurationIsRight) {
  // Its lm_head has other bits and its zero points the shift of the base's: no configuration mends either.
  const auto path = std::filesystem::path(GPTQ_DOCTOR_TEST_DATA) / "real/gptqmodel-2.2.0-dynamic-lmhead-sharded/model";
  const Result<std::unique_ptr<Source>> source = OpenLocalDirectory(path.string());
  ASSERT_TRUE(source.ok());
  const Result<Diagnosis> diagnosis = Examine(**source, {.judge_loaders = {"all"}}, {});
  ASSERT_TRUE(diagnosis.ok());
  const auto bad = [](const LoaderOutcome& outcome) { return outcome.outcome != Outcome::kLoads; };
  EXPECT_GT(std::ranges::count_if(diagnosis->loaders, bad), 10);
  for (const LoaderOutcome& outcome : diagnosis->loaders) {
    EXPECT_FALSE(outcome.remedy.starts_with("gptq-doctor fix")) << outcome.loader << " " << outcome.version;
  }
  for (const Finding& finding : diagnosis->findings) {
    EXPECT_FALSE(finding.fix && finding.fix->command.starts_with("gptq-doctor fix")) << finding.message;
  }
}

TEST(Remedies, ConvertIsNamedWhereTheLoaderDoesNotReadTheFormat) {
  const auto v2 = ModelBuilder().Quant({.v2 = true}).WithConfigs().Memory();
  const LoaderOutcome outcome = OutcomeOf(*v2, "autogptq@0.7.1");
  EXPECT_EQ(outcome.outcome, Outcome::kGarbage);
  EXPECT_EQ(outcome.remedy, "gptq-doctor convert MODEL -o DIR --checkpoint-format gptq");
}

TEST(Remedies, WhatFixLeavesInTheWayIsSaid) {
  // Before 0.5 the key lm_head, which current packers write, was refused.
  const auto sick = ModelBuilder().Quant(GptqOptions{}).Memory();
  const LoaderOutcome outcome = OutcomeOf(*sick, "autogptq@0.4");
  EXPECT_EQ(outcome.outcome, Outcome::kRejects);
  const auto is_said = [](const LoaderStep& step) {
    return step.step == "remedy" && step.detail.starts_with("gptq-doctor fix --write is not enough: ");
  };
  EXPECT_TRUE(std::ranges::any_of(outcome.steps, is_said));
  EXPECT_NE(outcome.remedy, kFixCommand);
}

}  // namespace
}  // namespace gptq_doctor
