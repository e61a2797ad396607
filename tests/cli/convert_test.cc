// convert as a user runs it: another directory with the same model, or nothing.

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

std::string Real(const std::string& name) { return GPTQ_DOCTOR_TEST_DATA "/real/" + name + "/model"; }

// Codes and severities of what `check` says of the directory itself.
std::set<std::string> Findings(const std::string& directory) {
  std::set<std::string> out;
  const JsonRun run = RunJson({"inspect", directory, "--deep"});
  for (const auto& finding : run.json["models"][0]["findings"]) {
    const std::string code = finding["code"];
    if (!code.starts_with("GD5")) out.insert(code);
  }
  return out;
}

nlohmann::json Dense(const std::string& directory) {
  const FastDir temp;
  const std::string out = temp.str() + "/dense";
  EXPECT_EQ(RunTool({"dequantize", directory, "-o", out, "--dtype", "f32"}).exit_code, 0);
  return ReadIndependently(out)["tensors"];
}

TEST(ConvertCommand, ThereAndBack) {
  const FastDir temp;
  const std::string model = Real("gptqmodel-7.3.4-dynamic-v1"), two = temp.str() + "/two", one = temp.str() + "/one";
  const auto source = Tree(model);
  const RunResult there = RunTool({"convert", model, "-o", two, "--checkpoint-format", "gptq_v2"});
  ASSERT_EQ(there.exit_code, 0) << there.err;
  EXPECT_THAT(there.out, HasSubstr("13 quantized modules: 13 qzeros rewritten"));
  EXPECT_THAT(there.err, IsEmpty());
  const JsonRun inspect = RunJson({"inspect", two});
  EXPECT_EQ(inspect.json["models"][0]["quantization"]["checkpoint_format"], "gptq_v2");
  EXPECT_EQ(Findings(two), Findings(model));
  EXPECT_EQ(Dense(two), Dense(model));
  ASSERT_EQ(RunTool({"convert", two, "-o", one, "--checkpoint-format", "gptq"}).exit_code, 0);
  EXPECT_EQ(Tree(one), source);
  EXPECT_EQ(Tree(model), source);
}

TEST(ConvertCommand, RestoresWhatAnOldWriterShifted) {
  const FastDir temp;
  const std::string model = Real("gptqmodel-2.2.0-3b-g64-sym-v1"), out = temp.str() + "/out";
  const JsonRun run = RunJson({"convert", model, "-o", out});
  ASSERT_EQ(run.run.exit_code, 0) << run.run.err;
  EXPECT_EQ(run.json["convert"]["restored"].size(), 14u);
  EXPECT_EQ(Dense(out), Dense(model));
  EXPECT_TRUE(Findings(model).contains("GD403"));
  EXPECT_FALSE(Findings(out).contains("GD403"));
  // Nothing is left to restore.
  EXPECT_EQ(RunTool({"convert", out, "-o", temp.str() + "/again"}).exit_code, 1);
}

TEST(ConvertCommand, ALossIsNamedAndRefused) {
  const FastDir temp;
  const std::string model = Real("gptqmodel-7.3.4-4b-g32-asym-v1-borrow"), two = temp.str() + "/two";
  ASSERT_EQ(RunTool({"convert", model, "-o", two, "--checkpoint-format", "gptq_v2"}).exit_code, 0);
  const std::string one = temp.str() + "/one";
  const JsonRun refused = RunJson({"convert", two, "-o", one, "--checkpoint-format", "gptq"});
  EXPECT_EQ(refused.run.exit_code, 1);
  EXPECT_EQ(refused.json["errors"][0]["kind"], "refused");
  ASSERT_FALSE(refused.json["convert"]["losses"].empty());
  EXPECT_EQ(refused.json["convert"]["losses"][0]["when"], "now");
  EXPECT_FALSE(fs::exists(one));
  const RunResult text = RunTool({"convert", two, "-o", one, "--checkpoint-format", "gptq"});
  for (const auto& loss : refused.json["convert"]["losses"])
    EXPECT_THAT(text.out, HasSubstr(loss["module"].get<std::string>() + ": "));
  EXPECT_THAT(text.err, HasSubstr("--allow-loss"));
  const RunResult lossy = RunTool({"convert", two, "-o", one, "--checkpoint-format", "gptq", "--allow-loss"});
  EXPECT_EQ(lossy.exit_code, 0);
  EXPECT_EQ(Tree(one), Tree(model));
}

TEST(ConvertCommand, OtherReadersFollow) {
  const FastDir temp;
  ModelBuilder()
      .Layers(2)
      .Quant({.g_idx = false, .scales_dtype = "F32", .pack_bits = 16})
      .WeightName("gptq_model-4bit-128g.safetensors")
      .WriteTo(temp.path() / "model");
  const std::string model = temp.str() + "/model", out = temp.str() + "/out";
  const RunResult run = RunTool({"convert", model, "-o", out, "--pack-dtype", "int32", "--add-g-idx", "--scales-dtype",
                                 "f16", "--drop-zero-bias", "--reshard", "--max-shard-size", "100KB"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const nlohmann::json read = ReadIndependently(out);
  EXPECT_EQ(read["tensors"]["model.layers.1.mlp.down_proj.qweight"]["shape"], nlohmann::json({32, 128}));
  EXPECT_EQ(read["tensors"]["model.layers.1.mlp.down_proj.qweight"]["dtype"], "I32");
  EXPECT_EQ(read["tensors"]["model.layers.1.mlp.down_proj.scales"]["dtype"], "F16");
  EXPECT_EQ(read["tensors"]["model.layers.1.mlp.down_proj.g_idx"]["shape"], nlohmann::json({256}));
  const JsonRun inspect = RunJson({"inspect", out});
  EXPECT_EQ(inspect.json["models"][0]["quantization"]["pack_dtype"], "int32");
  EXPECT_EQ(inspect.json["models"][0]["config"]["quantize_config.json"]["state"], "valid");
  EXPECT_EQ(inspect.json["models"][0]["modules"]["quantized"], 14);
}

TEST(ConvertCommand, LinksOfAHubCacheAreReadThrough) {
  const FastDir temp;
  const std::string model = Real("gptqmodel-7.3.4-dynamic-v1");
  fs::create_directory(temp.path() / "snapshot");
  for (const auto& entry : fs::directory_iterator(model)) {
    fs::create_symlink(entry.path(), temp.path() / "snapshot" / entry.path().filename());
  }
  for (const std::string& from : {temp.str() + "/snapshot", model}) {
    const std::string out = temp.str() + (from == model ? "/direct" : "/linked");
    const RunResult run = RunTool({"convert", from, "-o", out, "--checkpoint-format", "gptq_v2", "--rename"});
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.err, IsEmpty());
  }
  EXPECT_EQ(Tree(temp.path() / "linked"), Tree(temp.path() / "direct"));
}

TEST(ConvertCommand, RefusalsLeaveNothing) {
  const FastDir temp;
  const std::string model = temp.str() + "/model", out = temp.str() + "/out";
  HealthyModel().WriteTo(model);
  const auto code = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "convert");
    return RunTool(arguments).exit_code;
  };
  EXPECT_EQ(code({model}), 2);
  EXPECT_EQ(code({temp.str() + "/nowhere", "-o", out, "--rename"}), 2);
  EXPECT_EQ(code({model, "-o", out, "--checkpoint-format", "gptq_p"}), 2);
  EXPECT_EQ(code({model, "-o", out, "--max-shard-size", "1GB"}), 2) << "without --reshard";
  EXPECT_EQ(code({model, "-o", out}), 1) << "nothing to change";
  EXPECT_EQ(code({model, "-o", model, "--rename"}), 1);
  EXPECT_EQ(code({Real("neg-autoround-awq-4b-g32"), "-o", out, "--rename"}), 1);
  EXPECT_EQ(code({Real("gptqmodel-7.3.4-6b-g64-sym-planar"), "-o", out, "--checkpoint-format", "gptq_v2"}), 1);
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(out + ".gptq-doctor-partial"));
}

TEST(ConvertCommand, KilledAtAnyMomentItIsWholeOrAbsentAndResumes) {
  const FastDir temp;
  const std::string model = temp.str() + "/model";
  ModelBuilder().Layers(3).Sizes(384, 768).Quant({.group_size = 32}).WithConfigs().Shards(6).WriteTo(model);
  const auto source = Tree(model);
  const auto arguments = [&](const std::string& name) {
    return std::vector<std::string>{"convert", model, "-o", temp.str() + "/" + name, "--checkpoint-format", "gptq_v2"};
  };
  const steady_clock::time_point start = steady_clock::now();
  ASSERT_EQ(RunTool(arguments("whole")).exit_code, 0);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start);
  const auto whole = Tree(temp.path() / "whole");
  constexpr int kRounds = 12;
  for (int round = 0; round < kRounds; ++round) {
    const int signal = round % 3 == 2 ? SIGINT : SIGKILL;
    const fs::path out = temp.path() / "out", partial = out.string() + ".gptq-doctor-partial";
    const int code = Running(arguments("out")).SignalAfter(took * round / (kRounds - 2), signal);
    EXPECT_TRUE(!fs::exists(out) || Tree(out) == whole) << "round " << round;
    EXPECT_TRUE(signal != SIGINT || code != 3 || !fs::exists(partial)) << "round " << round;
    if (!fs::exists(out) || fs::exists(partial) || fs::exists(out.string() + ".gptq-doctor-state")) {
      std::vector<std::string> again = arguments("out");
      again.push_back("--resume");
      EXPECT_EQ(RunTool(again).exit_code, 0) << "round " << round;
    }
    EXPECT_EQ(Tree(out), whole) << "round " << round;
    fs::remove_all(out);
  }
  EXPECT_EQ(Tree(model), source);
}

}  // namespace
}  // namespace gptq_doctor::testing
