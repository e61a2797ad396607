// SGLang v0.5.18 (71de97b264), August 2026.

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kConfigSource = "sgl-project/sglang python/sglang/srt/configs/model_config.py:1178-1274";
constexpr std::string_view kQuantSource =
    "sgl-project/sglang python/sglang/srt/layers/quantization/gptq.py, schemes/gptq_linear.py:28";
constexpr std::string_view kLoaderSource =
    "sgl-project/sglang python/sglang/srt/model_loader/loader.py:213-312, weight_utils.py:262-420";

// A section in text_config alone names no method, so no class reads it (model_config.py, _parse_quant_hf_config).
constexpr ConfigPlace kPlaces[] = {{"config.json", "/quantization_config"}, {"config.json", "/compression_config"}};
constexpr std::string_view kAssume[] = {"no --quantization flag"};
constexpr KernelRow kKernels[] = {ServingMarlin("gptq_marlin", 80, kQuantSource),
                                  // gptq_v2 is parsed but never handed to the kernel, which always adds 1.
                                  {.name = "gptq",
                                   .bits = BitsSet({2, 4, 8}),
                                   .min_sm = 60,
                                   .dtypes = kFp16,
                                   .zeros = Zeros::kAlwaysV1,
                                   .g_idx = GroupIndex::kIfDescAct,
                                   .slow = true,
                                   .source = kQuantSource}};
constexpr Stage kStages[] = {StageModelConfig,  StageConfig, StageSglangMethod,  StageModules,
                             StageSglangLayers, StageFiles,  StageSglangTensors, StageValues};

constexpr Profile kRow = {
    .loader = "sglang",
    .version = "0.5",
    .versions = ">=0.5 (read at 0.5.18)",
    .since = {0, 5, 0},
    .until = {0, 7, 0},
    .title = "SGLang 0.5",
    .revision = "sgl-project/sglang v0.5.18 71de97b264",
    .as_of = "2026-08",
    .brief = true,
    .assumptions = kAssume,
    .config = {.places = kPlaces,
               .no_config = NoConfig::kDenseModel,
               .required_message = "ValueError: Cannot find any of ['{key}'] in the model's quantization config.",
               .bits = 0,
               .group_size = 0,
               .not_object_member = "to_dict",
               .source = kConfigSource},
    .files = {.rule = FileRule::kGlob,
              .index_filters = true,
              .none_message = "RuntimeError: Cannot find any model weights with `{dir}`",
              .missing_shard_message = "RuntimeError: model.safetensors.index.json references {n} shard file(s) "
                                       "missing from {dir} (incomplete download?): ['{file}']",
              .source = kLoaderSource},
    .kernels = kKernels,
    .modules = {.rule = ModuleRule::kAllLinears,
                .dynamic = true,
                .names = NameStyle::kEngines,
                .pattern_message = "re.error: {re}",
                .lm_head = LmHeadRule::kIfKey,
                .source = kQuantSource},
    .tensors = {.unexpected = Unexpected::kWarns,
                .unexpected_message = "Parameter {name} not found in params_dict",
                .missing_value = "uninitialised memory",
                .shapes = Shapes::kEngine,
                .source = kLoaderSource},
    .stages = kStages};
constexpr std::string_view kAssumeOld[] = {"no --quantization flag",
                                           "known from users' threads: the sources of this version were not read"};
constexpr Profile kRow04 = [] {
  Profile row = Next(kRow, {"0.4",
                            ">=0.4,<0.5 (from users' threads)",
                            {0, 4, 0},
                            {0, 5, 0},
                            "SGLang 0.4",
                            "sgl-project/sglang#3604, #6249, #7583",
                            "2025-06"});
  row.assumptions = kAssumeOld;
  return row;
}();
constexpr Profile kOld = [] {
  Profile row = Next(kRow04, {"0.3",
                              ">=0.1,<0.4 (from users' threads)",
                              {0, 1, 0},
                              {0, 4, 0},
                              "SGLang 0.3",
                              "sgl-project/sglang#577, #2935",
                              "2025-01"});
  row.assumptions = kAssumeOld;
  return row;
}();
constexpr const Profile* kRows[] = {&kOld, &kRow04, &kRow};

}  // namespace

std::span<const Profile* const> SglangProfiles() { return kRows; }

}  // namespace gptq_doctor
