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

// SUPPORTED_MODELS of auto_gptq/modeling/_const.py, as it grew.
constexpr Version kV05 = {0, 5, 0}, kV06 = {0, 6, 0}, kV07 = {0, 7, 0}, kV08 = {0, 8, 0};
constexpr ArchitectureRow kArchitectures[] = {{"bloom gpt_neox RefinedWebModel RefinedWeb", kNeox},
                                              {"gptj moss codegen", kGptj},
                                              {"gpt2 gpt_bigcode", kGpt2},
                                              {"opt", kOpt},
                                              {"llama internlm", kLlama},
                                              {"baichuan", kBaichuan},
                                              {"qwen", kQwen},
                                              {"falcon", kNeox, kV05},
                                              {"mistral", kLlama, kV05},
                                              {"xverse stablelm_epoch Yi", kLlama, kV06},
                                              {"deci_lm", kLlama, kV06, kV07},
                                              {"mixtral", kMixtral, kV06},
                                              {"deci longllama qwen2 gemma", kLlama, kV07},
                                              {"cohere gemma2", kLlama, kV08},
                                              {"mpt", kMpt, kV08},
                                              {"minicpm3", kMinicpm3, kV08},
                                              {"phi", kPhi, kV08},
                                              {"starcoder2", kStarcoder2, kV08}};

// Selection: import_utils.dynamically_import_QuantLinear. One class serves the whole model; exllama is picked by bits
// alone.
constexpr KernelRow kCudaRow = {.name = "cuda",
                                .bits = k2348,
                                .zeros = Zeros::kAlwaysV1,
                                .slow = true,
                                .refusal = "NotImplementedError: Only 2,3,4,8 bits are supported.",
                                .source = kImport};
constexpr KernelRow kCudaOld = [] {
  KernelRow row = kCudaRow;
  row.name = "cuda_old";
  row.desc_act = Tri::kOnlyFalse;
  row.g_idx = GroupIndex::kIgnored;
  return row;
}();
constexpr KernelRow kExllamaV2 = {.name = "exllamav2",
                                  .bits = BitsSet({4}),
                                  .in_multiple = 32,
                                  .out_multiple = 32,
                                  .in_by_group = true,
                                  .zeros = Zeros::kAlwaysV1,
                                  .by_settings = true,
                                  .refusal = "AssertionError",
                                  .source = kImport};
constexpr KernelRow kExllama = [] {
  KernelRow row = kExllamaV2;
  row.name = "exllama";
  row.g_idx = GroupIndex::kIfDescAct;
  return row;
}();
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

constexpr std::string_view kFormatsMain[] = {"gptq", "marlin", "gemm"};
constexpr std::string_view kMethodsMain[] = {"gptq", "awq", "marlin"};

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
    .config = {.places = kQuantizeConfig,
               .only_first = true,
               .no_config_message = kNoFile,
               .bits = 4,
               .group_size = -1,
               .desc_act = true,
               .unknown_key_rejects = true,
               .not_object_member = "",
               .source = kBase},
    .limits = {.bits = k2348,
               .bits_message = kBitsMessage,
               .group_size_message = kGroupMessage,
               .group_size_checked = true,
               .damp_message = kDampMessage,
               .source = kBase},
    .files = {.rule = FileRule::kNamed, .bases = kBases04, .none_message = kNotFound04, .source = kBase},
    .kernels = kKernels04,
    .modules = {.rule = ModuleRule::kOutside,
                .architectures = kArchitectures,
                .type_message = kNotSupported,
                .source = kBase},
    .tensors = {.unexpected = Unexpected::kRejects,
                .unexpected_message = kAccelerateUnexpected,
                .missing_value = "zeros",
                .shape_message = kAccelerateShape,
                .bias = BiasRule::kAlwaysBuilt,
                .metadata = MetadataRule::kAccelerate,
                .source = "huggingface/accelerate v0.28.0 src/accelerate/utils/modeling.py"},
    .stages = kStages};

constexpr Profile kRow05 = [] {
  Profile row =
      Next(kRow04, {"0.5", ">=0.5,<0.6", kV05, kV06, "AutoGPTQ 0.5", "AutoGPTQ/AutoGPTQ v0.5.1 f4c9681", "2023-11"});
  row.assumptions = kAssumeOld;
  row.config.unknown_key_rejects = false;
  row.config.not_object_member = "items";
  row.files.bases = kBases;
  row.files.none_message = kNotFound;
  row.files.source = kUtils;
  row.kernels = kKernels;
  return row;
}();

constexpr Profile kRow06 = [] {
  Profile row =
      Next(kRow05, {"0.6", ">=0.6,<0.7", kV06, kV07, "AutoGPTQ 0.6", "AutoGPTQ/AutoGPTQ v0.6.0 323950b", "2023-12"});
  row.modules.rule = ModuleRule::kSuffixes;
  return row;
}();

constexpr Profile kRow070 = [] {
  Profile row = Next(
      kRow06, {"0.7.0", ">=0.7.0,<0.7.1", kV07, {0, 7, 1}, "AutoGPTQ 0.7.0", "AutoGPTQ/AutoGPTQ v0.7.0", "2024-02"});
  row.config.aliases = kAwqNames;
  row.config.source = "AutoGPTQ/AutoGPTQ v0.7.1 auto_gptq/modeling/_base.py:122-150";
  return row;
}();

constexpr Profile kRow071 = [] {
  Profile row =
      Next(kRow070,
           {"0.7.1", ">=0.7.1,<0.8", {0, 7, 1}, kV08, "AutoGPTQ 0.7.1", "AutoGPTQ/AutoGPTQ v0.7.1 b8b4127", "2024-03"});
  row.brief = true;
  row.files.index_first = true;
  row.files.missing_shard_message = "FileNotFoundError: No such file or directory: \"{dir}/{file}\"";
  row.files.source = "AutoGPTQ/AutoGPTQ v0.7.1 auto_gptq/modeling/_utils.py:672-738";
  return row;
}();

constexpr Profile kRowMain = [] {
  constexpr std::string_view source = "AutoGPTQ/AutoGPTQ main auto_gptq/quantization/config.py";
  Profile row = Next(kRow071, {"main", "main (0.8.0.dev0, end of life)", kV08, kMainVersion, "AutoGPTQ main",
                               "AutoGPTQ/AutoGPTQ main 9f7d370", "2025-04"});
  row.assumptions = kAssumeMain;
  row.config.not_object_member = "get";
  row.config.format_key = FormatKey::kCheckpointFormat;
  row.config.lower_keys = true;
  row.config.lower_format = true;
  row.config.source = "AutoGPTQ/AutoGPTQ main auto_gptq/quantization/config.py:179-205";
  row.method = {.accepted = kMethodsMain,
                .case_sensitive = false,
                .unknown = UnknownMethod::kRejects,
                .unknown_message = "ValueError: Unknown quantization method: {v}.",
                .not_string_message = "AttributeError: '{t}' object has no attribute 'lower'",
                .source = source};
  row.limits.formats = kFormatsMain;
  row.limits.format_message = "ValueError: Unknown quantization format: {v}.";
  row.limits.source = source;
  row.files.source = kUtils;
  row.tensors.unexpected = Unexpected::kWarns;
  row.tensors.unexpected_message = kNotUsed;
  row.tensors.shape_message = kAccelerateShape033;
  row.tensors.bias = BiasRule::kByArchitecture;
  row.tensors.source = "AutoGPTQ/AutoGPTQ main auto_gptq/utils/accelerate_utils.py";
  return row;
}();

constexpr const Profile* kRows[] = {&kRow04, &kRow05, &kRow06, &kRow070, &kRow071, &kRowMain};

}  // namespace

// As optimum picks AutoGPTQ's kernels for 4 bits: exllama v1 unless told otherwise (transformers
// GPTQConfig.exllama_config).
const std::array<KernelRow, 3> kAutoGptqExllamaKernels = {kExllama, kCudaOld, kCudaRow};

std::span<const Profile* const> AutoGptqProfiles() { return kRows; }

}  // namespace gptq_doctor
