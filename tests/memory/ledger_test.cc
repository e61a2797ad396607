#include "memory/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "memory/arith.h"
#include "memory/described_model.h"

namespace gptq_doctor::testing {
namespace {

int64_t Weights(const MemoryModel& model, Precision precision) {
  const PricedWeights weights = PriceWeights(model.weights, model.arch, precision);
  EXPECT_TRUE(weights.complete);
  return weights.total;
}

struct WeightVector {
  const char* name;
  ModelSpec spec;
  int64_t bytes;
};

TEST(WeightsTest, PublishedModelsToTheByte) {
  ModelSpec llama3 = Llama7B("gptq-int3");
  const WeightVector vectors[] = {
      {"Qwen2.5-7B", Qwen25_7B("bf16"), 15'231'233'024},
      {"Qwen2.5-7B GPTQ-Int4", Qwen25_7B("gptq-int4"), 5'575'277'568},
      {"Qwen2.5-7B GPTQ-Int8", Qwen25_7B("gptq-int8"), 8'863'411'200},
      {"Qwen2.5-7B AWQ", Qwen25_7B("awq-int4"), 5'570'747'392},
      {"Qwen2.5-3B GPTQ-Int4", Qwen25_3B("gptq-int4"), 2'067'623'936},
      {"Qwen2.5-3B GPTQ-Int8", Qwen25_3B("gptq-int8"), 3'465'728'000},
      {"Qwen3-8B AWQ", Qwen3_8B("awq-int4"), 6'098'479'104},
      {"LLaMA-7B 4-bit", Llama7B("gptq-int4"), 3'893'862'400},
      {"LLaMA-7B 3-bit", llama3, 3'078'037'504},
      {"Qwen2.5-72B GPTQ-Int4, padded", Qwen25_72B("gptq-int4"), 41'620'750'336},
  };
  for (const WeightVector& vector : vectors) {
    EXPECT_EQ(Weights(Describe(vector.spec), Precision::kAsIs), vector.bytes) << vector.name;
  }
}

TEST(WeightsTest, LevelsOfADenseModelAreTheQuantizedModels) {
  const MemoryModel dense = Describe(Qwen25_7B("bf16"));
  EXPECT_EQ(Weights(dense, Precision::kFp16), 15'231'233'024);
  EXPECT_EQ(Weights(dense, Precision::kNone), 15'231'233'024);
  EXPECT_EQ(Weights(dense, Precision::kInt8), 8'863'411'200);
  EXPECT_EQ(Weights(dense, Precision::kInt4), 5'575'277'568);
}

TEST(WeightsTest, FallbackOfAQuantizedModelIsTheDenseModel) {
  const MemoryModel model = Describe(Qwen25_3B("gptq-int4"));
  EXPECT_EQ(Weights(model, Precision::kFallback16), 6'171'877'376);
  EXPECT_EQ(Weights(model, Precision::kFallback32), 2 * int64_t{6'171'877'376});
  EXPECT_EQ(Weights(model, Precision::kInt8), 3'465'728'000);
  const MemoryBrief brief = BriefMemory(model);
  EXPECT_EQ(brief.weights, 2'067'623'936);
  EXPECT_EQ(brief.kv_bytes_per_token, 36'864);
  ASSERT_EQ(brief.fallback.size(), 2u);
  EXPECT_EQ(brief.fallback[0].dtype, "float16");
  EXPECT_EQ(brief.fallback[0].bytes, 6'171'877'376);
}

TEST(WeightsTest, StoredCopyOfATiedHead) {
  ModelSpec spec = Qwen25_3B("awq-int4");
  const int64_t without = Weights(Describe(spec), Precision::kAsIs);
  spec.stored_copy = true;
  const MemoryModel awq = Describe(spec);
  EXPECT_EQ(Weights(awq, Precision::kAsIs), without);
  EXPECT_EQ(PriceWeights(awq.weights, awq.arch, Precision::kAsIs).load_extra, 2 * spec.vocab * spec.hidden);
  spec.precision = "fp8";
  const int64_t kept = Weights(Describe(spec), Precision::kAsIs);
  spec.stored_copy = false;
  EXPECT_EQ(kept - Weights(Describe(spec), Precision::kAsIs), 2 * spec.vocab * spec.hidden);
}

MemoryPeak Peak(const MemoryModel& model, std::string_view runtime, RunShape run) {
  const PricedWeights weights = PriceWeights(model.weights, model.arch, Precision::kAsIs);
  return ComputePeak(weights, model.arch, *FindRuntime(runtime, ""), run, nullptr);
}

int64_t BytesOf(const MemoryPeak& peak, std::string_view id) {
  for (const LedgerLine& line : peak.lines) {
    if (line.id == id) return line.bytes;
  }
  return 0;
}

TEST(LedgerTest, LinesAtThePeakAddUp) {
  for (const std::string_view runtime : {"legacy", "current", "chunked", "token-loop", "vllm", "transformers@4.40"}) {
    for (const int64_t gpus : {1, 2, 3}) {
      for (const bool cut : {false, true}) {
        RunShape run{
            .context = 5000, .new_tokens = 300, .batch = 2, .gpus = gpus, .tensor_parallel = cut, .process = kGiB / 2};
        const MemoryPeak peak = Peak(Describe(Qwen25_7B("gptq-int4")), runtime, run);
        int64_t sum = 0, card = 0;
        for (const LedgerLine& line : peak.lines) {
          sum += line.at_peak ? line.bytes : 0;
          card += line.at_peak ? line.per_gpu : 0;
          EXPECT_FALSE(line.formula.empty()) << line.id;
          EXPECT_FALSE(line.source.empty()) << line.id;
        }
        EXPECT_EQ(sum, peak.device_peak) << runtime;
        EXPECT_EQ(card, peak.per_gpu) << runtime;
        EXPECT_EQ(peak.device_peak - peak.torch_peak, gpus * kGiB / 2);
        EXPECT_GE(peak.per_gpu * gpus, peak.device_peak) << runtime;
        if (gpus == 1) {
          EXPECT_EQ(peak.per_gpu, peak.device_peak);
        }
      }
    }
  }
}

TEST(LedgerTest, LegacyLogitsOfALongPrompt) {
  // 152k vocabulary, 30,720 tokens: 26 GiB of logits on old transformers, none on current ones.
  const MemoryModel model = Describe(Qwen25_7B("bf16"));
  const RunShape run{.context = 30720, .new_tokens = 2048};
  EXPECT_EQ(BytesOf(Peak(model, "legacy", run), "logits"), int64_t{6} * 152064 * 30720);
  EXPECT_EQ(BytesOf(Peak(model, "current", run), "logits"), 0);
  EXPECT_EQ(BytesOf(Peak(model, "legacy", run), "rope_tables"), int64_t{4} * 28 * 32768 * 128);
}

TEST(LedgerTest, ExllamaScratch) {
  const MemoryModel model = Describe(Llama7B("gptq-int4"));
  const RunShape run{.context = 512};
  const int64_t v1 = int64_t{2} * 4096 * 11008;
  EXPECT_EQ(BytesOf(Peak(model, "autogptq@0.4", run), "scratch"), v1);
  EXPECT_EQ(BytesOf(Peak(model, "autogptq@0.7.1", run), "scratch"), v1 + int64_t{11008} * 2048 * 8 * 4);
  EXPECT_EQ(BytesOf(Peak(model, "gptqmodel", run), "scratch"), 0);
  EXPECT_EQ(BytesOf(Peak(Describe(Llama7B("gptq-int8")), "legacy", run), "scratch"), 0);
  EXPECT_EQ(BytesOf(Peak(Describe(Llama7B("awq-int4")), "legacy", run), "scratch"), 0);
}

TEST(LedgerTest, KeyHeadsAreRepeatedWhereCardsAreMore) {
  const MemoryModel model = Describe(Qwen25_7B("gptq-int4"));  // 4 key heads
  RunShape run{.context = 1000, .gpus = 4, .tensor_parallel = true};
  EXPECT_EQ(BytesOf(Peak(model, "chunked", run), "kv_cache"), 57'344'000);
  run.gpus = 8;
  EXPECT_EQ(BytesOf(Peak(model, "chunked", run), "kv_cache"), 2 * 57'344'000);
}

TEST(LedgerTest, EightBitCacheIsHalf) {
  const MemoryModel model = Describe(Qwen25_7B("gptq-int4"));
  EXPECT_EQ(BytesOf(Peak(model, "chunked", {.context = 1000, .kv_bits = 8}), "kv_cache"), 57'344'000 / 2);
}

TEST(LedgerTest, UnknownTermsAreLeftOutNotInvented) {
  MemoryModel model = Describe(Qwen25_7B("gptq-int4"));
  model.arch.kv_known = false;
  model.arch.kv.clear();
  model.arch.vocab.reset();
  model.arch.max_position.reset();
  std::vector<std::string> left_out;
  const PricedWeights weights = PriceWeights(model.weights, model.arch, Precision::kAsIs);
  const MemoryPeak peak = ComputePeak(weights, model.arch, *FindRuntime("legacy", ""), {.context = 4096}, &left_out);
  EXPECT_FALSE(peak.complete);
  EXPECT_THAT(left_out, ::testing::UnorderedElementsAre(::testing::HasSubstr("logits"), ::testing::HasSubstr("rope")));
  for (const LedgerLine& line : peak.lines) {
    EXPECT_THAT(line.id, ::testing::Not(::testing::AnyOf("kv_cache", "kv_copy", "logits", "rope_tables")));
  }
}

TEST(LedgerTest, HugeNumbersSaturate) {
  MemoryModel model = Describe(Qwen25_7B("gptq-int4"));
  model.arch.vocab = int64_t{1} << 39;
  const MemoryPeak peak =
      Peak(model, "legacy", {.context = int64_t{1} << 39, .new_tokens = int64_t{1} << 39, .batch = 1 << 20});
  EXPECT_EQ(peak.device_peak, INT64_MAX);
}

}  // namespace
}  // namespace gptq_doctor::testing
