// transformers 4.44 (4.44.2), 4.55 (4.55.0), 5 (5.7.0.dev0) with either GPTQ back end under optimum, and optimum's own
// load_quantized_model.

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kAuto = "huggingface/transformers src/transformers/quantizers/auto.py";
constexpr std::string_view kConfig =
    "huggingface/transformers src/transformers/utils/quantization_config.py (GPTQConfig)";
constexpr std::string_view kModeling = "huggingface/transformers src/transformers/modeling_utils.py";
constexpr std::string_view kOptimum = "huggingface/optimum optimum/gptq/quantizer.py";

constexpr ConfigPlace kSection[] = {{"config.json", "/quantization_config"}};
constexpr std::string_view kMethods[] = {"gptq"};
// AUTO_QUANTIZATION_CONFIG_MAPPING of 4.44.2 to 4.48.3, of 4.55.0 and of June 2026, without gptq.
constexpr std::string_view kOthers444[] = {
    "awq", "eetq", "aqlm", "quanto", "hqq", "fbgemm_fp8", "compressed-tensors", "higgs", "torchao", "bitnet", "vptq"};
constexpr std::string_view kOthers455[] = {
    "awq",        "eetq",  "aqlm",    "quanto", "quark",     "fp_quant",
    "hqq",        "higgs", "torchao", "bitnet", "vptq",      "compressed-tensors",
    "fbgemm_fp8", "spqr",  "fp8",     "mxfp4",  "auto-round"};
constexpr std::string_view kOthers5[] = {"awq",         "eetq",
                                         "aqlm",        "quanto",
                                         "quark",       "fp_quant",
                                         "hqq",         "higgs",
                                         "torchao",     "bitnet",
                                         "vptq",        "fbgemm_fp8",
                                         "spqr",        "fp8",
                                         "mxfp4",       "auto-round",
                                         "mxfp8",       "metal",
                                         "sinq",        "gemma",
                                         "fouroversix", "compressed-tensors"};
constexpr std::string_view kNoMethod =
    "ValueError: The model's quantization config from the arguments has no `quant_method` attribute. Make sure that "
    "the model has been correctly quantized";
constexpr std::string_view kUnknown444 = "ValueError: Unknown quantization type, got {x} - supported types are: [...]";
constexpr std::string_view kUnknown455 =
    "Unknown quantization type, got {x} - supported types are: [...]. Hence, we will skip the quantization. To remove "
    "the warning, you can delete the "
    "quantization_config attribute in config.json";
constexpr std::string_view kNoBits = "TypeError: GPTQConfig.__init__() missing 1 required positional argument: '{key}'";
constexpr std::string_view kNoFile4 =
    "OSError: Error no file named pytorch_model.bin, model.safetensors, tf_model.h5, model.ckpt.index or "
    "flax_model.msgpack found in directory {dir}.";
constexpr std::string_view kNoFile5 =
    "OSError: Error no file named model.safetensors, or pytorch_model.bin, found in directory {dir}.";
constexpr std::string_view kMissingShard = "FileNotFoundError: No such file or directory: \"{dir}/{file}\"";
constexpr std::string_view kSizeMismatch =
    "RuntimeError: Error(s) in loading state_dict for QuantLinear:\n\tsize mismatch for {leaf}: copying a param with "
    "shape {stored} from checkpoint, the shape in "
    "current model is {built}.";
constexpr std::string_view kMismatch5 =
    "RuntimeError: You set `ignore_mismatched_sizes` to `False`, thus raising an error. For details look at the above "
    "report!";
constexpr std::string_view kReport5 = "{Class} LOAD REPORT from: {dir}\n{name} | UNEXPECTED";
constexpr std::string_view kUnused4 =
    "Some weights of the model checkpoint at {dir} were not used when initializing {Class}: ['{name}', ...]";

constexpr std::string_view kAssumeAutoGptq444[] = {
    "optimum below 1.24 (1.20 or later for files without biases) and auto-gptq are installed"};
constexpr std::string_view kAssumeAutoGptq455[] = {"optimum and auto-gptq are installed, gptqmodel is not"};
constexpr std::string_view kAssumeGptqModel[] = {"optimum 1.24 or later and gptqmodel 1.6.0 or later are installed",
                                                 "device_map puts the model on the GPU (device_map None means CPU)"};

constexpr std::string_view kNull = "AttributeError: 'NoneType' object has no attribute 'get'";
constexpr LimitFacts kLimits = {.bits = k2348,
                                .bits_message = "ValueError: Only support quantization to [2,3,4,8] bits but found {b}",
                                .group_size_message = "ValueError: group_size must be greater than 0 or equal to -1",
                                .group_size_checked = true,
                                .damp_message = "ValueError: damp_percent must between 0 and 1.",
                                .source = kConfig};
constexpr ModuleFacts kModules = {
    .rule = ModuleRule::kBlockLinears, .modules_in_block = true, .lm_head = LmHeadRule::kNever, .source = kOptimum};

constexpr Stage kStages[] = {StageModelConfig, StageConfig,   StageBitsAndBytes, StageMethod,
                             StageGptqFormats, StageLimits,   StageGptqConfig,   StageFiles,
                             StageMetadata,    StageFallback, StageModules,      StageBlockPattern,
                             StageForeign,     StageKernel,   StageTensors,      StageValues};

constexpr Profile kRow444 = {.loader = "transformers",
                             .version = "4.44",
                             .versions = ">=4.32,<4.49",
                             .since = {4, 32, 0},
                             .until = {4, 49, 0},
                             .backend = "auto-gptq",
                             .title = "transformers 4.44 with optimum and auto-gptq",
                             .revision = "huggingface/transformers 4.44.2; huggingface/optimum v1.17.0, v1.23.3",
                             .as_of = "2024-08",
                             .assumptions = kAssumeAutoGptq444,
                             .config = {.places = kSection,
                                        .no_config = NoConfig::kDenseModel,
                                        .transformers = {4, 44, 0},
                                        .required = kKeyBits,
                                        .required_message = kNoBits,
                                        .bits = 4,
                                        .group_size = 128,
                                        .desc_act = false,
                                        .lower_format = true,
                                        .not_object_member = "quant_method",
                                        .source = kConfig},
                             .method = {.accepted = kMethods,
                                        .required = true,
                                        .missing_message = kNoMethod,
                                        .elsewhere = kOthers444,
                                        .unknown = UnknownMethod::kRejects,
                                        .unknown_message = kUnknown444,
                                        .source = kAuto},
                             .limits = kLimits,
                             .files = {.rule = FileRule::kSingleThenIndex,
                                       .none_message = kNoFile4,
                                       .missing_shard_message = kMissingShard,
                                       .source = kModeling},
                             .kernels = kAutoGptqExllamaKernels,
                             .modules = kModules,
                             .tensors = {.unexpected = Unexpected::kWarns,
                                         .unexpected_message = kUnused4,
                                         .missing_reported = true,
                                         .missing_value = "uninitialised memory",
                                         .shape_message = kAccelerateShape,
                                         .g_idx_required = true,
                                         .metadata = MetadataRule::kTransformers4,
                                         .source = kModeling},
                             .stages = kStages};

constexpr Profile kRow455a = [] {
  Profile row = Next(kRow444, {"4.55",
                               ">=4.49,<5.0",
                               {4, 49, 0},
                               {5, 0, 0},
                               "transformers 4.55 with optimum and auto-gptq",
                               "huggingface/transformers 4.55.0; huggingface/optimum v1.27.0",
                               "2025-08"});
  row.brief = true;
  row.assumptions = kAssumeAutoGptq455;
  row.config.transformers = {4, 55, 0};
  row.config.null_message = kNull;
  row.config.format_key = FormatKey::kCheckpointFormat;
  row.config.not_object_member = "get";
  row.method.elsewhere = kOthers455;
  row.method.unknown = UnknownMethod::kDenseModel;
  row.method.unknown_message = kUnknown455;
  row.files.named_by_config = true;
  row.tensors.shape_message = kSizeMismatch;
  row.tensors.metadata = MetadataRule::kKnownFormat;
  return row;
}();

constexpr Profile kRow455b = [] {
  Profile row = kRow455a;
  row.backend = "gptqmodel";
  row.title = "transformers 4.55 with optimum and gptqmodel";
  row.assumptions = kAssumeGptqModel;
  row.kernels = kOptimumGptqModelKernels;
  return row;
}();

constexpr Profile kRow5 = [] {
  Profile row = Next(kRow455b, {"5.0",
                                ">=5.0",
                                {5, 0, 0},
                                {6, 0, 0},
                                "transformers 5 with optimum and gptqmodel",
                                "huggingface/transformers 5.7.0.dev0 (forks 771521b, 2e2779e, 4cc7f47, 0402db0); "
                                "huggingface/optimum v2.1.0",
                                "2026-08"});
  row.config.transformers = {5, 4, 0};
  row.brief = true;
  row.config.format_key = FormatKey::kCheckpointFormatFirst;
  row.method.elsewhere = kOthers5;
  // src/transformers/models/qwen2_moe/modular_qwen2_moe.py (Qwen2MoeExperts, Qwen2MoeTopKRouter), and so other
  // mixtures.
  row.modules.stacked_experts = true;
  row.files.none_message = kNoFile5;
  row.tensors.unexpected_message = kReport5;
  row.tensors.shape_message = kMismatch5;
  row.tensors.metadata = MetadataRule::kIgnored;
  return row;
}();

// optimum load_quantized_model(): the caller builds an empty model, optimum converts and fills it through accelerate.
constexpr ConfigPlace kOldOptimum[] = {{"quantize_config.json", ""}};
constexpr ConfigPlace kOptimumPlaces[] = {{"config.json", "/quantization_config"}, {"quantize_config.json", ""}};
constexpr std::string_view kOptimumNone =
    "ValueError: Failed to load quantization config from {dir} (lookup for traceback): [Errno 2] No such file or "
    "directory: '{dir}/quantize_config.json'";
constexpr std::string_view kOldOptimumNone =
    "FileNotFoundError: [Errno 2] No such file or directory: '{dir}/quantize_config.json'";
constexpr std::string_view kAssumeEmptyModel[] = {"the empty model was built from this directory's config.json"};
constexpr Stage kOptimumStages[] = {StageModelConfig, StageConfig,  StageLimits,       StageFiles,
                                    StageMetadata,    StageModules, StageBlockPattern, StageForeign,
                                    StageKernel,      StageTensors, StageValues};
constexpr Profile kOptimum112 = {
    .loader = "optimum",
    .version = "1.12",
    .versions = ">=1.12,<1.17 (from a user's thread, huggingface/optimum#1360)",
    .since = {1, 12, 0},
    .until = {1, 17, 0},
    .backend = "auto-gptq",
    .title = "optimum load_quantized_model of 2023",
    .revision = "huggingface/optimum#1360",
    .as_of = "2023-09",
    .assumptions = kAssumeEmptyModel,
    .config = {.places = kOldOptimum,
               .only_first = true,
               .no_config_message = kOldOptimumNone,
               .required = kKeyBits,
               .required_message = "TypeError: GPTQQuantizer.__init__() missing 1 required positional argument: 'bits'",
               .group_size = 128,
               .source = "huggingface/optimum#1360"},
    .limits = kLimits,
    .files = {.rule = FileRule::kSingleThenIndex,
              .none_message = kNoFile4,
              .missing_shard_message = kMissingShard,
              .source = kOptimum},
    .kernels = kAutoGptqExllamaKernels,
    .modules = kModules,
    .tensors = {.unexpected = Unexpected::kWarns,
                .unexpected_message = kNotUsed,
                .missing_value = "uninitialised memory",
                .shape_message = kAccelerateShape033,
                .metadata = MetadataRule::kAccelerate,
                .source = kOptimum},
    .stages = kOptimumStages};

constexpr Profile kOptimum117 = [] {
  Profile row = Next(kOptimum112, {"1.17",
                                   ">=1.17,<1.24",
                                   {1, 17, 0},
                                   {1, 24, 0},
                                   "optimum 1.17 load_quantized_model with auto-gptq",
                                   "huggingface/optimum v1.17.0 bf7e98e, v1.23.3 0a2b843",
                                   "2024-10"});
  row.config.places = kOptimumPlaces;
  row.config.only_first = false;
  row.config.no_config_message = kOptimumNone;
  row.config.source = kOptimum;
  return row;
}();

constexpr Profile kOptimum2 = [] {
  Profile row = Next(kOptimum117, {"1.24",
                                   ">=1.24",
                                   {1, 24, 0},
                                   {3, 0, 0},
                                   "optimum 1.24 and later load_quantized_model with gptqmodel",
                                   "huggingface/optimum v1.24.0 c2259ea, v2.1.0 8cfe543",
                                   "2025-12"});
  row.backend = "gptqmodel";
  row.config.format_key = FormatKey::kCheckpointFormatFirst;
  row.config.lower_format = true;
  row.config.source = "huggingface/optimum v2.1.0 optimum/gptq/quantizer.py:834-843";
  row.kernels = kOptimumGptqModelKernels;
  return row;
}();

// text-generation-webui hands GPTQ directories to transformers since March 2026 (2f08dce7); until then to ExLlamaV2.
constexpr std::string_view kAssumeWebui[] = {"its transformers is 5 or later, with optimum and gptqmodel installed",
                                             "no other loader was chosen by hand"};
constexpr Profile kWebui = [] {
  Profile row = Next(kRow5, {"4.7",
                             ">=4.0 (read at 4.7.3)",
                             {4, 0, 0},
                             {100, 0, 0},
                             "text-generation-webui 4.7, which hands GPTQ to transformers",
                             "oobabooga/text-generation-webui v4.7.3 1dcde41d03",
                             "2026-05"});
  row.loader = "text-generation-webui";
  row.backend = "transformers";
  row.assumptions = kAssumeWebui;
  return row;
}();

constexpr const Profile* kRows[] = {&kRow444,     &kRow455a,    &kRow455b,  &kRow5,
                                    &kOptimum112, &kOptimum117, &kOptimum2, &kWebui};

}  // namespace

std::span<const Profile* const> TransformersProfiles() { return kRows; }

}  // namespace gptq_doctor
