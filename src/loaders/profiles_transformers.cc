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

constexpr ConfigFacts Config(FormatKey format, std::string_view null_message) {
  return {.places = kSection,
          .no_config = NoConfig::kDenseModel,
          .null_message = null_message,
          .required = kKeyBits,
          .required_message = kNoBits,
          .bits = 4,
          .group_size = 128,
          .desc_act = false,
          .format_key = format,
          .lower_format = true,
          .source = kConfig};
}
constexpr std::string_view kNull = "AttributeError: 'NoneType' object has no attribute 'get'";
constexpr MethodFacts kMethod444 = {.accepted = kMethods,
                                    .required = true,
                                    .missing_message = kNoMethod,
                                    .unknown = UnknownMethod::kRejects,
                                    .unknown_message = kUnknown444,
                                    .source = kAuto};
constexpr MethodFacts kMethod455 = {.accepted = kMethods,
                                    .required = true,
                                    .missing_message = kNoMethod,
                                    .elsewhere = "auto-round",  // AutoRoundConfig, AutoRoundQuantizer
                                    .unknown = UnknownMethod::kDenseModel,
                                    .unknown_message = kUnknown455,
                                    .source = kAuto};
constexpr LimitFacts kLimits = {.bits = k2348,
                                .bits_message = "ValueError: Only support quantization to [2,3,4,8] bits but found {b}",
                                .group_size_message = "ValueError: group_size must be greater than 0 or equal to -1",
                                .group_size_checked = true,
                                .source = kConfig};
constexpr FileFacts kFiles4 = {.rule = FileRule::kSingleThenIndex,
                               .none_message = kNoFile4,
                               .missing_shard_message = kMissingShard,
                               .source = kModeling};
constexpr FileFacts kFiles455 = {.rule = FileRule::kSingleThenIndex,
                                 .named_by_config = true,
                                 .none_message = kNoFile4,
                                 .missing_shard_message = kMissingShard,
                                 .source = kModeling};
constexpr FileFacts kFiles5 = {.rule = FileRule::kSingleThenIndex,
                               .named_by_config = true,
                               .none_message = kNoFile5,
                               .missing_shard_message = kMissingShard,
                               .source = kModeling};
constexpr ModuleFacts kModules = {
    .rule = ModuleRule::kBlockLinears, .modules_in_block = true, .lm_head = LmHeadRule::kNever, .source = kOptimum};
constexpr TensorFacts Tensors(std::string_view unexpected, std::string_view shape, MetadataRule metadata) {
  return {.unexpected = Unexpected::kWarns,
          .unexpected_message = unexpected,
          .missing_reported = true,
          .missing_value = "uninitialised memory",
          .shape_message = shape,
          .g_idx_required = true,
          .metadata = metadata,
          .source = kModeling};
}

constexpr Stage kStages[] = {StageModelConfig, StageConfig,   StageMethod,   StageLimits,  StageGptqConfig,
                             StageFiles,       StageMetadata, StageFallback, StageModules, StageBlockPattern,
                             StageForeign,     StageKernel,   StageTensors,  StageValues};

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
                             .config = Config(FormatKey::kNotRead, {}),
                             .method = kMethod444,
                             .limits = kLimits,
                             .files = kFiles4,
                             .kernels = kAutoGptqExllamaKernels,
                             .modules = kModules,
                             .tensors = Tensors(kUnused4, kAccelerateShape, MetadataRule::kTransformers4),
                             .stages = kStages};
constexpr Profile kRow455a = {.loader = "transformers",
                              .version = "4.55",
                              .versions = ">=4.49,<5.0",
                              .since = {4, 49, 0},
                              .until = {5, 0, 0},
                              .backend = "auto-gptq",
                              .title = "transformers 4.55 with optimum and auto-gptq",
                              .revision = "huggingface/transformers 4.55.0; huggingface/optimum v1.27.0",
                              .as_of = "2025-08",
                              .brief = true,
                              .assumptions = kAssumeAutoGptq455,
                              .config = Config(FormatKey::kCheckpointFormat, kNull),
                              .method = kMethod455,
                              .limits = kLimits,
                              .files = kFiles455,
                              .kernels = kAutoGptqExllamaKernels,
                              .modules = kModules,
                              .tensors = Tensors(kUnused4, kSizeMismatch, MetadataRule::kKnownFormat),
                              .stages = kStages};
constexpr Profile kRow455b = {.loader = "transformers",
                              .version = "4.55",
                              .versions = ">=4.49,<5.0",
                              .since = {4, 49, 0},
                              .until = {5, 0, 0},
                              .backend = "gptqmodel",
                              .title = "transformers 4.55 with optimum and gptqmodel",
                              .revision = "huggingface/transformers 4.55.0; huggingface/optimum v1.27.0",
                              .as_of = "2025-08",
                              .brief = true,
                              .assumptions = kAssumeGptqModel,
                              .config = Config(FormatKey::kCheckpointFormat, kNull),
                              .method = kMethod455,
                              .limits = kLimits,
                              .files = kFiles455,
                              .kernels = kOptimumGptqModelKernels,
                              .modules = kModules,
                              .tensors = Tensors(kUnused4, kSizeMismatch, MetadataRule::kKnownFormat),
                              .stages = kStages};
// transformers 5: src/transformers/models/qwen2_moe/modular_qwen2_moe.py (Qwen2MoeExperts, Qwen2MoeTopKRouter), and so
// the other mixtures.
constexpr ModuleFacts kModules5 = [] {
  ModuleFacts facts = kModules;
  facts.stacked_experts = true;
  return facts;
}();
constexpr Profile kRow5 = {
    .loader = "transformers",
    .version = "5.0",
    .versions = ">=5.0",
    .since = {5, 0, 0},
    .until = {6, 0, 0},
    .backend = "gptqmodel",
    .title = "transformers 5 with optimum and gptqmodel",
    .revision =
        "huggingface/transformers 5.7.0.dev0 (forks 771521b, 2e2779e, 4cc7f47, 0402db0); huggingface/optimum v2.1.0",
    .as_of = "2026-08",
    .brief = true,
    .assumptions = kAssumeGptqModel,
    .config = Config(FormatKey::kCheckpointFormatFirst, kNull),
    .method = kMethod455,
    .limits = kLimits,
    .files = kFiles5,
    .kernels = kOptimumGptqModelKernels,
    .modules = kModules5,
    .tensors = Tensors(kReport5, kMismatch5, MetadataRule::kIgnored),
    .stages = kStages};

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
constexpr TensorFacts kOptimumTensors = {.unexpected = Unexpected::kWarns,
                                         .unexpected_message = kNotUsed,
                                         .missing_value = "uninitialised memory",
                                         .shape_message = kAccelerateShape033,
                                         .metadata = MetadataRule::kAccelerate,
                                         .source = kOptimum};
constexpr FileFacts kOptimumFiles = {.rule = FileRule::kSingleThenIndex,
                                     .none_message = kNoFile4,
                                     .missing_shard_message = kMissingShard,
                                     .source = kOptimum};
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
    .files = kOptimumFiles,
    .kernels = kAutoGptqExllamaKernels,
    .modules = kModules,
    .tensors = kOptimumTensors,
    .stages = kOptimumStages};
constexpr Profile kOptimum117 = {
    .loader = "optimum",
    .version = "1.17",
    .versions = ">=1.17,<1.24",
    .since = {1, 17, 0},
    .until = {1, 24, 0},
    .backend = "auto-gptq",
    .title = "optimum 1.17 load_quantized_model with auto-gptq",
    .revision = "huggingface/optimum v1.17.0 bf7e98e, v1.23.3 0a2b843",
    .as_of = "2024-10",
    .assumptions = kAssumeEmptyModel,
    .config = {.places = kOptimumPlaces,
               .no_config_message = kOptimumNone,
               .required = kKeyBits,
               .required_message = "TypeError: GPTQQuantizer.__init__() missing 1 required positional argument: 'bits'",
               .group_size = 128,
               .source = kOptimum},
    .limits = kLimits,
    .files = kOptimumFiles,
    .kernels = kAutoGptqExllamaKernels,
    .modules = kModules,
    .tensors = kOptimumTensors,
    .stages = kOptimumStages};
constexpr Profile kOptimum2 = {
    .loader = "optimum",
    .version = "1.24",
    .versions = ">=1.24",
    .since = {1, 24, 0},
    .until = {3, 0, 0},
    .backend = "gptqmodel",
    .title = "optimum 1.24 and later load_quantized_model with gptqmodel",
    .revision = "huggingface/optimum v1.24.0 c2259ea, v2.1.0 8cfe543",
    .as_of = "2025-12",
    .assumptions = kAssumeEmptyModel,
    .config = {.places = kOptimumPlaces,
               .no_config_message = kOptimumNone,
               .required = kKeyBits,
               .required_message = "TypeError: GPTQQuantizer.__init__() missing 1 required positional argument: 'bits'",
               .group_size = 128,
               .format_key = FormatKey::kCheckpointFormatFirst,
               .lower_format = true,
               .source = "huggingface/optimum v2.1.0 optimum/gptq/quantizer.py:834-843"},
    .limits = kLimits,
    .files = kOptimumFiles,
    .kernels = kOptimumGptqModelKernels,
    .modules = kModules,
    .tensors = kOptimumTensors,
    .stages = kOptimumStages};

// text-generation-webui hands GPTQ directories to transformers since March 2026 (2f08dce7); until then to ExLlamaV2.
constexpr std::string_view kAssumeWebui[] = {"its transformers is 5 or later, with optimum and gptqmodel installed",
                                             "no other loader was chosen by hand"};
constexpr Profile kWebui = {.loader = "text-generation-webui",
                            .version = "4.7",
                            .versions = ">=4.0 (read at 4.7.3)",
                            .since = {4, 0, 0},
                            .until = {100, 0, 0},
                            .backend = "transformers",
                            .title = "text-generation-webui 4.7, which hands GPTQ to transformers",
                            .revision = "oobabooga/text-generation-webui v4.7.3 1dcde41d03",
                            .as_of = "2026-05",
                            .assumptions = kAssumeWebui,
                            .config = Config(FormatKey::kCheckpointFormatFirst, kNull),
                            .method = kMethod455,
                            .limits = kLimits,
                            .files = kFiles5,
                            .kernels = kOptimumGptqModelKernels,
                            .modules = kModules,
                            .tensors = Tensors(kReport5, kMismatch5, MetadataRule::kIgnored),
                            .stages = kStages};

constexpr const Profile* kRows[] = {&kRow444,     &kRow455a,    &kRow455b,  &kRow5,
                                    &kOptimum112, &kOptimum117, &kOptimum2, &kWebui};

}  // namespace

std::span<const Profile* const> TransformersProfiles() { return kRows; }

}  // namespace gptq_doctor
