// What serving engines and converters do, cell by cell of the tables that compare them. Rows carry the tables' numbers.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of these tables

TEST(ServingTables, ZeroPoints) {
  const auto v1_as_v1 = [] { return Healthy({.bits = 2}); };
  const auto v2_as_v2 = [] { return Healthy({.bits = 2, .v2 = true}); };
  const auto v2_as_v1 = [] { return Changed({{"checkpoint_format", nullptr}}, {.bits = 2, .v2 = true}); };
  const auto v1_as_v2 = [] { return Changed({{"checkpoint_format", "gptq_v2"}}, {.bits = 2}); };
  CheckTable({
      {"1.5 v1 marked v1", v1_as_v1,
       Same({"vllm@0.10", "vllm@0.15", "sglang@0.5", "tgi@3.3"}, O::kSlow) + Same({"llama.cpp@main"}, O::kLoads)},
      {"1.5 v2 marked v2",
       v2_as_v2,
       {{"vllm@0.15", O::kSlow},
        {"vllm@0.10", O::kGarbage},
        {"sglang@0.5", O::kGarbage},
        {"tgi@3.3", O::kGarbage},
        {"llama.cpp@main", O::kLoads}}},
      {"1.5 v2 not marked", v2_as_v1,
       Same({"vllm@0.15", "vllm@0.10", "sglang@0.5", "tgi@3.3", "llama.cpp@main"}, O::kGarbage)},
      {"1.5 v1 marked v2",
       v1_as_v2,
       {{"vllm@0.15", O::kGarbage},
        {"vllm@0.10", O::kSlow},
        {"sglang@0.5", O::kSlow},
        {"tgi@3.3", O::kSlow},
        {"llama.cpp@main", O::kGarbage}}},
      {"1.5 Marlin does not read them",
       [] {
         return Changed({{"checkpoint_format", nullptr}}, {.v2 = true});
       },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5", "tgi@3.3"}, O::kLoads)},
      {"1.5 ExLlamaV2", [] { return Healthy({.v2 = true}); }, {{"exllamav2", O::kLoads}, {"lmdeploy", O::kGarbage}}},
      {"1.5 ExLlamaV2, not marked",
       [] {
         return Changed({{"checkpoint_format", nullptr}}, {.v2 = true});
       },
       {{"exllamav2", O::kGarbage}, {"lmdeploy", O::kGarbage}}},
      {"1.5 ExLlamaV2, v1 marked v2",
       [] {
         return Changed({{"checkpoint_format", "gptq_v2"}});
       },
       {{"exllamav2", O::kGarbage}, {"lmdeploy", O::kLoads}}},
      {"1.5 KTransformers", [] { return Experts({.v2 = true}); }, {{"ktransformers", O::kLoads}}},
      {"1.5 v2 not marked: KTransformers",
       [] {
         ModelBuilder builder = Experts({.v2 = true});
         return Both(builder, {{"checkpoint_format", nullptr}});
       },
       {{"ktransformers", O::kLoads}}},
      {"1.5 v1 marked v2: KTransformers",
       [] {
         ModelBuilder builder = Experts();
         return Both(builder, {{"checkpoint_format", "gptq_v2"}});
       },
       {{"ktransformers", O::kLoads}}},
      {"S5 v2 said only in quantize_config.json",
       [] {
         ModelBuilder builder = Healthy({.bits = 2, .v2 = true});
         return Section(builder, {{"checkpoint_format", nullptr}});
       },
       {{"vllm@0.15", O::kGarbage}, {"llama.cpp@main", O::kGarbage}}},
  });
}

TEST(ServingTables, FlagsAgainstTensors) {
  CheckTable({
      {"1.6 desc_act false, act-order",
       [] {
         return Changed({{"desc_act", false}}, {.group_size = 64, .desc_act = true});
       },
       Same(kVllm, O::kGarbage) + Same({"sglang@0.5", "tgi@3.3"}, O::kGarbage) +
           std::vector<Cell>{{"exllamav2", O::kLoads}, {"llama.cpp@main", O::kLoads}}},
      {"1.6 the same for LMDeploy",
       [] {
         GptqOptions quant;
         quant.desc_act = true;
         ModelBuilder builder;
         builder.Layers(1).Sizes(256, 512, 128, 128).Quant(quant).WithConfigs();
         return Both(builder, {{"desc_act", false}});
       },
       {{"lmdeploy", O::kGarbage}}},
      {"1.6 desc_act true, sequential",
       [] {
         return Changed({{"desc_act", true}});
       },
       Same({"vllm@0.15", "sglang@0.5", "tgi@3.3"}, O::kSlow) + Same({"exllamav2", "llama.cpp@main"}, O::kLoads) +
           Same({"lmdeploy"}, O::kRejects, "AssertionError: unsupported quant config")},
      {"1.6 no g_idx, desc_act false", [] { return NoGIdx(false); },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5", "exllamav2", "lmdeploy"}, O::kLoads) +
           Same({"tgi@3.3"}, O::kRejects, ".g_idx does not exist") +
           Same({"llama.cpp@main"}, O::kRejects, "KeyError: 'model.layers.0.mlp.down_proj.g_idx'")},
      {"1.6 no g_idx, desc_act true", [] { return NoGIdx(true); },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5", "exllamav2"}, O::kGarbage)},
      {"1.6 no g_idx, desc_act true: loaders that ask for it", [] { return NoGIdx(true); },
       Same({"tgi@3.3"}, O::kRejects, ".g_idx does not exist") + Same({"llama.cpp@main"}, O::kRejects, "KeyError") +
           Same({"lmdeploy"}, O::kRejects, "unsupported quant config")},
      {"1.6 sym true over asymmetric zeros",
       [] {
         return Changed({{"sym", true}}, {.sym = false});
       },
       Same({"vllm@0.10", "vllm@0.15", "vllm@main", "sglang@0.5", "tgi@3.3"}, O::kGarbage) +
           Same({"exllamav2", "llama.cpp@main", "lmdeploy"}, O::kLoads)},
      {"1.6 sym false over symmetric zeros",
       [] {
         return Changed({{"sym", false}});
       },
       {{"vllm@main", O::kRejects, "bits=4, sym=False"},
        {"vllm@0.15", O::kSlow},
        {"sglang@0.5", O::kSlow},
        {"tgi@3.3", O::kLoads},
        {"exllamav2", O::kLoads},
        {"llama.cpp@main", O::kLoads},
        {"lmdeploy", O::kRejects}}},
      {"1.6 bits in the settings are not the tensors'",
       [] {
         return Changed({{"bits", 4}}, {.bits = 8});
       },
       {{"exllamav2", O::kRejects, "incompatible shapes"},
        {"llama.cpp@main", O::kRejects, "", "", "derived"},
        {"lmdeploy", O::kUnknown},
        {"tgi@3.3", O::kUnknown}}},
      {"1.6 groups in the settings are not the tensors'",
       [] {
         return Changed({{"group_size", 64}});
       },
       {{"tgi@3.3", O::kUnknown},
        {"exllamav2", O::kLoads},
        {"llama.cpp@main", O::kLoads},
        {"lmdeploy", O::kRejects, "Unsupported group_size=64"},
        {"sglang@0.5", O::kRejects, "AssertionError"}}},
      {"2.6 bits 4 as 8: too few rows at the first row layer",
       [] {
         return Changed({{"bits", 8}});
       },
       {{"vllm@0.15", O::kRejects, "RuntimeError: start (0) + length (128) exceeds dimension size (64)."},
        {"sglang@0.5", O::kRejects, "AssertionError"}}},
      {"2.6 bits 8 as 4: a silent cut, then the column layers assert",
       [] {
         return Changed({{"bits", 4}}, {.bits = 8});
       },
       {{"vllm@0.15", O::kRejects, "AssertionError"}}},
      {"2.6 groups 64 as 128",
       [] {
         return Changed({{"group_size", 128}}, {.group_size = 64});
       },
       {{"vllm@0.15", O::kRejects, "AssertionError"}, {"exllamav2", O::kLoads}, {"llama.cpp@main", O::kLoads}}},
      {"2.6 groups 128 as 64",
       [] {
         return Changed({{"group_size", 64}});
       },
       {{"vllm@0.15", O::kRejects, "RuntimeError: start (0)"}}},
      {"S16 act-order without quantize_config.json: settings come from the interface",
       [] {
         ModelBuilder builder = Healthy({.desc_act = true});
         return NoSideFile(builder);
       },
       {{"text-generation-webui@2023/auto-gptq", O::kUnknown, "", "these files are in act-order", "is not known"}}},
      {"S13 only row layers mislabelled: silent",
       [] {
         ModelBuilder builder = Healthy();
         builder.Override("down_proj", {.group_size = 64});
         return builder;
       },
       {{"vllm@0.15", O::kGarbage, "", "cut without a message"}, {"sglang@0.5", O::kGarbage}}},
      {"1.6 scales in other floats",
       [] {
         GptqOptions quant;
         quant.scales_dtype = "BF16";
         return Healthy(quant);
       },
       Same({"vllm@0.15", "sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main", "lmdeploy"}, O::kLoads)},
      {"1.6 surplus biases",
       [] {
         GptqOptions quant;
         quant.bias = true;
         return Healthy(quant);
       },
       Same({"llama.cpp@main", "lmdeploy"}, O::kLoads) +
           std::vector<Cell>{{"vllm@0.15", O::kLoads, "", "", "are all zero"},
                             {"sglang@0.5", O::kLoads, "", "", "are all zero"},
                             {"tgi@3.3", O::kLoads, "", "", "are all zero"},
                             {"exllamav2", O::kLoads, "", "", "are all zero"}}},
      {"1.6 a bias is missing",
       [] {
         ModelBuilder builder = Healthy();
         return Type(builder, "qwen2", "Qwen2ForCausalLM");
       },
       {{"tgi@3.3", O::kRejects, "RuntimeError: weight model.layers.0.self_attn.k_proj.bias does not exist"},
        {"exllamav2", O::kRejects, "has no bias but bias expected"},
        {"llama.cpp@main", O::kUnknown},
        {"lmdeploy", O::kUnknown},
        {"vllm@0.15", O::kGarbage},
        {"sglang@0.5", O::kGarbage}}},
      {"1.6 both forms of a layer",
       [] {
         ModelBuilder builder = Healthy();
         return builder.Tensor(DenseTensor("model.layers.1.mlp.up_proj.weight", {512, 256}));
       },
       {{"vllm@0.15", O::kRejects, "KeyError: 'layers.1.mlp.up_proj.weight'"},
        {"sglang@0.5", O::kLoads},
        {"tgi@3.3", O::kLoads},
        {"exllamav2", O::kLoads},
        {"llama.cpp@main", O::kLoads},
        {"lmdeploy", O::kLoads}}},
      {"1.7 parts of a fused layer share one g_idx",
       [] { return Healthy({.group_size = 64, .desc_act = true}); },
       {{"vllm@0.15", O::kLoads, "", "", "share one g_idx"},
        {"sglang@0.5", O::kLoads, "", "", "share one g_idx"},
        {"tgi@3.3", O::kLoads, "", "", "Tensor-likes are not equal!"},
        {"exllamav2", O::kLoads}}},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
