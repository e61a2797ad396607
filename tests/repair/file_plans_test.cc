// Repairs of files: the index, the weights' name, config.json from a base model.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "repair/apply.h"
#include "repair/repairs.h"
#include "rules/rule.h"
#include "support/memory_files.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using ::testing::HasSubstr;
using testing::MemoryFiles;
using testing::ModelBuilder;
using Files = std::map<std::string, std::string>;

constexpr char kIndex[] = "model.safetensors.index.json";

ModelBuilder Model() {
  ModelBuilder builder;
  builder.Layers(2).Sizes(64, 128, 0, 64).Quant({.bits = 4, .group_size = 32}).WithConfigs();
  return builder;
}

struct Repaired {
  Result<Plan> plan = Plan{};
  Files after;  // all files once the plan is applied, without what we keep beside them
};

Repaired Repair(const Files& files, FixOptions options = {}) {
  MemoryFiles memory{.files = files};
  const auto source = memory.source();
  const auto exam = ReadExamination(*source, {}, {});
  EXPECT_TRUE(exam) << exam.error().message;
  Repaired out{.plan = MakePlan(**exam, options)};
  if (!out.plan) return out;
  const auto sink = memory.sink();
  const Result<Applied> applied = ApplyPlan(*out.plan, *source, *sink);
  EXPECT_TRUE(applied) << applied.error().message;
  for (const auto& [name, content] : memory.files) {
    if (name.find(".gptq-doctor") == std::string::npos) out.after[name] = content;
  }
  return out;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// A whole index needs nothing; each way to break it is mended to the same content.
TEST(IndexPlan, RebuildsFromWholeShards) {
  const Files healthy = Model().Shards(2).Build();
  const Repaired untouched = Repair(healthy);
  ASSERT_TRUE(untouched.plan) << untouched.plan.error().message;
  EXPECT_TRUE(untouched.plan->empty());
  const std::string tensor = "\"model.layers.0.mlp.down_proj.scales\"";
  const std::string index = healthy.at(kIndex);
  const std::string first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";
  const size_t at = index.find(tensor);
  ASSERT_NE(at, std::string::npos);
  const bool in_first = index.compare(index.find(".safetensors", at) - 20, 20, first.substr(0, 20)) == 0;
  std::string moved = index;
  moved.replace(moved.find(in_first ? first : second, at), first.size(), in_first ? second : first);
  const size_t line_begin = index.rfind('\n', at), line_end = index.find('\n', at);
  const std::string unlisted = index.substr(0, line_begin) + index.substr(line_end);
  for (const std::string& broken : {moved, unlisted, std::string("{\"weight_map\": {"), std::string("[]")}) {
    Files files = healthy;
    files[kIndex] = broken;
    const Repaired repaired = Repair(files);
    ASSERT_TRUE(repaired.plan) << repaired.plan.error().message;
    ASSERT_EQ(repaired.plan->edits.size(), 1u) << broken.substr(0, 60);
    EXPECT_FALSE(repaired.plan->edits[0].codes.empty());
    const Repaired again = Repair(repaired.after);
    ASSERT_TRUE(again.plan);
    EXPECT_TRUE(again.plan->empty());
    EXPECT_THAT(repaired.after.at(kIndex), HasSubstr(tensor + ": \"" + (in_first ? first : second) + "\""));
  }
}

TEST(IndexPlan, CreatesTheIndexOfAWholeSeries) {
  Files files = Model().Shards(3).Build();
  files.erase(kIndex);
  const Repaired repaired = Repair(files);
  ASSERT_TRUE(repaired.plan) << repaired.plan.error().message;
  EXPECT_TRUE(repaired.after.contains(kIndex));
  files.erase("model-00002-of-00003.safetensors");
  const Repaired cut = Repair(files);
  EXPECT_TRUE(!cut.plan || !cut.after.contains(kIndex));
}

TEST(IndexPlan, NeverHidesALostTensor) {
  Files files = Model().Shards(2).Build();
  files[kIndex] =
      Replaced(files[kIndex], "\"weight_map\": {",
               "\"weight_map\": {\n    \"model.layers.9.x.qweight\": \"model-00001-of-00002.safetensors\",");
  const Repaired repaired = Repair(files);
  ASSERT_TRUE(repaired.plan) << repaired.plan.error().message;
  EXPECT_TRUE(repaired.plan->empty());
  ASSERT_EQ(repaired.plan->manual.size(), 1u);
  EXPECT_THAT(repaired.plan->manual[0].text, HasSubstr("model.layers.9.x.qweight"));
}

TEST(IndexPlan, LeavesAnIndexOfMissingOrCutShardsAlone) {
  Files missing = Model().Shards(2).Build();
  missing.erase("model-00002-of-00002.safetensors");
  Files cut = Model().Shards(2).Build();
  cut["model-00002-of-00002.safetensors"].pop_back();
  cut[kIndex] = "{";
  for (const Files& files : {missing, cut}) {
    const Repaired repaired = Repair(files);
    if (repaired.plan) {
      EXPECT_EQ(repaired.after.at(kIndex), files.at(kIndex));
    }
  }
}

TEST(IndexPlan, RemovesAnIndexOfFilesThatAreGone) {
  Files files = Model().Build();
  files[kIndex] = Model().Shards(2).Build().at(kIndex);
  const Repaired repaired = Repair(files);
  ASSERT_TRUE(repaired.plan) << repaired.plan.error().message;
  EXPECT_FALSE(repaired.after.contains(kIndex));
  EXPECT_TRUE(repaired.after.contains("model.safetensors"));
}

TEST(WeightNamePlan, RenamesToWhatEveryLoaderLooksFor) {
  Files files = Model().WeightName("llama-7b-4bit.safetensors").Build();
  const std::string base = "\"model_file_base_name\": \"llama-7b-4bit\"";
  files["quantize_config.json"] = Replaced(files["quantize_config.json"], "{", "{\n  " + base + ",");
  const std::string weights = files.at("llama-7b-4bit.safetensors");
  const Repaired repaired = Repair(files);
  ASSERT_TRUE(repaired.plan) << repaired.plan.error().message;
  EXPECT_EQ(repaired.after.at("model.safetensors"), weights);
  EXPECT_FALSE(repaired.after.contains("llama-7b-4bit.safetensors"));
  EXPECT_EQ(repaired.after.at("quantize_config.json"),
            Replaced(files.at("quantize_config.json"), base, "\"model_file_base_name\": \"model\""));
}

TEST(WeightNamePlan, LeavesNamesThatSomeLoaderExpects) {
  for (const char* name : {"model.safetensors", "gptq_model-4bit-32g.safetensors"}) {
    const Repaired repaired = Repair(Model().WeightName(name).Build());
    ASSERT_TRUE(repaired.plan);
    EXPECT_TRUE(repaired.plan->empty()) << name;
  }
}

TEST(WeightNamePlan, RenamesAutoGptqsNameWhereItsRuleIsSelected) {
  const Repaired repaired =
      Repair(Model().WeightName("gptq_model-4bit-32g.safetensors").Build(), {.select = {"GD242"}});
  ASSERT_TRUE(repaired.plan);
  EXPECT_TRUE(repaired.after.contains("model.safetensors"));
}

TEST(WeightNamePlan, AnnouncesTheFileThatIsThere) {
  Files files = Model().Build();
  files["quantize_config.json"] =
      Replaced(files["quantize_config.json"], "{", "{\n  \"model_file_base_name\": \"llama-7b-4bit\",");
  const Repaired repaired = Repair(files);
  ASSERT_TRUE(repaired.plan);
  EXPECT_THAT(repaired.after.at("quantize_config.json"), HasSubstr("\"model_file_base_name\": \"model\""));
}

TEST(BasePlan, TakesTheBaseConfigWithTheProvedSection) {
  Files files = Model().Build();
  const std::string base = Files(ModelBuilder().Layers(2).Sizes(64, 128, 0, 64).Dense().Build()).at("config.json");
  files.erase("config.json");
  const Repaired repaired = Repair(files, {.base_config = base, .base_name = "base"});
  ASSERT_TRUE(repaired.plan) << repaired.plan.error().message;
  EXPECT_THAT(repaired.after.at("config.json"), HasSubstr("\"quantization_config\""));
  EXPECT_THAT(repaired.after.at("config.json"), HasSubstr("\"hidden_size\": 64"));
  // Everything else of the base stands as it was.
  Files without = repaired.after;
  EXPECT_TRUE(Repair(without).plan->empty());
}

TEST(BasePlan, RefusesABaseOfAnotherArchitecture) {
  const std::string base = Files(ModelBuilder().Layers(5).Sizes(64, 128, 0, 64).Dense().Build()).at("config.json");
  const Repaired repaired = Repair(Model().Remove("config.json").Build(), {.base_config = base, .base_name = "base"});
  ASSERT_FALSE(repaired.plan);
  EXPECT_EQ(repaired.plan.error().kind, ErrorKind::kRefused);
  EXPECT_THAT(repaired.plan.error().message, HasSubstr("num_hidden_layers"));
}

TEST(BasePlan, RefusesABaseThatIsNoObject) {
  for (const char* base : {"[]", "{", "{\"a\": True}"}) {
    const Repaired repaired = Repair(Model().Build(), {.base_config = base, .base_name = "base"});
    EXPECT_FALSE(repaired.plan) << base;
  }
}

TEST(Repairs, OneRefusalKeepsNoOtherRepairBack) {
  Files files = Model().Shards(2).Build();
  files[kIndex] = "{\"weight_map\": {";
  files["config.json"] = "{ not json";
  const Repaired repaired = Repair(files);
  ASSERT_TRUE(repaired.plan) << repaired.plan.error().message;
  ASSERT_EQ(repaired.plan->edits.size(), 1u);
  EXPECT_EQ(repaired.plan->edits[0].file, kIndex);
  ASSERT_FALSE(repaired.plan->warnings.empty());
  EXPECT_THAT(repaired.plan->warnings.back(), HasSubstr("not valid JSON"));
}

TEST(Repairs, TableIsSoundAndNamesRealRules) {
  std::vector<std::string_view> seen;
  for (const auto& repair : RepairTable()) {
    EXPECT_FALSE(repair.codes.empty()) << repair.name;
    for (std::string_view code : repair.codes) {
      EXPECT_EQ(std::count(seen.begin(), seen.end(), code), 0) << code;
      EXPECT_NE(FindRule(code), nullptr) << code;
      seen.push_back(code);
    }
  }
}

}  // namespace
}  // namespace gptq_doctor
