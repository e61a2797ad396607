// AutoGPTQ: 0.4 (ef442d9), 0.5 (f4c9681), 0.6 (323950b), 0.7.1 (b8b4127), main (9f7d370, end of life).

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kBase = "AutoGPTQ/AutoGPTQ auto_gptq/modeling/_base.py";
constexpr std::string_view kImport = "AutoGPTQ/AutoGPTQ auto_gptq/utils/import_utils.py";
constexpr std::string_view kUtils = "AutoGPTQ/AutoGPTQ auto_gptq/modeling/_utils.py";

constexpr ConfigPlace kQuantizeConfig[] = {{"quantize_config.json", ""}};
constexpr std::string_view kNoFile =
    "FileNotFoundError: [Errno 2] No such file or directory: '{dir}/quantize_config.json'";
constexpr KeyAlias kAwqNames[] = {{"w_bit", "bits"}, {"q_group_size", "group_size"}};
constexpr std::string_view kBases04[] = {"{base}", "gptq_model-{bits}bit-{group_size}g"};
constexpr std::string_view kBases[] = {"{base}", "gptq_model-{bits}bit-{group_size}g", "model"};
constexpr std::string_view kNotFound04 = "FileNotFoundError: Could not find model in {dir}";
constexpr std::string_view kNotFound =
    "FileNotFoundError: Could not find a model in {dir} with a name in {names}. Please specify the argument "
    "model_basename to use a custom file name.";
constexpr std::string_view kBitsMessage = "ValueError: only support quantize to [2, 3, 4, 8] bits.";
constexpr std::string_view kGroupMessage = "ValueError: unless equal to -1, group_size must greater then 0.";
constexpr std::string_view kDampMessage = "ValueError: damp_percent must between 0 and 1.";
constexpr std::string_view kNotSupported = "TypeError: {model_type} isn't supported yet.";

// Suffix lists: auto_gptq/modeling/*.py at main.
constexpr std::string_view kLlama =
    "self_attn.k_proj self_attn.v_proj self_attn.q_proj self_attn.o_proj mlp.up_proj mlp.gate_proj mlp.down_proj";
constexpr std::string_view kNeox =
    "attention.query_key_value attention.dense mlp.dense_h_to_4h mlp.dense_4h_to_h self_attention.query_key_value "
    "self_attention.dense";
constexpr std::string_view kMixtral =
    "self_attn.k_proj self_attn.v_proj self_attn.q_proj self_attn.o_proj .0.w1 .1.w1 .2.w1 .3.w1 .4.w1 .5.w1 .6.w1 "
    ".7.w1 .0.w2 .1.w2 .2.w2 .3.w2 .4.w2 .5.w2 .6.w2 .7.w2 "
    ".0.w3 .1.w3 .2.w3 .3.w3 .4.w3 .5.w3 .6.w3 .7.w3";
constexpr std::string_view kOpt = "self_attn.k_proj self_attn.v_proj self_attn.q_proj self_attn.out_proj fc1 fc2";
constexpr std::string_view kGptj =
    "attn.k_proj attn.v_proj attn.q_proj attn.qkv_proj attn.out_proj mlp.fc_in mlp.fc_out";
constexpr std::string_view kGpt2 = "attn.c_attn attn.c_proj mlp.c_fc mlp.c_proj";

constexpr std::string_view kBaichuan = "self_attn.W_pack self_attn.o_proj mlp.up_proj mlp.gate_proj mlp.down_proj";
constexpr std::string_view kQwen = "attn.c_attn attn.c_proj mlp.w1 mlp.w2 mlp.c_proj";
constexpr std::string_view kMpt = "attn.Wqkv attn.out_proj ffn.up_proj ffn.down_proj";
constexpr std::string_view kPhi = "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.dense mlp.fc1 mlp.fc2";
constexpr std::string_view kStarcoder2 =
    "self_attn.k_proj self_attn.v_proj self_attn.q_proj self_attn.o_proj mlp.c_fc mlp.c_proj";
constexpr std::string_view kMinicpm3 =
    "self_attn.q_a_proj self_attn.kv_a_proj_with_mqa self_attn.q_b_proj self_attn.kv_b_proj self_attn.o_proj "
    "mlp.gate_proj mlp.up_proj mlp.down_proj";

constexpr ArchitectureRow k04[] = {{"bloom", kNeox},       {"gptj", kGptj},    {"gpt2", kGpt2},
                                   {"gpt_neox", kNeox},    {"opt", kOpt},      {"moss", kGptj},
                                   {"gpt_bigcode", kGpt2}, {"codegen", kGptj}, {"RefinedWebModel", kNeox},
                                   {"RefinedWeb", kNeox},  {"llama", kLlama},  {"baichuan", kBaichuan},
                                   {"internlm", kLlama},   {"qwen", kQwen}};
constexpr ArchitectureRow k05[] = {{"bloom", kNeox},       {"gptj", kGptj},    {"gpt2", kGpt2},
                                   {"gpt_neox", kNeox},    {"opt", kOpt},      {"moss", kGptj},
                                   {"gpt_bigcode", kGpt2}, {"codegen", kGptj}, {"RefinedWebModel", kNeox},
                                   {"RefinedWeb", kNeox},  {"llama", kLlama},  {"baichuan", kBaichuan},
                                   {"internlm", kLlama},   {"qwen", kQwen},    {"falcon", kNeox},
                                   {"mistral", kLlama}};
constexpr ArchitectureRow k06[] = {{"bloom", kNeox},           {"gptj", kGptj},    {"gpt2", kGpt2},
                                   {"gpt_neox", kNeox},        {"opt", kOpt},      {"moss", kGptj},
                                   {"gpt_bigcode", kGpt2},     {"codegen", kGptj}, {"RefinedWebModel", kNeox},
                                   {"RefinedWeb", kNeox},      {"llama", kLlama},  {"baichuan", kBaichuan},
                                   {"internlm", kLlama},       {"qwen", kQwen},    {"falcon", kNeox},
                                   {"mistral", kLlama},        {"xverse", kLlama}, {"deci_lm", kLlama},
                                   {"stablelm_epoch", kLlama}, {"Yi", kLlama},     {"mixtral", kMixtral}};
constexpr ArchitectureRow k071[] = {{"bloom", kNeox},           {"gptj", kGptj},    {"gpt2", kGpt2},
                                    {"gpt_neox", kNeox},        {"opt", kOpt},      {"moss", kGptj},
                                    {"gpt_bigcode", kGpt2},     {"codegen", kGptj}, {"RefinedWebModel", kNeox},
                                    {"RefinedWeb", kNeox},      {"llama", kLlama},  {"baichuan", kBaichuan},
                                    {"internlm", kLlama},       {"qwen", kQwen},    {"falcon", kNeox},
                                    {"mistral", kLlama},        {"xverse", kLlama}, {"deci", kLlama},
                                    {"stablelm_epoch", kLlama}, {"Yi", kLlama},     {"mixtral", kMixtral},
                                    {"longllama", kLlama},      {"qwen2", kLlama},  {"gemma", kLlama}};
constexpr ArchitectureRow kMain[] = {{"bloom", kNeox},
                                     {"gptj", kGptj},
                                     {"gpt2", kGpt2},
                                     {"gpt_neox", kNeox},
                                     {"opt", kOpt},
                                     {"moss", kGptj},
                                     {"gpt_bigcode", kGpt2},
                                     {"codegen", kGptj},
                                     {"RefinedWebModel", kNeox},
                                     {"RefinedWeb", kNeox},
                                     {"llama", kLlama},
                                     {"baichuan", kBaichuan},
                                     {"internlm", kLlama},
                                     {"qwen", kQwen},
                                     {"falcon", kNeox},
                                     {"mistral", kLlama},
                                     {"xverse", kLlama},
                                     {"deci", kLlama},
                                     {"stablelm_epoch", kLlama},
                                     {"Yi", kLlama},
                                     {"mixtral", kMixtral},
                                     {"longllama", kLlama},
                                     {"qwen2", kLlama},
                                     {"gemma", kLlama},
                                     {"mpt", kMpt},
                                     {"cohere", kLlama},
                                     {"minicpm3", kMinicpm3},
                                     {"phi", kPhi},
                                     {"starcoder2", kStarcoder2},
                                     {"gemma2", kLlama}};

// Selection: import_utils.dynamically_import_QuantLinear. One class serves the whole model; exllama is picked by bits
// alone.
constexpr KernelRow kCudaOld = {.name = "cuda_old",
                                .bits = k2348,
                                .desc_act = Tri::kOnlyFalse,
                                .zeros = Zeros::kAlwaysV1,
                                .g_idx = GroupIndex::kIgnored,
                                .slow = true,
                                .refusal = "NotImplementedError: Only 2,3,4,8 bits are supported.",
                                .source = kImport};
constexpr KernelRow kCudaRow = {.name = "cuda",
                                .bits = k2348,
                                .zeros = Zeros::kAlwaysV1,
                                .slow = true,
                                .refusal = "NotImplementedError: Only 2,3,4,8 bits are supported.",
                                .source = kImport};
constexpr KernelRow kExllama = {.name = "exllama",
                                .bits = BitsSet({4}),
                                .in_multiple = 32,
                                .out_multiple = 32,
                                .in_by_group = true,
                                .zeros = Zeros::kAlwaysV1,
                                .g_idx = GroupIndex::kIfDescAct,
                                .by_settings = true,
                                .refusal = "AssertionError",
                                .source = kImport};
constexpr KernelRow kExllamaV2 = {.name = "exllamav2",
                                  .bits = BitsSet({4}),
                                  .in_multiple = 32,
                                  .out_multiple = 32,
                                  .in_by_group = true,
                                  .zeros = Zeros::kAlwaysV1,
                                  .by_settings = true,
                                  .refusal = "AssertionError",
                                  .source = kImport};
constexpr KernelRow kKernels04[] = {kExllama, kCudaOld, kCudaRow};
constexpr KernelRow kKernels[] = {kExllamaV2, kCudaOld, kCudaRow};

constexpr std::string_view kAssume04[] = {"use_safetensors=True is passed (it is False by default up to 0.4.2)",
                                          "accelerate of its time, up to 0.28", "no model_basename argument",
                                          "the exllama kernels are built"};
constexpr std::string_view kAssumeOld[] = {
    "accelerate of its time, up to 0.28: later ones only warn about tensors that fit nothing",
    "no model_basename argument", "the exllama kernels are built"};
constexpr std::string_view kAssumeMain[] = {"no model_basename argument", "the exllama kernels are built"};

constexpr Stage kStages[] = {StageModelConfig, StageModelType, StageConfig,   StageAutoGptqFormat,
                             StageLimits,      StageFiles,     StageMetadata, StageModules,
                             StageForeign,     StageKernel,    StageTensors,  StageValues};

constexpr ConfigFacts kConfig04 = {.places = kQuantizeConfig,
                                   .only_first = true,
                                   .no_config_message = kNoFile,
                                   .bits = 4,
                                   .group_size = -1,
                                   .desc_act = true,
                                   .unknown_key_rejects = true,
                                   .not_object_member = "",
                                   .source = kBase};
constexpr ConfigFacts kConfig05 = {.places = kQuantizeConfig,
                                   .only_first = true,
                                   .no_config_message = kNoFile,
                                   .bits = 4,
                                   .group_size = -1,
                                   .desc_act = true,
                                   .not_object_member = "items",
                                   .source = kBase};
constexpr ConfigFacts kConfig07 = {.places = kQuantizeConfig,
                                   .only_first = true,
                                   .no_config_message = kNoFile,
                                   .bits = 4,
                                   .group_size = -1,
                                   .desc_act = true,
                                   .aliases = kAwqNames,
                                   .not_object_member = "items",
                                   .source = "AutoGPTQ/AutoGPTQ v0.7.1 auto_gptq/modeling/_base.py:122-150"};
constexpr ConfigFacts kConfigMain = {.places = kQuantizeConfig,
                                     .only_first = true,
                                     .no_config_message = kNoFile,
                                     .bits = 4,
                                     .group_size = -1,
                                     .desc_act = true,
                                     .aliases = kAwqNames,
                                     .format_key = FormatKey::kCheckpointFormat,
                                     .lower_keys = true,
                                     .lower_format = true,
                                     .source = "AutoGPTQ/AutoGPTQ main auto_gptq/quantization/config.py:179-205"};
constexpr LimitFacts kLimits = {.bits = k2348,
                                .bits_message = kBitsMessage,
                                .group_size_message = kGroupMessage,
                                .group_size_checked = true,
                                .damp_message = kDampMessage,
                                .source = kBase};
constexpr std::string_view kFormatsMain[] = {"gptq", "marlin", "gemm"};
constexpr LimitFacts kLimitsMain = {.bits = k2348,
                                    .bits_message = kBitsMessage,
                                    .group_size_message = kGroupMessage,
                                    .group_size_checked = true,
                                    .formats = kFormatsMain,
                                    .format_message = "ValueError: Unknown quantization format: {v}.",
                                    .damp_message = kDampMessage,
                                    .source = "AutoGPTQ/AutoGPTQ main auto_gptq/quantization/config.py"};
constexpr std::string_view kMethodsMain[] = {"gptq", "awq", "marlin"};
constexpr MethodFacts kMethodMain = {.accepted = kMethodsMain,
                                     .case_sensitive = false,
                                     .unknown = UnknownMethod::kRejects,
                                     .unknown_message = "ValueError: Unknown quantization method: {v}.",
                                     .not_string_message = "AttributeError: '{t}' object has no attribute 'lower'",
                                     .source = "AutoGPTQ/AutoGPTQ main auto_gptq/quantization/config.py"};
constexpr TensorFacts kTensorsOld = {.unexpected = Unexpected::kRejects,
                                     .unexpected_message = kAccelerateUnexpected,
                                     .missing_value = "zeros",
                                     .shape_message = kAccelerateShape,
                                     .bias = BiasRule::kAlwaysBuilt,
                                     .metadata = MetadataRule::kAccelerate,
                                     .source = "huggingface/accelerate v0.28.0 src/accelerate/utils/modeling.py"};
constexpr TensorFacts kTensorsMain = {.unexpected = Unexpected::kWarns,
                                      .unexpected_message = kNotUsed,
                                      .missing_value = "zeros",
                                      .shape_message = kAccelerateShape033,
                                      .metadata = MetadataRule::kAccelerate,
                                      .source = "AutoGPTQ/AutoGPTQ main auto_gptq/utils/accelerate_utils.py"};

constexpr Profile kRow04 = {
    .loader = "autogptq",
    .version = "0.4",
    .versions = ">=0.4,<0.5",
    .since = {0, 4, 0},
    .until = {0, 5, 0},
    .title = "AutoGPTQ 0.4",
    .revision = "AutoGPTQ/AutoGPTQ v0.4.2 ef442d9",
    .as_of = "2023-08",
    .assumptions = kAssume04,
    .config = kConfig04,
    .limits = kLimits,
    .files = {.rule = FileRule::kNamed, .bases = kBases04, .none_message = kNotFound04, .source = kBase},
    .kernels = kKernels04,
    .modules = {.rule = ModuleRule::kOutside, .architectures = k04, .type_message = kNotSupported, .source = kBase},
    .tensors = kTensorsOld,
    .stages = kStages};
constexpr Profile kRow05 = {
    .loader = "autogptq",
    .version = "0.5",
    .versions = ">=0.5,<0.6",
    .since = {0, 5, 0},
    .until = {0, 6, 0},
    .title = "AutoGPTQ 0.5",
    .revision = "AutoGPTQ/AutoGPTQ v0.5.1 f4c9681",
    .as_of = "2023-11",
    .assumptions = kAssumeOld,
    .config = kConfig05,
    .limits = kLimits,
    .files = {.rule = FileRule::kNamed, .bases = kBases, .none_message = kNotFound, .source = kUtils},
    .kernels = kKernels,
    .modules = {.rule = ModuleRule::kOutside, .architectures = k05, .type_message = kNotSupported, .source = kBase},
    .tensors = kTensorsOld,
    .stages = kStages};
constexpr Profile kRow06 = {
    .loader = "autogptq",
    .version = "0.6",
    .versions = ">=0.6,<0.7",
    .since = {0, 6, 0},
    .until = {0, 7, 0},
    .title = "AutoGPTQ 0.6",
    .revision = "AutoGPTQ/AutoGPTQ v0.6.0 323950b",
    .as_of = "2023-12",
    .assumptions = kAssumeOld,
    .config = kConfig05,
    .limits = kLimits,
    .files = {.rule = FileRule::kNamed, .bases = kBases, .none_message = kNotFound, .source = kUtils},
    .kernels = kKernels,
    .modules = {.rule = ModuleRule::kSuffixes, .architectures = k06, .type_message = kNotSupported, .source = kBase},
    .tensors = kTensorsOld,
    .stages = kStages};
constexpr Profile kRow070 = {
    .loader = "autogptq",
    .version = "0.7.0",
    .versions = ">=0.7.0,<0.7.1",
    .since = {0, 7, 0},
    .until = {0, 7, 1},
    .title = "AutoGPTQ 0.7.0",
    .revision = "AutoGPTQ/AutoGPTQ v0.7.0",
    .as_of = "2024-02",
    .assumptions = kAssumeOld,
    .config = kConfig07,
    .limits = kLimits,
    .files = {.rule = FileRule::kNamed, .bases = kBases, .none_message = kNotFound, .source = kUtils},
    .kernels = kKernels,
    .modules = {.rule = ModuleRule::kSuffixes, .architectures = k071, .type_message = kNotSupported, .source = kBase},
    .tensors = kTensorsOld,
    .stages = kStages};
constexpr Profile kRow071 = {
    .loader = "autogptq",
    .version = "0.7.1",
    .versions = ">=0.7.1,<0.8",
    .since = {0, 7, 1},
    .until = {0, 8, 0},
    .title = "AutoGPTQ 0.7.1",
    .revision = "AutoGPTQ/AutoGPTQ v0.7.1 b8b4127",
    .as_of = "2024-03",
    .brief = true,
    .assumptions = kAssumeOld,
    .config = kConfig07,
    .limits = kLimits,
    .files = {.rule = FileRule::kNamed,
              .bases = kBases,
              .index_first = true,
              .none_message = kNotFound,
              .missing_shard_message = "FileNotFoundError: No such file or directory: \"{dir}/{file}\"",
              .source = "AutoGPTQ/AutoGPTQ v0.7.1 auto_gptq/modeling/_utils.py:672-738"},
    .kernels = kKernels,
    .modules = {.rule = ModuleRule::kSuffixes, .architectures = k071, .type_message = kNotSupported, .source = kBase},
    .tensors = kTensorsOld,
    .stages = kStages};
constexpr Profile kRowMain = {
    .loader = "autogptq",
    .version = "main",
    .versions = "main (0.8.0.dev0, end of life)",
    .since = {0, 8, 0},
    .until = kMainVersion,
    .title = "AutoGPTQ main",
    .revision = "AutoGPTQ/AutoGPTQ main 9f7d370",
    .as_of = "2025-04",
    .assumptions = kAssumeMain,
    .config = kConfigMain,
    .method = kMethodMain,
    .limits = kLimitsMain,
    .files = {.rule = FileRule::kNamed,
              .bases = kBases,
              .index_first = true,
              .none_message = kNotFound,
              .missing_shard_message = "FileNotFoundError: No such file or directory: \"{dir}/{file}\"",
              .source = kUtils},
    .kernels = kKernels,
    .modules = {.rule = ModuleRule::kSuffixes, .architectures = kMain, .type_message = kNotSupported, .source = kBase},
    .tensors = kTensorsMain,
    .stages = kStages};

constexpr const Profile* kRows[] = {&kRow04, &kRow05, &kRow06, &kRow070, &kRow071, &kRowMain};

}  // namespace

// As optimum picks AutoGPTQ's kernels for 4 bits: exllama v1 unless told otherwise (transformers
// GPTQConfig.exllama_config).
const std::array<KernelRow, 3> kAutoGptqExllamaKernels = {kExllama, kCudaOld, kCudaRow};

std::span<const Profile* const> AutoGptqProfiles() { return kRows; }

}  // namespace gptq_doctor
