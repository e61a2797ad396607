// The gate from outside: exit codes, settings, baseline, several formats, order.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/model_builder.h"

namespace gptq_doctor::testing {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

ModelBuilder Healthy() { return ModelBuilder().Quant({.group_size = 32}).WithConfigs(); }
ModelBuilder Bare() { return ModelBuilder().Quant({.group_size = 32}); }

void Put(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }
std::string Get(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class Check : public ::testing::Test {
 protected:
  void SetUp() override {
    Healthy().WriteTo(dir_.path() / "good");
    Bare().WriteTo(dir_.path() / "bare");
  }
  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }
  RunResult Run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "check");
    return RunTool(arguments, {{"SOURCE_DATE_EPOCH", "1780000000"}, {"XDG_CONFIG_HOME", Path("none")}});  // 28 May 2026
  }
  TempDir dir_;
};

TEST_F(Check, ExitsByWhatItFound) {
  EXPECT_EQ(Run({Path("good")}).exit_code, 0);
  EXPECT_EQ(Run({Path("bare")}).exit_code, 1);
  EXPECT_EQ(Run({"--exit-zero", Path("bare")}).exit_code, 0);
  EXPECT_EQ(Run({"--fail-on", "never", Path("bare")}).exit_code, 0);
  EXPECT_EQ(Run({"--fail-on", "note", Path("good")}).exit_code, 1);
  EXPECT_EQ(Run({Path("none")}).exit_code, 2);
  EXPECT_EQ(Run({"--exit-zero", Path("bare"), Path("none")}).exit_code, 2);
  EXPECT_EQ(Run({"--select", "GD777", Path("good")}).exit_code, 2);
  EXPECT_EQ(Run({"--loader", "vlm", Path("good")}).exit_code, 2);
}

TEST_F(Check, OneBadPathHidesNothing) {
  const RunResult run = Run({"--format", "json", Path("bare"), Path("none"), Path("good")});
  EXPECT_EQ(run.exit_code, 2);
  const Json json = Json::parse(run.out);
  ASSERT_EQ(json.at("models").size(), 2u);
  EXPECT_EQ(json.at("models").at(0).at("path"), Path("bare"));
  EXPECT_EQ(json.at("models").at(1).at("path"), Path("good"));
  EXPECT_EQ(json.at("errors").at(0).at("path"), Path("none"));
  EXPECT_EQ(json.at("exit_code"), 2);
}

TEST_F(Check, JudgesTheSelectedLoadersOnly) {
  const auto codes = [&](const std::string& loader) {
    std::vector<std::string> out;
    const RunResult run = Run({"--format", "json", "--select", "GD5", "--loader", loader, Path("bare")});
    const Json json = Json::parse(run.out);
    for (const Json& finding : json.at("models").at(0).at("findings")) out.push_back(finding.at("severity"));
    for (const Json& outcome : json.at("models").at(0).at("loaders")) EXPECT_EQ(outcome.at("loader"), loader);
    return out;
  };
  for (const char* loader : {"autogptq", "vllm", "transformers"}) {
    const std::vector<std::string> levels = codes(loader);
    EXPECT_FALSE(levels.empty()) << loader;
    for (const std::string& level : levels) EXPECT_EQ(level, "error") << loader;
  }
}

TEST_F(Check, WritesSeveralFormatsInOneRun) {
  const RunResult run = Run({"--format", "text", "--format", "sarif", "-o", Path("out.sarif"), "--format", "junit",
                             "-o", Path("out.xml"), Path("bare")});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.out.find("error[GD101]"), std::string::npos);
  EXPECT_EQ(Json::parse(Get(Path("out.sarif"))).at("version"), "2.1.0");
  EXPECT_TRUE(Get(Path("out.xml")).starts_with("<?xml"));
  EXPECT_EQ(Run({"--format", "text", "--format", "json", Path("good")}).exit_code, 2);
  EXPECT_EQ(Run({"--format", "sarif", "-o", Path("no/such/directory/x.sarif"), Path("good")}).exit_code, 3);
}

// Beside JSON every model is kept whole, without it only its verdict.
TEST_F(Check, AFormatDoesNotDependOnWhatIsKeptForOthers) {
  Put(Path("broken.safetensors"), "{}");
  for (const char* format : {"text", "ndjson", "sarif", "junit", "github", "gitlab", "markdown"}) {
    std::vector<std::string> arguments = {"--format", format};
    for (const char* model : {"bare", "good", "broken.safetensors"}) arguments.push_back(Path(model));
    const RunResult alone = Run(arguments);
    arguments.insert(arguments.end(), {"-o", Path("out"), "--format", "json", "-o", "-"});
    const RunResult beside = Run(arguments);
    EXPECT_EQ(alone.out, Get(Path("out"))) << format;
    EXPECT_EQ(alone.exit_code, beside.exit_code) << format;
    EXPECT_FALSE(Json::parse(beside.out).at("models").at(0).at("loaders").empty());
  }
}

TEST_F(Check, JsonIsOneObjectWhateverTheExitCode) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--format", "json", Path("none")},
        {"--format", "json", "--select", "GD777", Path("good")},
        {"--format", "json", "--config", Path("none.toml"), Path("good")}}) {
    const RunResult run = Run(arguments);
    EXPECT_EQ(run.exit_code, 2);
    const Json json = Json::parse(run.out);
    EXPECT_EQ(json.at("errors").size(), 1u);
    EXPECT_EQ(json.at("exit_code"), 2);
  }
}

TEST_F(Check, ReadsTheNearestSettingsFile) {
  Put(dir_.path() / "gptq-doctor.toml", "[check]\nignore = [\"GD1\", \"GD5\", \"GD6\"]\n");
  EXPECT_EQ(Run({Path("bare")}).exit_code, 0);
  EXPECT_EQ(Run({"--isolated", Path("bare")}).exit_code, 1);
  Put(dir_.path() / "bare" / "gptq-doctor.toml", "[check]\nfail-on = \"never\"\n");
  EXPECT_EQ(Run({Path("bare")}).exit_code, 0);
  EXPECT_EQ(Run({"--fail-on", "error", Path("bare")}).exit_code, 1);
  Put(dir_.path() / "bare" / "gptq-doctor.toml", "[check]\nfailon = \"never\"\n");
  const RunResult run = Run({Path("bare")});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_NE(run.err.find("did you mean fail-on"), std::string::npos) << run.err;
}

TEST_F(Check, IgnoresWithAReasonUntilTheyExpire) {
  const auto settings = [](const char* expires) {
    return std::string("[[ignore]]\nrule = \"ALL\"\npath = \"ba*\"\nreason = \"being replaced\"\nexpires = ") +
           expires + "\n";
  };
  Put(dir_.path() / "gptq-doctor.toml", settings("2026-05-28"));
  const RunResult hidden = Run({Path("bare")});
  EXPECT_EQ(hidden.exit_code, 0) << hidden.out;
  EXPECT_EQ(hidden.out.find("GD101"), std::string::npos);
  EXPECT_NE(Run({"--show-suppressed", Path("bare")}).out.find("being replaced"), std::string::npos);
  Put(dir_.path() / "gptq-doctor.toml", settings("2026-05-27"));
  const RunResult expired = Run({Path("bare")});
  EXPECT_EQ(expired.exit_code, 1);
  EXPECT_NE(expired.out.find("GD906"), std::string::npos);
  Put(dir_.path() / "gptq-doctor.toml", settings("2030-01-01"));
  EXPECT_NE(Run({Path("good")}).out.find("GD905"), std::string::npos);
}

TEST_F(Check, KnowsWhatTheBaselineLists) {
  const std::string baseline = Path("known.json");
  EXPECT_EQ(Run({"--write-baseline", baseline, Path("bare"), Path("good")}).exit_code, 0);
  const RunResult known = Run({"--baseline", baseline, Path("bare"), Path("good")});
  EXPECT_EQ(known.exit_code, 0) << known.out;
  EXPECT_NE(known.out.find("suppressed"), std::string::npos);
  // What is repaired leaves a stale entry behind, what is new fails.
  Healthy().WriteTo(dir_.path() / "bare");
  const RunResult stale = Run({"--baseline", baseline, Path("bare")});
  EXPECT_EQ(stale.exit_code, 0);
  EXPECT_NE(stale.out.find("GD904"), std::string::npos);
  EXPECT_EQ(Run({"--baseline", baseline, "--prune-baseline", Path("bare")}).exit_code, 0);
  EXPECT_EQ(Run({"--baseline", baseline, Path("bare")}).out.find("GD904"), std::string::npos);
  fs::remove(dir_.path() / "good" / "config.json");
  EXPECT_EQ(Run({"--baseline", baseline, Path("good")}).exit_code, 1);
}

TEST_F(Check, AnyReportIsABaseline) {
  for (const char* format : {"json", "ndjson"}) {
    const std::string file = Path(std::string("report.") + format);
    Run({"--format", format, "-o", file, Path("bare")});
    const RunResult run = Run({"--baseline", file, Path("bare")});
    EXPECT_EQ(run.exit_code, 0) << format << run.out << run.err;
  }
}

TEST_F(Check, IsTheSameInEveryRunAndOrder) {
  std::vector<std::string> arguments = {"--format", "ndjson"};
  for (int i = 0; i < 12; ++i) {
    const std::string name = "m" + std::to_string(i);
    (i % 2 == 0 ? Healthy() : Bare()).WriteTo(dir_.path() / name);
    arguments.push_back(Path(name));
  }
  const std::string first = Run(arguments).out;
  EXPECT_EQ(first, Run(arguments).out);
  arguments.insert(arguments.end(), {"--jobs", "1"});
  EXPECT_EQ(first, Run(arguments).out);
}

TEST_F(Check, HookRunsOncePerDirectoryOfItsFiles) {
  const std::string script = std::string(GPTQ_DOCTOR_SOURCE_DIR) + "/integrations/check-changed.sh";
  Put(dir_.path() / "config.json", "{}");
  const auto hook = [&](const std::string& files) {
    return std::system(
        ("GPTQ_DOCTOR=" GPTQ_DOCTOR_BINARY " '" + script + "' -q --isolated " + files + " >/dev/null 2>&1").c_str());
  };
  EXPECT_EQ(hook("'" + Path("good/config.json") + "' '" + Path("good/model.safetensors") + "'"), 0);
  EXPECT_NE(hook("'" + Path("good/config.json") + "' '" + Path("bare/config.json") + "'"), 0);
  EXPECT_EQ(hook("'" + Path("config.json") + "'"), 0);  // no model lies there
}

TEST_F(Check, ActionStepWritesSummaryAndSarifAndKeepsTheExitCode) {
  const std::string script = std::string(GPTQ_DOCTOR_SOURCE_DIR) + "/integrations/github-check.sh";
  const auto step = [&](const std::string& models) {
    return std::system(("MODELS='" + models + "' SARIF='" + Path("s.sarif") +
                        "' GPTQ_DOCTOR=" GPTQ_DOCTOR_BINARY " ARGS=--isolated GITHUB_STEP_SUMMARY='" +
                        Path("summary.md") + "' GITHUB_OUTPUT='" + Path("output") + "' '" + script + "' >'" +
                        Path("log") + "' 2>&1")
                           .c_str());
  };
  EXPECT_EQ(step(Path("good")), 0) << Get(Path("log"));
  EXPECT_NE(step(Path("good") + "\n" + Path("bare")), 0);
  EXPECT_NE(Get(Path("output")).find("exit-code=1"), std::string::npos);
  EXPECT_NE(Get(Path("summary.md")).find("# gptq-doctor check"), std::string::npos);
  EXPECT_NE(Get(Path("log")).find("::error file="), std::string::npos);
  EXPECT_EQ(Json::parse(Get(Path("s.sarif"))).at("version"), "2.1.0");
  EXPECT_NE(step(""), 0);
}

TEST(Catalogue, ExplainsByCodeAndNameAndSuggests) {
  EXPECT_NE(RunTool({"explain", "GD101"}).out.find("config-missing"), std::string::npos);
  EXPECT_EQ(RunTool({"explain", "GD101"}).out, RunTool({"explain", "config-missing"}).out);
  EXPECT_EQ(RunTool({"explain", "gd101"}).exit_code, 0);
  const RunResult unknown = RunTool({"explain", "config-mising"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("did you mean config-missing"), std::string::npos);
  const Json rules = Json::parse(RunTool({"rules", "--format", "json"}).out);
  EXPECT_GT(rules.at("rules").size(), 80u);
}

}  // namespace
}  // namespace gptq_doctor::testing
