// vLLM 0.7 (v0.7.3), 0.9 (v0.9.2), 0.10 (v0.10.1.1), 0.15 (v0.15.1) and main of August 2026. Upstream changes between
// them: the list of quantized layers from safetensors headers d4d9899860 (2025-09-26, probably 0.11.0), gptq_v2 in the
// gptq kernel 5cc6bddb6e (2025-10-23, probably 0.11.1), one Marlin-family class fa2a33b893 (2026-05-15), missing shards
// an error 85c09e9885 (2026-07-10).

#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kConfigSource =
    "vllm-project/vllm vllm/transformers_utils/config.py:761-773, config/model.py:1199";
constexpr std::string_view kMarlinSource = "vllm-project/vllm vllm/model_executor/layers/quantization/gptq_marlin.py";
constexpr std::string_view kGptqSource = "vllm-project/vllm vllm/model_executor/layers/quantization/gptq.py";
constexpr std::string_view kAutoSource = "vllm-project/vllm main vllm/model_executor/layers/quantization/auto_gptq.py";
constexpr std::string_view kFilesSource =
    "vllm-project/vllm vllm/model_executor/model_loader/default_loader.py, weight_utils.py";
constexpr std::string_view kModulesSource =
    "vllm-project/vllm vllm/model_executor/layers/quantization/utils/gptq_utils.py:86-170";

// The place decides only where the method is taken from it: ModelConfig._parse_quant_hf_config up to 0.10,
// model_arch_config_convertor.py later; hf_quant_config.json is attached since 0.10 (transformers_utils/config.py).
constexpr ConfigPlace kPlaces07[] = {{"config.json", "/quantization_config"}, {"config.json", "/compression_config"}};
constexpr ConfigPlace kPlaces10[] = {
    {"config.json", "/quantization_config"}, {"hf_quant_config.json", ""}, {"config.json", "/compression_config"}};
constexpr ConfigPlace kPlaces15[] = {{"config.json", "/quantization_config"},
                                     {"hf_quant_config.json", ""},
                                     {"config.json", "/compression_config"},
                                     {"config.json", "/text_config/quantization_config"}};
constexpr std::string_view kAssume[] = {"no --quantization flag"};

// The gptq kernel adds 1 to every stored zero up to 0.10; later it obeys gptq_v2.
constexpr KernelRow GptqRow(uint32_t bits, Zeros zeros) {
  return {.name = "gptq",
          .bits = bits,
          .min_sm = 60,
          .platforms = kCuda | kRocm,
          .dtypes = kFp16,
          .zeros = zeros,
          .g_idx = GroupIndex::kIfDescAct,
          .slow = true,
          .source = kGptqSource};
}
constexpr KernelRow kKernels07[] = {ServingMarlin("gptq_marlin", 80, kMarlinSource),
                                    GptqRow(BitsSet({2, 4, 8}), Zeros::kAlwaysV1)};
// GPTQ came with 0.2.6 (vllm-project/vllm#916), other bits than 4 with 0.3.3 (#2330), gptq_marlin is met in
// threads of 0.4.3.
constexpr KernelRow kKernels02[] = {GptqRow(BitsSet({4}), Zeros::kAlwaysV1)};
constexpr KernelRow kKernels03[] = {GptqRow(BitsSet({2, 4, 8}), Zeros::kAlwaysV1)};
constexpr KernelRow kKernels15[] = {ServingMarlin("gptq_marlin", 75, kMarlinSource, kCuda | kCpu),
                                    GptqRow(k2348, Zeros::kByFormat)};
constexpr KernelRow kKernelsMain[] = {
    ServingMarlin("auto_gptq (Marlin)", 75, kAutoSource, kCuda | kRocm | kCpu | kXpu)};

// Kernels are chosen while the model is built, before any weight is read.
constexpr Stage kStages[] = {StageModelConfig, StageConfig, StageVllmMethod,  StageVllmDtype, StageVllmModules,
                             StageVllmKernels, StageFiles,  StageVllmTensors, StageValues};

constexpr Stage kStagesWithout[] = {StageModelConfig, StageConfig, StageVllmWithoutGptq};

constexpr std::string_view kAssumeOld[] = {"no --quantization flag",
                                           "known from users' threads: the sources of this version were not read"};
constexpr Profile kRow02 = {
    .loader = "vllm",
    .version = "0.2",
    .versions = ">=0.2.6,<0.3.3 (from users' threads)",
    .since = {0, 2, 6},
    .until = {0, 3, 3},
    .title = "vLLM of winter 2023",
    .revision = "vllm-project/vllm#916, #1420, #2699",
    .as_of = "2024-02",
    .assumptions = kAssumeOld,
    .config = {.places = kPlaces07,
               .no_config = NoConfig::kDenseModel,
               .required_message = "ValueError: Cannot find any of ['{key}'] in the model's quantization config.",
               .bits = 0,
               .group_size = 0,
               .source = kConfigSource},
    .files = {.rule = FileRule::kGlob,
              .index_filters = true,
              .none_message = "RuntimeError: Cannot find any model weights with `{dir}`",
              .missing_shard = MissingShard::kDropped,
              .missing_shard_message = "FileNotFoundError: Weight files referenced in index but missing: {'{files}'}",
              .source = kFilesSource},
    .kernels = kKernels02,
    .modules = {.rule = ModuleRule::kAllLinears,
                .dynamic = true,
                .names = NameStyle::kEngines,
                .pattern_message = "re.error: {re}",
                .lm_head = LmHeadRule::kIfKey,
                .source = kModulesSource},
    .tensors = {.unexpected = Unexpected::kRejects,
                .missing_value = "uninitialised memory",
                .shapes = Shapes::kEngine,
                .source = kFilesSource},
    .stages = kStages};

constexpr Profile kRow01 = [] {
  Profile row = Next(kRow02, {"0.1",
                              ">=0.1,<0.2.6 (from users' threads)",
                              {0, 1, 0},
                              {0, 2, 6},
                              "vLLM before it had GPTQ",
                              "vllm-project/vllm#1100; xusenlinzy/api-for-open-llm#196",
                              "2023-12"});
  row.stages = kStagesWithout;
  return row;
}();

constexpr Profile kRow03 = [] {
  Profile row = Next(kRow02, {"0.3",
                              ">=0.3.3,<0.4.3 (from users' threads)",
                              {0, 3, 3},
                              {0, 4, 3},
                              "vLLM of spring 2024",
                              "vllm-project/vllm#2330; OpenBMB/MiniCPM#141",
                              "2024-05"});
  row.kernels = kKernels03;
  return row;
}();

constexpr Profile kRow06 = [] {
  Profile row = Next(kRow03, {"0.6",
                              ">=0.4.3,<0.7 (from users' threads)",
                              {0, 4, 3},
                              {0, 7, 0},
                              "vLLM 0.6",
                              "vllm-project/vllm#5675, #6244, #9832, #11671; QwenLM/Qwen3#506",
                              "2024-12"});
  row.kernels = kKernels07;
  return row;
}();

constexpr Profile kRow07 = [] {
  Profile row =
      Next(kRow06,
           {"0.7", ">=0.7,<0.9", {0, 7, 0}, {0, 9, 0}, "vLLM 0.7", "vllm-project/vllm v0.7.3 ed6e9075d3", "2025-02"});
  row.assumptions = kAssume;
  return row;
}();

// What else differs between these is in vllm_age.h.
constexpr Profile kRow09 = [] {
  Profile row =
      Next(kRow07,
           {"0.9", ">=0.9,<0.10", {0, 9, 0}, {0, 10, 0}, "vLLM 0.9", "vllm-project/vllm v0.9.2 a5dd03c1eb", "2025-07"});
  row.modules.pattern_message = "regex._regex_core.error: {regex}";
  return row;
}();
constexpr Profile kRow10 = [] {
  Profile row = Next(kRow09, {"0.10",
                              ">=0.10,<0.11",
                              {0, 10, 0},
                              {0, 11, 0},
                              "vLLM 0.10",
                              "vllm-project/vllm v0.10.1.1 1da94e673c",
                              "2025-08"});
  row.config.places = kPlaces10;
  return row;
}();

constexpr Profile kRow15 = [] {
  Profile row = Next(kRow10, {"0.15",
                              ">=0.11 and before 2026-05-15 (read at 0.15.1)",
                              {0, 11, 0},
                              {1, 0, 0},
                              "vLLM 0.15",
                              "vllm-project/vllm v0.15.1 1892993bc1",
                              "2026-02"});
  row.brief = true;
  row.config.places = kPlaces15;
  row.config.format_key = FormatKey::kCheckpointFormat;
  row.files.consolidated_wins = true;
  row.kernels = kKernels15;
  row.modules.rule = ModuleRule::kHeaders;
  row.modules.modules_in_block = true;
  return row;
}();

constexpr Profile kRowMain = [] {
  Profile row = Next(kRow15, {"main",
                              "main after 2026-07-10 (read at 2026-08-17)",
                              kMainVersion,
                              {1'000'001, 0, 0},
                              "vLLM main",
                              "vllm-project/vllm main 017e9f4448",
                              "2026-08"});
  row.brief = true;
  row.config.format_key = FormatKey::kNotRead;
  row.files.missing_shard = MissingShard::kRejects;
  row.kernels = kKernelsMain;
  return row;
}();

constexpr const Profile* kRows[] = {&kRow01, &kRow02, &kRow03, &kRow06, &kRow07, &kRow09, &kRow10, &kRow15, &kRowMain};

}  // namespace

std::span<const Profile* const> VllmProfiles() { return kRows; }

}  // namespace gptq_doctor
