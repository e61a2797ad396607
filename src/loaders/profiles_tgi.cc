// Text Generation Inference 3.3 (db931fcf42, January 2026) and the releases of 2023 up to 1.0.

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kQuant =
    "huggingface/text-generation-inference server/text_generation_server/utils/quantization.py:47-130, "
    "models/__init__.py:444-475";
constexpr std::string_view kWeights =
    "huggingface/text-generation-inference server/text_generation_server/utils/weights.py, utils/hub.py";
constexpr std::string_view kLayers =
    "huggingface/text-generation-inference server/text_generation_server/layers/gptq, layers/marlin";

constexpr KernelRow kKernels[] = {ServingMarlin("marlin", 80, kLayers),
                                  {.name = "exllamav2",
                                   .bits = BitsSet({4}),
                                   .desc_act = Tri::kOnlyFalse,
                                   .min_sm = 80,
                                   .platforms = kCuda | kRocm,
                                   .zeros = Zeros::kAlwaysV1,
                                   .source = kLayers},
                                  {.name = "triton",
                                   .bits = BitsSet({2, 4, 8}),
                                   .platforms = kCuda | kRocm,
                                   .zeros = Zeros::kAlwaysV1,
                                   .slow = true,
                                   .refusal = "NotImplementedError: Only 2,4,8 bits are supported.",
                                   .source = kLayers}};
// utils/hub.py:42-58 _weight_files_from_dir.
constexpr std::string_view kSkipped[] = {"arguments", "args", "training"};
constexpr FileFacts kFiles = {
    .rule = FileRule::kGlob,
    .skipped = kSkipped,
    .duplicates_reject = true,
    .duplicates_message = "RuntimeError: Key {k} was found in multiple files: {a} and {b}",
    .none_message = "FileNotFoundError: No local weights found in {dir} with extension .safetensors",
    .missing_shard = MissingShard::kNotNoticed,
    .source = kWeights};
constexpr TensorFacts kTensors = {.unexpected = Unexpected::kIgnored,
                                  .missing_value = "nothing",
                                  .g_idx_required = true,
                                  .g_idx_message = "RuntimeError: weight {stem}.g_idx does not exist",
                                  .source = kWeights};
constexpr ModuleFacts kModules = {.rule = ModuleRule::kAllLinears, .lm_head = LmHeadRule::kNever, .source = kLayers};

constexpr Stage kStages[] = {StageModelConfig, StageTgiConfig, StageFiles, StageModules, StageTgiTensors, StageValues};
constexpr std::string_view kAssume[] = {"no --quantize flag"};
constexpr Profile kRow = {
    .loader = "tgi",
    .version = "3.3",
    .versions = ">=2.0 (read at 3.3.7)",
    .since = {2, 0, 0},
    .until = {4, 0, 0},
    .title = "Text Generation Inference 3.3",
    .revision = "huggingface/text-generation-inference main db931fcf42",
    .as_of = "2026-01",
    .brief = true,
    .assumptions = kAssume,
    .config = {.no_type_message = "RuntimeError: Could not determine model type for {dir} revision None",
               .bits = 4,
               .group_size = -1,
               .desc_act = false,
               .sym = false,
               .source = kQuant},
    .files = kFiles,
    .kernels = kKernels,
    .modules = kModules,
    .tensors = kTensors,
    .stages = kStages};

constexpr std::string_view kAssumeOld[] = {"--quantize gptq is passed",
                                           "the environment variables GPTQ_BITS and GPTQ_GROUPSIZE are not set"};
constexpr Stage kOldStages[] = {StageModelConfig, StageFiles, StageModules, StageOldTgi};
constexpr KernelRow kOldKernels[] = {
    {.name = "triton", .bits = BitsSet({2, 4, 8}), .zeros = Zeros::kAlwaysV1, .slow = true, .source = kLayers}};
constexpr Profile kOld = [] {
  Profile row = Next(kRow, {"0.9",
                            ">=0.8,<=1.0 (from users' threads)",
                            {0, 8, 0},
                            {1, 1, 0},
                            "Text Generation Inference of 2023",
                            "huggingface/text-generation-inference#601, #728, #962",
                            "2023-09"});
  row.assumptions = kAssumeOld;
  row.config = {.group_size = -1, .source = "huggingface/text-generation-inference#728"};
  row.kernels = kOldKernels;
  row.stages = kOldStages;
  return row;
}();

constexpr const Profile* kRows[] = {&kRow, &kOld};

}  // namespace

std::span<const Profile* const> TgiProfiles() { return kRows; }

}  // namespace gptq_doctor
