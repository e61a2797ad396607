// Models written by the packers themselves, as they were saved and with every quantization setting taken away.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <tuple>
#include <vector>

#include "gptq/module_pattern.h"
#include "infer/infer_support.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::EvidenceOf;
using testing::Examined;
using testing::ExamineSource;

fs::path DataDir() { return fs::path(GPTQ_DOCTOR_TEST_DATA) / "real"; }

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Examined Examine(const std::string& name, bool bare) {
  auto source = std::make_unique<MemorySource>();
  for (const auto& entry : fs::directory_iterator(DataDir() / name / "model")) {
    const std::string file = entry.path().filename().string();
    if (bare && (file == "quantize_config.json" || file == "quantization_config.json")) continue;
    std::string content = ReadFile(entry.path());
    if (bare && file == "config.json") {
      Json config = Json::parse(content);
      config.erase("quantization_config");
      content = config.dump();
    }
    source->Add(file, std::move(content));
  }
  return ExamineSource(std::move(source));
}

template <typename T>
Json ToJson(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

class RealPackers : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  void SetUp() override {
    expected_ = Json::parse(ReadFile(DataDir() / name() / "expected.json"));
    model_ = Examine(name(), bare());
    ASSERT_NE(model_.exam, nullptr);
  }
  const std::string& name() const { return std::get<0>(GetParam()); }
  bool bare() const { return std::get<1>(GetParam()); }
  const Quantization& base() const { return model_->base; }

  Json expected_;
  Examined model_;
};

TEST_P(RealPackers, TheSettingsAreThoseOfThePacker) {
  if (!expected_["is_gptq"]) {
    EXPECT_FALSE(model_->is_gptq);
    EXPECT_NE(model_.exam->kind(), "gptq");
    return;
  }
  const Json& tensors = expected_["tensor_only"];
  EXPECT_EQ(model_->coverage.modules, expected_["n_modules"]);
  EXPECT_TRUE(model_->contradictions.empty());
  EXPECT_EQ(ToJson(base().bits), expected_["bits"]);
  EXPECT_EQ(ToJson(base().pack_dtype), expected_["pack_dtype"]);
  std::vector<Json> sizes(1, expected_["group_size"]);
  if (bare())
    sizes.insert(sizes.end(), tensors["group_size_candidates"].begin(), tensors["group_size_candidates"].end());
  EXPECT_NE(std::find(sizes.begin(), sizes.end(), ToJson(base().group_size)), sizes.end()) << ToJson(base().group_size);
  EXPECT_EQ(ToJson(base().sym), expected_["sym"]);
  const bool act_order = tensors["desc_act_from_g_idx"] == "true";
  if (act_order || !bare()) {
    EXPECT_EQ(ToJson(base().desc_act), expected_["desc_act"]);
  }
}

TEST_P(RealPackers, TheCheckpointFormatIsRightOrUnknown) {
  if (!expected_["is_gptq"]) return;
  const Json& zeros = expected_["tensor_only"]["checkpoint_format_from_zeros"];
  if (zeros != "not determinable" || base().checkpoint_format) {
    EXPECT_EQ(ToJson(base().checkpoint_format), expected_["checkpoint_format"]);
  }
  EXPECT_EQ(EvidenceOf(model_, "checkpoint_format").confidence == Confidence::kUnknown,
            !base().checkpoint_format.has_value());
}

TEST_P(RealPackers, DynamicGivesEveryModuleItsBitsAndGroups) {
  if (!expected_["is_gptq"]) return;
  const SettingsByName settings(base());
  for (const auto& [module, truth] : expected_["modules"].items()) {
    const auto setting = settings.Of(module);
    ASSERT_TRUE(setting.has_value() && !setting->excluded) << module;
    EXPECT_EQ(ToJson(setting->bits), truth["bits"]) << module;
    const int64_t group = setting->group_size.value_or(0), features = truth["in_features"];
    ASSERT_NE(group, 0);
    EXPECT_EQ(group < 0 ? 1 : (features + group - 1) / group, truth["groups"]) << module;
  }
  std::map<int, int64_t> counts;
  for (const auto& [module, truth] : expected_["modules"].items()) ++counts[truth["bits"]];
  std::map<int, int64_t> found;
  for (const ModuleGroup& group : model_->groups) found[group.settings.bits.value_or(0)] += group.count;
  EXPECT_EQ(found, counts);
}

TEST_P(RealPackers, OnlyTheKnownDefectsAreFound) {
  const std::map<std::string, std::set<int>> sick = {{"autogptq-main-2b-g32-asym-underflow", {1}},
                                                     {"gptqmodel-2.2.0-3b-g64-sym-v1", {2}},
                                                     {"gptqmodel-2.2.0-dynamic-lmhead-sharded", {27}},
                                                     {"gptqmodel-7.3.4-4b-g32-asym-v1-borrow", {1}}};
  std::set<int> found;
  for (const ValueDefect& defect : model_->value_defects) found.insert(defect.catalogue);
  const auto known = sick.find(name());
  EXPECT_EQ(found, known == sick.end() ? std::set<int>{} : known->second);
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(DataDir())) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, RealPackers, ::testing::Combine(::testing::ValuesIn(Names()), ::testing::Bool()),
                         [](const auto& test) {
                           std::string name = std::get<0>(test.param) + (std::get<1>(test.param) ? "_bare" : "_whole");
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace gptq_doctor
