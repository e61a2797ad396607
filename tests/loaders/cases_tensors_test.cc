// Problems that people had, told from the tensors: kernels and their limits, other layouts, which modules are
// quantized, values, shapes that do not divide, extra tensors. Each row names the public thread that it comes from.

#include "gtest/gtest.h"
#include "loaders/models.h"
#include "loaders/support.h"
#include "support/problem_models.h"

namespace gptq_doctor::testing {
namespace {

struct TensorCase {
  const char* thread;
  ModelBuilder (*build)();
  const char* selector;
  Outcome outcome;
  const char* message;
  SimulateOptions options = {};
};

class TensorCases : public ::testing::TestWithParam<TensorCase> {};

TEST_P(TensorCases, AreTold) {
  const TensorCase& row = GetParam();
  const LoaderOutcome outcome = Ask(row.build(), row.selector, row.options);
  EXPECT_EQ(outcome.outcome, row.outcome) << row.thread << "\n" << Describe(outcome);
  EXPECT_NE(outcome.message.find(row.message), std::string::npos) << row.thread << "\n" << Describe(outcome);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, TensorCases,
    ::testing::Values(
        TensorCase{"C015 LlamaFactory#4677", [] { return Dtype("bfloat16"); }, "vllm@0.2", Outcome::kRejects,
                   "torch.bfloat16 is not supported for quantization method gptq. Supported dtypes: [torch.float16]"},
        TensorCase{"C015 LlamaFactory#4677, asymmetric", [] { return Dtype("bfloat16", {.sym = false}); }, "vllm@0.15",
                   Outcome::kRejects, "torch.bfloat16 is not supported for quantization method gptq."},
        TensorCase{"C015 LlamaFactory#4677, Marlin takes it", [] { return Dtype("bfloat16"); }, "vllm@0.15",
                   Outcome::kLoads, ""},
        TensorCase{"C015 LlamaFactory#4677, the remedy",
                   [] { return Dtype("bfloat16", {.sym = false}); },
                   "vllm@0.15",
                   Outcome::kSlow,
                   "",
                   {.dtype = "float16"}},
        TensorCase{"C018 vllm#28843", [] { return Dtype("float32"); }, "vllm@0.15", Outcome::kRejects,
                   "gpt_marlin_gemm only supports bfloat16 and float16"},
        TensorCase{"C016 vllm#8149: the files are right",
                   [] { return Healthy(); },
                   "vllm@0.6",
                   Outcome::kSlow,
                   "",
                   {.gpu_arch = "sm_75"}},
        TensorCase{"C019 GPTQModel#2824", [] { return Healthy({.bits = 8, .v2 = true}); }, "gptqmodel@6.0",
                   Outcome::kSlow, ""},
        TensorCase{"C020 text-generation-webui#3255", [] { return Healthy({.bits = 3, .group_size = -1}); }, "exllama",
                   Outcome::kRejects, "qweight and qzeros have incompatible shapes"},
        TensorCase{"C020 text-generation-webui#3255, version 2", [] { return Healthy({.bits = 3, .group_size = -1}); },
                   "exllamav2", Outcome::kRejects, "incompatible shapes"}));

INSTANTIATE_TEST_SUITE_P(
    Layouts, TensorCases,
    ::testing::Values(TensorCase{"C034 text-generation-inference#601", NoGIdx, "tgi@0.9", Outcome::kRejects,
                                 "RuntimeError: weight model.layers.0.self_attn.q_proj.g_idx does not exist"},
                      TensorCase{"C034 text-generation-inference#601, 3.3", NoGIdx, "tgi@3.3", Outcome::kRejects,
                                 ".g_idx does not exist"},
                      TensorCase{"no g_idx, ExLlamaV2", NoGIdx, "exllamav2", Outcome::kLoads, ""},
                      TensorCase{"no g_idx, llama.cpp", NoGIdx, "llama.cpp@main", Outcome::kRejects,
                                 "KeyError: 'model.layers.0.mlp.down_proj.g_idx'"},
                      TensorCase{"C035 AutoGPTQ#521", [] { return MarlinTensors(); }, "autogptq@0.7.1",
                                 Outcome::kRejects, "QuantLinear() does not have a parameter or a buffer named B."},
                      TensorCase{"C035 AutoGPTQ#581",
                                 [] {
                                   ModelBuilder builder = Healthy();
                                   SideFile(builder, {{"is_marlin_format", true}});
                                   return builder;
                                 },
                                 "autogptq@0.7.1", Outcome::kRejects,
                                 "Please use `use_marlin=True` to load this model."},
                      TensorCase{"C037 llama.cpp#5139", [] { return Healthy({.bits = 8}); }, "llama.cpp@2024",
                                 Outcome::kRejects,
                                 "ValueError: Can not map tensor 'model.layers.0.mlp.down_proj.g_idx'"},
                      TensorCase{"C037 llama.cpp#5139, since October 2025", [] { return Healthy({.bits = 8}); },
                                 "llama.cpp@main", Outcome::kLoads, ""},
                      TensorCase{"C039 pyllama#102", FewerLayersInConfig, "text-generation-webui@2023",
                                 Outcome::kRejects, "Unexpected key(s) in state_dict: \"model.layers.1"},
                      TensorCase{"C039 pyllama#102, AutoGPTQ", FewerLayersInConfig, "autogptq@0.7.1", Outcome::kRejects,
                                 "does not have a parameter or a buffer named"}));

INSTANTIATE_TEST_SUITE_P(
    Modules, TensorCases,
    ::testing::Values(
        TensorCase{"C040 vllm#25029", [] { return Mixture(true); }, "vllm@0.9", Outcome::kRejects,
                   "KeyError: 'layers.0.mlp.gate.g_idx'"},
        TensorCase{"C040 vllm#25029, read from the headers", [] { return Mixture(true); }, "vllm@0.15", Outcome::kLoads,
                   ""},
        TensorCase{"a plain router", [] { return Mixture(false); }, "vllm@0.9", Outcome::kLoads, ""},
        TensorCase{"C041 AutoGPTQ#486", Mixtral, "transformers@4.44", Outcome::kRejects, "AssertionError"},
        TensorCase{"C042 GPTQModel#2271", [] { return Mixture(false, false); }, "vllm@0.15", Outcome::kRejects,
                   "KeyError: 'layers.0.mlp.experts.w2_weight'"},
        TensorCase{"C043 auto-round#2174", MixedInsideFused, "vllm@0.15", Outcome::kRejects, "AssertionError"},
        TensorCase{"C043 auto-round#422", PlainDown, "vllm@0.10", Outcome::kRejects,
                   "KeyError: 'layers.1.mlp.down_proj.weight'"},
        TensorCase{
            "a plain part of a fused layer", PlainPart, "vllm@0.15", Outcome::kRejects,
            "ValueError: Detected some but not all shards of model.layers.1.self_attn.qkv_proj are quantized. All "
            "shards of fused layers to have the same precision."},
        TensorCase{"C044 vllm PR 10169", [] { return Vision("qwen2_vl"); }, "vllm@0.6", Outcome::kRejects, ""},
        TensorCase{"C044 vllm PR 10169, a special case", [] { return Vision("qwen2_vl"); }, "vllm@0.10",
                   Outcome::kLoads, ""},
        TensorCase{"C062 vllm#26182", [] { return Vision("ovis2_5"); }, "vllm@0.10", Outcome::kRejects,
                   "The input size is not aligned with the quantized weight shape."},
        TensorCase{"C045 vllm#11671", ScoreHead, "vllm@0.6", Outcome::kRejects,
                   "The output size is not aligned with the quantized weight shape"},
        TensorCase{"C046 vllm PR 25455", WrongKeepList, "vllm@0.15", Outcome::kRejects,
                   "KeyError: 'layers.0.self_attn."}));

INSTANTIATE_TEST_SUITE_P(
    Values, TensorCases,
    ::testing::Values(TensorCase{"C052 vllm#26343", [] { return Healthy({.bits = 2, .v2 = true}); }, "vllm@0.10",
                                 Outcome::kGarbage, ""},
                      TensorCase{"C052 vllm PR 26092", [] { return Healthy({.bits = 2, .v2 = true}); }, "vllm@0.15",
                                 Outcome::kSlow, ""},
                      TensorCase{"C055 vllm PR 38966",
                                 [] { return LabelOnly("gptq", {.v2 = true}); },
                                 "vllm@0.15",
                                 Outcome::kGarbage,
                                 "",
                                 {.gpu_arch = "7.0"}},
                      TensorCase{"C055 vllm PR 38966, Marlin ignores the zeros",
                                 [] { return LabelOnly("gptq", {.v2 = true}); }, "vllm@0.15", Outcome::kLoads, ""},
                      TensorCase{"label v2 over v1 zeros", [] { return LabelOnly("gptq_v2", {}); }, "exllamav2",
                                 Outcome::kGarbage, ""},
                      TensorCase{"C056 GPTQModel#1294", ZeroWords, "exllamav2", Outcome::kGarbage, ""},
                      TensorCase{"C056 GPTQModel#1294, its own loader", ZeroWords, "gptqmodel@2.0", Outcome::kGarbage,
                                 ""},
                      TensorCase{"C054 vllm#9618: nothing wrong in the files",
                                 [] { return Healthy(); },
                                 "vllm@0.6",
                                 Outcome::kSlow,
                                 "",
                                 {.gpu_arch = "7.0"}},
                      TensorCase{"C058 AutoGPTQ#198: only the calibration was bad",
                                 [] { return Healthy({.desc_act = true}); }, "autogptq@0.7.1", Outcome::kLoads, ""}));

INSTANTIATE_TEST_SUITE_P(
    Shapes, TensorCases,
    ::testing::Values(
        TensorCase{"C059 llm-compressor#57",
                   [] { return Width(384); },
                   "vllm@0.6",
                   Outcome::kRejects,
                   "Weight input_size_per_partition = 96 is not divisible by min_thread_k = 128",
                   {.tp = 4}},
        TensorCase{
            "C060 vllm#5675",
            [] { return Width(192); },
            "vllm@0.10",
            Outcome::kRejects,
            "The input size is not aligned with the quantized weight shape. This can be caused by too large tensor "
            "parallel size.",
            {.tp = 2}},
        TensorCase{"C060 vllm#5675, the gptq kernel",
                   [] { return Width(192); },
                   "vllm@0.15",
                   Outcome::kRejects,
                   "The input size is not aligned",
                   {.tp = 2, .gpu_arch = "7.0"}},
        TensorCase{"C061 lmdeploy#2379", [] { return Healthy({.group_size = 32}); }, "lmdeploy", Outcome::kRejects,
                   "Unsupported group_size=32"},
        TensorCase{"C061 lmdeploy#2694", [] { return Healthy({.sym = false}); }, "lmdeploy", Outcome::kRejects,
                   "AssertionError: unsupported quant config: {'bits': 4,"},
        TensorCase{"C063 sglang PR 577", [] { return TiedHeadStored("gemma"); }, "sglang@0.3", Outcome::kRejects,
                   "KeyError: 'lm_head.weight'"},
        TensorCase{"C063 MiniCPM#141", [] { return TiedHeadStored("minicpm"); }, "vllm@0.2", Outcome::kRejects,
                   "KeyError: 'lm_head.weight'"},
        TensorCase{"C063 MiniCPM#141, later", [] { return TiedHeadStored("minicpm"); }, "vllm@0.15", Outcome::kLoads,
                   ""},
        TensorCase{"C064 Qwen3#714", [] { return Biases("qwen2"); }, "transformers@4.55/gptqmodel", Outcome::kLoads,
                   ""},
        TensorCase{"C065 vllm#1420", [] { return Biases("falcon"); }, "vllm@0.2", Outcome::kRejects, ".bias'"},
        TensorCase{"C065 vllm#1420, later", [] { return Biases("falcon"); }, "vllm@0.15", Outcome::kLoads, ""}));

// C038 text-generation-webui#541: the directory's name promises groups of 128, the file has one group a column.
TEST(NamedDirectory, SaysOtherGroupsThanTheFile) {
  const ModelBuilder builder = [] {
    ModelBuilder bare = Healthy({.group_size = -1});
    NoSection(bare);
    NoSideFile(bare);
    return bare;
  }();
  auto source = std::make_unique<MemorySource>("models/llama-7b-4bit-128g");
  for (auto& [name, text] : builder.Build()) source->Add(name, text);
  const auto exam = ReadExamination(*source, {}, {});
  ASSERT_TRUE(exam.ok());
  const LoaderOutcome outcome = Ask(**exam, "text-generation-webui@2023/gptq-for-llama");
  EXPECT_EQ(outcome.outcome, Outcome::kRejects);
  EXPECT_NE(outcome.message.find("qzeros: copying a param with shape torch.Size([1, 32]) from checkpoint, the shape in "
                                 "current model is torch.Size([2, 32])"),
            std::string::npos)
      << Describe(outcome);
}

// C033 GPTQ-for-LLaMa#62: files of March 2023 with float zeros.
TEST(MarchFiles, LackQzeros) {
  const LoaderOutcome outcome = Ask(FloatZerosOfMarch(), "text-generation-webui@2023/gptq-for-llama");
  EXPECT_EQ(outcome.outcome, Outcome::kRejects) << Describe(outcome);
  EXPECT_NE(outcome.message.find("Missing key(s) in state_dict"), std::string::npos) << Describe(outcome);
}

// C004 llm-compressor#959: another tool's tensors without any configuration.
TEST(OtherTools, WithoutConfigurationStopAtTheirFirstTensor) {
  const LoaderOutcome outcome = Ask(OtherToolUndeclared(), "vllm@0.15");
  EXPECT_EQ(outcome.outcome, Outcome::kRejects) << Describe(outcome);
  EXPECT_NE(outcome.message.find("KeyError: 'layers.0.mlp.down_proj.weight_scale'"), std::string::npos)
      << Describe(outcome);
}

// C001 vllm#13612: a model that is not quantized loads as what it is.
TEST(PlainModels, Load) {
  ModelBuilder builder;
  builder.Layers(2).Sizes(128, 256).Dense();
  for (const char* selector :
       {"vllm@0.15", "sglang@0.5", "transformers@5.0", "exllamav2", "tgi@3.3", "llama.cpp@main"}) {
    const LoaderOutcome outcome = Ask(builder, selector);
    EXPECT_EQ(outcome.outcome, Outcome::kLoads) << Describe(outcome);
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
