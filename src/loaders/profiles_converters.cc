// llama.cpp's converter, LMDeploy, MLX-LM, KTransformers and TensorRT-LLM.

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr ConfigPlace kSection[] = {{"config.json", "/quantization_config"}};

constexpr std::string_view kLlama =
    "ggml-org/llama.cpp convert_hf_to_gguf.py, conversion/base.py (2bbcf7fc93, 00bd27a621)";
constexpr Stage kLlamaStages[] = {StageRawConfig, StageLlamaCppConfig, StageFiles, StageLlamaCpp, StageValues};
constexpr KernelRow kLlamaKernels[] = {{.name = "dequantizing converter",
                                        .bits = BitsSet({2, 4, 8}),
                                        .platforms = kCuda | kRocm | kCpu | kXpu,
                                        .zeros = Zeros::kRawUnlessV1,
                                        .source = kLlama}};
constexpr FileFacts kLlamaFiles = {
    .rule = FileRule::kModelPrefix,
    .index_filters = true,
    .pickles = true,
    .none_message = "Can not map tensor: no tensors were found, {dir} has no model*.safetensors",
    .missing_shard_message = "ValueError: Missing or incomplete model files: ['{file}']",
    .source = kLlama};
constexpr Profile kLlamaCpp = {
    .loader = "llama.cpp",
    .version = "main",
    .versions = "since October 2025 (#14810)",
    .since = {2025, 10, 0},
    .until = {2100, 0, 0},
    .title = "llama.cpp convert_hf_to_gguf.py",
    .revision = "ggml-org/llama.cpp 0024aa7417, 2bbcf7fc93, 00bd27a621",
    .as_of = "2026-06",
    .brief = true,
    .config = {.places = kSection,
               .no_config = NoConfig::kDenseModel,
               .bits = 0,
               .format_key = FormatKey::kCheckpointFormat,
               .source = kLlama},
    .files = kLlamaFiles,
    .kernels = kLlamaKernels,
    .modules = {.rule = ModuleRule::kByTensors, .lm_head = LmHeadRule::kIfTensors, .source = kLlama},
    .tensors = {.unexpected = Unexpected::kRejects, .g_idx_required = true, .bias = BiasRule::kKept, .source = kLlama},
    .stages = kLlamaStages};
constexpr Profile kOldLlamaCpp = {
    .loader = "llama.cpp",
    .version = "2024",
    .versions = "before October 2025",
    .since = {2023, 1, 0},
    .until = {2025, 10, 0},
    .title = "llama.cpp converter before October 2025",
    .revision = "ggml-org/llama.cpp#5139, #7505, #15224",
    .as_of = "2025-08",
    .config = {.no_config = NoConfig::kDenseModel, .source = kLlama},
    .files = kLlamaFiles,
    .modules = {.rule = ModuleRule::kByTensors, .source = kLlama},
    .tensors = {.unexpected = Unexpected::kRejects, .bias = BiasRule::kKept, .source = "ggml-org/llama.cpp#5139"},
    .stages = kLlamaStages};

constexpr std::string_view kLmd =
    "InternLM/lmdeploy 0.16.0 lmdeploy/turbomind/converter.py:75-240, weight_format.py:250-296";
constexpr Stage kLmdStages[] = {StageModelConfig, StageLmdeploy, StageValues};
constexpr KernelRow kLmdKernels[] = {{.name = "turbomind",
                                      .bits = BitsSet({4}),
                                      .sym = Tri::kOnlyTrue,
                                      .zeros = Zeros::kAlwaysV1,
                                      .g_idx = GroupIndex::kIgnored,
                                      .source = kLmd}};
constexpr Profile kLmdeploy = {
    .loader = "lmdeploy",
    .version = "0.16",
    .versions = ">=0.6 (read at 0.16.0)",
    .since = {0, 6, 0},
    .until = {1, 0, 0},
    .title = "LMDeploy 0.16 (TurboMind)",
    .revision = "InternLM/lmdeploy 0.16.0 1263d5cd88",
    .as_of = "2026-08",
    .config = {.no_config = NoConfig::kDenseModel,
               .bits = 4,
               .group_size = 128,
               .desc_act = false,
               .sym = true,
               .source = kLmd},
    .files = {.rule = FileRule::kIndexThenModel,
              .pickles = true,
              .none_message = "RuntimeError: Failed to find valid checkpoint under '{dir}'",
              .missing_shard_message = "FileNotFoundError: No such file or directory: \"{dir}/{file}\"",
              .source = kLmd},
    .kernels = kLmdKernels,
    .modules = {.rule = ModuleRule::kByTensors, .source = kLmd},
    .tensors = {.bias = BiasRule::kKept, .source = kLmd},
    .stages = kLmdStages};
constexpr Profile kLmdeployPytorch = {
    .loader = "lmdeploy",
    .version = "0.16",
    .versions = ">=0.6 (read at 0.16.0)",
    .since = {0, 6, 0},
    .until = {1, 0, 0},
    .backend = "pytorch",
    .title = "LMDeploy 0.16 (PyTorch engine)",
    .revision = "InternLM/lmdeploy 0.16.0 1263d5cd88",
    .as_of = "2026-08",
    .config = {.no_config = NoConfig::kDenseModel, .source = "InternLM/lmdeploy 0.16.0 lmdeploy/pytorch/config.py:783"},
    .modules = {.rule = ModuleRule::kByTensors, .source = kLmd},
    .tensors = {.bias = BiasRule::kKept, .source = "InternLM/lmdeploy 0.16.0 lmdeploy/pytorch/config.py:783"},
    .stages = kLmdStages};

constexpr std::string_view kMlxSource = "ml-explore/mlx-lm 0.32.0 mlx_lm/utils.py:74-160, 360-420";
constexpr Stage kMlxStages[] = {StageMlx};
// mlx_lm/models/*.py and MODEL_REMAPPING of mlx_lm/utils.py.
constexpr ArchitectureRow kMlxTypes[] = {
    {"Klear afm7 afmoe apertus baichuan_m1 bailing_moe bailing_moe_linear bitnet cohere cohere2 dbrx deepseek "
     "deepseek_v2 deepseek_v3 deepseek_v32 dots1 ernie4_5 ernie4_5_moe exaone exaone4 exaone_moe falcon_h1 gemma "
     "gemma2 "
     "gemma3 gemma3_text gemma3n gemma4 gemma4_text glm glm4 glm4_moe glm4_moe_lite glm_moe_dsa gpt2 gpt_bigcode "
     "gpt_neox gpt_oss granite granitemoe granitemoehybrid helium hunyuan hunyuan_v1_dense internlm2 internlm3 "
     "iquestloopcoder jamba kimi_k25 kimi_linear kimi_vl laguna lfm2-vl lfm2 lfm2_moe lille-130m llama llama4 "
     "llama4_text longcat_flash longcat_flash_ngram mamba mamba2 mellum mimo mimo_v2_flash minicpm minicpm3 minimax "
     "ministral3 mistral3 mixtral nanochat nemotron-nas nemotron nemotron_h olmo olmo2 olmo3 olmoe openelm phi phi3 "
     "phi3small phimoe phixtral pixtral plamo plamo2 qwen qwen2 qwen2_moe qwen2_vl qwen3 qwen3_5 qwen3_5_moe qwen3_moe "
     "qwen3_next qwen3_vl qwen3_vl_moe recurrent_gemma rwkv7 seed_oss smollm3 solar_open stablelm starcoder2 step3p5 "
     "telechat3 youtu_llm mistral llava phi-msft falcon_mamba joyai_llm_flash kimi_k2 qwen2_5_vl minimax_m2 "
     "iquestcoder "
     "gemma4_unified",
     {}}};
constexpr Profile kMlx = {.loader = "mlx-lm",
                          .version = "0.32",
                          .versions = ">=0.30 (read at 0.32.0)",
                          .since = {0, 30, 0},
                          .until = {1, 0, 0},
                          .title = "MLX-LM 0.32",
                          .revision = "ml-explore/mlx-lm 0.32.0 d78bf58e21",
                          .as_of = "2026-08",
                          .config = {.source = kMlxSource},
                          .files = {.rule = FileRule::kModelPrefix,
                                    .none_message = "FileNotFoundError: No safetensors found in {dir}",
                                    .missing_shard = MissingShard::kNotNoticed,
                                    .source = kMlxSource},
                          .modules = {.rule = ModuleRule::kByTensors,
                                      .architectures = kMlxTypes,
                                      .type_message = "ValueError: Model type {model_type} not supported.",
                                      .source = kMlxSource},
                          .tensors = {.bias = BiasRule::kKept, .source = kMlxSource},
                          .stages = kMlxStages};

constexpr std::string_view kKtSource =
    "kvcache-ai/ktransformers kt-kernel python/utils/loader.py:1068-1185, amx.py:95-132";
constexpr Stage kKtStages[] = {StageKtransformers};
constexpr std::string_view kKtAssume[] = {"the method GPTQ_INT4 is chosen by the user"};
constexpr KernelRow kKtKernels[] = {{.name = "GPTQ_INT4",
                                     .bits = BitsSet({4}),
                                     .sym = Tri::kOnlyTrue,
                                     .platforms = kCuda | kRocm | kCpu | kXpu,
                                     .zeros = Zeros::kUnused,
                                     .g_idx = GroupIndex::kIgnored,
                                     .source = kKtSource}};
constexpr Profile kKt = {.loader = "ktransformers",
                         .version = "main",
                         .versions = "main (2026-08-21)",
                         .since = {0, 4, 0},
                         .until = {2, 0, 0},
                         .title = "KTransformers (kt-kernel)",
                         .revision = "kvcache-ai/ktransformers 95009ea685",
                         .as_of = "2026-08",
                         .assumptions = kKtAssume,
                         .config = {.source = kKtSource},
                         .kernels = kKtKernels,
                         .modules = {.rule = ModuleRule::kExpertsOnly, .source = kKtSource},
                         .tensors = {.bias = BiasRule::kKept, .source = kKtSource},
                         .stages = kKtStages};

constexpr std::string_view kTrtSource = "NVIDIA/TensorRT-LLM tensorrt_llm/llmapi/llm_utils.py";
constexpr Stage kTrtStages[] = {StageTensorRt};
constexpr Profile kTrt = {.loader = "tensorrt-llm",
                          .version = "1.0",
                          .versions = "PyTorch back end of 2026",
                          .since = {0, 20, 0},
                          .until = {3, 0, 0},
                          .title = "TensorRT-LLM (PyTorch back end)",
                          .revision = "NVIDIA/TensorRT-LLM 0066b2a569",
                          .as_of = "2026-06",
                          .config = {.source = kTrtSource},
                          .tensors = {.bias = BiasRule::kKept, .source = kTrtSource},
                          .stages = kTrtStages};

constexpr const Profile* kRows[] = {&kLlamaCpp, &kOldLlamaCpp, &kLmdeploy, &kLmdeployPytorch, &kMlx, &kKt, &kTrt};

}  // namespace

std::span<const Profile* const> ConverterProfiles() { return kRows; }

}  // namespace gptq_doctor
