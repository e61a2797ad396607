// dequantize as a user runs it: a directory that other programs read, or nothing.

#include <gmock/gmock.h>

#include <csignal>

#include "cli/running.h"
#include "support/fast_dir.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DequantizeCommand, WritesWhatOthersRead) {
  const TempDir temp;
  HealthyModel().Shards(2).WriteTo(temp.path() / "model");
  const std::string out = temp.str() + "/dense";
  const RunResult run =
      RunTool({"dequantize", temp.str() + "/model", "-o", out, "--dtype", "bf16", "--max-shard-size", "300KB"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("14 modules dequantized to BF16, 7 tensors copied"));
  EXPECT_THAT(run.err, IsEmpty());
  const nlohmann::json read = ReadIndependently(out);
  EXPECT_EQ(read["tensors"].size(), 21u);
  EXPECT_EQ(read["tensors"]["model.layers.1.mlp.down_proj.weight"]["shape"], nlohmann::json({128, 256}));
  EXPECT_EQ(read["tensors"]["model.layers.1.mlp.down_proj.weight"]["dtype"], "BF16");
  EXPECT_EQ(read["tensors"]["model.norm.weight"]["dtype"], "F16");
  const JsonRun inspect = RunJson({"inspect", out});
  EXPECT_EQ(inspect.json["models"][0]["kind"], "dense");
  EXPECT_EQ(inspect.json["summary"]["errors"], 0);
  EXPECT_EQ(inspect.json["summary"]["warnings"], 0);
}

TEST(DequantizeCommand, JsonNamesWhatWasDone) {
  const TempDir temp;
  SickModel().WriteTo(temp.path() / "model");
  const JsonRun run = RunJson({"dequantize", temp.str() + "/model", "-o", temp.str() + "/dense"});
  EXPECT_EQ(run.run.exit_code, 0);
  EXPECT_EQ(run.json["exit_code"], 0);
  EXPECT_EQ(run.json["dequantize"]["modules"], 14);
  EXPECT_EQ(run.json["dequantize"]["dtype"], "F16");
  EXPECT_EQ(run.json["dequantize"]["files"], nlohmann::json({"model.safetensors"}));
}

TEST(DequantizeCommand, RefusalsLeaveNothing) {
  const TempDir temp;
  const fs::path model = temp.path() / "model", out = temp.path() / "dense";
  HealthyModel().WriteTo(model);
  EXPECT_EQ(RunTool({"dequantize", model.string()}).exit_code, 2);
  EXPECT_EQ(RunTool({"dequantize", temp.str() + "/nowhere", "-o", out.string()}).exit_code, 2);
  EXPECT_EQ(RunTool({"dequantize", model.string(), "-o", out.string(), "--dtype", "f8"}).exit_code, 2);
  EXPECT_EQ(RunTool({"dequantize", model.string(), "-o", out.string(), "--max-shard-size", "0"}).exit_code, 2);
  EXPECT_EQ(RunTool({"dequantize", model.string(), "-o", model.string()}).exit_code, 1);
  ModelBuilder().Layers(1).Dense().WriteTo(temp.path() / "plain");
  const JsonRun dense = RunJson({"dequantize", temp.str() + "/plain", "-o", out.string()});
  EXPECT_EQ(dense.run.exit_code, 1);
  EXPECT_EQ(dense.json["errors"][0]["kind"], "refused");
  const std::string weights = Slurp(model / "model.safetensors");
  WriteFile(model / "model.safetensors", weights.substr(0, weights.size() - 1));
  EXPECT_EQ(RunTool({"dequantize", model.string(), "-o", out.string()}).exit_code, 1);
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(out.string() + ".gptq-doctor-partial"));
}

// A model that takes a moment: 15 MB in eight files.
class Interrupted : public ::testing::Test {
 protected:
  void SetUp() override {
    ModelBuilder().Layers(3).Sizes(384, 768).Quant({.group_size = 128}).WithConfigs().WriteTo(model());
    source_ = Tree(model());
    const steady_clock::time_point start = steady_clock::now();
    ASSERT_EQ(RunTool(Arguments("whole", false)).exit_code, 0);
    took_ = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start);
    whole_ = Tree(temp_.path() / "whole");
  }
  fs::path model() const { return temp_.path() / "model"; }
  std::vector<std::string> Arguments(const std::string& name, bool resume) const {
    std::vector<std::string> out = {
        "dequantize", model().string(), "-o", (temp_.path() / name).string(), "--max-shard-size", "2MB"};
    if (resume) out.push_back("--resume");
    return out;
  }

  FastDir temp_;
  std::map<std::string, std::string> source_, whole_;
  std::chrono::microseconds took_{0};
};

TEST_F(Interrupted, KilledAtAnyMomentItIsWholeOrAbsentAndResumes) {
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = "out" + std::to_string(round);
    const fs::path out = temp_.path() / name;
    (void)Running(Arguments(name, false)).SignalAfter(took_ * round / (kRounds - 2), SIGKILL);
    if (fs::exists(out)) {
      EXPECT_EQ(Tree(out), whole_) << "round " << round;
    }
    const bool left =
        fs::exists(out.string() + ".gptq-doctor-partial") || fs::exists(out.string() + ".gptq-doctor-state");
    if (left || !fs::exists(out)) {
      const RunResult again = RunTool(Arguments(name, true));
      EXPECT_EQ(again.exit_code, 0) << "round " << round << ": " << again.err;
    }
    EXPECT_EQ(Tree(out), whole_) << "round " << round;
    EXPECT_FALSE(fs::exists(out.string() + ".gptq-doctor-partial"));
    fs::remove_all(out);
  }
  EXPECT_EQ(Tree(model()), source_);
}

TEST_F(Interrupted, SigintCleansUp) {
  for (int round = 1; round <= 4; ++round) {
    const std::string name = "out" + std::to_string(round);
    const int code = Running(Arguments(name, false)).SignalAfter(took_ * round / 5, SIGINT);
    const fs::path out = temp_.path() / name;
    if (code == 0) {
      EXPECT_EQ(Tree(out), whole_);
    } else if (code == 3) {
      EXPECT_FALSE(fs::exists(out));
      EXPECT_FALSE(fs::exists(out.string() + ".gptq-doctor-partial"));
      EXPECT_FALSE(fs::exists(out.string() + ".gptq-doctor-state"));
    } else {
      EXPECT_EQ(code, 128 + SIGINT) << "before the handler stood";
      EXPECT_FALSE(fs::exists(out));
    }
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
