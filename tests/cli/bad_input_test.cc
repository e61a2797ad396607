// What bad input gets: a message that says what to do, the documented exit code, JSON where JSON was asked for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "cli/cli_support.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

struct BadInput {
  const char* name;
  std::function<std::string(const fs::path&)> make;  // fills the directory, returns the argument
  int exit_code;
  const char* says;  // on stderr, or in the report where the exit code is 0
};

std::string Dir(const fs::path& dir) { return dir.string(); }

const BadInput kBadInputs[] = {
    {"no_such_path", [](const fs::path& d) { return (d / "absent").string(); }, 2, "no such"},
    {"empty_argument", [](const fs::path&) { return std::string(); }, 2, "empty"},
    {"empty_directory", [](const fs::path& d) { return Dir(d); }, 2, "empty"},
    {"directory_of_models",
     [](const fs::path& d) {
       for (int i = 0; i < 20; ++i) HealthyModel().Layers(1).WriteTo(d / ("model-" + std::to_string(i)));
       return Dir(d);
     },
     2, "model-0"},
    {"text_file",
     [](const fs::path& d) {
       WriteFile(d / "notes.txt", "buy milk\n");
       return (d / "notes.txt").string();
     },
     2, "not a model"},
    {"config_alone",
     [](const fs::path& d) {
       HealthyModel().WriteTo(d);
       return (d / "config.json").string();
     },
     2, "inspect"},
    {"gguf_file",
     [](const fs::path& d) {
       WriteFile(d / "model.gguf", std::string("GGUF\3\0\0\0", 8) + std::string(64, '\0'));
       return (d / "model.gguf").string();
     },
     2, "GGUF"},
    {"gguf_directory",
     [](const fs::path& d) {
       WriteFile(d / "model.gguf", std::string("GGUF\3\0\0\0", 8) + std::string(64, '\0'));
       return Dir(d);
     },
     0, "GGUF"},
    {"onnx_file",
     [](const fs::path& d) {
       WriteFile(d / "model.onnx", "\x08\x07");
       return (d / "model.onnx").string();
     },
     2, "ONNX"},
    {"fifo",
     [](const fs::path& d) {
       mkfifo((d / "pipe").c_str(), 0600);
       return (d / "pipe").string();
     },
     2, "pipe"},
    {"fifo_named_safetensors",
     [](const fs::path& d) {
       mkfifo((d / "model.safetensors").c_str(), 0600);
       return (d / "model.safetensors").string();
     },
     0, "model.safetensors"},
    {"link_to_nothing_named_safetensors",
     [](const fs::path& d) {
       fs::create_symlink("blobs/absent", d / "model.safetensors");
       return Dir(d);
     },
     0, "link"},
    {"lfs_pointer",
     [](const fs::path& d) {
       HealthyModel().File("model.safetensors", kLfsPointer).WriteTo(d);
       return Dir(d);
     },
     0, "git-lfs pointer"},
    {"lfs_pointer_alone",
     [](const fs::path& d) {
       WriteFile(d / "model.safetensors", kLfsPointer);
       return (d / "model.safetensors").string();
     },
     0, "git-lfs pointer"},
    {"empty_safetensors",
     [](const fs::path& d) {
       WriteFile(d / "model.safetensors", "");
       return (d / "model.safetensors").string();
     },
     0, "incomplete"},
    {"web_page_as_safetensors",
     [](const fs::path& d) {
       WriteFile(d / "model.safetensors", "<!DOCTYPE html><html><body>404</body></html>");
       return Dir(d);
     },
     0, "no safetensors"},
    {"truncated",
     [](const fs::path& d) {
       HealthyModel().WriteTo(d);
       fs::resize_file(d / "model.safetensors", fs::file_size(d / "model.safetensors") / 2);
       return Dir(d);
     },
     0, "incomplete"},
    {"missing_shard",
     [](const fs::path& d) {
       HealthyModel().Shards(3).WriteTo(d);
       fs::remove(d / "model-00002-of-00003.safetensors");
       return Dir(d);
     },
     0, "missing"},
    {"onnx_namesake",
     [](const fs::path& d) {
       SickModel()
           .File(
               "quantize_config.json",
               R"({"per_channel": false, "reduce_range": false, "per_model_config": {"model": {"op_types": ["Add"], "weight_type": "QInt8"}}})")
           .WriteTo(d);
       return Dir(d);
     },
     0, "namesake"},
    {"malformed_config",
     [](const fs::path& d) {
       SickModel().File("quantize_config.json", "{\n  \"bits\": 4,\n  \"sym\": Tru\n}").WriteTo(d);
       return Dir(d);
     },
     0, "malformed"},
    {"dense_model",
     [](const fs::path& d) {
       ModelBuilder().Layers(1).Dense().WriteTo(d);
       return Dir(d);
     },
     0, "not quantized"},
};

class BadInputTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, SaysWhatToDo) {
  TempDir dir;
  const std::string argument = GetParam().make(dir.path());
  const RunResult text = RunTool({"inspect", argument});
  EXPECT_EQ(text.exit_code, GetParam().exit_code) << text.err << text.out;
  EXPECT_THAT(GetParam().exit_code == 0 ? text.out : text.err, HasSubstr(GetParam().says));
  if (GetParam().exit_code != 0) {
    EXPECT_EQ(text.out, "");
  }

  const JsonRun json = RunJson({"inspect", argument});
  EXPECT_EQ(json.run.exit_code, GetParam().exit_code);
  ASSERT_TRUE(json.json.is_object()) << json.run.out;
  EXPECT_EQ(json.json["exit_code"], GetParam().exit_code);
  EXPECT_EQ(json.json["errors"].size(), GetParam().exit_code == 0 ? 0u : 1u);
  EXPECT_EQ(json.json["models"].size(), GetParam().exit_code == 0 ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(All, BadInputTest, ::testing::ValuesIn(kBadInputs),
                         [](const auto& given) { return std::string(given.param.name); });

TEST(UnreadableTest, AFileThatMayNotBeReadIsThreeNotAFinding) {
  TempDir dir;
  HealthyModel().WriteTo(dir.path());
  fs::permissions(dir.path(), fs::perms::all);
  fs::permissions(dir.path() / "model.safetensors", fs::perms::none);
  const RunResult run = RunToolAsNobody({"inspect", dir.str(), "--format", "json"});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << run.out;
  ASSERT_EQ(json["errors"].size(), 1u);
  EXPECT_EQ(json["errors"][0]["kind"], "permission");
}

TEST(NothingIsWrittenTest, InspectLeavesTheDirectoryAsItWas) {
  TempDir dir;
  SickModel().WriteTo(dir.path());
  const auto listing = [&] {
    std::map<std::string, std::pair<uintmax_t, fs::file_time_type>> out;
    for (const auto& entry : fs::directory_iterator(dir.path())) {
      out[entry.path().filename()] = {entry.file_size(), entry.last_write_time()};
    }
    return out;
  };
  const auto before = listing();
  RunTool({"inspect", dir.str()});
  RunTool({"tensors", dir.str()});
  EXPECT_EQ(listing(), before);
}

// Every probe that the reference reader refuses, reported with the error that it gives for that file.
TEST(Probes, AreReportedWithTheReferencesError) {
  const fs::path directory = fs::path(GPTQ_DOCTOR_TEST_DATA) / "probes";
  std::ifstream in(directory / "verdicts.json");
  const auto verdicts = nlohmann::json::parse(in);
  std::vector<std::string> arguments = {"inspect"}, errors;
  for (const auto& [name, verdict] : verdicts.items()) {
    if (!verdict.contains("error") || !verdict["error"].is_string()) continue;
    arguments.push_back((directory / name).string());
    errors.push_back(verdict["error"]);
  }
  ASSERT_GT(errors.size(), 60u);
  const JsonRun report = RunJson(arguments);
  ASSERT_EQ(report.json["models"].size(), errors.size());
  for (size_t i = 0; i < errors.size(); ++i) {
    std::string messages;
    for (const auto& finding : report.json["models"][i]["findings"])
      messages += finding["message"].get<std::string>() + "\n";
    EXPECT_THAT(messages, HasSubstr("(loaders say " + errors[i] + ")")) << arguments[i + 1];
  }
}

TEST(OtherModels, LackNoWeights) {
  const TempDir dir;
  WriteFile(dir.path() / "model.gguf", std::string("GGUF\3\0\0\0", 8) + std::string(64, '\0'));
  const RunResult gguf = RunTool({"inspect", dir.path().string()});
  EXPECT_THAT(gguf.out, HasSubstr("GGUF"));
  EXPECT_THAT(gguf.out, Not(HasSubstr("no weight file is here")));
  WriteFile(dir.path() / "config.json", "{}");
  std::filesystem::remove(dir.path() / "model.gguf");
  EXPECT_THAT(RunTool({"inspect", dir.path().string()}).out, HasSubstr("no weight file is here"));
}

}  // namespace
}  // namespace gptq_doctor::testing
