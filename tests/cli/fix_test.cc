// fix and apply on real directories: what they write, take back and refuse.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "cli/cli_support.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::string> Contents(const fs::path& directory) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::directory_iterator(directory)) {
    out[entry.path().filename().string()] = entry.is_directory() ? "" : ReadFile(entry.path());
  }
  return out;
}

class FixTest : public ::testing::Test {
 protected:
  FixTest() : model_(temp_.path() / "model") { SickModel().Layers(1).WriteTo(model_); }
  RunResult Fix(std::vector<std::string> options) const {
    options.insert(options.begin(), {"fix", model_.string()});
    return RunTool(options);
  }
  TempDir temp_;
  const fs::path model_;
};

TEST_F(FixTest, ShowsAPlanAndWritesNothing) {
  const auto before = Contents(model_);
  const RunResult run = Fix({});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("--- /dev/null\n+++ b/quantize_config.json\n"), HasSubstr("--- a/config.json"),
                             HasSubstr("+  \"quantization_config\": {\n"), HasSubstr("--write")));
  EXPECT_EQ(Contents(model_), before);
}

TEST_F(FixTest, WritesOnceAndUndoes) {
  chmod((model_ / "config.json").c_str(), 0600);
  const auto before = Contents(model_);
  const RunResult run = Fix({"--write"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(fs::exists(model_ / "quantize_config.json"));
  EXPECT_EQ(ReadFile(model_ / "config.json.gptq-doctor.bak"), before.at("config.json"));
  for (const char* file : {"config.json", "config.json.gptq-doctor.bak"}) {
    struct stat info {};
    ASSERT_EQ(stat((model_ / file).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << file;
  }
  const auto after = Contents(model_);
  const RunResult again = Fix({"--write"});
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.out, HasSubstr("Nothing to repair"));
  EXPECT_EQ(Contents(model_), after);
  EXPECT_EQ(RunTool({"config", model_.string(), "--check"}).exit_code, 0);
  const RunResult undo = Fix({"--undo"});
  EXPECT_EQ(undo.exit_code, 0) << undo.err;
  EXPECT_EQ(Contents(model_), before);
  EXPECT_EQ(Fix({"--undo"}).exit_code, 1);
}

TEST_F(FixTest, CheckIsAGate) {
  EXPECT_EQ(Fix({"--check"}).exit_code, 1);
  ASSERT_EQ(Fix({"--write"}).exit_code, 0);
  EXPECT_EQ(Fix({"--check"}).exit_code, 0);
}

TEST_F(FixTest, APlanIsAppliedExactlyOrNotAtAll) {
  const std::string plan = (temp_.path() / "plan.json").string();
  ASSERT_EQ(Fix({"--plan", plan}).exit_code, 0);
  EXPECT_FALSE(fs::exists(model_ / "quantize_config.json"));
  const std::string config = ReadFile(model_ / "config.json");
  WriteFile(model_ / "config.json", config + " ");
  const auto changed = Contents(model_);
  const RunResult refused = RunTool({"apply", plan});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("changed since the plan was made"));
  EXPECT_EQ(Contents(model_), changed);
  WriteFile(model_ / "config.json", config);
  const RunResult applied = RunTool({"apply", plan});
  EXPECT_EQ(applied.exit_code, 0) << applied.err;
  EXPECT_EQ(Fix({"--check"}).exit_code, 0);
  EXPECT_EQ(RunTool({"apply", plan}).exit_code, 1);
  EXPECT_EQ(RunTool({"apply", (temp_.path() / "absent.json").string()}).exit_code, 2);
}

TEST_F(FixTest, NeverWritesThroughALinkAndOffersAnotherDirectory) {
  const fs::path blob = temp_.path() / "blob";
  fs::rename(model_ / "config.json", blob);
  fs::create_symlink(blob, model_ / "config.json");
  const std::string content = ReadFile(blob);
  const RunResult run = Fix({"--write"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("config.json"), HasSubstr("--out")));
  EXPECT_EQ(ReadFile(blob), content);
  EXPECT_FALSE(fs::exists(model_ / "quantize_config.json"));
  const fs::path out = temp_.path() / "out";
  EXPECT_EQ(Fix({"--out", out.string()}).exit_code, 0);
  EXPECT_THAT(ReadFile(out / "config.json"), HasSubstr("quantization_config"));
  EXPECT_TRUE(fs::exists(out / "quantize_config.json"));
  EXPECT_EQ(ReadFile(blob), content);
  EXPECT_EQ(Fix({"--out", out.string()}).exit_code, 1);  // nothing is overwritten there
}

TEST_F(FixTest, RefusesWhatItCannotRepair) {
  WriteFile(model_ / "config.json", "{\"model_type\": llama}");
  const auto before = Contents(model_);
  const RunResult run = Fix({"--write"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("line 1"));
  EXPECT_EQ(Contents(model_), before);
}

TEST_F(FixTest, JsonIsOneObjectWhateverHappens) {
  const JsonRun plan = RunJson({"fix", model_.string()});
  EXPECT_EQ(plan.run.exit_code, 0);
  EXPECT_EQ(plan.json["plan"]["edits"].size(), 2u);
  EXPECT_TRUE(plan.json["applied"].is_null());
  const JsonRun written = RunJson({"fix", model_.string(), "--write"});
  EXPECT_EQ(written.json["applied"]["created"][0], "quantize_config.json");
  const JsonRun undone = RunJson({"fix", model_.string(), "--undo"});
  EXPECT_EQ(undone.json["undone"]["deleted"][0], "quantize_config.json");
  const JsonRun refused = RunJson({"fix", model_.string(), "--undo"});
  EXPECT_EQ(refused.run.exit_code, 1);
  EXPECT_EQ(refused.json["errors"][0]["kind"], "refused");
}

TEST_F(FixTest, UsageIsChecked) {
  EXPECT_EQ(Fix({"--write", "--undo"}).exit_code, 2);
  EXPECT_EQ(Fix({"--select", "GD000"}).exit_code, 2);
  EXPECT_THAT(Fix({"--select", "bits-mismach"}).err, HasSubstr("bits-mismatch"));
  EXPECT_EQ(Fix({"--assume", "sym"}).exit_code, 2);
  EXPECT_EQ(RunTool({"fix", (model_ / "model.safetensors").string()}).exit_code, 2);
  EXPECT_EQ(RunTool({"fix", (temp_.path() / "absent").string()}).exit_code, 2);
}

TEST_F(FixTest, SelectsRules) {
  EXPECT_THAT(Fix({"--select", "config-missing"}).out, HasSubstr("quantize_config.json"));
  EXPECT_THAT(Fix({"--select", "GD106,GD107"}).out, HasSubstr("Nothing to repair"));
}

TEST(Config, PrintsTheProvedFileAlone) {
  TempDir dir;
  SickModel().Layers(1).WriteTo(dir.path());
  const RunResult run = RunTool({"config", dir.str()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const nlohmann::json json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json["bits"], 4);
  EXPECT_EQ(json["group_size"], 128);
  EXPECT_EQ(json["desc_act"], false);
  EXPECT_EQ(json["quant_method"], "gptq");
  EXPECT_EQ(json["checkpoint_format"], "gptq");
  EXPECT_EQ(run.out.back(), '\n');
  const RunResult section = RunTool({"config", dir.str(), "--for", "config.json"});
  EXPECT_EQ(nlohmann::json::parse(section.out), json);
  EXPECT_EQ(RunTool({"config", dir.str(), "--for", "tokenizer.json"}).exit_code, 2);
  const JsonRun envelope = RunJson({"config", dir.str()});
  EXPECT_EQ(envelope.json["generated"]["text"], run.out);
}

TEST(Config, CheckSaysWhatDiffers) {
  TempDir dir;
  HealthyModel().Layers(1).WriteTo(dir.path());
  EXPECT_EQ(RunTool({"config", dir.str(), "--check"}).exit_code, 0);
  WriteFile(dir.path() / "quantize_config.json",
            "{\"bits\": 8, \"group_size\": 128, \"desc_act\": false, \"sym\": true}");
  const RunResult run = RunTool({"config", dir.str(), "--check"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, HasSubstr("quantize_config.json: bits is 8, must be 4"));
  EXPECT_THAT(run.out, HasSubstr("config.json: agrees with the tensors"));
  EXPECT_EQ(RunTool({"config", dir.str(), "--check", "--for", "config.json"}).exit_code, 0);
  const JsonRun json = RunJson({"config", dir.str(), "--check"});
  EXPECT_EQ(json.run.exit_code, 1);
  EXPECT_EQ(json.json["check"][0]["agrees"], false);
}

TEST(Config, RefusesWithoutOutput) {
  TempDir dense, contradicting;
  ModelBuilder().Layers(1).Dense().WriteTo(dense.path());
  SickModel()
      .Layers(1)
      .Tensor({"model.layers.0.mlp.down_proj.scales", "F16", {5, 128}, std::string(5 * 128 * 2, '\0')})
      .WriteTo(contradicting.path());
  for (const TempDir* dir : {&dense, &contradicting}) {
    const RunResult run = RunTool({"config", dir->str()});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_EQ(run.out, "");
    EXPECT_THAT(run.err, Not(HasSubstr("internal")));
  }
  EXPECT_THAT(RunTool({"config", contradicting.str()}).err, HasSubstr("down_proj"));
}

}  // namespace
}  // namespace gptq_doctor::testing
