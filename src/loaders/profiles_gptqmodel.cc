// GPTQModel: v1.4.0 (360a8e6), v2.2.0 (ca9d634), v4.2.5 (db41ae4), v5.8.0 (9980f01), v6.0.3 (6a65d69), v7.3.4
// (783a0fb). Boundaries between them were checked by tag: the local config.json fall-through 1.6.0, desc_act
// default 5.0.0, the gate's test 5.2.0, plain loads delegated 5.7.0, is_marlin_format refused 6.0.0, per-module kernels
// and gptq_p 7.3.4.

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kConfigSource = "ModelCloud/GPTQModel gptqmodel/quantization/config.py";
constexpr std::string_view kImporter = "ModelCloud/GPTQModel gptqmodel/utils/importer.py";
constexpr std::string_view kModels = "ModelCloud/GPTQModel gptqmodel/models/auto.py, models/loader.py";
constexpr std::string_view kFilesSource = "ModelCloud/GPTQModel gptqmodel/utils/model.py";

constexpr ConfigPlace kOnlyFirst[] = {{"quantize_config.json", ""}};
constexpr ConfigPlace kAllPlaces[] = {
    {"quantize_config.json", ""}, {"quant_config.json", ""}, {"config.json", "/quantization_config", true}};
constexpr std::string_view kNoFile =
    "FileNotFoundError: [Errno 2] No such file or directory: '{dir}/quantize_config.json'";
constexpr std::string_view kNoneFound =
    "ValueError: No quantize_config.json, quant_config.json or config.json file was found in the model repository.";
constexpr KeyAlias kNames[] = {{"w_bit", "bits"}, {"q_group_size", "group_size"}};
constexpr KeyAlias kNames5[] = {
    {"w_bit", "bits"}, {"wbits", "bits"}, {"q_group_size", "group_size"}, {"zero_point", "not sym"}};
constexpr KeyAlias kNames6[] = {{"w_bit", "bits"},
                                {"wbits", "bits"},
                                {"q_group_size", "group_size"},
                                {"zero_point", "not sym"},
                                {"method", "quant_method"}};
constexpr std::string_view kBases[] = {"gptq_model-{bits}bit-{group_size}g", "model"};
constexpr std::string_view kNotFound =
    "FileNotFoundError: Could not find a model in {dir} with a name in {names}. Please specify the argument "
    "model_basename to use a custom file name.";
constexpr std::string_view kNotSupported = "TypeError: {model_type} isn't supported yet.";
constexpr std::string_view kBitsMessage = "ValueError: QuantizeConfig: `bits` must be in the set of `[2, 3, 4, 8]`.";
constexpr std::string_view kBitsMessage6 =
    "ValueError: QuantizeConfig: `bits` must be in the set of `[2, 3, 4, 5, 6, 7, 8]`.";
constexpr std::string_view kGroupMessage =
    "ValueError: QuantizeConfig: `group_size` must in the value set of `[-1, 16, 32, 64, 128]`.";
constexpr std::string_view kGroupMessage5 =
    "ValueError: QuantizeConfig: `group_size` must be one of `[-1, 16, 32, 64, 128, 256, 512, 1024]`.";
constexpr std::string_view kFormats[] = {"gptq", "gptq_v2", "marlin", "bitblas", "ipex", "qqq"};
constexpr std::string_view kFormats5[] = {"gptq", "gptq_v2", "marlin",    "bitblas", "qqq",
                                          "gemm", "gemv",    "gemv_fast", "llm-awq"};
constexpr std::string_view kFormats7[] = {"gptq", "gptq_v2", "gptq_p", "marlin",    "bitblas",
                                          "qqq",  "gemm",    "gemv",   "gemv_fast", "llm-awq"};
constexpr std::string_view kFormats1[] = {"gptq", "gptq_v2", "marlin", "bitblas", "ipex"};
constexpr std::string_view kFormatMessage1 =
    "ValueError: The checkpoint format used is {v}, and the quantization method is {m}. ";
constexpr std::string_view kFormatMessage2 =
    "ValueError: QuantizeConfig: checkpoint `format` used is {v}, and the quantization method is {m}. ";
constexpr std::string_view kFormatMessage6 = "ValueError: QuantizeConfig: Unknown quantization format: `{v}`.";
constexpr std::string_view kMethods1[] = {"gptq", "auto_round", "marlin", "bitblas"};
constexpr std::string_view kMethods2[] = {"gptq", "auto_round", "qqq", "marlin", "bitblas"};
constexpr std::string_view kMethods5[] = {"gptq", "qqq", "awq", "marlin", "bitblas"};
constexpr std::string_view kMethods7[] = {"gptq",         "marlin", "bitblas", "gguf", "fp8",
                                          "bitsandbytes", "qqq",    "awq",     "exl3", "paroquant"};
constexpr std::string_view kMethodMessage = "ValueError: QuantizeConfig: Unknown quantization method: `{v}`.";
constexpr std::string_view kMethodMessage1 = "ValueError: Unknown quantization method: {v}.";
constexpr std::string_view kNoLower = "AttributeError: '{t}' object has no attribute 'lower'";
constexpr std::string_view kMethodType6 = "ValueError: QuantizeConfig: Unsupported `method`: {v}";
constexpr std::string_view kDamp1 = "ValueError: damp_percent must between 0 and 1.";
constexpr std::string_view kDamp = "ValueError: QuantizeConfig: `damp_percent` must between 0 and 1.";
constexpr std::string_view kStep1 = "ValueError: damp_auto_increment must greater than 0.";
constexpr std::string_view kStep = "ValueError: QuantizeConfig:: `damp_auto_increment` must greater than 0.";
constexpr std::string_view kMeta1 = "ValueError: meta must be a dictionary";
constexpr std::string_view kMeta = "ValueError: QuantizeConfig: `meta` must be a dictionary";
constexpr std::string_view kLayerBits1 = "ValueError: Layer {k}: only support quantize to [2, 3, 4, 8] bits.";
constexpr std::string_view kLayerBits =
    "ValueError: QuantizeConfig: Layer `{k}` only support quantization of  `[2, 3, 4, 8]` bits.";
constexpr std::string_view kLayerBits6 =
    "ValueError: QuantizeConfig: Layer `{k}` only support quantization of  `[2, 3, 4, 5, 6, 7, 8]` bits.";

// model_type lists by name; the suffix trees of each definition are not carried over.
constexpr ArchitectureRow kList2[] = {{"bloom"},
                                      {"gpt_neox"},
                                      {"gptj"},
                                      {"gpt2"},
                                      {"llama"},
                                      {"opt"},
                                      {"moss"},
                                      {"chatglm"},
                                      {"glm"},
                                      {"gpt_bigcode"},
                                      {"codegen"},
                                      {"cohere"},
                                      {"cohere2"},
                                      {"RefinedWebModel"},
                                      {"RefinedWeb"},
                                      {"falcon"},
                                      {"baichuan"},
                                      {"internlm"},
                                      {"internlm2"},
                                      {"qwen"},
                                      {"mistral"},
                                      {"Yi"},
                                      {"xverse"},
                                      {"deci"},
                                      {"stablelm_epoch"},
                                      {"stablelm"},
                                      {"starcoder2"},
                                      {"mixtral"},
                                      {"qwen2"},
                                      {"qwen3"},
                                      {"longllama"},
                                      {"gemma"},
                                      {"gemma2"},
                                      {"gemma3_text"},
                                      {"phi"},
                                      {"phi3"},
                                      {"phimoe"},
                                      {"mpt"},
                                      {"minicpm"},
                                      {"minicpm3"},
                                      {"qwen2_moe"},
                                      {"qwen3_moe"},
                                      {"qwen2_vl"},
                                      {"qwen2_5_vl"},
                                      {"dbrx"},
                                      {"dbrx_converted"},
                                      {"deepseek_v2"},
                                      {"deepseek_v3"},
                                      {"exaone"},
                                      {"grinmoe"},
                                      {"mllama"},
                                      {"granite"},
                                      {"mobilellm"},
                                      {"hymba"},
                                      {"olmo2"},
                                      {"ovis"},
                                      {"telechat"},
                                      {"instella"}};
constexpr ArchitectureRow kList4[] = {{"bloom"},        {"gpt_neox"},     {"gptj"},           {"gpt2"},
                                      {"llama"},        {"opt"},          {"moss"},           {"chatglm"},
                                      {"glm"},          {"gpt_bigcode"},  {"codegen"},        {"cohere"},
                                      {"cohere2"},      {"falcon"},       {"baichuan"},       {"internlm"},
                                      {"internlm2"},    {"qwen"},         {"mistral"},        {"yi"},
                                      {"xverse"},       {"deci"},         {"stablelm_epoch"}, {"stablelm"},
                                      {"starcoder2"},   {"mixtral"},      {"qwen2"},          {"qwen3"},
                                      {"longllama"},    {"gemma"},        {"gemma2"},         {"gemma3_text"},
                                      {"phi"},          {"phi3"},         {"phimoe"},         {"mpt"},
                                      {"minicpm"},      {"minicpm3"},     {"qwen2_moe"},      {"qwen3_moe"},
                                      {"qwen2_vl"},     {"qwen2_5_vl"},   {"dbrx"},           {"dbrx_converted"},
                                      {"deepseek_v2"},  {"deepseek_v3"},  {"exaone"},         {"grinmoe"},
                                      {"mllama"},       {"granite"},      {"mobilellm"},      {"hymba"},
                                      {"olmo2"},        {"ovis"},         {"telechat"},       {"instella"},
                                      {"apertus"},      {"dream"},        {"ernie4_5"},       {"ernie4_5_moe"},
                                      {"falcon_h1"},    {"gemma3"},       {"glm4"},           {"glm4_moe"},
                                      {"gpt_neo"},      {"gpt_oss"},      {"gpt_pangu"},      {"kimi_k2"},
                                      {"klear"},        {"llama4"},       {"llava_qwen2"},    {"longcat_flash"},
                                      {"mimo"},         {"nemotron-nas"}, {"nemotron_h"},     {"phi4mm"},
                                      {"qwen2_5_omni"}, {"qwen3_next"},   {"seed_oss"}};

constexpr std::string_view kRefusal =
    "NotImplementedError: <class 'gptqmodel.nn_modules.qlinear.torch.TorchQuantLinear'> {reason}";
constexpr std::string_view kRefusal7 = "ValueError: No compatible quant linear was found for this module: {Class}";

constexpr KernelRow Marlin(int min_sm, bool v2) {
  return {.name = "marlin",
          .bits = BitsSet({4, 8}),
          .group_sizes = kMarlinGroups,
          .sym = Tri::kOnlyTrue,
          .out_multiple = 64,
          .in_by_group = true,
          .min_sm = min_sm,
          .zeros = Zeros::kUnused,
          .g_idx = GroupIndex::kIfDescAct,
          .v2 = v2,
          .refusal = kRefusal,
          .source = kImporter};
}
constexpr KernelRow ExllamaV2(std::span<const int64_t> groups) {
  return {.name = "exllama_v2",
          .bits = BitsSet({4}),
          .group_sizes = groups,
          .in_multiple = 32,
          .out_multiple = 32,
          .in_by_group = true,
          .zeros = Zeros::kByFormat,
          .refusal = kRefusal,
          .source = kImporter};
}
constexpr KernelRow kExllamaV1 = {.name = "exllama_v1",
                                  .bits = BitsSet({4}),
                                  .group_sizes = kGroupsTo128,
                                  .in_multiple = 32,
                                  .out_multiple = 32,
                                  .in_by_group = true,
                                  .platforms = kCuda | kRocm,
                                  .zeros = Zeros::kByFormat,
                                  .g_idx = GroupIndex::kIfDescAct,
                                  .refusal = kRefusal,
                                  .source = kImporter};
constexpr KernelRow Triton(std::span<const int64_t> groups) {
  return {.name = "triton",
          .bits = BitsSet({2, 4, 8}),
          .group_sizes = groups,
          .in_multiple = 32,
          .out_multiple = 32,
          .zeros = Zeros::kByFormat,
          .slow = true,
          .refusal = kRefusal,
          .source = kImporter};
}
constexpr KernelRow Torch(std::span<const int64_t> groups, uint32_t bits, std::string_view refusal) {
  return {.name = "torch",
          .bits = bits,
          .group_sizes = groups,
          .platforms = kCuda | kRocm | kCpu | kXpu,
          .zeros = Zeros::kByFormat,
          .slow = true,
          .refusal = refusal,
          .source = kImporter};
}
constexpr KernelRow kTorchFused = {.name = "torch_fused",
                                   .bits = BitsSet({4}),
                                   .group_sizes = kGroupsTo128,
                                   .platforms = kCpu | kXpu,
                                   .dtypes = kFp16 | kBf16 | kFp32,
                                   .zeros = Zeros::kByFormat,
                                   .refusal = kRefusal,
                                   .source = kImporter};
constexpr KernelRow kIpex = {.name = "ipex",
                             .bits = BitsSet({4}),
                             .group_sizes = kGroupsTo128,
                             .platforms = kCpu | kXpu,
                             .zeros = Zeros::kAlwaysV1,
                             .refusal = kRefusal,
                             .source = kImporter};
constexpr std::array<int64_t, 3> kMacheteGroups = {-1, 64, 128};
constexpr KernelRow Machete(Tri sym, Zeros zeros) {
  return {.name = "machete",
          .bits = BitsSet({4, 8}),
          .group_sizes = kMacheteGroups,
          .sym = sym,
          .in_multiple = 64,
          .out_multiple = 128,
          .in_by_group = true,
          .min_sm = 90,
          .zeros = zeros,
          .g_idx = GroupIndex::kIfDescAct,
          .v2 = false,
          .refusal = kRefusal,
          .source = kImporter};
}
constexpr std::array<int64_t, 4> kExllamaGroups = {-1, 32, 64, 128};
constexpr KernelRow kKernels2[] = {Marlin(80, false),
                                   ExllamaV2(kGroupsTo128),
                                   kExllamaV1,
                                   Triton(kGroupsTo128),
                                   kIpex,
                                   Torch(kGroupsTo128, k2348, kRefusal)};
constexpr KernelRow kKernels4[] = {Marlin(80, false),
                                   ExllamaV2(kExllamaGroups),
                                   kExllamaV1,
                                   kTorchFused,
                                   Triton(kGroupsTo128),
                                   kIpex,
                                   Torch(kGroupsTo128, k2348, kRefusal)};
constexpr KernelRow kKernels5[] = {Machete(Tri::kOnlyTrue, Zeros::kUnused),
                                   Marlin(80, false),
                                   ExllamaV2(kExllamaGroups),
                                   kTorchFused,
                                   Triton(kGroupsTo1024),
                                   Torch(kGroupsTo1024, k2348, kRefusal)};
constexpr KernelRow kKernels7[] = {Machete(Tri::kAny, Zeros::kByFormat),
                                   Marlin(75, true),
                                   ExllamaV2(kExllamaGroups),
                                   kTorchFused,
                                   Triton(kGroupsTo1024),
                                   Torch(kGroupsTo1024, k2348, kRefusal7)};
constexpr uint32_t kAllBits = BitsSet({2, 3, 4, 5, 6, 7, 8});
constexpr KernelRow kTorchPlanar = {.name = "torch",
                                    .bits = kAllBits,
                                    .group_sizes = kGroupsTo1024,
                                    .platforms = kCuda | kRocm | kCpu | kXpu,
                                    .zeros = Zeros::kByFormat,
                                    .planar = true,
                                    .slow = true,
                                    .refusal = kRefusal7,
                                    .source = kImporter};
constexpr KernelRow kKernels734[] = {Machete(Tri::kAny, Zeros::kByFormat),
                                     Marlin(75, true),
                                     ExllamaV2(kExllamaGroups),
                                     kTorchFused,
                                     Triton(kGroupsTo1024),
                                     kTorchPlanar};

constexpr ConfigFacts Config(std::span<const ConfigPlace> places, bool only_first, bool desc_act,
                             std::span<const KeyAlias> names, FormatKey format_key, bool lower_format, bool digits,
                             bool old = false) {
  return {.places = places,
          .only_first = only_first,
          .no_config_message = only_first ? kNoFile : kNoneFound,
          .digit_strings = digits,
          .bits = 4,
          .group_size = 128,
          .desc_act = desc_act,
          .aliases = names,
          .format_key = format_key,
          .lower_keys = true,
          .lower_format = lower_format,
          .method_names_format = true,
          .flag_names_format = old,
          .version_names_format = lower_format,
          .source = kConfigSource};
}
constexpr MethodFacts Method(std::span<const std::string_view> accepted, std::string_view unknown = kMethodMessage,
                             std::string_view not_string = kNoLower) {
  return {.accepted = accepted,
          .case_sensitive = false,
          .unknown = UnknownMethod::kRejects,
          .unknown_message = unknown,
          .not_string_message = not_string,
          .source = kConfigSource};
}
constexpr LimitFacts kLimits2 = {.bits = k2348,
                                 .bits_message = kBitsMessage,
                                 .group_size_message = kGroupMessage,
                                 .group_size_checked = true,
                                 .formats = kFormats,
                                 .format_message = kFormatMessage2,
                                 .damp_message = kDamp,
                                 .damp_increment_message = kStep,
                                 .meta_message = kMeta,
                                 .dynamic_bits_message = kLayerBits,
                                 .source = kConfigSource};
constexpr LimitFacts kLimits1 = {
    .bits = k2348,
    .bits_message = "ValueError: only support quantize to [2, 3, 4, 8] bits.",
    .group_size_message = "ValueError: unless equal to -1, group_size must greater then 0.",
    .group_size_checked = true,
    .formats = kFormats1,
    .format_message = kFormatMessage1,
    .damp_message = kDamp1,
    .damp_increment_message = kStep1,
    .meta_message = kMeta1,
    .dynamic_bits_message = kLayerBits1,
    .source = kConfigSource};
constexpr LimitFacts kLimits5 = {.bits = k2348,
                                 .bits_message = kBitsMessage,
                                 .group_size_message = kGroupMessage5,
                                 .group_size_checked = true,
                                 .formats = kFormats5,
                                 .format_message = kFormatMessage2,
                                 .damp_message = kDamp,
                                 .damp_null = true,
                                 .damp_increment_message = kStep,
                                 .meta_message = kMeta,
                                 .dynamic_bits_message = kLayerBits,
                                 .source = kConfigSource};
constexpr LimitFacts kLimits6 = {.bits = kAllBits,
                                 .bits_message = kBitsMessage6,
                                 .group_size_message = kGroupMessage5,
                                 .group_size_checked = true,
                                 .formats = kFormats7,
                                 .format_message = kFormatMessage6,
                                 .damp_message = kDamp,
                                 .damp_null = true,
                                 .damp_increment_message = kStep,
                                 .meta_message = kMeta,
                                 .dynamic_bits_message = kLayerBits6,
                                 .source = kConfigSource};
constexpr FileFacts kFiles = {.rule = FileRule::kNamed,
                              .bases = kBases,
                              .index_first = true,
                              .none_message = kNotFound,
                              .missing_shard_message = "FileNotFoundError: No such file or directory: \"{dir}/{file}\"",
                              .source = kFilesSource};
constexpr ModuleFacts Suffixes(std::span<const ArchitectureRow> list, bool fold, LmHeadRule head) {
  return {.rule = ModuleRule::kSuffixes,
          .dynamic = true,
          .lm_head = head,
          .architectures = list,
          .fold_type_case = fold,
          .type_message = kNotSupported,
          .source = kModels};
}
constexpr TensorFacts kTensors = {.unexpected = Unexpected::kWarns,
                                  .unexpected_message = kNotUsed,
                                  .missing_value = "zeros (uninitialised under Marlin)",
                                  .shape_message = kAccelerateShape033,
                                  .metadata = MetadataRule::kAccelerate,
                                  .source = "huggingface/accelerate v1.12.0 src/accelerate/utils/modeling.py"};

constexpr Stage kStages1[] = {StageModelConfig,     StageModelType, StageConfig,       StageMethod,  StageLimits,
                              StageGptqModelFormat, StageFiles,     StageMetadata,     StageModules, StageForeign,
                              StageKernel,          StageTensors,   StageGptqModelSym, StageValues};
constexpr Stage kStages[] = {StageModelConfig, StageGptqModelGate,   StageModelType, StageConfig,       StageMethod,
                             StageLimits,      StageGptqModelFormat, StageFiles,     StageMetadata,     StageModules,
                             StageForeign,     StageKernel,          StageTensors,   StageGptqModelSym, StageValues};

constexpr Profile kRow1 = {.loader = "gptqmodel",
                           .version = "1.4",
                           .versions = ">=1.2,<1.6",
                           .since = {1, 2, 0},
                           .until = {1, 6, 0},
                           .title = "GPTQModel 1.4",
                           .revision = "ModelCloud/GPTQModel v1.4.0 360a8e6",
                           .as_of = "2024-12",
                           .config = Config(kOnlyFirst, true, true, kNames, FormatKey::kLastOfBoth, false, false, true),
                           .method = Method(kMethods1, kMethodMessage1),
                           .limits = kLimits1,
                           .files = kFiles,
                           .kernels = kKernels2,
                           .modules = Suffixes(kList2, false, LmHeadRule::kIfKey),
                           .tensors = kTensors,
                           .stages = kStages1};
constexpr Profile kRow16 = {
    .loader = "gptqmodel",
    .version = "1.6",
    .versions = ">=1.6,<2.0",
    .since = {1, 6, 0},
    .until = {2, 0, 0},
    .title = "GPTQModel 1.6",
    .revision = "ModelCloud/GPTQModel v1.6.0, v2.2.0",
    .as_of = "2025-01",
    .config = Config(kAllPlaces, false, true, kNames, FormatKey::kLastOfBoth, false, false, true),
    .method = Method(kMethods1, kMethodMessage1),
    .limits = kLimits1,
    .files = kFiles,
    .kernels = kKernels2,
    .modules = Suffixes(kList2, false, LmHeadRule::kIfKey),
    .tensors = kTensors,
    .stages = kStages};
constexpr Profile kRow2 = {.loader = "gptqmodel",
                           .version = "2.0",
                           .versions = ">=2.0,<4.0",
                           .since = {2, 0, 0},
                           .until = {4, 0, 0},
                           .title = "GPTQModel 2",
                           .revision = "ModelCloud/GPTQModel v2.2.0 ca9d634",
                           .as_of = "2025-04",
                           .config = Config(kAllPlaces, false, true, kNames, FormatKey::kLastOfBoth, false, false),
                           .method = Method(kMethods2),
                           .limits = kLimits2,
                           .files = kFiles,
                           .kernels = kKernels2,
                           .modules = Suffixes(kList2, false, LmHeadRule::kIfKey),
                           .tensors = kTensors,
                           .stages = kStages};
constexpr Profile kRow4 = {.loader = "gptqmodel",
                           .version = "4.0",
                           .versions = ">=4.0,<5.0",
                           .since = {4, 0, 0},
                           .until = {5, 0, 0},
                           .title = "GPTQModel 4",
                           .revision = "ModelCloud/GPTQModel v4.2.5 db41ae4",
                           .as_of = "2025-09",
                           .config = Config(kAllPlaces, false, true, kNames, FormatKey::kLastOfBoth, false, false),
                           .method = Method(kMethods2),
                           .limits = kLimits2,
                           .files = kFiles,
                           .kernels = kKernels4,
                           .modules = Suffixes(kList4, true, LmHeadRule::kIfKey),
                           .tensors = kTensors,
                           .stages = kStages};
constexpr Profile kRow50 = {.loader = "gptqmodel",
                            .version = "5.0",
                            .versions = ">=5.0,<5.2",
                            .since = {5, 0, 0},
                            .until = {5, 2, 0},
                            .title = "GPTQModel 5.0",
                            .revision = "ModelCloud/GPTQModel v5.8.0 9980f01",
                            .as_of = "2026-03",
                            .config = Config(kAllPlaces, false, false, kNames5, FormatKey::kLastOfBoth, true, false),
                            .method = Method(kMethods5),
                            .limits = kLimits5,
                            .files = kFiles,
                            .kernels = kKernels5,
                            .modules = Suffixes(kList4, true, LmHeadRule::kIfKey),
                            .tensors = kTensors,
                            .stages = kStages};
constexpr Profile kRow52 = {.loader = "gptqmodel",
                            .version = "5.2",
                            .versions = ">=5.2,<5.7",
                            .since = {5, 2, 0},
                            .until = {5, 7, 0},
                            .title = "GPTQModel 5.2",
                            .revision = "ModelCloud/GPTQModel v5.8.0 9980f01",
                            .as_of = "2026-03",
                            .config = Config(kAllPlaces, false, false, kNames5, FormatKey::kLastOfBoth, true, false),
                            .method = Method(kMethods5),
                            .limits = kLimits5,
                            .files = kFiles,
                            .kernels = kKernels5,
                            .modules = Suffixes(kList4, true, LmHeadRule::kIfKey),
                            .tensors = kTensors,
                            .stages = kStages};
constexpr Profile kRow57 = {.loader = "gptqmodel",
                            .version = "5.7",
                            .versions = ">=5.7,<6.0",
                            .since = {5, 7, 0},
                            .until = {6, 0, 0},
                            .title = "GPTQModel 5.8",
                            .revision = "ModelCloud/GPTQModel v5.8.0 9980f01",
                            .as_of = "2026-03",
                            .config = Config(kAllPlaces, false, false, kNames5, FormatKey::kLastOfBoth, true, false),
                            .method = Method(kMethods5),
                            .limits = kLimits5,
                            .files = kFiles,
                            .kernels = kKernels5,
                            .modules = Suffixes(kList4, true, LmHeadRule::kIfKey),
                            .tensors = kTensors,
                            .stages = kStages};
constexpr Profile kRow6 = {.loader = "gptqmodel",
                           .version = "6.0",
                           .versions = ">=6.0,<7.0",
                           .since = {6, 0, 0},
                           .until = {7, 0, 0},
                           .title = "GPTQModel 6",
                           .revision = "ModelCloud/GPTQModel v6.0.3 6a65d69",
                           .as_of = "2026-04",
                           .config = Config(kAllPlaces, false, false, kNames6, FormatKey::kFormatFirst, true, true),
                           .method = Method(kMethods7, kMethodMessage, kMethodType6),
                           .limits = kLimits6,
                           .files = kFiles,
                           .kernels = kKernels5,
                           .modules = Suffixes(kList4, true, LmHeadRule::kIfKey),
                           .tensors = kTensors,
                           .stages = kStages};
constexpr Profile kRow7 = {.loader = "gptqmodel",
                           .version = "7.0",
                           .versions = ">=7.0,<7.3.4",
                           .since = {7, 0, 0},
                           .until = {7, 3, 4},
                           .title = "GPTQModel 7.0",
                           .revision = "ModelCloud/GPTQModel v7.3.0, v7.3.4 783a0fb",
                           .as_of = "2026-08",
                           .config = Config(kAllPlaces, false, false, kNames6, FormatKey::kFormatFirst, true, true),
                           .method = Method(kMethods7, kMethodMessage, kMethodType6),
                           .limits = kLimits6,
                           .files = kFiles,
                           .kernels = kKernels7,
                           .modules = Suffixes(kList4, true, LmHeadRule::kIfKey),
                           .tensors = kTensors,
                           .stages = kStages};
constexpr Profile kRow734 = {.loader = "gptqmodel",
                             .version = "7.3.4",
                             .versions = ">=7.3.4",
                             .since = {7, 3, 4},
                             .until = {8, 0, 0},
                             .title = "GPTQModel 7.3.4",
                             .revision = "ModelCloud/GPTQModel v7.3.4 783a0fb",
                             .as_of = "2026-08",
                             .brief = true,
                             .config = Config(kAllPlaces, false, false, kNames6, FormatKey::kFormatFirst, true, true),
                             .method = Method(kMethods7, kMethodMessage, kMethodType6),
                             .limits = kLimits6,
                             .files = kFiles,
                             .kernels = kKernels734,
                             .per_module_kernels = true,
                             .modules = Suffixes(kList4, true, LmHeadRule::kIfKeyOrTensors),
                             .tensors = kTensors,
                             .stages = kStages};

constexpr const Profile* kRows[] = {&kRow1,  &kRow16, &kRow2, &kRow4, &kRow50,
                                    &kRow52, &kRow57, &kRow6, &kRow7, &kRow734};

}  // namespace

// optimum asks GPTQModel for a kernel of format gptq and applies the +1 only where the label is exactly "gptq" (OP
// quantizer.py).
const std::array<KernelRow, 4> kOptimumGptqModelKernels = {KernelRow{.name = "marlin",
                                                                     .bits = BitsSet({4, 8}),
                                                                     .group_sizes = kMarlinGroups,
                                                                     .sym = Tri::kOnlyTrue,
                                                                     .out_multiple = 64,
                                                                     .in_by_group = true,
                                                                     .min_sm = 80,
                                                                     .zeros = Zeros::kUnused,
                                                                     .g_idx = GroupIndex::kIfDescAct,
                                                                     .refusal = kRefusal,
                                                                     .source = kImporter},
                                                           KernelRow{.name = "exllama_v2",
                                                                     .bits = BitsSet({4}),
                                                                     .group_sizes = kExllamaGroups,
                                                                     .in_multiple = 32,
                                                                     .out_multiple = 32,
                                                                     .in_by_group = true,
                                                                     .zeros = Zeros::kRawUnlessV1,
                                                                     .refusal = kRefusal,
                                                                     .source = kImporter},
                                                           KernelRow{.name = "triton",
                                                                     .bits = BitsSet({2, 4, 8}),
                                                                     .group_sizes = kGroupsTo1024,
                                                                     .in_multiple = 32,
                                                                     .out_multiple = 32,
                                                                     .zeros = Zeros::kRawUnlessV1,
                                                                     .slow = true,
                                                                     .refusal = kRefusal,
                                                                     .source = kImporter},
                                                           KernelRow{.name = "torch",
                                                                     .bits = k2348,
                                                                     .group_sizes = kGroupsTo1024,
                                                                     .platforms = kCuda | kRocm | kCpu | kXpu,
                                                                     .zeros = Zeros::kRawUnlessV1,
                                                                     .slow = true,
                                                                     .refusal = kRefusal,
                                                                     .source = kImporter}};

std::span<const Profile* const> GptqModelProfiles() { return kRows; }

}  // namespace gptq_doctor
