// GPTQModel: v1.4.0 (360a8e6), v2.2.0 (ca9d634), v4.2.5 (db41ae4), v5.8.0 (9980f01), v6.0.3 (6a65d69), v7.3.4
// (783a0fb). Boundaries between them were checked by tag: the local config.json fall-through 1.6.0, desc_act
// default 5.0.0, the gate's test 5.2.0, plain loads delegated 5.7.0, is_marlin_format refused 6.0.0, per-module kernels
// and gptq_p 7.3.4.

#include "loaders/families.h"
#include "loaders/gptqmodel_words.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

using namespace gptqmodel;  // NOLINT: its words and these rows are one table

// By name; the suffix trees of each definition are not carried over. From version 4 names are compared in lower case.
constexpr Version kV4 = {4, 0, 0};
constexpr ArchitectureRow kArchitectures[] = {
    {"bloom gpt_neox gptj gpt2 llama opt moss chatglm glm gpt_bigcode codegen cohere cohere2 falcon baichuan internlm "
     "internlm2 qwen mistral xverse deci stablelm_epoch stablelm starcoder2 mixtral qwen2 qwen3 longllama gemma gemma2 "
     "gemma3_text phi phi3 phimoe mpt minicpm minicpm3 qwen2_moe qwen3_moe qwen2_vl qwen2_5_vl dbrx dbrx_converted "
     "deepseek_v2 deepseek_v3 exaone grinmoe mllama granite mobilellm hymba olmo2 ovis telechat instella",
     {}},
    {"Yi RefinedWebModel RefinedWeb", {}, {}, kV4},
    {"yi apertus dream ernie4_5 ernie4_5_moe falcon_h1 gemma3 glm4 glm4_moe gpt_neo gpt_oss gpt_pangu kimi_k2 klear "
     "llama4 llava_qwen2 longcat_flash mimo nemotron-nas nemotron_h phi4mm qwen2_5_omni qwen3_next seed_oss",
     {},
     kV4}};

constexpr std::string_view kRefusal =
    "NotImplementedError: <class 'gptqmodel.nn_modules.qlinear.torch.TorchQuantLinear'> {reason}";
constexpr std::string_view kRefusal7 = "ValueError: No compatible quant linear was found for this module: {Class}";

// A kernel as AUTO asks for it: what it takes, and what all kernels have in common.
constexpr KernelRow Kernel(std::string_view name, uint32_t bits, std::span<const int64_t> groups, int in_multiple,
                           int out_multiple) {
  return {.name = name,
          .bits = bits,
          .group_sizes = groups,
          .in_multiple = in_multiple,
          .out_multiple = out_multiple,
          .zeros = Zeros::kByFormat,
          .refusal = kRefusal,
          .source = kImporter};
}
// Marlin and Machete: symmetric, for a compute capability, g_idx sorted in only with desc_act.
constexpr KernelRow Tiled(KernelRow row, Tri sym, int min_sm, Zeros zeros, bool v2) {
  row.sym = sym;
  row.in_by_group = true;
  row.min_sm = min_sm;
  row.zeros = zeros;
  row.g_idx = GroupIndex::kIfDescAct;
  row.v2 = v2;
  return row;
}
constexpr KernelRow Marlin(int min_sm, bool v2) {
  return Tiled(Kernel("marlin", BitsSet({4, 8}), kMarlinGroups, 1, 64), Tri::kOnlyTrue, min_sm, Zeros::kUnused, v2);
}
constexpr std::array<int64_t, 3> kMacheteGroups = {-1, 64, 128};
constexpr KernelRow Machete(Tri sym, Zeros zeros) {
  return Tiled(Kernel("machete", BitsSet({4, 8}), kMacheteGroups, 64, 128), sym, 90, zeros, false);
}
constexpr KernelRow ExllamaV2(std::span<const int64_t> groups) {
  KernelRow row = Kernel("exllama_v2", BitsSet({4}), groups, 32, 32);
  row.in_by_group = true;
  return row;
}
constexpr KernelRow kExllamaV1 = [] {
  KernelRow row = ExllamaV2(kGroupsTo128);
  row.name = "exllama_v1";
  row.platforms = kCuda | kRocm;
  row.g_idx = GroupIndex::kIfDescAct;
  return row;
}();
constexpr KernelRow Triton(std::span<const int64_t> groups) {
  KernelRow row = Kernel("triton", BitsSet({2, 4, 8}), groups, 32, 32);
  row.slow = true;
  return row;
}
constexpr KernelRow Torch(std::span<const int64_t> groups, std::string_view refusal) {
  KernelRow row = Kernel("torch", k2348, groups, 1, 1);
  row.platforms = kCuda | kRocm | kCpu | kXpu;
  row.slow = true;
  row.refusal = refusal;
  return row;
}
constexpr uint32_t kAllBits = BitsSet({2, 3, 4, 5, 6, 7, 8});
constexpr KernelRow kTorchPlanar = [] {
  KernelRow row = Torch(kGroupsTo1024, kRefusal7);
  row.bits = kAllBits;
  row.planar = true;
  return row;
}();
constexpr KernelRow kTorchFused = [] {
  KernelRow row = Kernel("torch_fused", BitsSet({4}), kGroupsTo128, 1, 1);
  row.platforms = kCpu | kXpu;
  row.dtypes = kFp16 | kBf16 | kFp32;
  return row;
}();
constexpr KernelRow kIpex = [] {
  KernelRow row = Kernel("ipex", BitsSet({4}), kGroupsTo128, 1, 1);
  row.platforms = kCpu | kXpu;
  row.zeros = Zeros::kAlwaysV1;
  return row;
}();

constexpr std::array<int64_t, 4> kExllamaGroups = {-1, 32, 64, 128};
constexpr KernelRow kKernels2[] = {
    Marlin(80, false), ExllamaV2(kGroupsTo128), kExllamaV1, Triton(kGroupsTo128), kIpex, Torch(kGroupsTo128, kRefusal)};
constexpr KernelRow kKernels4[] = {Marlin(80, false),
                                   ExllamaV2(kExllamaGroups),
                                   kExllamaV1,
                                   kTorchFused,
                                   Triton(kGroupsTo128),
                                   kIpex,
                                   Torch(kGroupsTo128, kRefusal)};
constexpr KernelRow kKernels5[] = {Machete(Tri::kOnlyTrue, Zeros::kUnused),
                                   Marlin(80, false),
                                   ExllamaV2(kExllamaGroups),
                                   kTorchFused,
                                   Triton(kGroupsTo1024),
                                   Torch(kGroupsTo1024, kRefusal)};
constexpr KernelRow kMachete7 = Machete(Tri::kAny, Zeros::kByFormat);
constexpr KernelRow kKernels7[] = {kMachete7,   Marlin(75, true),      ExllamaV2(kExllamaGroups),
                                   kTorchFused, Triton(kGroupsTo1024), Torch(kGroupsTo1024, kRefusal7)};
constexpr KernelRow kKernels734[] = {kMachete7,   Marlin(75, true),      ExllamaV2(kExllamaGroups),
                                     kTorchFused, Triton(kGroupsTo1024), kTorchPlanar};

constexpr Stage kStages1[] = {StageModelConfig,     StageModelType, StageConfig,       StageMethod,  StageLimits,
                              StageGptqModelFormat, StageFiles,     StageMetadata,     StageModules, StageForeign,
                              StageKernel,          StageTensors,   StageGptqModelSym, StageValues};
constexpr Stage kStages[] = {StageModelConfig,     StageGptqModelGate,   StageModelType,      StageConfig,
                             StageGptqModelKeys,   StageMethod,          StageGptqModelWords, StageLimits,
                             StageGptqModelValues, StageGptqModelFormat, StageFiles,          StageMetadata,
                             StageModules,         StageForeign,         StageKernel,         StageTensors,
                             StageGptqModelSym,    StageValues};

constexpr Profile kRow1 = {
    .loader = "gptqmodel",
    .version = "1.4",
    .versions = ">=1.2,<1.6",
    .since = {1, 2, 0},
    .until = {1, 6, 0},
    .title = "GPTQModel 1.4",
    .revision = "ModelCloud/GPTQModel v1.4.0 360a8e6",
    .as_of = "2024-12",
    .config = {.places = kOnlyFirst,
               .only_first = true,
               .no_config_message = kNoFile,
               .bits = 4,
               .group_size = 128,
               .desc_act = true,
               .aliases = kNames,
               .format_key = FormatKey::kLastOfBoth,
               .lower_keys = true,
               .method_names_format = true,
               .flag_names_format = true,
               .source = kConfigSource},
    .method = {.accepted = kMethods1,
               .case_sensitive = false,
               .unknown = UnknownMethod::kRejects,
               .unknown_message = kMethodMessage1,
               .not_string_message = kNoLower,
               .source = kConfigSource},
    .limits = {.bits = k2348,
               .bits_message = "ValueError: only support quantize to [2, 3, 4, 8] bits.",
               .group_size_message = "ValueError: unless equal to -1, group_size must greater than 0.",
               .group_size_checked = true,
               .formats = kFormats1,
               .format_message = kFormatMessage1,
               .damp_message = kDamp1,
               .damp_increment_message = kStep1,
               .meta_message = kMeta1,
               .dynamic_bits_message = kLayerBits1,
               .dynamic_group_message = "ValueError: unless equal to -1, group_size must greater then 0.",
               .source = kConfigSource},
    .files = {.rule = FileRule::kNamed,
              .bases = kBases,
              .index_first = true,
              .none_message = kNotFound,
              .missing_shard_message = "FileNotFoundError: No such file or directory: \"{dir}/{file}\"",
              .source = kFilesSource},
    .kernels = kKernels2,
    .modules = {.rule = ModuleRule::kSuffixes,
                .dynamic = true,
                .pattern_message = "re.error: {re}",
                .lm_head = LmHeadRule::kIfKey,
                .architectures = kArchitectures,
                .type_message = kNotSupported,
                .source = kModels},
    .tensors = {.unexpected = Unexpected::kWarns,
                .unexpected_message = kNotUsed,
                .missing_value = "zeros (uninitialised under Marlin)",
                .shape_message = kAccelerateShape033,
                .metadata = MetadataRule::kAccelerate,
                .source = "huggingface/accelerate v1.12.0 src/accelerate/utils/modeling.py"},
    .stages = kStages1};

constexpr Profile kRow16 = [] {
  Profile row = Next(
      kRow1,
      {"1.6", ">=1.6,<2.0", {1, 6, 0}, {2, 0, 0}, "GPTQModel 1.6", "ModelCloud/GPTQModel v1.6.0, v2.2.0", "2025-01"});
  row.config.places = kAllPlaces;
  row.config.only_first = false;
  row.config.no_config_message = kNoneFound;
  row.stages = kStages;
  return row;
}();

constexpr Profile kRow2 = [] {
  Profile row = Next(
      kRow16, {"2.0", ">=2.0,<4.0", {2, 0, 0}, kV4, "GPTQModel 2", "ModelCloud/GPTQModel v2.2.0 ca9d634", "2025-04"});
  row.config.flag_names_format = false;
  row.method.accepted = kMethods2;
  row.method.unknown_message = kMethodMessage;
  row.limits.bits_message = kBitsMessage;
  row.limits.group_size_message = kGroupMessage;
  row.limits.formats = kFormats;
  row.limits.format_message = kFormatMessage2;
  row.limits.damp_message = kDamp;
  row.limits.damp_increment_message = kStep;
  row.limits.meta_message = kMeta;
  row.limits.dynamic_bits_message = kLayerBits;
  row.limits.dynamic_group_message = {};
  return row;
}();

constexpr Profile kRow4 = [] {
  Profile row = Next(
      kRow2, {"4.0", ">=4.0,<5.0", kV4, {5, 0, 0}, "GPTQModel 4", "ModelCloud/GPTQModel v4.2.5 db41ae4", "2025-09"});
  row.kernels = kKernels4;
  row.modules.fold_type_case = true;
  return row;
}();

constexpr std::string_view kTag58 = "ModelCloud/GPTQModel v5.8.0 9980f01";
constexpr Profile kRow50 = [] {
  Profile row = Next(kRow4, {"5.0", ">=5.0,<5.2", {5, 0, 0}, {5, 2, 0}, "GPTQModel 5.0", kTag58, "2026-03"});
  row.config.desc_act = false;
  row.config.aliases = kNames5;
  row.config.lower_format = true;
  row.config.version_names_format = true;
  row.method.accepted = kMethods5;
  row.limits.group_size_message = kGroupMessage5;
  row.limits.formats = kFormats5;
  row.limits.damp_null = true;
  row.kernels = kKernels5;
  row.modules.pattern_message = {};  // PCRE's own words
  return row;
}();

// Only the gate differs (gptqmodel.cc).
constexpr Profile kRow52 =
    Next(kRow50, {"5.2", ">=5.2,<5.7", {5, 2, 0}, {5, 7, 0}, "GPTQModel 5.2", kTag58, "2026-03"});
constexpr Profile kRow57 =
    Next(kRow52, {"5.7", ">=5.7,<6.0", {5, 7, 0}, {6, 0, 0}, "GPTQModel 5.8", kTag58, "2026-03"});

constexpr Profile kRow6 = [] {
  Profile row = Next(
      kRow57,
      {"6.0", ">=6.0,<7.0", {6, 0, 0}, {7, 0, 0}, "GPTQModel 6", "ModelCloud/GPTQModel v6.0.3 6a65d69", "2026-04"});
  row.config.digit_strings = true;
  row.config.not_object_member = "items";
  row.config.aliases = kNames6;
  row.config.format_key = FormatKey::kFormatFirst;
  row.method.accepted = kMethods7;
  row.method.not_string_message = kMethodType6;
  row.limits.bits = BitsSet({2, 3, 4, 5, 6, 8});
  row.limits.bits_message = kBitsMessage6;
  row.limits.bits_type_message = kBitsType6;
  row.limits.bits_word_message = kBitsWord6;
  row.limits.format_message = kFormatMessage6;
  row.limits.dynamic_bits_message = kLayerBits6;
  return row;
}();

constexpr Profile kRow7 = [] {
  Profile row = Next(kRow6, {"7.0",
                             ">=7.0,<7.3.4",
                             {7, 0, 0},
                             {7, 3, 4},
                             "GPTQModel 7.0",
                             "ModelCloud/GPTQModel v7.3.0, v7.3.4 783a0fb",
                             "2026-08"});
  row.limits.bits_message = kBitsMessage7;
  row.limits.one_bit_message = kOneBit7;
  row.kernels = kKernels7;
  return row;
}();

constexpr Profile kRow734 = [] {
  Profile row = Next(
      kRow7,
      {"7.3.4", ">=7.3.4", {7, 3, 4}, {8, 0, 0}, "GPTQModel 7.3.4", "ModelCloud/GPTQModel v7.3.4 783a0fb", "2026-08"});
  row.brief = true;
  row.limits.bits = kAllBits;
  row.limits.bits_message = kBitsMessage734;
  row.limits.one_bit_message = kOneBit734;
  row.limits.formats = kFormats734;
  row.limits.dynamic_bits_message = kLayerBits734;
  row.kernels = kKernels734;
  row.per_module_kernels = true;
  row.modules.lm_head = LmHeadRule::kIfKeyOrTensors;
  row.modules.pattern_message = "ValueError: QuantizeConfig: invalid dynamic pattern `{p}`";
  return row;
}();

constexpr const Profile* kRows[] = {&kRow1,  &kRow16, &kRow2, &kRow4, &kRow50,
                                    &kRow52, &kRow57, &kRow6, &kRow7, &kRow734};

}  // namespace

// optimum asks GPTQModel for a kernel of format gptq and applies the +1 only where the label is exactly "gptq" (OP
// quantizer.py).
constexpr KernelRow ForOptimum(KernelRow row) {
  if (row.zeros != Zeros::kUnused) row.zeros = Zeros::kRawUnlessV1;
  row.v2 = true;
  return row;
}
const std::array<KernelRow, 4> kOptimumGptqModelKernels = {
    ForOptimum(Marlin(80, true)), ForOptimum(ExllamaV2(kExllamaGroups)), ForOptimum(Triton(kGroupsTo1024)),
    ForOptimum(Torch(kGroupsTo1024, kRefusal))};

std::span<const Profile* const> GptqModelProfiles() { return kRows; }

}  // namespace gptq_doctor
