// The command line as users and scripts meet it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "cli/cli_support.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
namespace fs = std::filesystem;

struct UsageError {
  std::vector<std::string> arguments;
  const char* says;
};

TEST(Usage, WrongArgumentsExitTwoAndSuggestTheNearest) {
  const UsageError kErrors[] = {
      {{"insepct", "."}, "did you mean inspect"},
      {{"inspect", ".", "--fromat", "json"}, "did you mean --format"},
      {{"inspect", ".", "--modles"}, "did you mean --modules"},
      {{"inspect", ".", "--format", "jsn"}, "did you mean json"},
      {{"inspect", ".", "--color", "blue"}, "--color"},
      {{"inspect", ".", "--jobs", "many"}, "--jobs"},
      {{"inspect"}, "MODEL"},
      {{"."}, "gptq-doctor inspect ."},
      {{"frobnicate"}, "frobnicate"},
  };
  for (const UsageError& error : kErrors) {
    const RunResult run = RunTool(error.arguments);
    EXPECT_EQ(run.exit_code, 2) << run.err;
    EXPECT_THAT(run.err, StartsWith("error: "));
    EXPECT_THAT(run.err, HasSubstr(error.says));
    EXPECT_EQ(run.out, "");
    const JsonRun json = RunJson(error.arguments);
    EXPECT_EQ(json.run.exit_code, 2);
    ASSERT_TRUE(json.json.is_object() || error.arguments.back() == "jsn") << json.run.out;
    if (json.json.is_object()) {
      EXPECT_EQ(json.json["errors"][0]["kind"], "usage");
    }
  }
}

TEST(Usage, AloneItPrintsShortHelpAndExitsTwo) {
  const RunResult run = RunTool({});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.out, HasSubstr("gptq-doctor inspect MODEL"));
  EXPECT_EQ(run.err, "");
}

TEST(Usage, HelpAndVersionExitZero) {
  const RunResult help = RunTool({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("tensors"));
  const RunResult inspect = RunTool({"inspect", "--help"});
  EXPECT_EQ(inspect.exit_code, 0);
  EXPECT_THAT(inspect.out, HasSubstr("--modules"));
  const RunResult version = RunTool({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, StartsWith("gptq-doctor "));
}

TEST(Options, StandBeforeOrBehindTheCommandAndInTheEnvironment) {
  TempDir dir;
  HealthyModel().WriteTo(dir.path());
  const std::string json = RunTool({"inspect", dir.str(), "--format", "json"}).out;
  EXPECT_EQ(RunTool({"--format", "json", "inspect", dir.str()}).out, json);
  EXPECT_EQ(RunTool({"inspect", dir.str()}, {{"GPTQ_DOCTOR_FORMAT", "json"}}).out, json);
  EXPECT_EQ(RunTool({"inspect", "--jobs", "1", "--format=json", dir.str()}).out, json);
  EXPECT_THAT(RunTool({"inspect", dir.str(), "--format", "text"}, {{"GPTQ_DOCTOR_FORMAT", "json"}}).out,
              Not(StartsWith("{")));
}

TEST(Options, OutputGoesToAFileWhole) {
  TempDir dir;
  HealthyModel().WriteTo(dir.path() / "model");
  const std::string file = (dir.path() / "report.json").string();
  const RunResult run = RunTool({"inspect", (dir.path() / "model").string(), "--format", "json", "-o", file});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "");
  std::ifstream in(file);
  EXPECT_TRUE(nlohmann::json::accept(in));
  const RunResult bad =
      RunTool({"inspect", (dir.path() / "model").string(), "-o", (dir.path() / "no/such/dir").string()});
  EXPECT_NE(bad.exit_code, 0);
  EXPECT_THAT(bad.err, HasSubstr("error: "));
}

TEST(Options, VerboseLogsToStandardErrorAlone) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  const RunResult quiet = RunTool({"inspect", dir.str(), "--format", "json"});
  EXPECT_EQ(quiet.err, "");
  const RunResult verbose = RunTool({"inspect", dir.str(), "--format", "json", "-vv"});
  EXPECT_THAT(verbose.err, HasSubstr("tensors in 1 weight files"));
  EXPECT_THAT(verbose.err, HasSubstr("model.safetensors: header of"));
  EXPECT_EQ(verbose.out, quiet.out);
}

TEST(Color, FollowsOptionThenEnvironment) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  const auto colored = [&](std::vector<std::string> more, std::map<std::string, std::string> environment) {
    more.insert(more.begin(), {"inspect", dir.str()});
    return RunTool(more, environment).out.find("\x1b[") != std::string::npos;
  };
  EXPECT_FALSE(colored({}, {})) << "a pipe is no terminal";
  EXPECT_TRUE(colored({"--color", "always"}, {{"NO_COLOR", "1"}}));
  EXPECT_TRUE(colored({}, {{"CLICOLOR_FORCE", "1"}}));
  EXPECT_TRUE(colored({}, {{"FORCE_COLOR", "1"}}));
  EXPECT_FALSE(colored({}, {{"CLICOLOR_FORCE", "1"}, {"NO_COLOR", "1"}}));
  EXPECT_FALSE(colored({"--color", "never"}, {{"CLICOLOR_FORCE", "1"}}));
}

TEST(Locale, MarksAreAsciiWhereTheLocaleIsNotUtf8) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  const std::string ascii = RunTool({"inspect", dir.str()}, {{"LC_ALL", "C"}}).out;
  for (const char c : ascii) ASSERT_TRUE(static_cast<unsigned char>(c) < 0x80);
  EXPECT_THAT(RunTool({"inspect", dir.str()}, {{"LC_ALL", "C.UTF-8"}}).out, HasSubstr("✗"));
}

TEST(Inspect, TheSickModelGetsItsDiagnosisAndItsCure) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  const RunResult run = RunTool({"inspect", dir.str()});
  EXPECT_EQ(run.exit_code, 0) << "inspect reports, it does not judge";
  EXPECT_THAT(run.out, HasSubstr("GPTQ, 4-bit, group size 128, symmetric"));
  EXPECT_THAT(run.out, HasSubstr("no file tells a loader that this is GPTQ"));
  EXPECT_THAT(run.out, HasSubstr("gptq-doctor fix " + dir.str() + " --write"));
  EXPECT_THAT(run.out, HasSubstr("56 tensors in 14 quantized modules"));
}

TEST(Inspect, AHealthyModelNeedsNoRepair) {
  TempDir dir;
  HealthyModel().WriteTo(dir.path());
  const JsonRun run = RunJson({"inspect", dir.str()});
  ASSERT_EQ(run.json["models"].size(), 1u);
  const auto& model = run.json["models"][0];
  EXPECT_EQ(model["missing"].size(), 0u) << model["missing"];
  EXPECT_EQ(model["repair_command"], "");
  EXPECT_EQ(model["config"]["quantize_config.json"]["state"], "valid");
  EXPECT_EQ(model["config"]["config.json"]["state"], "valid");
  EXPECT_EQ(run.json["summary"]["errors"], 0);
}

TEST(Inspect, FilesThatNoReaderAcceptsAreNotTicked) {
  TempDir dir;
  ModelBuilder model = HealthyModel();
  model.File("config.json", "{bad");
  model.WriteTo(dir.path());
  WriteFile(dir.str() + "/model.safetensors", std::string(16, '\x7f') + "no header");
  const JsonRun run = RunJson({"inspect", dir.str()});
  std::map<std::string, std::string> states;
  for (const auto& row : run.json["models"][0]["files"]["list"]) states[row["name"]] = row["state"];
  EXPECT_EQ(states["model.safetensors"], "invalid");
  EXPECT_EQ(states["config.json"], "invalid");
  EXPECT_EQ(states["quantize_config.json"], "present");
  EXPECT_THAT(RunTool({"inspect", dir.str()}).out, HasSubstr("1 weight file has a header that no loader accepts"));
}

TEST(Inspect, ConfigsThatContradictTheTensorsAreConflicting) {
  TempDir dir;
  ModelBuilder model = HealthyModel();
  model.File("quantize_config.json",
             R"({"bits": 8, "group_size": 128, "desc_act": false, "sym": true, "quant_method": "gptq"})");
  model.WriteTo(dir.path());
  const JsonRun run = RunJson({"inspect", dir.str()});
  EXPECT_EQ(run.json["models"][0]["quantization"]["bits"], 4) << "tensors beat config";
  EXPECT_EQ(run.json["models"][0]["config"]["quantize_config.json"]["state"], "conflicting");
  EXPECT_EQ(run.json["models"][0]["config"]["config.json"]["state"], "valid");
  EXPECT_NE(run.json["models"][0]["repair_command"], "");
}

TEST(Inspect, EveryByteOfEveryShardIsAccountedFor) {
  TempDir dir;
  HealthyModel().Shards(3).WriteTo(dir.path());
  std::ofstream(dir.path() / "model-00001-of-00003.safetensors", std::ios::app | std::ios::binary) << "trailing";
  const JsonRun run = RunJson({"inspect", dir.str()});
  const auto& bytes = run.json["models"][0]["bytes"];
  uintmax_t size = 0;
  for (const auto& entry : fs::directory_iterator(dir.path())) {
    if (entry.path().extension() == ".safetensors") size += entry.file_size();
  }
  EXPECT_EQ(bytes["files"], size);
  EXPECT_EQ(bytes["stray"], 8);
  EXPECT_EQ(bytes["headers"].get<int64_t>() + bytes["tensors"].get<int64_t>() + bytes["stray"].get<int64_t>(),
            bytes["files"].get<int64_t>());
  EXPECT_EQ(bytes["quantized"].get<int64_t>() + bytes["dense"].get<int64_t>(), bytes["tensors"].get<int64_t>());
}

TEST(Inspect, ListsModulesOnRequest) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  EXPECT_FALSE(RunJson({"inspect", dir.str()}).json["models"][0]["modules"].contains("list"));
  const JsonRun run = RunJson({"inspect", dir.str(), "--modules"});
  const auto& modules = run.json["models"][0]["modules"];
  ASSERT_EQ(modules["list"].size(), modules["quantized"].get<size_t>());
  EXPECT_EQ(modules["list"][0]["bits"], 4);
  EXPECT_EQ(modules["list"][0]["files"][0], "model.safetensors");
}

TEST(Inspect, OneBadPathHidesNothing) {
  TempDir dir;
  HealthyModel().WriteTo(dir.path() / "a");
  ModelBuilder().Layers(1).Dense().WriteTo(dir.path() / "b");
  const std::string a = (dir.path() / "a").string(), b = (dir.path() / "b").string();
  const JsonRun run = RunJson({"inspect", a, (dir.path() / "absent").string(), b});
  EXPECT_EQ(run.run.exit_code, 2);
  ASSERT_EQ(run.json["models"].size(), 2u);
  ASSERT_EQ(run.json["errors"].size(), 1u);
  EXPECT_EQ(run.json["errors"][0]["kind"], "not-found");
  ASSERT_EQ(run.json["comparison"].size(), 2u);
  EXPECT_EQ(run.json["comparison"][0]["path"], a);
  EXPECT_EQ(run.json["comparison"][1]["format"], "dense");
  EXPECT_THAT(RunTool({"inspect", a, b}).out, HasSubstr("Comparison"));
}

TEST(Inspect, AFileAndAnIndexAreModelsToo) {
  TempDir dir;
  HealthyModel().Shards(2).WriteTo(dir.path());
  const JsonRun file = RunJson({"inspect", (dir.path() / "model-00001-of-00002.safetensors").string()});
  EXPECT_EQ(file.run.exit_code, 0);
  EXPECT_EQ(file.json["models"][0]["kind"], "gptq");
  EXPECT_EQ(file.json["models"][0]["path"], (dir.path() / "model-00001-of-00002.safetensors").string());
  const JsonRun index = RunJson({"inspect", (dir.path() / "model.safetensors.index.json").string()});
  EXPECT_EQ(index.run.exit_code, 0);
  EXPECT_EQ(index.json["models"][0]["kind"], "gptq");
}

TEST(Tensors, AWeightResolvesToItsComponents) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  const JsonRun run = RunJson({"tensors", dir.str(), "model.layers.0.self_attn.q_proj.weight"});
  std::vector<std::string> names;
  for (const auto& tensor : run.json["models"][0]["tensors"]) names.push_back(tensor["name"]);
  const std::string stem = "model.layers.0.self_attn.q_proj.";
  EXPECT_THAT(names,
              ::testing::UnorderedElementsAre(stem + "qweight", stem + "qzeros", stem + "scales", stem + "g_idx"));
  for (const auto& tensor : run.json["models"][0]["tensors"]) {
    EXPECT_EQ(tensor["logical"], stem + "weight");
    EXPECT_LT(tensor["begin"], tensor["end"]);
  }
}

TEST(Tensors, ExactNamesGlobsAndNaturalOrder) {
  TempDir dir;
  SickModel().Layers(11).WriteTo(dir.path());
  const RunResult one = RunTool({"tensors", dir.str(), "model.norm.weight", "-q"});
  EXPECT_THAT(one.out, HasSubstr("model.norm.weight"));
  EXPECT_THAT(one.out, Not(HasSubstr("layers")));
  const RunResult glob = RunTool({"tensors", dir.str(), "*.q_proj.qweight", "-q"});
  EXPECT_LT(glob.out.find("layers.2."), glob.out.find("layers.10."));
  EXPECT_THAT(glob.out, Not(HasSubstr("k_proj")));
  const JsonRun all = RunJson({"tensors", dir.str()});
  EXPECT_EQ(all.json["models"][0]["tensors"].size(), all.json["models"][0]["modules"]["tensors"].get<size_t>());
}

TEST(Tensors, APatternThatMatchesNothingIsAMistake) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  const RunResult run = RunTool({"tensors", dir.str(), "model.norn.weight"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("did you mean model.norm.weight"));
}

TEST(Pipes, AReaderThatLeavesIsNoError) {
  TempDir dir;
  SickModel().Layers(40).WriteTo(dir.path());
  const std::string command = std::string(GPTQ_DOCTOR_BINARY) + " tensors '" + dir.str() + "' 2>'" + dir.str() +
                              "/stderr' | head -n 1 >/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream err(dir.path() / "stderr");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(err), {}), "");
}

// A directory without readable tensors is called by what its settings say.
TEST(Names, HostileSettingsReachNoTerminal) {
  TempDir dir;
  const std::string evil = "\x1b[2J\x07\xc2\x9b" + std::string(2000, 'x');
  const nlohmann::json section = {{"quant_method", evil},
                                  {"method", evil},
                                  {"checkpoint_format", evil},
                                  {"bits", evil},
                                  {"group_size", evil},
                                  {"dynamic", evil},
                                  {"modules_in_block_to_quantize", {evil}}};
  const nlohmann::json config = {{"model_type", evil},
                                 {"architectures", {evil}},
                                 {"torch_dtype", evil},
                                 {"hidden_size", evil},
                                 {"quantization_config", section}};
  WriteFile(dir.path() / "other/config.json", config.dump());
  WriteFile(dir.path() / "other/model.safetensors", kLfsPointer);
  SickModel().File("config.json", config.dump()).WriteTo(dir.path() / "gptq");
  for (const char* model : {"/other", "/gptq"}) {
    for (const char* command : {"inspect", "check", "verify", "why", "memory", "tensors", "config", "fix"}) {
      for (const char* more : {"-q", "-v"}) {
        SCOPED_TRACE(std::string(command) + model + more);
        const RunResult run = RunTool({command, dir.str() + model, more});
        EXPECT_NE(run.exit_code, 70);
        EXPECT_THAT(run.out + run.err, Not(HasSubstr("\x1b")));
        EXPECT_THAT(run.out + run.err, Not(HasSubstr("\x07")));
        EXPECT_THAT(run.out + run.err, Not(HasSubstr("\xc2\x9b")));
      }
    }
  }
}

TEST(Names, HostileNamesReachNoTerminal) {
  TempDir dir;
  SickModel()
      .Tensor(DenseTensor("evil\x1b[2J\xe2\x80\xae.weight", {2, 2}))
      .File("config.json", "{\"model_type\": \"\\u001b[31mred\"}")
      .WriteTo(dir.path());
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"inspect", dir.str()},
                                                    {"tensors", dir.str()},
                                                    {"inspect", dir.str(), "--format", "markdown"}}) {
    const RunResult run = RunTool(arguments);
    EXPECT_THAT(run.out + run.err, Not(HasSubstr("\x1b")));
    if (arguments.size() == 2) {
      EXPECT_THAT(run.out, Not(HasSubstr("\xe2\x80\xae")));
    }
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
