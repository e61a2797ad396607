#include "rules/rule_cases.h"

#include <gtest/gtest.h>

#include <set>

#include "dequant/verify.h"
#include "diagnose.h"
#include "infer/examination.h"
#include "rules/rule.h"

namespace gptq_doctor::testing {

namespace {

MemorySource SourceOf(const Directory& directory) {
  MemorySource source("model");
  for (const auto& [name, content] : directory.files) source.Add(name, content);
  for (const auto& [name, kind] : directory.specials) source.AddSpecial(name, kind);
  return source;
}

}  // namespace

Diagnosis VerifyFiles(const Directory& directory, const Directory* base) {
  MemorySource source = SourceOf(directory), base_source = SourceOf(base == nullptr ? Directory() : *base);
  VerifyOptions options;
  options.hashes = true;
  std::unique_ptr<Examination> base_exam;
  if (base != nullptr) {
    auto read = ReadExamination(base_source, {}, {});
    EXPECT_TRUE(read.ok());
    if (read) base_exam = std::move(*read);
    options.base = base_exam.get();
  }
  ExamineOptions examine;
  examine.deep = true;
  const auto exam = ReadExamination(source, examine, {});
  if (!exam) {
    ADD_FAILURE() << exam.error().message;
    return {};
  }
  const Result<VerifyReport> verified = VerifyModel(**exam, options, {});
  EXPECT_TRUE(verified.ok()) << (verified ? "" : verified.error().message);
  return Diagnose(**exam);
}

Diagnosis DiagnoseFiles(const Directory& directory, ExamineOptions options) {
  MemorySource source = SourceOf(directory);
  const Result<Diagnosis> diagnosis = Examine(source, options, {});
  if (!diagnosis) {
    ADD_FAILURE() << diagnosis.error().message;
    return {};
  }
  return *diagnosis;
}

ModelBuilder GoodWith(const GptqOptions& options) { return ModelBuilder().Quant(options).WithConfigs(); }
ModelBuilder Good() { return GoodWith({.group_size = 32}); }

const Files& GoodFiles() {
  static const Files files = Good().Build();
  return files;
}

Files EditJson(Files files, const std::string& name, const std::function<void(Json&)>& edit) {
  Json json = Json::parse(files.at(name));
  edit(json);
  files[name] = json.dump(2) + "\n";
  return files;
}

Files EditSettings(Files files, const std::function<void(Json&)>& edit) {
  if (files.contains("quantize_config.json")) files = EditJson(std::move(files), "quantize_config.json", edit);
  return EditJson(std::move(files), "config.json", [&](Json& json) { edit(json["quantization_config"]); });
}

std::string RawSafetensors(const std::string& header, size_t data_bytes) {
  std::string out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i));
  return out + header + std::string(data_bytes, '\1');
}

std::vector<RuleCase> AllCases() {
  std::vector<RuleCase> out;
  for (const auto& cases : {ConfigCases(), ModelCases(), FileCases(), IndexCases(), StructureCases(), ValueCases(),
                            VerifiedCases(), LoaderCases()}) {
    out.insert(out.end(), cases.begin(), cases.end());
  }
  return out;
}

namespace {

std::vector<std::string> Describe(const Diagnosis& diagnosis) {
  std::vector<std::string> out;
  for (const Finding& finding : diagnosis.findings)
    out.push_back(finding.code + " " + ToString(finding.severity) + " " + finding.message);
  return out;
}

const Finding* FindCase(const Diagnosis& diagnosis, const RuleCase& c) {
  for (const Finding& finding : diagnosis.findings) {
    const bool worded = finding.message.find(c.message) != std::string::npos;
    if (finding.code == c.code && finding.severity == c.severity && worded) return &finding;
  }
  return nullptr;
}

// Rules that only the whole data can break are looked for as `verify` does.
Diagnosis DiagnoseCase(const RuleCase& c, const Directory& directory) {
  const bool verified = c.code >= "GD420" && c.code < "GD500";
  if (!verified) return DiagnoseFiles(directory);
  const std::optional<Directory> base = c.base ? std::optional(c.base()) : std::nullopt;
  return VerifyFiles(directory, base ? &*base : nullptr);
}

class RuleCases : public ::testing::TestWithParam<RuleCase> {};

TEST_P(RuleCases, TriggersOnTheSickDirectory) {
  const RuleCase& c = GetParam();
  const Diagnosis diagnosis = DiagnoseCase(c, c.sick());
  const Finding* finding = FindCase(diagnosis, c);
  ASSERT_NE(finding, nullptr) << ::testing::PrintToString(Describe(diagnosis));
  EXPECT_FALSE(finding->message.empty());
  EXPECT_EQ(finding->message.find("{names}"), std::string::npos);
}

TEST_P(RuleCases, IsSilentOnTheNearMiss) {
  const RuleCase& c = GetParam();
  const Diagnosis diagnosis = DiagnoseCase(c, c.near_miss());
  EXPECT_EQ(FindCase(diagnosis, c), nullptr) << ::testing::PrintToString(Describe(diagnosis));
}

INSTANTIATE_TEST_SUITE_P(All, RuleCases, ::testing::ValuesIn(AllCases()), [](const auto& param_info) {
  std::string name = std::string(param_info.param.code) + "_" + std::string(param_info.param.what);
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
});

// Rules about the run itself are tested with the command that runs.
TEST(RuleCoverage, EveryRuleHasACase) {
  std::set<std::string_view> covered;
  for (const RuleCase& c : AllCases()) covered.insert(c.code);
  for (const Rule& rule : RuleTable()) {
    if (rule.code.starts_with("GD9")) continue;
    EXPECT_TRUE(covered.contains(rule.code)) << rule.code << " " << rule.name;
  }
}

TEST(HealthyModels, HaveNoErrorAndNoWarning) {
  const std::pair<const char*, ModelBuilder> models[] = {
      {"official style", GoodWith({.group_size = 128}).Sizes(256, 512)},
      {"group 32", Good()},
      {"sharded", Good().Shards(3)},
      {"tied", Good().Tied(true)},
      {"grouped attention", Good().Sizes(256, 512, 64)},
      {"act-order", GoodWith({.group_size = 32, .desc_act = true})},
      {"one group", GoodWith({.group_size = -1})},
      {"8 bits", GoodWith({.bits = 8, .group_size = 32})},
      {"zero biases", GoodWith({.group_size = 32, .bias = true})},
      {"no format in __metadata__", Good().Metadata({})},
  };
  for (const auto& [name, builder] : models) {
    const Diagnosis diagnosis = DiagnoseFiles(builder);
    for (const Finding& finding : diagnosis.findings) {
      EXPECT_EQ(finding.severity, Severity::kNote) << name << ": " << finding.code << " " << finding.message;
    }
  }
}

TEST(Findings, AreTheSameWithAndWithoutFoldingUpToNames) {
  const Directory sick =
      Good().RemoveTensor("model.layers.0.mlp.up_proj.scales").RemoveTensor("model.layers.1.mlp.up_proj.scales");
  const auto count = [&](bool all) {
    int64_t total = 0;
    for (const Finding& finding : DiagnoseFiles(sick, {.all_findings = all}).findings)
      total += finding.code == "GD301" ? finding.count : 0;
    return total;
  };
  EXPECT_EQ(count(false), 2);
  EXPECT_EQ(count(true), 2);
}

TEST(Findings, HaveDistinctFingerprintsThatDoNotDependOnThePath) {
  const Directory sick = EditSettings(Good().Build(), [](Json& json) {
    json["bits"] = 8;
    json["group_size"] = 64;
  });
  const Diagnosis first = DiagnoseFiles(sick);
  std::set<std::string> fingerprints;
  for (const Finding& finding : first.findings)
    EXPECT_TRUE(fingerprints.insert(finding.fingerprint).second) << finding.code << " " << finding.message;
  MemorySource elsewhere("/another/path");
  for (const auto& [name, content] : sick.files) elsewhere.Add(name, content);
  const Result<Diagnosis> second = Examine(elsewhere, {}, {});
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(second->findings.size(), first.findings.size());
  for (size_t i = 0; i < first.findings.size(); ++i)
    EXPECT_EQ(second->findings[i].fingerprint, first.findings[i].fingerprint);
}

}  // namespace
}  // namespace gptq_doctor::testing
