// What a Python environment has installed, read without Python.

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "loaders/env_scan.h"
#include "loaders/models.h"
#include "loaders/support.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;

class Prefix {
 public:
  explicit Prefix(const std::string& packages = "lib/python3.11/site-packages")
      : site_(fs::path(dir_.str()) / packages) {
    fs::create_directories(site_);
  }
  Prefix& Add(const std::string& name, const std::string& version) {
    const fs::path info = site_ / (name + "-" + version + ".dist-info");
    fs::create_directories(info);
    std::ofstream(info / "METADATA") << "Metadata-Version: 2.1\nName: " << name << "\nVersion: " << version
                                     << "\nSummary: x\n\nName: not this one\n";
    return *this;
  }
  Prefix& Raw(const std::string& directory, const std::string& text) {
    fs::create_directories(site_ / directory);
    std::ofstream(site_ / directory / "METADATA") << text;
    return *this;
  }
  std::string path() const { return dir_.str(); }
  fs::path site() const { return site_; }

 private:
  TempDir dir_;
  fs::path site_;
};

Environment Scan(const Prefix& prefix) {
  auto scanned = ScanEnvironment(prefix.path(), {});
  EXPECT_TRUE(scanned.ok());
  return scanned.ok() ? std::move(scanned).value() : Environment{};
}

bool Has(const EnvironmentReport& report, const std::string& part) {
  return std::any_of(report.problems.begin(), report.problems.end(), [&](const EnvironmentProblem& problem) {
    return problem.message.find(part) != std::string::npos;
  });
}
std::vector<std::string> Rows(const EnvironmentReport& report) {
  std::vector<std::string> names;
  for (const Profile* row : report.rows)
    names.push_back(std::string(row->loader) + "@" + std::string(row->version) +
                    (row->backend.empty() ? "" : "/" + std::string(row->backend)));
  return names;
}
using Strings = std::vector<std::string>;

TEST(Environment, ReadsNamesVersionsAndLocalTags) {
  Prefix prefix;
  prefix.Add("auto_gptq", "0.7.1+cu118")
      .Add("torch", "2.6.0+cu124")
      .Add("transformers", "4.55.0")
      .Add("requests", "2.0");
  const Environment environment = Scan(prefix);
  EXPECT_EQ(environment.packages.size(), 3u);
  ASSERT_NE(environment.Find("auto-gptq"), nullptr);
  EXPECT_EQ(environment.Find("auto-gptq")->version, "0.7.1+cu118");
  EXPECT_EQ(environment.Find("torch")->version, "2.6.0+cu124");
  EXPECT_EQ(environment.Find("requests"), nullptr);
  EXPECT_TRUE(environment.warnings.empty());
}

TEST(Environment, MalformedMetadataIsAWarning) {
  Prefix prefix;
  prefix.Raw("vllm-0.10.0.dist-info", "nothing of use")
      .Raw("gptqmodel-9.dist-info", std::string("Name: gptqmodel\nVersion: \xff\xfe\n"))
      .Add("optimum", "1.24.0");
  fs::create_directories(prefix.site() / "transformers-4.50.0.dist-info");
  const Environment environment = Scan(prefix);
  EXPECT_EQ(environment.packages.size(), 1u);
  EXPECT_EQ(environment.warnings.size(), 3u);
}

TEST(Environment, ChoosesTheActiveOne) {
  Prefix prefix;
  prefix.Add("vllm", "0.15.1");
  EXPECT_EQ(ScanEnvironment("", {.virtual_env = prefix.path()})->how, "VIRTUAL_ENV");
  EXPECT_EQ(ScanEnvironment("", {.conda_prefix = prefix.path()})->how, "CONDA_PREFIX");
  fs::create_directories(fs::path(prefix.path()) / "bin");
  std::ofstream(fs::path(prefix.path()) / "bin" / "python3") << "";
  const auto found = ScanEnvironment("", {.path = "/nowhere:" + prefix.path() + "/bin"});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->how, "python3 in PATH");
  EXPECT_NE(found->Find("vllm"), nullptr);
  EXPECT_FALSE(ScanEnvironment("", {}).ok());
  TempDir empty;
  EXPECT_EQ(ScanEnvironment(empty.str(), {}).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(ScanEnvironment(empty.str() + "/absent", {}).error().kind, ErrorKind::kNotFound);
}

TEST(Environment, SitePackagesAndSystemPackagesCount) {
  Prefix debian("lib/python3/dist-packages");
  debian.Add("transformers", "4.44.2");
  EXPECT_NE(Scan(debian).Find("transformers"), nullptr);
  EXPECT_TRUE(ScanEnvironment(debian.site().string(), {}).ok());
  Prefix venv;
  venv.Add("gptqmodel", "5.8.0");
  std::ofstream(fs::path(venv.path()) / "pyvenv.cfg")
      << "home = " << debian.path() << "/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n";
  EXPECT_NE(Scan(venv).Find("transformers"), nullptr);
}

TEST(Environment, PicksRows) {
  Prefix both;
  both.Add("transformers", "4.55.0").Add("optimum", "1.27.0").Add("gptqmodel", "5.8.0").Add("auto_gptq", "0.7.1");
  EXPECT_EQ(Rows(JudgeEnvironment(Scan(both), nullptr)),
            (Strings{"autogptq@0.7.1", "gptqmodel@5.7", "transformers@4.55/gptqmodel", "optimum@1.24/gptqmodel"}));
  Prefix old;
  old.Add("transformers", "4.40.0").Add("optimum", "1.17.0").Add("auto_gptq", "0.7.1");
  EXPECT_EQ(Rows(JudgeEnvironment(Scan(old), nullptr)),
            (Strings{"autogptq@0.7.1", "transformers@4.44/auto-gptq", "optimum@1.17/auto-gptq"}));
  Prefix vllm;
  vllm.Add("vllm", "0.10.1.1");
  EXPECT_EQ(Rows(JudgeEnvironment(Scan(vllm), nullptr)), Strings{"vllm@0.10"});
  Prefix ancient;
  ancient.Add("auto_gptq", "0.2.2");
  const EnvironmentReport report = JudgeEnvironment(Scan(ancient), nullptr);
  EXPECT_TRUE(report.rows.empty());
  EXPECT_EQ(report.unknown, Strings{"autogptq 0.2.2"});
}

TEST(Environment, MissingPiecesAndBadPairs) {
  Prefix alone;
  alone.Add("transformers", "4.55.0");
  const EnvironmentReport bare = JudgeEnvironment(Scan(alone), nullptr);
  EXPECT_TRUE(Has(bare, "requires optimum"));
  EXPECT_TRUE(Has(bare, "has no GPTQ back end"));
  Prefix five;
  five.Add("transformers", "5.1.0").Add("optimum", "2.1.0").Add("auto_gptq", "0.7.1");
  EXPECT_TRUE(Has(JudgeEnvironment(Scan(five), nullptr), "takes only gptqmodel"));
  Prefix stale;
  stale.Add("transformers", "4.55.0").Add("optimum", "1.23.0").Add("gptqmodel", "1.4.0");
  const EnvironmentReport pairs = JudgeEnvironment(Scan(stale), nullptr);
  EXPECT_TRUE(Has(pairs, "gptqmodel version should be >= 1.4.3"));
  EXPECT_TRUE(Has(pairs, "optimum version should >= 1.24.0"));
  Prefix incompatible;
  incompatible.Add("transformers", "4.55.0").Add("optimum", "1.27.0").Add("gptqmodel", "1.5.0");
  EXPECT_TRUE(Has(JudgeEnvironment(Scan(incompatible), nullptr), "Found an incompatible version of gptqmodel"));
  Prefix healthy;
  healthy.Add("transformers", "4.55.0").Add("optimum", "1.27.0").Add("gptqmodel", "5.8.0").Add("torch", "2.8.0");
  EXPECT_TRUE(JudgeEnvironment(Scan(healthy), nullptr).problems.empty());
  for (const EnvironmentProblem& problem : pairs.problems) EXPECT_FALSE(problem.source.empty());
}

TEST(Environment, AgainstAModel) {
  ModelBuilder builder = Healthy();
  Type(builder, "qwen2", "Qwen2ForCausalLM");
  Both(builder, {{"meta", {{"quantizer", {"gptqmodel:7.3.4"}}}}});
  const Examined model = ExamineModel(builder);
  Prefix prefix;
  prefix.Add("transformers", "4.36.0").Add("optimum", "1.17.0").Add("auto_gptq", "0.7.1").Add("gptqmodel", "5.8.0");
  const EnvironmentReport report = JudgeEnvironment(Scan(prefix), model.exam.get());
  EXPECT_TRUE(Has(report, "too old for model_type qwen2"));
  EXPECT_TRUE(Has(report, "written by gptqmodel:7.3.4"));
}

}  // namespace
}  // namespace gptq_doctor::testing
