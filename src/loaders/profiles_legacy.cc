// Programs of 2023 that people still quote, and text-generation-webui, which hands GPTQ directories on.

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kWeb = "oobabooga/text-generation-webui modules/models_settings.py, modules/GPTQ_loader.py";
constexpr Stage kForLlama[] = {StageGptqForLlama};
constexpr Stage kExllama[] = {StageExllamaV1, StageValues};
constexpr std::string_view kFromName[] = {"wbits and groupsize come from the directory's name or the command line"};

constexpr KernelRow kForLlamaKernels[] = {{.name = "GPTQ-for-LLaMa",
                                           .bits = k2348,
                                           .zeros = Zeros::kAlwaysV1,
                                           .slow = true,
                                           .source = "qwopqwop200/GPTQ-for-LLaMa"}};
constexpr Profile kWebOld = {.loader = "text-generation-webui",
                             .version = "2023",
                             .versions = "2023-04-14 to 2024-05-21 (GPTQ-for-LLaMa loader)",
                             .since = {2023, 4, 0},
                             .until = {2024, 5, 0},
                             .backend = "gptq-for-llama",
                             .title = "text-generation-webui of 2023 with GPTQ-for-LLaMa",
                             .revision = "oobabooga/text-generation-webui bd7cc423^, 96da2e1c",
                             .as_of = "2023-09",
                             .assumptions = kFromName,
                             .config = {.source = kWeb},
                             .kernels = kForLlamaKernels,
                             .modules = {.rule = ModuleRule::kOutside, .source = kWeb},
                             .tensors = {.missing_value = "random", .bias = BiasRule::kKept, .source = kWeb},
                             .stages = kForLlama};
constexpr std::string_view kWebAuto =
    "oobabooga/text-generation-webui modules/AutoGPTQ_loader.py (7157257c^), modules/models_settings.py";
constexpr std::string_view kFromUi[] = {"what the user set in its interface or on the command line is not known"};
constexpr Stage kWebAutoStages[] = {StageWebuiAutoGptq};
constexpr Profile kWebAutoGptq = [] {
  Profile row = kWebOld;
  row.versions = "2023-04-14 to 2025-01-08 (AutoGPTQ loader)";
  row.until = {2025, 1, 0};
  row.backend = "auto-gptq";
  row.title = "text-generation-webui of 2023 with AutoGPTQ";
  row.revision = "oobabooga/text-generation-webui 7157257c^";
  row.as_of = "2025-01";
  row.assumptions = kFromUi;
  row.config.source = kWebAuto;
  row.stages = kWebAutoStages;
  return row;
}();
constexpr KernelRow kV1Kernels[] = {{.name = "exllama",
                                     .bits = BitsSet({4}),
                                     .zeros = Zeros::kAlwaysV1,
                                     .source = "turboderp/exllama model.py:132-177"}};
constexpr Profile kExllamaV1 = {
    .loader = "exllama",
    .version = "0.0",
    .versions = "2023 (3b013cd53c)",
    .since = {0, 0, 1},
    .until = {0, 1, 0},
    .title = "ExLlama (version 1)",
    .revision = "turboderp/exllama 3b013cd53c",
    .as_of = "2023-09",
    .config = {.source = "turboderp/exllama model.py"},
    .kernels = kV1Kernels,
    .modules = {.rule = ModuleRule::kByTensors, .lm_head = LmHeadRule::kNever, .source = "turboderp/exllama model.py"},
    .tensors = {.bias = BiasRule::kKept, .source = "turboderp/exllama model.py:132-177"},
    .stages = kExllama};

constexpr const Profile* kRows[] = {&kWebOld, &kWebAutoGptq, &kExllamaV1};

}  // namespace

std::span<const Profile* const> LegacyProfiles() { return kRows; }

}  // namespace gptq_doctor
