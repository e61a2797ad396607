// Pasted messages: which row they find, and whether a directory explains them.

#include <set>

#include "gtest/gtest.h"
#include "loaders/models.h"
#include "loaders/support.h"
#include "loaders/symptom.h"
#include "loaders/symptom_text.h"

namespace gptq_doctor::testing {
namespace {

ModelBuilder Bare() {
  ModelBuilder builder = Healthy();
  NoSection(builder);
  NoSideFile(builder);
  return builder;
}

std::vector<SymptomMatch> Match(const ModelBuilder& builder, const std::string& text) {
  const Examined model = ExamineModel(builder);
  return MatchSymptom(text, model.exam.get());
}

struct Pasted {
  const char* text;
  const char* loader;
  bool sick;     // explained by a directory without configuration
  bool healthy;  // explained by a healthy one
};

class Symptoms : public ::testing::TestWithParam<Pasted> {};

TEST_P(Symptoms, AreMatchedAndJudged) {
  const Pasted& row = GetParam();
  const auto alone = MatchSymptom(row.text, nullptr);
  ASSERT_FALSE(alone.empty()) << row.text;
  EXPECT_EQ(alone.front().loader, row.loader) << row.text;
  EXPECT_FALSE(alone.front().verdict.explains.has_value());
  const auto sick = Match(Bare(), row.text);
  ASSERT_FALSE(sick.empty());
  ASSERT_TRUE(sick.front().verdict.explains.has_value()) << row.text;
  EXPECT_EQ(*sick.front().verdict.explains, row.sick) << row.text << "\n" << sick.front().verdict.evidence;
  const auto healthy = Match(Healthy(), row.text);
  ASSERT_TRUE(healthy.front().verdict.explains.has_value()) << row.text;
  EXPECT_EQ(*healthy.front().verdict.explains, row.healthy) << row.text << "\n" << healthy.front().verdict.evidence;
  EXPECT_FALSE(healthy.front().verdict.evidence.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Pasted, Symptoms,
    ::testing::Values(
        Pasted{"quantize_config.json not found, cannot use auto-gptq", "autogptq", true, false},
        Pasted{"FileNotFoundError: [Errno 2] No such file or directory: '/models/x/quantize_config.json'", "autogptq",
               true, false},
        Pasted{"Some weights of the model checkpoint at ./m were not used when initializing LlamaForCausalLM: "
               "['model.layers.0.mlp.down_proj.qweight', 'model.layers.0.mlp.down_proj.qzeros']",
               "transformers", true, false},
        Pasted{"Some weights of LlamaForCausalLM were not initialized from the model checkpoint at ./m and are newly "
               "initialized: ['model.layers.0.mlp.down_proj.weight']",
               "transformers", true, false},
        Pasted{"KeyError: 'layers.0.mlp.down_proj.g_idx'", "vllm", true, false},
        Pasted{"Parameter model.layers.0.mlp.down_proj.g_idx not found in params_dict", "sglang", true, false},
        Pasted{"ValueError: Can not map tensor 'model.layers.0.mlp.down_proj.g_idx'", "llama.cpp", true, true},
        Pasted{"RuntimeError: weight gptq_bits does not exist", "tgi", true, false},
        Pasted{"ValueError: Unrecognized model in ./m. Should have a `model_type` key in its config.json",
               "transformers", false, false},
        Pasted{"Cannot find the config file for gptq", "vllm", true, false},
        Pasted{"The output is garbage: only !!!!!!!!!!", "any", true, false},
        Pasted{"RuntimeError: The temp_state buffer is too small in the exllama backend (GPTQ with act-order).",
               "autogptq", false, false},
        Pasted{"Error while deserializing header: HeaderTooLarge", "any", false, false},
        Pasted{"Cannot merge LORA layers when the model is gptq quantized", "any", true, true}));

TEST(Symptoms, NumbersAreLookedUpInTheShapes) {
  // One expert of a mixture: 2048 inputs, 768 outputs, 4 bits, groups of 128.
  ModelBuilder builder;
  builder.Layers(1).Sizes(256, 512, 128, 128).WithConfigs();
  Quantized(builder, "model.layers.0.mlp.experts.0.gate_proj", 2048, 768);
  const auto sizes = Match(
      builder,
      "RuntimeError: The size of tensor a (256) must match the size of tensor b (96) at non-singleton dimension 0");
  ASSERT_FALSE(sizes.empty());
  EXPECT_EQ(sizes.front().verdict.explains, true);
  EXPECT_NE(sizes.front().verdict.evidence.find("96 is the packed columns (qzeros, 768 outputs)"), std::string::npos)
      << sizes.front().verdict.evidence;
  const auto packed = Match(builder, "expected torch.Size([768, 2048]), got torch.Size([16, 6144])");
  ASSERT_FALSE(packed.empty());
  EXPECT_EQ(packed.front().verdict.explains, true);
  EXPECT_NE(packed.front().verdict.evidence.find("6144 is the outputs"), std::string::npos)
      << packed.front().verdict.evidence;
  EXPECT_NE(packed.front().meaning.find("Packed words were read as values"), std::string::npos);
  const auto chance = Match(builder, "The size of tensor a (256) must match the size of tensor b (17)");
  ASSERT_FALSE(chance.empty());
  EXPECT_EQ(chance.front().verdict.explains, std::nullopt) << chance.front().verdict.evidence;
  const auto foreign = Match(builder, "The size of tensor a (31) must match the size of tensor b (17)");
  ASSERT_FALSE(foreign.empty());
  EXPECT_EQ(foreign.front().verdict.explains, false);
}

TEST(Symptoms, GarbledTextIsRecognisedWithoutAMessage) {
  EXPECT_TRUE(LooksGarbled("!!!!!!!!!!!!!!!!!!!!!!!!"));
  EXPECT_TRUE(LooksGarbled("\xEF\xBF\xBD\xEF\xBF\xBD the \xEF\xBF\xBD"));
  EXPECT_TRUE(LooksGarbled(
      "tt\xE5\xAE\x89 re\xD0\xB6x \xE3\x81\x82q w\xE0\xB8\x81 oo\xE5\xAE\x89 l\xD0\xB6 \xE3\x81\x82z\xE0\xB8\x81"
      "a\xE5\xAE\x89"));
  EXPECT_TRUE(LooksGarbled("\xC3\xA0\xC2\xA4\xC2\xBE\xC3\xA0\xC2\xA4\xC2\xB0"));  // encoded twice
  EXPECT_FALSE(LooksGarbled("Il dit : \xC2\xAB le caf\xC3\xA9\xC2\xBB, d\xC3\xA9j\xC3\xA0 vu"));
  EXPECT_FALSE(LooksGarbled("The model answers in plain English, and quickly."));
  EXPECT_FALSE(
      LooksGarbled("\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE5\xBE\x88\xE5\xA5\xBD\xEF\xBC\x8C\xE6\x88\x91"
                   "\xE4\xBB\xAC\xE5\x8E\xBB\xE5\x85\xAC\xE5\x9B\xAD"));
  const auto matches = MatchSymptom(
      "tt\xE5\xAE\x89 re\xD0\xB6x \xE3\x81\x82q w\xE0\xB8\x81 oo\xE5\xAE\x89 l\xD0\xB6 \xE3\x81\x82z\xE0\xB8\x81"
      "a\xE5\xAE\x89",
      nullptr);
  ASSERT_FALSE(matches.empty());
  EXPECT_EQ(matches.front().step, "values");
}

TEST(Symptoms, OutOfMemoryIsExplainedByAFallbackOnly) {
  const std::string text = "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB";
  EXPECT_EQ(Match(Bare(), text).front().verdict.explains, true);
  EXPECT_FALSE(Match(Healthy(), text).front().verdict.explains.has_value());
}

TEST(Symptoms, UnknownTextFindsNothing) {
  EXPECT_TRUE(MatchSymptom("the printer is out of paper", nullptr).empty());
  EXPECT_TRUE(MatchSymptom("", nullptr).empty());
}

TEST(Symptoms, BiasesAloneAreHarmless) {
  GptqOptions quant;
  quant.bias = true;
  const auto matches = Match(Healthy(quant),
                             "Some weights of the model checkpoint at m were not used when initializing X: "
                             "['model.layers.0.mlp.down_proj.bias']");
  ASSERT_FALSE(matches.empty());
  EXPECT_EQ(matches.front().verdict.explains, true);
  EXPECT_NE(matches.front().verdict.evidence.find("harmless"), std::string::npos);
}

TEST(SymptomTable, RowsAreComplete) {
  std::set<std::string_view> loaders = {"any"};
  for (const Profile* row : AllProfiles()) loaders.insert(row->loader);
  for (const auto rows : {PythonSymptoms(), VllmSymptoms(), ServingSymptoms(), CommonSymptoms()}) {
    for (const SymptomRow& row : rows) {
      SCOPED_TRACE(row.message);
      EXPECT_TRUE(loaders.contains(row.loader)) << row.loader;
      for (const std::string_view text : {row.needle, row.meaning, row.remedy, row.printed_by, row.step, row.source})
        EXPECT_FALSE(text.empty());
      for (const std::string_view needle : {row.needle, row.also}) {
        for (const char c : needle) EXPECT_FALSE(c >= 'A' && c <= 'Z') << needle;
      }
    }
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
