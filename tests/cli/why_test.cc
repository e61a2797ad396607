// `why` and `loaders` with the real binary: selectors, exit codes, several models, what a person reads.

#include <filesystem>
#include <set>

#include "cli/cli_support.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class WhyCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    SickModel().WriteTo(sick_);
    HealthyModel().WriteTo(healthy_);
  }
  TempDir scratch_;
  const std::filesystem::path sick_ = scratch_.path() / "sick", healthy_ = scratch_.path() / "healthy";
};

TEST_F(WhyCommand, OneLoaderIsAWalkWithItsMessage) {
  const RunResult run = RunTool({"why", "--loader", "vllm@0.15", sick_.string()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("vllm 0.15  rejects"));
  EXPECT_THAT(run.out, HasSubstr("  1.  config: "));
  EXPECT_THAT(run.out, HasSubstr("you see   KeyError: 'layers.0.mlp.down_proj.g_idx'"));
  EXPECT_THAT(run.out, HasSubstr("remedy    gptq-doctor fix --write"));
}

TEST_F(WhyCommand, AnOptionTakesOneSelectorAndLeavesTheModel) {
  const RunResult run = RunTool({"why", "--loader", "vllm@0.15", "--loader", "exllamav2", sick_.string()});
  EXPECT_EQ(RunTool({"why", "--loader", "vllm@0.15,exllamav2", sick_.string()}).out, run.out);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("vllm 0.15"));
  EXPECT_THAT(run.out, HasSubstr("exllamav2"));
}

TEST_F(WhyCommand, ASingleFileIsNoModelToLoad) {
  const RunResult run = RunTool({"why", (healthy_ / "model.safetensors").string()});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("give its directory"));
}

TEST_F(WhyCommand, SeveralLoadersAreAMatrixWorstFirst) {
  const RunResult run = RunTool({"why", sick_.string()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const size_t silent = run.out.find("falls-back"), loud = run.out.find("rejects"), fine = run.out.find("loads  ");
  ASSERT_NE(silent, std::string::npos);
  EXPECT_LT(silent, loud);
  EXPECT_LT(loud, fine);
  EXPECT_THAT(run.out, HasSubstr("The fallback\n"));
  EXPECT_THAT(run.out, HasSubstr("%) more: "));
  EXPECT_THAT(run.out, HasSubstr("of all: -v"));
  EXPECT_THAT(run.out, Not(HasSubstr("  1.  ")));
  EXPECT_THAT(RunTool({"why", "-v", sick_.string()}).out, HasSubstr("  1.  config: "));
}

TEST_F(WhyCommand, AHealthyModelLoadsWhereItIsSupported) {
  const JsonRun answer = RunJson({"why", healthy_.string(), "--loader", "transformers", "--loader", "vllm>=0.9"});
  EXPECT_EQ(answer.run.exit_code, 0);
  const auto& loaders = answer.json.at("models").at(0).at("loaders");
  ASSERT_GE(loaders.size(), 8u);
  for (const auto& outcome : loaders) {
    EXPECT_THAT((std::set<std::string>{"loads", "slow"}), ::testing::Contains(outcome.at("outcome"))) << outcome;
  }
}

TEST_F(WhyCommand, WrongNamesAndVersionsAreUsageErrors) {
  const RunResult name = RunTool({"why", sick_.string(), "--loader", "vlm"});
  EXPECT_EQ(name.exit_code, 2);
  EXPECT_THAT(name.err, HasSubstr("did you mean vllm?"));
  EXPECT_EQ(name.out, "");
  const RunResult version = RunTool({"why", sick_.string(), "--loader", "vllm@9.9"});
  EXPECT_EQ(version.exit_code, 2);
  EXPECT_THAT(version.err, HasSubstr("nothing is known of vllm@9.9; known are "));
  for (const char* selector : {"vllm@", "vllm@x", "vllm=>0.9", ">=0.9", ""})
    EXPECT_EQ(RunTool({"why", sick_.string(), "--loader", selector}).exit_code, 2) << selector;
  EXPECT_EQ(RunTool({"why", sick_.string(), "--gpu-arch", "ampere"}).exit_code, 2);
  EXPECT_EQ(RunTool({"why", sick_.string(), "--dtype", "int4"}).exit_code, 2);
  EXPECT_EQ(RunTool({"why", sick_.string(), "--tp", "0"}).exit_code, 2);
  EXPECT_EQ(RunTool({"why"}).exit_code, 2);
  EXPECT_EQ(RunTool({"loaders", "vlm"}).exit_code, 2);
}

TEST_F(WhyCommand, OneBadPathHidesNothing) {
  const std::string missing = (scratch_.path() / "missing").string();
  const JsonRun answer = RunJson({"why", sick_.string(), missing, healthy_.string(), "--loader", "sglang"});
  EXPECT_EQ(answer.run.exit_code, 2);
  ASSERT_TRUE(answer.json.is_object());
  EXPECT_EQ(answer.json.at("models").size(), 2u);
  ASSERT_EQ(answer.json.at("errors").size(), 1u);
  EXPECT_EQ(answer.json.at("errors").at(0).at("path"), missing);
  EXPECT_EQ(answer.json.at("exit_code"), 2);
}

TEST_F(WhyCommand, SymptomsNeedNoModel) {
  const RunResult alone = RunTool({"why", "--symptom", "Unrecognized model in ./x"});
  EXPECT_EQ(alone.exit_code, 0);
  EXPECT_THAT(alone.out, HasSubstr("config.json names no model_type"));
  EXPECT_THAT(alone.out, Not(HasSubstr("  here ")));
  const RunResult judged = RunTool({"why", sick_.string(), "--symptom", "garbage"});
  EXPECT_THAT(judged.out, HasSubstr("  here      yes: "));
}

TEST_F(WhyCommand, AnEnvironmentIsReadWithoutPython) {
  const auto site = scratch_.path() / "venv" / "lib" / "python3.11" / "site-packages";
  WriteFile(site / "transformers-4.55.0.dist-info" / "METADATA",
            "Metadata-Version: 2.1\nName: transformers\nVersion: 4.55.0\n");
  WriteFile(site / "broken-1.dist-info" / "METADATA", std::string("\x00\xff", 2));
  const RunResult run = RunTool({"why", sick_.string(), "--env", (scratch_.path() / "venv").string()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("installed transformers 4.55.0"));
  EXPECT_THAT(run.out, HasSubstr("optimum"));
  EXPECT_EQ(RunTool({"why", "--env", (scratch_.path() / "none").string()}).exit_code, 2);
}

TEST(LoadersCommand, ListsTheKnowledgeAndItsAge) {
  const RunResult all = RunTool({"loaders"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_THAT(all.out, HasSubstr("the newest knowledge is of 20"));
  const JsonRun some = RunJson({"loaders", "vllm>=0.15", "tensorrt-llm"});
  ASSERT_EQ(some.json.at("profiles").size(), 3u);
  for (const auto& profile : some.json.at("profiles")) {
    EXPECT_FALSE(profile.at("sources").empty());
    EXPECT_EQ(profile.at("as_of").get<std::string>().size(), 7u);
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
