#include <gtest/gtest.h>

#include "gptq/module_pattern.h"
#include "infer/infer_support.h"

namespace gptq_doctor {
namespace {

using testing::DenseTensor;
using testing::Examined;
using testing::ExamineModel;
using testing::GptqModule;
using testing::ModelBuilder;

// Every quantized module gets its own bits and number of groups from the base and its dynamic entries.
void ExpectFaithful(const Examined& model) {
  const SettingsByName settings(model->base);
  const Inventory& inventory = model.exam->inventory;
  for (const Module& module : inventory.modules) {
    const ClassFacts& facts = model->classes[module.class_id];
    if (!facts.gptq) continue;
    const auto setting = settings.Of(module.stem);
    ASSERT_TRUE(setting.has_value());
    EXPECT_FALSE(setting->excluded) << module.stem;
    EXPECT_EQ(setting->bits, facts.bits) << module.stem;
    ASSERT_TRUE(setting->group_size.has_value());
    const int64_t g = *setting->group_size;
    EXPECT_EQ(g < 0 ? 1 : (facts.in_features + g - 1) / g, facts.groups) << module.stem;
  }
}

std::vector<std::string> Patterns(const Examined& model) {
  std::vector<std::string> out;
  for (const DynamicRule& rule : model->base.dynamic) out.push_back((rule.exclude ? "-:" : "") + rule.pattern);
  return out;
}

TEST(Dynamic, OnePatternForASuffix) {
  const Examined model =
      ExamineModel(ModelBuilder().Quant({.group_size = 64}).Override("down_proj", {.bits = 8, .group_size = 32}));
  EXPECT_EQ(Patterns(model), (std::vector<std::string>{R"(^model\.layers\.\d+\.mlp\.down_proj$)"}));
  EXPECT_EQ(model->base.dynamic[0].bits, 8);
  EXPECT_EQ(model->base.dynamic[0].group_size, 32);
  ExpectFaithful(model);
}

TEST(Dynamic, LayersAreNamedWhereOthersDiffer) {
  const Examined model = ExamineModel(ModelBuilder()
                                          .Layers(12)
                                          .Sizes(64, 64)
                                          .Quant({.group_size = 32})
                                          .Override("layers.1.self_attn.q_proj", {.bits = 8, .group_size = 32})
                                          .Override("layers.11.self_attn.q_proj", {.bits = 2, .group_size = 32}));
  // "layers.1." is no part of layer 11, and its pattern must not reach it.
  ExpectFaithful(model);
  EXPECT_EQ(Patterns(model), (std::vector<std::string>{R"(^model\.layers\.11\.self_attn\.q_proj$)",
                                                       R"(^model\.layers\.1\.self_attn\.q_proj$)"}));
}

TEST(Dynamic, ADenseSiblingOfQuantizedModulesIsExcluded) {
  ModelBuilder builder;
  builder.Layers(3).Quant({.group_size = 64});
  for (const char* part : {"qweight", "qzeros", "scales", "g_idx"})
    builder.RemoveTensor(std::string("model.layers.1.self_attn.o_proj.") + part);
  builder.Tensor(DenseTensor("model.layers.1.self_attn.o_proj.weight", {128, 128}));
  builder.Tensor(DenseTensor("model.layers.1.mlp.gate.weight", {8, 128}));  // a router: loaders know it
  const Examined model = ExamineModel(builder);
  EXPECT_EQ(Patterns(model), (std::vector<std::string>{R"(-:^model\.layers\.1\.self_attn\.o_proj$)"}));
  const auto setting = SettingsByName(model->base).Of("model.layers.1.self_attn.o_proj");
  ASSERT_TRUE(setting.has_value());
  EXPECT_TRUE(setting->excluded);
  ExpectFaithful(model);
}

TEST(Dynamic, ExpertsOfOneLayerAreCoveredByTheLayer) {
  ModelBuilder builder;
  builder.Layers(1).Quant({.group_size = 32}).Sizes(64, 64);
  for (int layer = 0; layer < 3; ++layer) {
    for (int expert = 0; expert < 4; ++expert) {
      const std::string stem =
          "model.layers." + std::to_string(layer) + ".mlp.experts." + std::to_string(expert) + ".up_proj";
      const bool wide = layer == 1 || (layer == 2 && expert == 3);
      for (const auto& tensor : GptqModule(stem, 64, 64, {.bits = wide ? 8 : 4, .group_size = 32}))
        builder.Tensor(tensor);
    }
  }
  const Examined model = ExamineModel(builder);
  EXPECT_EQ(Patterns(model), (std::vector<std::string>{R"(^model\.layers\.1\.mlp\.experts\.\d+\.up_proj$)",
                                                       R"(^model\.layers\.2\.mlp\.experts\.3\.up_proj$)"}));
  ExpectFaithful(model);
}

TEST(Dynamic, OneGroupUnderTheBaseSizeNeedsNoEntry) {
  const Examined model = ExamineModel(ModelBuilder().Sizes(96, 352).Quant({.group_size = 128}));
  EXPECT_EQ(model->base.group_size, 128);
  EXPECT_TRUE(model->base.dynamic.empty());
  ExpectFaithful(model);
}

TEST(Dynamic, OneGroupBeyondTheBaseSizeIsPerChannel) {
  const Examined model = ExamineModel(ModelBuilder().Quant({.group_size = 64}).Override("k_proj", {.group_size = -1}));
  ASSERT_EQ(model->base.dynamic.size(), 1u);
  EXPECT_EQ(model->base.dynamic[0].group_size, -1);
  EXPECT_FALSE(model->base.dynamic[0].bits.has_value());
  ExpectFaithful(model);
}

}  // namespace
}  // namespace gptq_doctor
