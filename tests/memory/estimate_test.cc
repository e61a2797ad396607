#include "memory/estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory/arith.h"
#include "memory/described_model.h"
#include "memory/gpu_table.h"
#include "memory/nvml.h"
#include "memory/runtime_table.h"
#include "support/model_builder.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

MemoryEstimate Estimate(const MemoryModel& model, const MemoryQuery& query) {
  Result<MemoryEstimate> estimate = EstimateMemory(model, query);
  EXPECT_TRUE(estimate.ok());
  return estimate.ok() ? *estimate : MemoryEstimate{};
}

const MemoryLevel& LevelOf(const MemoryEstimate& estimate, const std::string& name) {
  for (const MemoryLevel& level : estimate.levels) {
    if (level.name == name) return level;
  }
  throw std::out_of_range(name);
}

MemoryModel Described(const ModelBuilder& builder) {
  const std::unique_ptr<MemorySource> source = builder.Memory();
  const Result<std::unique_ptr<Examination>> exam = ReadExamination(*source, {}, {});
  if (!exam) throw std::runtime_error(exam.error().message);
  return DescribeMemory(**exam);
}

TEST(VerdictTest, MarginOfAnEightGibCard) {
  MemoryQuery query;
  query.gpu = {*FindGpu("8GiB")};
  EXPECT_EQ(UsableBytes(query), 7'730'941'132);
  query.utilization = 0.5;
  EXPECT_EQ(UsableBytes(query), 4 * kGiB);
  query.gpu[0].free = kGiB;
  EXPECT_EQ(UsableBytes(query), kGiB);
}

TEST(VerdictTest, FitsTightAndNot) {
  const MemoryModel model = Describe(Qwen25_3B("gptq-int4"));
  MemoryQuery query;
  query.context = 30000;
  for (const auto& [size, fit] : std::initializer_list<std::pair<const char*, Fit>>{
           {"24GiB", Fit::kFits}, {"4GiB", Fit::kTight}, {"2GiB", Fit::kDoesNotFit}}) {
    query.gpu = {*FindGpu(size)};
    const MemoryEstimate estimate = Estimate(model, query);
    EXPECT_EQ(estimate.fit, fit) << size;
    EXPECT_EQ(LevelOf(estimate, "as-is").fit, fit) << size;
  }
}

TEST(VerdictTest, LargestContextIsTheLastThatFits) {
  const MemoryModel model = Describe(Qwen25_7B("gptq-int4"));
  MemoryQuery query;
  query.gpu = {*FindGpu("8GiB")};
  query.runtime = "transformers@4.55";
  const int64_t longest = *LevelOf(Estimate(model, query), "as-is").largest_context;
  ASSERT_GT(longest, 100);
  query.context = longest;
  EXPECT_EQ(Estimate(model, query).fit, Fit::kFits);
  query.context = longest + 1;
  EXPECT_EQ(Estimate(model, query).fit, Fit::kTight);
}

TEST(VerdictTest, RecommendsTheMostExactThatFits) {
  const MemoryModel dense = Describe(Qwen25_7B("bf16"));
  MemoryQuery query;
  query.precision = "auto";
  for (const auto& [size, level] : std::initializer_list<std::pair<const char*, const char*>>{
           {"24GiB", "as-is"}, {"12GiB", "int8"}, {"8GiB", "int4"}, {"2GiB", "int4"}}) {
    query.gpu = {*FindGpu(size)};
    const MemoryEstimate estimate = Estimate(dense, query);
    EXPECT_EQ(estimate.recommended, level) << size;
    EXPECT_EQ(estimate.precision, level) << size;
    ASSERT_EQ(estimate.levels.size(), 1u);  // auto is answered with one level and is none itself
    EXPECT_EQ(estimate.levels[0].name, level) << size;
  }
  query.gpu.clear();
  EXPECT_EQ(Estimate(dense, query).recommended, "as-is");
}

TEST(AnchorTest, ThreeBillionParameters) {
  MemoryQuery query;
  query.gpu = {*FindGpu("8GiB")};
  const MemoryEstimate estimate = Estimate(Describe(Qwen25_3B("gptq-int4")), query);
  EXPECT_EQ(LevelOf(estimate, "as-is").weights, 2'067'623'936);
  EXPECT_EQ(LevelOf(estimate, "fallback").weights, 6'171'877'376);
  ASSERT_EQ(estimate.fallback.size(), 2u);
  EXPECT_NEAR(ToGiB(estimate.fallback[0].bytes), 5.748, 0.0005);
  EXPECT_NEAR(ToGiB(estimate.fallback[1].bytes), 11.496, 0.0005);
  EXPECT_NEAR(estimate.fallback[0].excess, 1.985, 0.001);
  // The multipliers of the file size that are often quoted.
  for (const MemoryLevel& level : estimate.levels) {
    for (const double rule : {8.05, 5.63, 2.99, 1.80}) {
      EXPECT_GT(std::abs(ToGiB(*level.weights) - rule), 0.05) << level.name;
    }
  }
}

TEST(RangeTest, OrderedAndOnlyWithoutARuntime) {
  const MemoryModel model = Describe(Qwen25_7B("gptq-int4"));
  const MemoryEstimate open = Estimate(model, {});
  ASSERT_TRUE(open.low && open.high);
  EXPECT_LE(open.low->device_peak, open.expected.device_peak);
  EXPECT_LE(open.expected.device_peak, open.high->device_peak);
  MemoryQuery query;
  query.runtime = "vllm";
  const MemoryEstimate told = Estimate(model, query);
  EXPECT_FALSE(told.low || told.high);
}

TEST(EngineTest, CapacityAndPaddedLatentCache) {
  MemoryModel model = Describe(Qwen25_7B("gptq-int4"));
  MemoryQuery query;
  query.runtime = "vllm";
  query.gpu = {*FindGpu("RTX 4090")};
  const MemoryEstimate estimate = Estimate(model, query);
  ASSERT_TRUE(estimate.capacity);
  const int64_t rest = *estimate.usable - (estimate.expected.per_gpu - 57344 * estimate.context);
  EXPECT_EQ(*estimate.capacity, rest / 57344);
  // DeepSeek-Coder-V2-Lite in vLLM's log: 34,560 bytes a token, 512 + 64 padded to 640 in 27 layers.
  model.arch.latent = {{27, 576, 1, 0}};
  query.context = 1000;
  for (const LedgerLine& line : Estimate(model, query).expected.lines) {
    if (line.id == "kv_cache") {
      EXPECT_EQ(line.bytes, 34'560'000);
    }
  }
}

struct Observation {
  const char* size;
  const char* best;
};

TEST(ObservedTest, TheKnownMeasurementsOfOneModel) {
  const MemoryModel model = Describe(Qwen25_3B("gptq-int4"));
  const Observation observations[] = {
      {"5.76GiB", "fallback at 16 bits: the quantized tensors ignored, dense layers built"},
      {"5.80GiB",
       "fallback at 16 bits: the quantized tensors ignored, dense layers built + allocator reserve "
       "(memory_reserved, up to 3 %)"},
      {"7.6GiB",
       "fallback at 16 bits: the quantized tensors ignored, dense layers built + rope tables of transformers "
       "before 4.45 + the process (nvidia-smi counts it), data-centre card"},
      {"2.49GiB", "weights as they are + rope tables of transformers before 4.45"},
      {"1.93GiB", "weights as they are"},
      {"11.5GiB", "fallback at float32: dense layers built without a requested type"},
  };
  for (const Observation& observation : observations) {
    const auto explanations = Explain(model, *ParseSize(observation.size), 4096);
    ASSERT_FALSE(explanations.empty()) << observation.size;
    EXPECT_EQ(explanations.front().text, observation.best) << observation.size;
  }
  EXPECT_TRUE(Explain(model, 300 * kGiB, 4096).empty());
  EXPECT_TRUE(Explain(model, kGiB / 2, 4096).empty());
}

TEST(PartialTest, NoConfig) {
  ModelBuilder builder = ModelBuilder().Layers(2).Quant({}).Remove("config.json");
  const MemoryModel model = Described(builder);
  const MemoryEstimate estimate = Estimate(model, {});
  EXPECT_TRUE(estimate.kv_bytes_per_token);
  EXPECT_THAT(estimate.assumptions, Contains(HasSubstr("no readable config.json")));
  for (const LedgerLine& line : estimate.high->lines) EXPECT_NE(line.id, "rope_tables");
  EXPECT_FALSE(estimate.high->complete);
}

TEST(PartialTest, UnknownHybrid) {
  ModelBuilder builder = ModelBuilder().Layers(2).Quant({}).File(
      "config.json", R"({"model_type":"new","num_hidden_layers":2,"layer_types":["hyena","hyena"]})");
  for (const char* name : {"k_proj", "v_proj"}) {
    for (const char* layer : {"0", "1"}) {
      for (const char* suffix : {"qweight", "qzeros", "scales", "g_idx"}) {
        builder.RemoveTensor(std::string("model.layers.") + layer + ".self_attn." + name + "." + suffix);
      }
    }
  }
  MemoryQuery query;
  query.gpu = {*FindGpu("24GiB")};
  const MemoryEstimate estimate = Estimate(Described(builder), query);
  EXPECT_FALSE(estimate.kv_bytes_per_token);
  EXPECT_FALSE(estimate.expected.complete);
  EXPECT_THAT(estimate.left_out, Contains(HasSubstr("KV cache")));
  EXPECT_EQ(estimate.fit, Fit::kUnknown);
}

TEST(PartialTest, AMissingShardGivesNoTotalAndNoVerdict) {
  std::map<std::string, std::string> files = ModelBuilder().Layers(4).Quant({}).Shards(3).Build();
  ASSERT_EQ(files.erase("model-00002-of-00003.safetensors"), 1u);
  MemorySource source;
  for (const auto& [name, content] : files) source.Add(name, content);
  const Result<std::unique_ptr<Examination>> exam = ReadExamination(source, {}, {});
  ASSERT_TRUE(exam);
  const MemoryModel model = DescribeMemory(**exam);
  const MemoryBrief brief = BriefMemory(model);
  EXPECT_FALSE(brief.weights);
  EXPECT_TRUE(brief.kv_bytes_per_token);
  EXPECT_TRUE(brief.fallback.empty());
  MemoryQuery query;
  query.gpu = {*FindGpu("24GiB")};
  const MemoryEstimate estimate = Estimate(model, query);
  EXPECT_EQ(estimate.fit, Fit::kUnknown);
  EXPECT_FALSE(estimate.expected.complete);
  EXPECT_THAT(estimate.left_out, Contains(HasSubstr("weights of 1 files")));
}

TEST(PartialTest, ConfigAloneTellsTheCache) {
  MemorySource source;
  source.Add("config.json", R"({"model_type":"llama","num_hidden_layers":32,"num_attention_heads":32,
                                "num_key_value_heads":8,"hidden_size":4096})");
  const Result<std::unique_ptr<Examination>> exam = ReadExamination(source, {}, {});
  ASSERT_TRUE(exam);
  const MemoryBrief brief = BriefMemory(**exam);
  EXPECT_FALSE(brief.weights);
  EXPECT_EQ(brief.kv_bytes_per_token, 131'072);
}

TEST(PartialTest, PackedExpertsOfAFormatThatIsNotKnown) {
  ModelBuilder builder = ModelBuilder().Layers(1).Dense().Tensor(
      {.name = "model.layers.0.mlp.experts.gate_up_proj", .dtype = "U8", .shape = {4, 64, 128}, .data = ""});
  const MemoryModel model = Described(builder);
  const MemoryEstimate estimate = Estimate(model, {});
  EXPECT_TRUE(LevelOf(estimate, "as-is").weights);
  EXPECT_FALSE(LevelOf(estimate, "int4").weights);
  EXPECT_THAT(estimate.left_out, Contains(HasSubstr("dense size of 1 modules")));
}

TEST(PartialTest, PackedDenseExpertsShrinkLikeMatrices) {
  ModelBuilder builder = ModelBuilder().Layers(1).Dense().Tensor(
      {.name = "model.layers.0.mlp.experts.down_proj", .dtype = "BF16", .shape = {4, 256, 128}, .data = ""});
  const MemoryModel model = Described(builder);
  const auto expert = std::find_if(model.weights.classes.begin(), model.weights.classes.end(),
                                   [](const WeightClass& c) { return c.role == WeightRole::kExpert; });
  ASSERT_NE(expert, model.weights.classes.end());
  EXPECT_EQ(BytesAt(*expert, Precision::kFp16), 4 * 256 * 128 * 2);
  EXPECT_EQ(BytesAt(*expert, Precision::kInt4), 4 * (256 * 128 / 2 + 2 * 128 / 2 + 2 * 2 * 128 + 4 * 256));
}

TEST(ArtefactTest, BiasesThatTheFamilyLacks) {
  ModelBuilder plain = ModelBuilder().Layers(2).Quant({.bias = false}).File("config.json", R"({"model_type":"llama"})");
  ModelBuilder biased = ModelBuilder().Layers(2).Quant({.bias = true}).File("config.json", R"({"model_type":"llama"})");
  const MemoryBrief without = BriefMemory(Described(plain)), with = BriefMemory(Described(biased));
  EXPECT_GT(*with.weights, *without.weights);
  ASSERT_FALSE(with.fallback.empty());
  EXPECT_EQ(with.fallback[0].bytes, without.fallback[0].bytes);
  EXPECT_THAT(with.assumptions, Contains(HasSubstr("biases that this architecture lacks")));
}

TEST(GpuTest, NamesAndSizes) {
  EXPECT_EQ(FindGpu("NVIDIA GeForce RTX 4090")->visible, FromGiB(23.6));
  EXPECT_EQ(FindGpu("t4")->visible, FromGiB(14.74));
  EXPECT_EQ(FindGpu("NVIDIA A100-SXM4-80GB")->name, "A100 80GB");
  EXPECT_TRUE(FindGpu("RTX 5090")->estimated);
  EXPECT_LT(FindGpu("RTX 5090")->visible, 32 * kGiB);
  EXPECT_EQ(FindGpu("8GiB")->visible, 8 * kGiB);
  EXPECT_EQ(FindGpu("24")->visible, 24 * kGiB);
  EXPECT_EQ(FindGpu("6144 MiB")->visible, 6 * kGiB);
  EXPECT_THAT(FindGpu("RTX 4909").error().message, HasSubstr("RTX 4090"));
  for (const char* wrong : {"", "-8GiB", "0", "8 bananas", "nanGiB", "1e99"}) EXPECT_FALSE(FindGpu(wrong)) << wrong;
  for (const GpuRow& row : GpuTable()) {
    EXPECT_FALSE(row.source.empty()) << row.name;
    EXPECT_LE(row.visible_gib, row.label_gib) << row.name;
    EXPECT_EQ(FindGpu(row.name)->name, row.name);
  }
}

TEST(GpuTest, WithoutADriverLibrary) {
  const Result<std::vector<GpuSpec>> gpus = QueryGpus("libno-such-driver.so.9");
  ASSERT_FALSE(gpus);
  EXPECT_EQ(gpus.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(gpus.error().message, HasSubstr("--gpu 24GiB"));
}

TEST(RuntimeTest, VersionsAndFamilies) {
  EXPECT_EQ(FindRuntime("transformers@4.44.2", "llama")->profile, RunProfile::kLegacy);
  EXPECT_EQ(FindRuntime("transformers@4.45", "llama")->profile, RunProfile::kCurrent);
  EXPECT_EQ(FindRuntime("transformers==4.55.1", "llama")->profile, RunProfile::kCurrent);
  EXPECT_EQ(FindRuntime("transformers", "llama")->profile, RunProfile::kCurrent);
  EXPECT_EQ(FindRuntime("transformers@4.45", "qwen2_vl")->profile, RunProfile::kLegacy);
  EXPECT_EQ(FindRuntime("transformers@4.46", "qwen2_vl")->profile, RunProfile::kCurrent);
  EXPECT_EQ(FindRuntime("vllm@0.9", "")->profile, RunProfile::kPreallocating);
  EXPECT_THAT(FindRuntime("vlm", "").error().message, HasSubstr("did you mean vllm"));
  EXPECT_LT(CompareVersions("4.9", "4.45"), 0);
  EXPECT_EQ(CompareVersions("4.45", "4.45.0"), 0);
  for (const RuntimeRow& row : RuntimeTable()) EXPECT_FALSE(row.source.empty()) << row.name;
}

TEST(QueryTest, WordsThatAreNotKnown) {
  const MemoryModel model = Describe(Qwen25_3B("gptq-int4"));
  MemoryQuery query;
  query.kernel = "warp";
  EXPECT_FALSE(EstimateMemory(model, query));
  query = {};
  query.attention = "linear";
  EXPECT_FALSE(EstimateMemory(model, query));
  query = {};
  query.kv_dtype = "fp7";
  EXPECT_FALSE(EstimateMemory(model, query));
  query = {};
  query.precision = "int5";
  EXPECT_FALSE(EstimateMemory(model, query));
}

}  // namespace
}  // namespace gptq_doctor::testing
