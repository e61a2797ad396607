// The pieces that are handed over, run from the files that users copy: the GitLab job's script, the action's steps, the
// hook's list of files.

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "support/model_builder.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;

const fs::path kSources = GPTQ_DOCTOR_SOURCE_DIR;

std::string Get(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// A shell line run in `directory` with the built program first on PATH.
int Shell(const fs::path& directory, const std::string& line) {
  const std::string path = fs::path(GPTQ_DOCTOR_BINARY).parent_path().string();
  const int status = std::system(
      ("cd '" + directory.string() + "' && export PATH='" + path + "':\"$PATH\" && { " + line + "\n} >/dev/null 2>&1")
          .c_str());
  return status < 0 ? status : (status >> 8) & 0xFF;
}

TEST(GitLabTemplate, WritesTheReportsThatItDeclares) {
  const YAML::Node job = YAML::LoadFile((kSources / "integrations" / "gitlab.yml").string())[".gptq-doctor"];
  TempDir dir;
  ModelBuilder().Quant({.group_size = 32}).WithConfigs().WriteTo(dir.path() / "models" / "good");
  ModelBuilder().Quant({.group_size = 32}).WriteTo(dir.path() / "models" / "bare");
  std::string line;
  for (const auto& variable : job["variables"])
    line += "export " + variable.first.as<std::string>() + "='" + variable.second.as<std::string>() + "'; ";
  for (const auto& step : job["script"]) line += step.as<std::string>() + "; ";
  EXPECT_EQ(Shell(dir.path(), line), 1);
  const YAML::Node reports = job["artifacts"]["reports"];
  const auto issues = nlohmann::json::parse(Get(dir.path() / reports["codequality"].as<std::string>()));
  EXPECT_GT(issues.size(), 0u);
  EXPECT_NE(Get(dir.path() / reports["junit"].as<std::string>()).find("<testsuites"), std::string::npos);
}

TEST(GitHubAction, PassesEveryInputThatItsStepReads) {
  const YAML::Node action = YAML::LoadFile((kSources / "action.yml").string());
  EXPECT_EQ(action["runs"]["using"].as<std::string>(), "composite");
  std::set<std::string> inputs, used;
  for (const auto& input : action["inputs"]) inputs.insert(input.first.as<std::string>());
  const std::regex reference(R"(inputs\.([a-z-]+))");
  const std::string text = Get(kSources / "action.yml");
  for (std::sregex_iterator at(text.begin(), text.end(), reference), end; at != end; ++at) used.insert((*at)[1]);
  EXPECT_EQ(inputs, used);
  // What the step's script reads comes from the step's environment.
  const YAML::Node step = action["runs"]["steps"][action["runs"]["steps"].size() - 1];
  const std::string script = Get(kSources / "integrations" / "github-check.sh");
  for (const auto& variable : step["env"])
    EXPECT_NE(script.find("${" + variable.first.as<std::string>()), std::string::npos) << variable.first;
  EXPECT_NE(step["run"].as<std::string>().find("integrations/github-check.sh"), std::string::npos);
}

TEST(PreCommitHook, IsRunForTheFilesOfAModel) {
  const YAML::Node hook = YAML::LoadFile((kSources / ".pre-commit-hooks.yaml").string())[0];
  EXPECT_TRUE(fs::exists(kSources / hook["entry"].as<std::string>()));
  const std::regex files(hook["files"].as<std::string>());
  for (const char* name : {"m/config.json", "config.json", "m/model.safetensors", "m/quantize_config.json",
                           "m/model.safetensors.index.json"}) {
    EXPECT_TRUE(std::regex_search(name, files)) << name;
  }
  for (const char* name : {"m/README.md", "m/tokenizer.json", "m/myconfig.json"})
    EXPECT_FALSE(std::regex_search(name, files)) << name;
}

}  // namespace
}  // namespace gptq_doctor::testing
