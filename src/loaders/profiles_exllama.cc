// ExLlamaV2 0.3.2 (da07facd10) and ExLlamaV3 1.4.1 (4f8ad0121f), which has no GPTQ.

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kV2 =
    "turboderp-org/exllamav2 exllamav2/config.py:417-486, module.py:101-150, linear.py:120-165, ext_qmatrix.cpp:40-75";
constexpr ConfigPlace kPlaces[] = {{"config.json", "/quantization_config"}};
// Only checkpoint_format is read of the section.
constexpr KernelRow kKernels[] = {
    {.name = "exllamav2 q_matrix", .bits = BitsSet({4}), .zeros = Zeros::kByFormat, .source = kV2}};
constexpr Stage kStages[] = {StageExllamaV2, StageValues};
constexpr Profile kRow2 = {
    .loader = "exllamav2",
    .version = "0.3",
    .versions = ">=0.1 (read at 0.3.2)",
    .since = {0, 1, 0},
    .until = {1, 0, 0},
    .title = "ExLlamaV2 0.3",
    .revision = "turboderp-org/exllamav2 0.3.2 da07facd10",
    .as_of = "2025-12",
    .brief = true,
    .config = {.places = kPlaces,
               .no_config = NoConfig::kNotNeeded,
               .format_key = FormatKey::kCheckpointFormat,
               .source = kV2},
    .files = {.rule = FileRule::kGlob,
              .none_message = "ValueError:  ## No .safetensors files found in {dir}",
              .missing_shard = MissingShard::kNotNoticed,
              .source = kV2},
    .kernels = kKernels,
    .modules = {.rule = ModuleRule::kByTensors, .lm_head = LmHeadRule::kIfTensors, .source = kV2},
    .tensors = {.unexpected = Unexpected::kIgnored,
                .missing_value = "nothing",
                .shapes = Shapes::kNotCompared,
                .bias = BiasRule::kKept,
                .source = kV2},
    .stages = kStages};

constexpr Stage kRefuses[] = {StageRefusesGptq};
constexpr Profile kRow3 = {
    .loader = "exllamav3",
    .version = "1.4",
    .versions = ">=0.0.1 (read at 1.4.1)",
    .since = {0, 0, 1},
    .until = {2, 0, 0},
    .title = "ExLlamaV3",
    .revision = "turboderp-org/exllamav3 1.4.1 4f8ad0121f",
    .as_of = "2026-08",
    .tensors = {.unexpected_message = "ValueError: No tensors found for {stem} matching supported quantization format.",
                .source = "turboderp-org/exllamav3 exllamav3/modules/linear.py:442"},
    .stages = kRefuses};
constexpr const Profile* kRows[] = {&kRow2, &kRow3};

}  // namespace

std::span<const Profile* const> ExllamaProfiles() { return kRows; }

}  // namespace gptq_doctor
