#include <gtest/gtest.h>

#include "infer/infer_support.h"

namespace gptq_doctor {
namespace {

using testing::EvidenceOf;
using testing::Examined;
using testing::ExamineModel;
using testing::ExamineSource;
using testing::ModelBuilder;

TEST(Examination, KindsWithoutGptqModules) {
  const Examined dense = ExamineModel(ModelBuilder().Layers(1).Dense());
  EXPECT_EQ(dense.exam->kind(), "dense");
  EXPECT_FALSE(dense->is_gptq);
  EXPECT_TRUE(dense->evidence.empty());
}

TEST(Examination, ADenseModelWithAGptqConfigStaysDense) {
  const Examined model = ExamineModel(ModelBuilder().Layers(1).Dense().File(
      "quantize_config.json", R"({"bits": 4, "group_size": 128, "quant_method": "gptq"})"));
  EXPECT_EQ(model.exam->kind(), "dense");
  EXPECT_FALSE(model->is_gptq);
}

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\noid "
    "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 7259435192\n";

TEST(Examination, PointersWithAConfigAreAssumedToBeWhatItSays) {
  auto source = std::make_unique<MemorySource>();
  source->Add("model.safetensors", kPointer);
  source->Add("quantize_config.json",
              R"({"bits": 4, "group_size": 128, "desc_act": true, "sym": true, "quant_method": "gptq"})");
  const Examined model = ExamineSource(std::move(source));
  EXPECT_EQ(model.exam->kind(), "gptq");
  EXPECT_EQ(model->base.bits, 4);
  EXPECT_EQ(model->base.group_size, 128);
  EXPECT_EQ(model->base.desc_act, true);
  EXPECT_FALSE(model->base.checkpoint_format.has_value());
  EXPECT_EQ(EvidenceOf(model, "bits").confidence, Confidence::kAssumed);
  EXPECT_EQ(EvidenceOf(model, "checkpoint_format").confidence, Confidence::kUnknown);
}

TEST(Examination, PointersWithoutAnythingAreUnknown) {
  auto source = std::make_unique<MemorySource>();
  source->Add("model.safetensors", kPointer);
  const Examined model = ExamineSource(std::move(source));
  EXPECT_EQ(model.exam->kind(), "unknown");
  EXPECT_FALSE(model->is_gptq);
}

TEST(Examination, AnIndexThatNamesQuantizedTensorsIsEnough) {
  auto source = std::make_unique<MemorySource>();
  for (const auto& [name, content] : ModelBuilder().Shards(2).Build()) {
    if (!name.ends_with(".safetensors")) source->Add(name, content);
  }
  const Examined model = ExamineSource(std::move(source));
  EXPECT_EQ(model.exam->kind(), "gptq");
  EXPECT_TRUE(model->is_gptq);
  EXPECT_FALSE(model->base.bits.has_value());
  EXPECT_EQ(EvidenceOf(model, "bits").confidence, Confidence::kUnknown);
}

TEST(Examination, ATruncatedShardIsReadAsFarAsItGoes) {
  auto files = ModelBuilder().Quant({.group_size = 64}).Build();
  std::string& weights = files["model.safetensors"];
  weights.resize(weights.size() * 2 / 3);
  auto source = std::make_unique<MemorySource>();
  for (const auto& [name, content] : files) source->Add(name, content);
  const Examined model = ExamineSource(std::move(source));
  EXPECT_EQ(model->base.bits, 4);
  EXPECT_EQ(model->base.group_size, 64);
  EXPECT_FALSE(model->coverage.complete);
  EXPECT_TRUE(model.exam->errors.empty());
}

// --- Sampling.

ModelBuilder Large() { return ModelBuilder().Layers(9).Sizes(64, 64).Quant({.group_size = 32}); }

TEST(Sampling, ASmallBudgetReadsFirstMiddleAndLastOfEveryClass) {
  ExamineOptions options;
  options.sample_bytes = 12'000;
  const Examined model = ExamineModel(Large(), options);
  EXPECT_FALSE(model->coverage.complete);
  EXPECT_EQ(model->coverage.modules, 63);
  EXPECT_LE(model->coverage.modules_read, 21);
  EXPECT_GE(model->coverage.modules_read, 7);
  EXPECT_LE(model->coverage.bytes_read, 12'000 * 5 / 4);
  EXPECT_EQ(model->base.sym, true);
  EXPECT_EQ(model->base.checkpoint_format, "gptq");
  EXPECT_EQ(EvidenceOf(model, "sym").confidence, Confidence::kInferred);
}

TEST(Sampling, DeepReadsEverything) {
  ExamineOptions options;
  options.sample_bytes = 12'000;
  options.deep = true;
  const Examined model = ExamineModel(Large(), options);
  EXPECT_TRUE(model->coverage.complete);
  EXPECT_EQ(model->coverage.modules_read, 63);
  EXPECT_EQ(EvidenceOf(model, "sym").confidence, Confidence::kCertain);
}

TEST(Sampling, DeepFindsWhatTheSampleMisses) {
  const ModelBuilder model = Large().Override("layers.3.self_attn.k_proj", {.group_size = 32, .sym = false});
  ExamineOptions options;
  options.sample_bytes = 12'000;
  EXPECT_TRUE(EvidenceOf(ExamineModel(model, options), "sym").dissent.empty());
  options.deep = true;
  EXPECT_EQ(EvidenceOf(ExamineModel(model, options), "sym").dissent.size(), 1u);
}

}  // namespace
}  // namespace gptq_doctor
