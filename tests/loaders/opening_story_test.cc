// Qwen2.5-3B GPTQ as people find it: one model.safetensors, no configuration. What each loader does before and after
// the repair.

#include <algorithm>

#include "gtest/gtest.h"
#include "loaders/support.h"

namespace gptq_doctor::testing {
namespace {

constexpr char kSettings[] =
    R"({"bits": 4, "group_size": 128, "desc_act": false, "sym": true, "quant_method": "gptq", "checkpoint_format": "gptq", "lm_head": false})";

struct Row {
  const char* selector;
  Outcome outcome;
  const char* message;  // a part of it
};

class OpeningStory : public ::testing::Test {
 protected:
  void Expect(const Examined& model, const std::vector<Row>& rows) {
    ASSERT_NE(model.exam, nullptr);
    for (const Row& row : rows) {
      const LoaderOutcome outcome = Ask(*model.exam, row.selector);
      EXPECT_EQ(outcome.outcome, row.outcome) << Describe(outcome);
      EXPECT_NE(outcome.message.find(row.message), std::string::npos) << Describe(outcome);
      EXPECT_FALSE(outcome.steps.empty());
      EXPECT_TRUE(std::any_of(outcome.steps.begin(), outcome.steps.end(), [](const LoaderStep& step) {
        return step.deciding;
      })) << Describe(outcome);
    }
  }
};

TEST_F(OpeningStory, WithoutAnyConfiguration) {
  Expect(ExamineQwen3b("", ""),
         {{"autogptq@0.4", Outcome::kRejects, "TypeError: qwen2 isn't supported yet."},
          {"autogptq@0.7.1", Outcome::kRejects, "FileNotFoundError: [Errno 2] No such file or directory: '"},
          {"autogptq@main", Outcome::kRejects, "/quantize_config.json'"},
          {"gptqmodel@1.4", Outcome::kRejects, "FileNotFoundError"},
          {"gptqmodel@5.2", Outcome::kRejects,
           "AttributeError: `quantize_config` must be passed and be an instance of QuantizeConfig."},
          {"gptqmodel@7.3.4", Outcome::kFallsBack, "LOAD REPORT"},
          {"transformers@4.44", Outcome::kFallsBack, "newly initialized"},
          {"transformers@4.55/auto-gptq", Outcome::kFallsBack, "Some weights of the model checkpoint at "},
          {"transformers@4.55/gptqmodel", Outcome::kFallsBack, "newly initialized"},
          {"transformers@5.0", Outcome::kFallsBack, "Qwen2ForCausalLM LOAD REPORT from: "},
          {"optimum@1.24", Outcome::kRejects, "Failed to load quantization config"},
          {"vllm@0.10", Outcome::kRejects, "KeyError: 'layers.0.mlp.down_proj.g_idx'"},
          {"vllm@0.15", Outcome::kRejects, "KeyError: 'layers.0.mlp.down_proj.g_idx'"},
          {"vllm@main", Outcome::kRejects,
           "ValueError: There is no module or parameter named 'layers.0.mlp.down_proj.g_idx' in Qwen2Model. The "
           "available parameters belonging to "
           "layers.0.mlp.down_proj (RowParallelLinear) are: {'layers.0.mlp.down_proj.weight'}"},
          {"sglang", Outcome::kFallsBack, "Parameter model.layers.0.mlp.down_proj.g_idx not found in params_dict"},
          {"tgi@3.3", Outcome::kRejects, "RuntimeError: weight model.layers.0.mlp.down_proj.weight does not exist"},
          {"exllamav2", Outcome::kLoads, ""},
          {"exllamav3", Outcome::kRejects,
           "ValueError: No tensors found for model.layers.0.self_attn.q_proj matching supported quantization format."},
          {"llama.cpp@main", Outcome::kRejects, "ValueError: Can not map tensor 'model.layers.0.mlp.down_proj.g_idx'"},
          {"lmdeploy", Outcome::kRejects, "no checkpoint tensors found at prefix"},
          {"mlx-lm", Outcome::kRejects, ""},
          {"ktransformers", Outcome::kRejects, "No GPTQ experts found"},
          {"tensorrt-llm", Outcome::kRejects, ""}});
}

TEST_F(OpeningStory, AfterTheRepair) {
  Expect(ExamineQwen3b(kSettings, kSettings),
         {{"autogptq@0.7.1", Outcome::kLoads, ""},
          {"autogptq@main", Outcome::kLoads, ""},
          {"gptqmodel@1.6", Outcome::kLoads, ""},
          {"gptqmodel@2.0", Outcome::kLoads, ""},
          {"gptqmodel@4.0", Outcome::kLoads, ""},
          {"gptqmodel@5.0", Outcome::kLoads, ""},
          {"gptqmodel@5.7", Outcome::kLoads, ""},
          {"gptqmodel@6.0", Outcome::kLoads, ""},
          {"gptqmodel@7.3.4", Outcome::kLoads, ""},
          {"transformers@4.44", Outcome::kLoads, ""},
          {"transformers@4.55/auto-gptq", Outcome::kLoads, ""},
          {"transformers@4.55/gptqmodel", Outcome::kLoads, ""},
          {"transformers@5.0", Outcome::kLoads, ""},
          {"optimum@1.24", Outcome::kLoads, ""},
          {"vllm@0.7", Outcome::kLoads, ""},
          {"vllm@0.10", Outcome::kLoads, ""},
          {"vllm@0.15", Outcome::kLoads, ""},
          {"vllm@main", Outcome::kLoads, ""},
          {"sglang", Outcome::kLoads, ""},
          {"tgi@3.3", Outcome::kLoads, ""},
          {"exllamav2", Outcome::kLoads, ""},
          {"llama.cpp@main", Outcome::kLoads, ""},
          {"lmdeploy", Outcome::kLoads, ""},
          {"exllamav3", Outcome::kRejects, "No tensors found"},
          {"tensorrt-llm", Outcome::kRejects, "NotImplementedError: Unsupported quantization_config: {'bits': 4,"}});
}

TEST_F(OpeningStory, TheFallbackToldWhole) {
  const Examined model = ExamineQwen3b("", "");
  ASSERT_NE(model.exam, nullptr);
  const LoaderOutcome outcome = Ask(*model.exam, "transformers@4.55/gptqmodel");
  EXPECT_NE(outcome.summary.find("252 modules random"), std::string::npos) << outcome.summary;
  EXPECT_NE(outcome.summary.find("5.748 GiB"), std::string::npos) << outcome.summary;
  EXPECT_NE(outcome.summary.find("11.496 GiB at float32"), std::string::npos) << outcome.summary;
  EXPECT_NE(outcome.summary.find("1.93 GiB"), std::string::npos) << outcome.summary;
  EXPECT_EQ(outcome.remedy, "gptq-doctor fix --write");
  const FallbackStory story = TellFallback(*model.exam);
  ASSERT_EQ(story.costs.size(), 3u);
  EXPECT_EQ(story.costs[0].bytes, 6171877376);
  EXPECT_EQ(story.costs[2].dtype, "float32");
  EXPECT_EQ(story.costs[2].bytes, 12343754752);
  ASSERT_GE(story.remedies.size(), 4u);
  EXPECT_NE(story.remedies.front().what.find("fix --write"), std::string::npos);
}

}  // namespace
}  // namespace gptq_doctor::testing
