// verify as a user runs it.

#include <fcntl.h>
#include <gmock/gmock.h>

#include <csignal>

#include "base/sha256.h"
#include "cli/cli_support.h"
#include "support/quantizer.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kQ0 = "model.layers.0.self_attn.q_proj", kQ1 = "model.layers.1.self_attn.q_proj";

std::vector<std::string> Codes(const nlohmann::json& report) {
  std::vector<std::string> out;
  for (const auto& model : report["models"]) {
    for (const auto& finding : model["findings"]) {
      if (finding["severity"] != "note") out.push_back(finding["code"]);
    }
  }
  return out;
}

TEST(VerifyCommand, AHealthyModelIsClean) {
  const TempDir temp;
  HealthyModel().Shards(2).WriteTo(temp.path());
  const RunResult run = RunTool({"verify", temp.str()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, IsEmpty());
  EXPECT_THAT(run.out, HasSubstr("14 quantized modules read, 7 dense tensors"));
  EXPECT_THAT(run.out, HasSubstr("model.layers.1        7  4"));
  EXPECT_THAT(run.out, HasSubstr("1 model: 0 errors, 0 warnings"));
}

TEST(VerifyCommand, NamesTheSwappedModulesAndNoOther) {
  const TempDir temp;
  ModelPair pair({.bits = 4, .group_size = 32});
  pair.base.WriteTo(temp.path() / "base");
  pair.Replace(kQ0, pair.weights[kQ1]);
  pair.Replace(kQ1, pair.weights[kQ0]);
  pair.quantized.WriteTo(temp.path() / "model");
  for (const char* base : {"/base", "/base/model.safetensors"}) {
    const JsonRun run = RunJson({"verify", temp.str() + "/model", "--against", temp.str() + base});
    EXPECT_EQ(run.run.exit_code, 1);
    EXPECT_THAT(Codes(run.json), ElementsAre("GD441"));
    EXPECT_EQ(run.json["models"][0]["findings"][0]["tensors"], nlohmann::json({kQ0, kQ1}));
    EXPECT_EQ(run.json["models"][0]["verify"]["against"]["compared"], 14);
    EXPECT_EQ(run.json["models"][0]["verify"]["against"]["path"], temp.str() + base);
  }
  const RunResult text = RunTool({"verify", temp.str() + "/model", "--against", temp.str() + "/base"});
  EXPECT_THAT(text.out, HasSubstr("it matches BASE's " + kQ1 + ".weight"));
  EXPECT_THAT(text.out, HasSubstr("1 module with findings"));
}

TEST(VerifyCommand, FailOnAndFormatsAreThoseOfCheck) {
  const TempDir temp;
  ModelPair pair({.bits = 4, .group_size = 32});
  TestTensor norm = DenseTensor("model.norm.weight", {128});
  norm.data[11] = '\x3E';
  pair.quantized.Tensor(norm).WriteTo(temp.path() / "model");
  pair.base.WriteTo(temp.path() / "base");
  const std::vector<std::string> run = {"verify", temp.str() + "/model", "--against", temp.str() + "/base"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), run.begin(), run.end());
    return RunTool(more);
  };
  EXPECT_EQ(with({}).exit_code, 0);
  EXPECT_EQ(with({"--fail-on", "warning"}).exit_code, 1);
  EXPECT_EQ(with({"--fail-on", "never"}).exit_code, 0);
  EXPECT_THAT(with({"--format", "sarif"}).out, HasSubstr("\"ruleId\": \"GD445\""));
  EXPECT_THAT(with({"--format", "github"}).out, HasSubstr("::warning"));
}

TEST(VerifyCommand, HashesOfTheHubCacheAndOfLocalDownloads) {
  const TempDir temp;
  const std::map<std::string, std::string> files = HealthyModel().Build();
  const std::string weights = files.at("model.safetensors"), hash = Sha256(weights);
  const fs::path snapshot = temp.path() / "snapshots" / "abc", local = temp.path() / "local", lfs = temp.path() / "lfs";
  for (const auto& [name, content] : files) {
    WriteFile(local / name, content);
    WriteFile(lfs / name, content);
    if (name == "model.safetensors") continue;
    WriteFile(snapshot / name, content);
  }
  WriteFile(temp.path() / "blobs" / hash, weights);
  fs::create_symlink("../../blobs/" + hash, snapshot / "model.safetensors");
  WriteFile(local / ".cache/huggingface/download/model.safetensors.metadata", "0123\n" + hash + "\n1700000000.5\n");
  WriteFile(lfs / ".git/lfs/objects" / hash.substr(0, 2) / hash.substr(2, 2) / hash, weights);
  for (const fs::path& model : {snapshot, local, lfs}) {
    const JsonRun good = RunJson({"verify", model.string(), "--hashes"});
    EXPECT_EQ(good.run.exit_code, 0) << model << good.run.out.substr(0, 300);
    EXPECT_EQ(good.json["models"][0]["verify"]["hashes"].size(), 1u) << model;
    const fs::path file = fs::canonical(model / "model.safetensors");
    std::string damaged = weights;
    damaged.back() ^= 1;
    WriteFile(file, damaged);
    const JsonRun bad = RunJson({"verify", model.string(), "--hashes"});
    EXPECT_EQ(bad.run.exit_code, 1) << model;
    EXPECT_THAT(Codes(bad.json), ElementsAre("GD430")) << model;
    EXPECT_EQ(bad.json["models"][0]["verify"]["hashes"][0]["found"], Sha256(damaged));
    EXPECT_EQ(RunTool({"verify", model.string()}).exit_code, 0);
  }
}

TEST(VerifyCommand, DeepChecksReadTheSame) {
  const TempDir temp;
  ModelBuilder model = HealthyModel();
  TestTensor norm = DenseTensor("model.norm.weight", {128});
  norm.data[11] = '\x7E';
  model.Tensor(norm).WriteTo(temp.path());
  EXPECT_THAT(Codes(RunJson({"check", temp.str()}).json), IsEmpty());
  EXPECT_THAT(Codes(RunJson({"check", "--deep", temp.str()}).json), ElementsAre("GD426"));
  EXPECT_THAT(Codes(RunJson({"inspect", "--deep", temp.str()}).json), ElementsAre("GD426"));
}

TEST(VerifyCommand, WhatCannotBeReadIsExit3) {
  const TempDir temp;
  HealthyModel().Shards(2).WriteTo(temp.path() / "model");
  fs::permissions(temp.path(), fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  fs::permissions(temp.path() / "model", fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  for (const auto& entry : fs::directory_iterator(temp.path() / "model"))
    fs::permissions(entry.path(), fs::perms::others_read, fs::perm_options::add);
  fs::permissions(temp.path() / "model" / "model-00001-of-00002.safetensors", fs::perms::none);
  EXPECT_EQ(RunToolAsNobody({"verify", temp.str() + "/model"}).exit_code, 3);
  EXPECT_EQ(RunTool({"verify", temp.str() + "/absent"}).exit_code, 2);
  EXPECT_EQ(RunTool({"verify", temp.str() + "/model", "--against", temp.str() + "/absent"}).exit_code, 2);
}

TEST(VerifyCommand, ATruncatedShardIsAFindingAndTheRestIsRead) {
  const TempDir temp;
  HealthyModel().WriteTo(temp.path());
  const fs::path file = temp.path() / "model.safetensors";
  fs::resize_file(file, fs::file_size(file) - 100000);
  const JsonRun run = RunJson({"verify", temp.str()});
  EXPECT_EQ(run.run.exit_code, 1) << run.run.err;
  EXPECT_THAT(Codes(run.json), Not(IsEmpty()));
  EXPECT_THAT(run.json["models"][0]["verify"]["skipped"], Not(IsEmpty()));
  EXPECT_GT(run.json["models"][0]["verify"]["modules_read"], 5);
}

TEST(VerifyCommand, ADenseModelHasNoModulesButIsRead) {
  const TempDir temp;
  ModelBuilder().Dense().WriteTo(temp.path());
  const JsonRun run = RunJson({"verify", temp.str(), "--against", temp.str()});
  EXPECT_EQ(run.run.exit_code, 0);
  EXPECT_EQ(run.json["models"][0]["verify"]["modules_read"], 0);
  EXPECT_EQ(run.json["models"][0]["verify"]["dense_tensors"], 21);
  EXPECT_EQ(run.json["models"][0]["verify"]["against"]["dense_equal"], 21);
}

}  // namespace
}  // namespace gptq_doctor::testing
