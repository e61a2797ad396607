#include <gtest/gtest.h>

#include "infer/infer_support.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

using testing::DefectsOf;
using testing::EvidenceOf;
using testing::ExamineModel;
using testing::GptqModule;
using testing::GptqOptions;
using testing::ModelBuilder;

TEST(Infer, ASoundModelWithoutConfigs) {
  const auto model = ExamineModel(ModelBuilder().Quant({.bits = 4, .group_size = 64}));
  EXPECT_TRUE(model->is_gptq);
  EXPECT_EQ(model->base.bits, 4);
  EXPECT_EQ(model->base.group_size, 64);
  EXPECT_EQ(model->base.sym, true);
  EXPECT_EQ(model->base.desc_act, false);
  EXPECT_EQ(model->base.checkpoint_format, "gptq");
  EXPECT_EQ(model->base.pack_dtype, "int32");
  EXPECT_EQ(model->base.lm_head, false);
  EXPECT_FALSE(model->base.static_groups.has_value());
  EXPECT_TRUE(model->base.dynamic.empty());
  EXPECT_TRUE(model->contradictions.empty());
  EXPECT_TRUE(model->value_defects.empty());
  EXPECT_EQ(EvidenceOf(model, "bits").confidence, Confidence::kCertain);
  EXPECT_EQ(EvidenceOf(model, "group_size").confidence, Confidence::kCertain);
  EXPECT_EQ(EvidenceOf(model, "checkpoint_format").confidence, Confidence::kCertain);
  EXPECT_TRUE(model->coverage.complete);
  EXPECT_EQ(model->coverage.modules, 14);
  ASSERT_EQ(model->groups.size(), 1u);
  EXPECT_EQ(model->groups[0].count, 14);
}

TEST(Infer, TheBaseIsWhatMostModulesShareWhereWeightsMislead) {
  // 4 bits in groups of 128 where every column has one; a smaller size in two heavy suffixes is the override.
  const GptqOptions base{.bits = 4, .group_size = 128}, fine{.bits = 4, .group_size = 32};
  const auto overridden = ExamineModel(
      ModelBuilder().Sizes(128, 384, 64).Quant(base).Override("gate_proj", fine).Override("down_proj", fine));
  EXPECT_EQ(overridden->base.group_size, -1);
  EXPECT_EQ(EvidenceOf(overridden, "group_size").confidence, Confidence::kInferred);
  // Attention in columns of one group, groups of 32 in most weights: no more modules of either by far.
  const auto attention =
      ExamineModel(ModelBuilder().Sizes(128, 384, 64).Quant(fine).Override("self_attn", {.bits = 4, .group_size = -1}));
  EXPECT_EQ(attention->base.group_size, 32);
}

TEST(Infer, AnOutputHeadIsNeverTheBase) {
  const auto model = ExamineModel(ModelBuilder()
                                      .Sizes(128, 256, 0, 8192)
                                      .Quant({.bits = 4, .group_size = 64})
                                      .LmHead({.bits = 8, .group_size = 32}));
  EXPECT_EQ(model->base.bits, 4);
  EXPECT_EQ(model->base.group_size, 64);
  EXPECT_EQ(EvidenceOf(model, "bits").confidence, Confidence::kCertain);
  ASSERT_EQ(model->base.dynamic.size(), 1u);
}

TEST(Infer, EveryWidthLayoutAndWordOfSymmetricModels) {
  struct Case {
    GptqOptions options;
    const char* format;
    const char* pack_dtype;
  };
  std::vector<Case> cases;
  for (int bits : {2, 3, 4, 8}) {
    cases.push_back({{.bits = bits, .group_size = 32}, "gptq", "int32"});
    cases.push_back({{.bits = bits, .group_size = 32, .v2 = true}, "gptq_v2", "int32"});
  }
  for (int bits : {3, 5, 6, 7}) cases.push_back({{.bits = bits, .group_size = 32, .planar = true}, "gptq_p", "int32"});
  for (int bits : {2, 4, 8}) {
    cases.push_back({{.bits = bits, .group_size = 32, .pack_bits = 16}, "gptq", "int16"});
    cases.push_back({{.bits = bits, .group_size = 32, .pack_bits = 8}, "gptq", "int8"});
  }
  for (const Case& c : cases) {
    const auto model = ExamineModel(ModelBuilder().Layers(1).Sizes(64, 64).Quant(c.options));
    const std::string name = std::to_string(c.options.bits) + " bits " + c.format + " " + c.pack_dtype;
    EXPECT_EQ(model->base.bits, c.options.bits) << name;
    EXPECT_EQ(model->base.group_size, 32) << name;
    EXPECT_EQ(model->base.sym, true) << name;
    EXPECT_EQ(model->base.checkpoint_format, c.format) << name;
    EXPECT_EQ(model->base.pack_dtype, c.pack_dtype) << name;
    EXPECT_TRUE(model->value_defects.empty()) << name;
  }
}

TEST(Infer, GIdxProvesActOrderAndTheGroupSize) {
  const auto model = ExamineModel(ModelBuilder().Quant({.bits = 4, .group_size = 32, .desc_act = true}));
  EXPECT_EQ(model->base.desc_act, true);
  EXPECT_EQ(EvidenceOf(model, "desc_act").confidence, Confidence::kCertain);
  EXPECT_EQ(model->base.group_size, 32);
}

TEST(Infer, WithoutGIdxTheRowsGiveTheFeatures) {
  const auto model = ExamineModel(ModelBuilder().Quant({.bits = 3, .group_size = 64, .g_idx = false}));
  EXPECT_EQ(model->base.bits, 3);
  EXPECT_EQ(model->base.group_size, 64);
  EXPECT_EQ(model->base.desc_act, false);
  for (const ModuleData& data : model->data) EXPECT_EQ(data.g_idx, GIdxKind::kAbsent);
}

TEST(Infer, ADeclaredActOrderIsKeptWhereGIdxCannotTell) {
  ModelBuilder builder;
  builder.Quant({.bits = 4, .group_size = 64});
  builder.File("quantize_config.json",
               R"({"bits": 4, "group_size": 64, "desc_act": true, "static_groups": true, "quant_method": "gptq"})");
  const auto model = ExamineModel(builder);
  EXPECT_EQ(model->base.desc_act, true);
  EXPECT_EQ(EvidenceOf(model, "desc_act").confidence, Confidence::kAssumed);
  EXPECT_EQ(model->base.static_groups, true);
}

TEST(Infer, TensorsBeatConfigsAndTheDisagreementIsNamed) {
  ModelBuilder builder;
  builder.Quant({.bits = 4, .group_size = 64});
  builder.File(
      "quantize_config.json",
      R"({"bits": 8, "group_size": 128, "desc_act": false, "sym": false, "quant_method": "gptq", "checkpoint_format": "gptq_v2"})");
  const auto model = ExamineModel(builder);
  EXPECT_EQ(model->base.bits, 4);
  EXPECT_EQ(model->base.group_size, 64);
  EXPECT_EQ(model->base.sym, true);
  EXPECT_EQ(model->base.checkpoint_format, "gptq");
  for (const char* key : {"bits", "group_size", "sym", "checkpoint_format"}) {
    ASSERT_EQ(EvidenceOf(model, key).dissent.size(), 1u) << key;
    EXPECT_EQ(EvidenceOf(model, key).dissent[0].source, "quantize_config.json");
  }
  EXPECT_EQ(DefectsOf(model, 3, "label"), 1);
}

TEST(Infer, AMissingLabelIsADefectOnlyBesideV2Zeros) {
  const char* config = R"({"bits": 4, "group_size": 64, "desc_act": false, "sym": true, "quant_method": "gptq"})";
  EXPECT_EQ(DefectsOf(ExamineModel(ModelBuilder().Quant({.group_size = 64}).File("quantize_config.json", config)), 3),
            0);
  EXPECT_EQ(
      DefectsOf(ExamineModel(ModelBuilder().Quant({.group_size = 64, .v2 = true}).File("quantize_config.json", config)),
                3, "no label"),
      1);
  // Nothing is said, so nothing is contradicted.
  EXPECT_EQ(DefectsOf(ExamineModel(ModelBuilder().Quant({.group_size = 64, .v2 = true})), 3), 0);
}

TEST(Infer, FactsOfMetadataAndFileName) {
  ModelBuilder builder;
  builder.Quant({.bits = 4, .group_size = -1}).Sizes(64, 64);
  builder.Metadata({{"format", "pt"}, {"gptq_bits", "4"}, {"gptq_group_size", "128"}, {"gptq_desc_act", "True"}});
  builder.WeightName("gptq_model-8bit-128g.safetensors");
  const auto model = ExamineModel(builder);
  EXPECT_EQ(model->base.group_size, 128);  // one group of at most 64: the metadata decides
  EXPECT_EQ(model->base.desc_act, true);
  ASSERT_EQ(EvidenceOf(model, "bits").dissent.size(), 1u);
  EXPECT_EQ(EvidenceOf(model, "bits").dissent[0].source, "file name");
}

TEST(Infer, AllZeroGIdxWithSeveralGroupsIsADefectAndNoActOrder) {
  ModelBuilder builder;
  builder.Quant({.bits = 4, .group_size = 64});
  builder.Tensor({"model.layers.0.mlp.down_proj.g_idx", "I32", {256}, ""});
  const auto model = ExamineModel(builder);
  EXPECT_EQ(model->base.desc_act, false);
  EXPECT_EQ(DefectsOf(model, 11), 1);
}

TEST(Infer, BrokenGIdxIsFound) {
  std::string entries;
  for (int32_t k = 0; k < 256; ++k) {
    const int32_t group = k == 5 ? 9 : k / 64;
    entries.append(reinterpret_cast<const char*>(&group), 4);
  }
  const auto model = ExamineModel(
      ModelBuilder().Quant({.group_size = 64}).Tensor({"model.layers.0.mlp.down_proj.g_idx", "I32", {256}, entries}));
  EXPECT_EQ(DefectsOf(model, 8), 1);
  EXPECT_EQ(model->base.group_size, 64);
}

TEST(Infer, AFewAsymmetricModulesAreNamedNotAveraged) {
  const auto model = ExamineModel(ModelBuilder()
                                      .Layers(4)
                                      .Quant({.group_size = 64})
                                      .Override("layers.2.self_attn.o_proj", {.group_size = 64, .sym = false}));
  EXPECT_EQ(model->base.sym, true);
  const Evidence& sym = EvidenceOf(model, "sym");
  EXPECT_EQ(sym.confidence, Confidence::kInferred);
  ASSERT_EQ(sym.dissent.size(), 1u);
  EXPECT_EQ(sym.dissent[0].modules, 1);
  EXPECT_NE(sym.dissent[0].detail.find("model.layers.2.self_attn.o_proj"), std::string::npos);
  ASSERT_EQ(model->groups.size(), 2u);
  EXPECT_EQ(model->groups[0].count, 27);
  EXPECT_EQ(model->groups[1].settings.sym, false);
}

TEST(Infer, MixedWidthsKeepTheHeaviestAsBase) {
  const auto model = ExamineModel(ModelBuilder()
                                      .Quant({.bits = 4, .group_size = 64})
                                      .Override("down_proj", {.bits = 8, .group_size = 32})
                                      .LmHead({.bits = 8, .group_size = 32}));
  EXPECT_EQ(model->base.bits, 4);
  EXPECT_EQ(model->base.group_size, 64);
  EXPECT_EQ(model->base.lm_head, true);
  ASSERT_EQ(model->base.dynamic.size(), 2u);
  int64_t count = 0;
  for (const ModuleGroup& group : model->groups) count += group.count;
  EXPECT_EQ(count, 15);
  EXPECT_EQ(model->groups[0].settings.bits, 4);
}

TEST(Infer, ShapesThatContradictEachOtherAreNamed) {
  ModelBuilder builder;
  builder.Quant({.bits = 4, .group_size = 64});
  builder.Tensor({"model.layers.1.mlp.up_proj.g_idx", "I32", {256}, std::string(1024, '\0')});  // twice the channels
  const auto model = ExamineModel(builder);
  ASSERT_EQ(model->contradictions.size(), 1u);
  EXPECT_NE(model->contradictions[0].find("model.layers.1.mlp.up_proj"), std::string::npos);
  EXPECT_EQ(model->base.bits, 4);
}

TEST(Infer, FloorTruncationIsReadAndRefused) {
  // 104 channels at 4 bits take 13 words; a packer that rounds down by 32 channels keeps 12.
  auto module = GptqModule("model.layers.0.mlp.down_proj", 96, 128, {.bits = 4, .group_size = 32});
  std::string entries;
  for (int32_t k = 0; k < 104; ++k) {
    const int32_t group = k / 32;
    entries.append(reinterpret_cast<const char*>(&group), 4);
  }
  ModelBuilder builder;
  builder.Layers(1).Quant({.bits = 4, .group_size = 32});
  for (auto& tensor : GptqModule("model.layers.0.mlp.down_proj", 104, 128, {.bits = 4, .group_size = 32})) {
    if (tensor.name.ends_with("qweight")) {
      tensor.shape[0] = 12;
      tensor.data = module[0].data;
    }
    builder.Tensor(tensor);
  }
  const auto model = ExamineModel(builder);
  ASSERT_EQ(model->contradictions.size(), 1u);
  EXPECT_NE(model->contradictions[0].find("96 of 104 input channels"), std::string::npos) << model->contradictions[0];
  EXPECT_EQ(model->coverage.modules, 7);
  EXPECT_EQ(model->base.bits, 4);
}

TEST(Infer, TwoZeroConventionsInOneCheckpointAreAContradiction) {
  const auto model =
      ExamineModel(ModelBuilder().Quant({.group_size = 64}).Override("layers.1.", {.group_size = 64, .v2 = true}));
  ASSERT_EQ(model->contradictions.size(), 1u);
  EXPECT_FALSE(model->base.checkpoint_format.has_value());
}

TEST(Infer, WithoutQweightTheZerosGiveTheWord) {
  ModelBuilder builder;
  builder.Layers(1).Quant({.group_size = 64});
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    builder.RemoveTensor(std::string("model.layers.0.") + name + ".qweight");
  }
  const auto model = ExamineModel(builder);
  EXPECT_EQ(model->base.pack_dtype, "int32");
  EXPECT_EQ(EvidenceOf(model, "pack_dtype").facts[0].detail, "qzeros is I32");
}

TEST(Infer, FloatZerosOfMarch2023) {
  ModelBuilder builder;
  builder.Layers(1).Quant({.bits = 4, .group_size = -1, .g_idx = false, .bias = true, .scales_dtype = "F32"});
  const std::pair<const char*, std::pair<int64_t, int64_t>> modules[] = {
      {"self_attn.q_proj", {128, 128}}, {"self_attn.k_proj", {128, 128}}, {"self_attn.v_proj", {128, 128}},
      {"self_attn.o_proj", {128, 128}}, {"mlp.gate_proj", {128, 256}},    {"mlp.up_proj", {128, 256}},
      {"mlp.down_proj", {256, 128}}};
  for (const auto& [name, shape] : modules) {
    const std::string stem = std::string("model.layers.0.") + name;
    const auto n = static_cast<uint64_t>(shape.second);
    builder.RemoveTensor(stem + ".qzeros");
    builder.Tensor({stem + ".scales", "F32", {n, 1}, std::string(n * 4, '\x3c')});
    builder.Tensor({stem + ".zeros", "F32", {n, 1}, std::string(n * 4, '\x3c')});
  }
  for (const bool with_config : {true, false}) {
    if (!with_config) builder.File("config.json", "{}");
    const auto model = ExamineModel(builder);
    EXPECT_EQ(model.exam->kind(), "gptq");
    EXPECT_EQ(model->base.bits, 4);
    EXPECT_EQ(model->base.group_size, -1);
    EXPECT_FALSE(model->base.sym.has_value());
    EXPECT_FALSE(model->base.checkpoint_format.has_value());
    EXPECT_TRUE(model->contradictions.empty()) << model->contradictions[0];
  }
}

}  // namespace
}  // namespace gptq_doctor
