// What serving engines and converters do, cell by cell of the tables that compare them. Rows carry the tables' numbers.

#include "loaders/table.h"

namespace gptq_doctor::testing {
namespace {

using O = Outcome;
const std::vector<std::string> kVllm = {"vllm@0.7", "vllm@0.9", "vllm@0.10", "vllm@0.15", "vllm@main"};

ModelBuilder SideOnly() {
  ModelBuilder builder = Healthy();
  NoSection(builder);
  return builder;
}
ModelBuilder Changed(const Json& keys, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Both(builder, keys);
  return builder;
}
// The section is what counts; quantize_config.json is not there to help.
ModelBuilder SectionChanged(const Json& keys, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Section(builder, keys);
  NoSideFile(builder);
  return builder;
}
ModelBuilder Nested(const char* parent) {
  ModelBuilder builder = Healthy();
  const Json section = ReadConfiguration(builder, "config.json")["quantization_config"];
  NoSection(builder);
  NoSideFile(builder);
  return Config(builder, {{parent, {{"quantization_config", section}}}});
}
ModelBuilder Grouped(int64_t group_size, const GptqOptions& base = {}) {
  GptqOptions quant = base;
  quant.group_size = group_size;
  return Healthy(quant);
}
// An expert layer beside the attention.
ModelBuilder Experts(const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Type(builder, "qwen3_moe", "Qwen3MoeForCausalLM");
  for (int expert = 0; expert < 2; ++expert) {
    const std::string stem = "model.layers.1.mlp.experts." + std::to_string(expert) + ".";
    Quantized(builder, stem + "gate_proj", 256, 128, quant);
    Quantized(builder, stem + "up_proj", 256, 128, quant);
    Quantized(builder, stem + "down_proj", 128, 256, quant);
  }
  return builder;
}
ModelBuilder NoGIdx(bool desc_act) {
  GptqOptions quant;
  quant.g_idx = false;
  ModelBuilder builder = Healthy(quant);
  return Both(builder, {{"desc_act", desc_act}});
}

TEST(ServingTables, ConfigSources) {
  CheckTable({
      {"1.1 quantize_config.json alone", SideOnly,
       Same({"vllm@0.10", "vllm@0.15"}, O::kRejects, "KeyError: 'layers.0.mlp.down_proj.g_idx'") +
           std::vector<Cell>{
               {"vllm@main", O::kRejects,
                "There is no module or parameter named 'layers.0.mlp.down_proj.g_idx' in LlamaModel"},
               {"sglang@0.5", O::kFallsBack, "not found in params_dict"},
               {"tgi@3.3", O::kRejects, "RuntimeError: weight model.layers.0.mlp.down_proj.weight does not exist"},
               {"exllamav2", O::kLoads},
               {"exllamav3", O::kRejects, "matching supported quantization format."},
               {"llama.cpp@main", O::kRejects, "Can not map tensor 'model.layers.0.mlp.down_proj.g_idx'"},
               {"lmdeploy", O::kRejects, "no checkpoint tensors found at prefix"},
               {"mlx-lm", O::kRejects},
               {"tensorrt-llm", O::kRejects}}},
      {"1.1 text_config.quantization_config", [] { return Nested("text_config"); },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5", "lmdeploy"}, O::kLoads) +
           Same({"tgi@3.3", "llama.cpp@main"}, O::kRejects)},
      {"1.1 the two files disagree: config.json counts",
       [] {
         ModelBuilder builder = Healthy();
         return SideFile(builder, {{"bits", 8}, {"group_size", 32}});
       },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main", "lmdeploy"}, O::kLoads)},
      {"4.1 TGI: a key is missing, the next file supplies it",
       [] {
         ModelBuilder builder = Healthy();
         return Section(builder, {{"group_size", nullptr}});
       },
       {{"tgi@3.3", O::kLoads, "", "takes its settings from quantize_config.json"}}},
      {"3.5 SGLang: loops that index by name",
       [] {
         ModelBuilder builder = SideOnly();
         return Type(builder, "qwen3", "Qwen3ForCausalLM");
       },
       {{"sglang@0.5", O::kRejects, "KeyError: 'model.layers.0.mlp.gate_up_proj.g_idx'"}}},
      {"2.9 expert tensors are named by their fused parameter",
       [] {
         ModelBuilder builder = Experts();
         NoSection(builder);
         for (const std::string name : {"model.layers.0.mlp.down_proj", "model.layers.0.mlp.gate_proj",
                                        "model.layers.0.mlp.up_proj", "model.layers.1.mlp.down_proj"}) {
           for (const char* leaf : {".qweight", ".qzeros", ".scales", ".g_idx"}) builder.RemoveTensor(name + leaf);
         }
         for (const std::string name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
           for (const char* leaf : {".qweight", ".qzeros", ".scales", ".g_idx"})
             builder.RemoveTensor("model.layers.0.self_attn." + name + leaf);
         }
         return builder;
       },
       {{"vllm@0.15", O::kRejects, "KeyError: 'layers.1.mlp.experts.w2_g_idx'"},
        {"vllm@main", O::kRejects, "has no parameter 'w2_g_idx' for checkpoint weight"}}},
  });
}

TEST(ServingTables, RequiredKeys) {
  CheckTable({
      {"1.2 quant_method",
       [] {
         return SectionChanged({{"quant_method", nullptr}});
       },
       {{"vllm@0.15", O::kRejects, "KeyError"},
        {"vllm@main", O::kRejects, "There is no module or parameter"},
        {"sglang@0.5", O::kRejects, "Unknown quantization method: ."},
        {"tgi@3.3", O::kRejects},
        {"llama.cpp@main", O::kRejects, "Can not map tensor"},
        {"lmdeploy", O::kRejects, "AssertionError: unsupported quant_config: {"},
        {"mlx-lm", O::kRejects, "KeyError: 'quant_method'"},
        {"exllamav2", O::kLoads}}},
      {"1.2 bits",
       [] {
         return SectionChanged({{"bits", nullptr}});
       },
       Same({"vllm@0.10", "vllm@0.15", "vllm@main", "sglang@0.5"}, O::kRejects,
            "Cannot find any of ['bits'] in the model's quantization config.") +
           std::vector<Cell>{
               {"llama.cpp@main", O::kRejects, "KeyError: 'bits'"}, {"lmdeploy", O::kLoads}, {"exllamav2", O::kLoads}}},
      {"1.2 group_size",
       [] {
         return SectionChanged({{"group_size", nullptr}});
       },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5"}, O::kRejects, "Cannot find any of ['group_size']") +
           Same({"lmdeploy", "llama.cpp@main", "exllamav2"}, O::kLoads)},
      {"1.2 desc_act",
       [] {
         return SectionChanged({{"desc_act", nullptr}});
       },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5"}, O::kRejects, "Cannot find any of ['desc_act']") +
           Same({"lmdeploy", "llama.cpp@main", "exllamav2", "tgi@3.3"}, O::kLoads)},
      {"1.2 sym: V15 falls to its gptq kernel, TGI takes false",
       [] {
         return SectionChanged({{"sym", nullptr}});
       },
       {{"vllm@0.10", O::kSlow, "", "sym is missing"},
        {"vllm@0.15", O::kSlow},
        {"vllm@main", O::kRejects, "Cannot find any of ['sym']"},
        {"sglang@0.5", O::kSlow},
        {"tgi@3.3", O::kLoads, "", "exllamav2"},
        {"lmdeploy", O::kLoads}}},
      {"1.2 other names are not accepted",
       [] {
         return SectionChanged({{"bits", nullptr}, {"w_bit", 4}, {"group_size", nullptr}, {"q_group_size", 128}});
       },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5"}, O::kRejects, "Cannot find any of ['bits']")},
      {"1.2 unknown quant_method",
       [] {
         return SectionChanged({{"quant_method", "gptqmodel"}});
       },
       Same({"vllm@0.10", "vllm@0.15", "vllm@main", "sglang@0.5"}, O::kRejects,
            "Unknown quantization method: gptqmodel.") +
           std::vector<Cell>{{"llama.cpp@main", O::kRejects, "Quant method is not yet supported: 'gptqmodel'"}}},
      {"2.1 lower-cased by vLLM",
       [] {
         return SectionChanged({{"quant_method", "GPTQ"}});
       },
       Same({"vllm@0.15", "vllm@main"}, O::kLoads)},
  });
}

TEST(ServingTables, WhatIsLoadable) {
  CheckTable({
      {"1.3 4 bits, sym, g 128", [] { return Healthy(); },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main", "lmdeploy"}, O::kLoads) +
           std::vector<Cell>{
               {"mlx-lm", O::kRejects, "Models with non-contiguous group indices (g_idx) are not currently supported."},
               {"lmdeploy/pytorch", O::kRejects, "TypeError: Unsupported quant method: gptq"}}},
      {"1.3 8 bits", [] { return Healthy({.bits = 8}); },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5", "tgi@3.3", "llama.cpp@main"}, O::kLoads) +
           std::vector<Cell>{{"exllamav2", O::kRejects, "incompatible shapes"},
                             {"lmdeploy", O::kUnknown},
                             {"mlx-lm", O::kRejects, "Only bits=8 is supported"}}},
      {"1.3 2 bits", [] { return Healthy({.bits = 2}); },
       Same({"vllm@0.10", "vllm@0.15", "sglang@0.5", "tgi@3.3"}, O::kSlow) +
           Same({"vllm@main"}, O::kRejects, "Unsupported quantization config: bits=2, sym=True") +
           Same({"llama.cpp@main"}, O::kLoads)},
      {"1.3 3 bits",
       [] { return Healthy({.bits = 3}); },
       {{"vllm@0.15", O::kSlow},
        {"vllm@main", O::kRejects},
        {"sglang@0.5", O::kRejects, "AssertionError"},
        {"tgi@3.3", O::kRejects, "NotImplementedError: Only 2,4,8 bits are supported."},
        {"llama.cpp@main", O::kRejects, "3-bit gptq dequantization is not yet implemented"}}},
      {"1.3 3 bits before 0.11", [] { return Healthy({.bits = 3}); },
       Same({"vllm@0.7", "vllm@0.10"}, O::kRejects, "AssertionError")},
      {"1.3 asymmetric",
       [] { return Healthy({.sym = false}); },
       {{"vllm@0.10", O::kSlow},
        {"vllm@0.15", O::kSlow},
        {"vllm@main", O::kRejects, "Unsupported quantization config: bits=4, sym=False"},
        {"sglang@0.5", O::kSlow},
        {"tgi@3.3", O::kLoads, "", "exllamav2"},
        {"exllamav2", O::kLoads},
        {"llama.cpp@main", O::kLoads},
        {"lmdeploy", O::kRejects, "unsupported quant config"}}},
      {"1.3 group 32", [] { return Grouped(32); },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5", "tgi@3.3", "exllamav2"}, O::kLoads) +
           Same({"lmdeploy"}, O::kRejects, "Unsupported group_size=32")},
      {"1.3 group 16: outside Marlin's list", [] { return Grouped(16); },
       Same({"vllm@0.15", "sglang@0.5"}, O::kSlow) +
           Same({"vllm@main"}, O::kRejects,
                "Marlin does not support group_size = 16. Only group_sizes = [-1, 32, 64, 128] are supported.")},
      {"1.3 one group", [] { return Grouped(-1); },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main"}, O::kLoads)},
      {"1.3 act-order", [] { return Healthy({.group_size = 64, .desc_act = true}); },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main"}, O::kLoads) +
           Same({"lmdeploy"}, O::kRejects, "unsupported quant config")},
  });
  const auto on = [](const char* arch, const char* dtype = "") {
    return SimulateOptions{.gpu_arch = arch, .dtype = dtype};
  };
  CheckTable({
      {"1.3 SM 7.5",
       [] { return Healthy(); },
       {{"vllm@0.10", O::kSlow},
        {"vllm@0.15", O::kLoads},
        {"vllm@main", O::kLoads},
        {"sglang@0.5", O::kSlow},
        {"tgi@3.3", O::kSlow}},
       on("sm_75")},
      {"1.3 SM 7.0",
       [] { return Healthy(); },
       {{"vllm@0.15", O::kSlow},
        {"vllm@main", O::kRejects,
         "Only types = [] are supported (for group_size = 128, device_capability = 70, zp = False)."}},
       on("7.0")},
      {"1.3 SM 5.2", [] { return Healthy(); }, {{"vllm@0.15", O::kRejects}}, on("5.2")},
      {"1.3 bf16", [] { return Healthy(); }, Same({"vllm@0.15", "vllm@main", "sglang@0.5"}, O::kLoads),
       on("8.0", "bfloat16")},
      {"1.3 bf16 under the gptq kernel", [] { return Healthy({.sym = false}); },
       Same({"vllm@0.10", "vllm@0.15", "sglang@0.5"}, O::kRejects,
            "torch.bfloat16 is not supported for quantization method gptq. Supported dtypes: [torch.float16]"),
       on("8.0", "bfloat16")},
      {"1.3 float32", [] { return Healthy(); },
       Same({"vllm@0.15", "vllm@main"}, O::kRejects, "torch.float32 is not supported for quantization method"),
       on("8.0", "float32")},
      {"2.10 ROCm",
       [] { return Healthy(); },
       {{"vllm@0.15", O::kSlow},
        {"sglang@0.5", O::kRejects, "gptq_marlin quantization is currently not supported in ROCm.", "", "derived"}},
       on("rocm")},
      {"2.10 CPU, 8 bits",
       [] { return Healthy({.bits = 8}); },
       {{"vllm@main", O::kRejects, "Marlin does not support weight_bits = uint8b128"}},
       on("cpu")},
  });
  CheckTable({
      {"3.4 SGLang experts at bf16",
       [] { return Experts(); },
       {{"sglang@0.5", O::kUnknown, "", "", "derived"}},
       on("8.0", "bfloat16")},
      {"3.3 SGLang experts need Marlin",
       [] { return Experts({.sym = false}); },
       {{"sglang@0.5", O::kRejects, "GPTQ Method does not support MoE, please use gptq_marlin"}}},
      {"10 KTransformers", [] { return Experts(); }, {{"ktransformers", O::kLoads}}},
      {"10 KTransformers, act-order",
       [] { return Experts({.desc_act = true}); },
       {{"ktransformers", O::kRejects, "GPTQ desc_act=true is not supported."}}},
      {"10 KTransformers, asymmetric",
       [] { return Experts({.sym = false}); },
       {{"ktransformers", O::kRejects, "GPTQ sym=false (asymmetric) is not supported."}}},
      {"10 KTransformers without experts",
       [] { return Healthy(); },
       {{"ktransformers", O::kRejects, "No GPTQ experts found for keys"}}},
      {"11 TensorRT-LLM",
       [] { return Healthy(); },
       {{"tensorrt-llm", O::kRejects, "NotImplementedError: Unsupported quantization_config: {'bits': 4"}}},
  });
}

TEST(ServingTables, WeightFiles) {
  CheckTable({
      {"1.4 consolidated files win from 0.11",
       [] {
         ModelBuilder builder = Healthy();
         return builder.File("consolidated.safetensors", MakeSafetensors({DenseTensor("tok.weight", {2, 2})}));
       },
       {{"vllm@0.15", O::kUnknown, "", "consolidated*.safetensors push the other weight files out"},
        {"vllm@0.10", O::kLoads}}},
      {"1.4 strays outside the index are left out",
       [] {
         ModelBuilder builder = Healthy();
         builder.Shards(2);
         return builder.File("stray.safetensors", MakeSafetensors({DenseTensor("stray.weight", {2, 2})}));
       },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5"}, O::kLoads)},
      {"1.4 TGI: one key in two files",
       [] {
         ModelBuilder builder = Healthy();
         return builder.File("copy.safetensors", MakeSafetensors({DenseTensor("model.norm.weight", {256})}));
       },
       {{"tgi@3.3", O::kRejects, "RuntimeError: Key model.norm.weight was found in multiple files: "},
        {"exllamav2", O::kLoads}}},
      {"1.4 llama.cpp and MLX want model*",
       [] { return Healthy().WeightName("gptq_model-4bit-128g.safetensors"); },
       {{"llama.cpp@main", O::kRejects},
        {"mlx-lm", O::kRejects, "FileNotFoundError: No safetensors found in "},
        {"exllamav2", O::kLoads},
        {"tgi@3.3", O::kLoads},
        {"lmdeploy", O::kLoads},
        {"vllm@0.15", O::kLoads}}},
      {"1.4 a missing shard",
       [] { return Healthy().Shards(3).Remove("model-00003-of-00003.safetensors"); },
       {{"vllm@0.15", O::kGarbage},
        {"vllm@main", O::kRejects, "Weight files referenced in index but missing"},
        {"sglang@0.5", O::kRejects, "incomplete download?"},
        {"llama.cpp@main", O::kRejects, "Missing or incomplete model files"}}},
      {"1.4 no weights",
       [] { return Healthy().Remove("model.safetensors"); },
       {{"tgi@3.3", O::kRejects, "FileNotFoundError: No local weights found in model with extension .safetensors"},
        {"exllamav2", O::kRejects, "No .safetensors files found"},
        {"mlx-lm", O::kRejects, "No safetensors found"}}},
  });
}

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
        {"lmdeploy", O::kRejects}}},
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
       Same({"vllm@0.15", "sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main"}, O::kLoads)},
      {"1.6 surplus biases",
       [] {
         GptqOptions quant;
         quant.bias = true;
         return Healthy(quant);
       },
       Same({"vllm@0.15", "sglang@0.5", "tgi@3.3"}, O::kLoads) +
           std::vector<Cell>{{"exllamav2", O::kLoads, "", "", "are all zero"}}},
      {"1.6 a bias is missing",
       [] {
         ModelBuilder builder = Healthy();
         return Type(builder, "qwen2", "Qwen2ForCausalLM");
       },
       {{"tgi@3.3", O::kRejects, "RuntimeError: weight model.layers.0.self_attn.k_proj.bias does not exist"},
        {"exllamav2", O::kRejects, "has no bias but bias expected"},
        {"vllm@0.15", O::kGarbage},
        {"sglang@0.5", O::kGarbage}}},
      {"1.6 both forms of a layer",
       [] {
         ModelBuilder builder = Healthy();
         return builder.Tensor(DenseTensor("model.layers.1.mlp.up_proj.weight", {512, 256}));
       },
       {{"vllm@0.15", O::kRejects, "KeyError: 'layers.1.mlp.up_proj.weight'"},
        {"tgi@3.3", O::kLoads},
        {"exllamav2", O::kLoads}}},
  });
}

TEST(ServingTables, FusedLayersExpertsAndHeads) {
  CheckTable({
      {"1.7 a plain part of a fused layer",
       [] {
         ModelBuilder builder = Healthy();
         return Plain(builder, "model.layers.0.self_attn.v_proj", 256, 128);
       },
       {{"vllm@0.15", O::kRejects,
         "ValueError: Detected some but not all shards of model.layers.0.self_attn.qkv_proj are quantized."},
        {"vllm@main", O::kRejects, "Detected some but not all shards"},
        {"vllm@0.10", O::kRejects, "KeyError"},
        {"sglang@0.5", O::kGarbage},
        {"tgi@3.3", O::kRejects, "Cannot load `gptq` weight"},
        {"exllamav2", O::kLoads}}},
      {"1.7 parts of one fused layer with other bits",
       [] {
         ModelBuilder builder = Healthy();
         return builder.Override("q_proj", {.bits = 8});
       },
       {{"vllm@0.15", O::kRejects, "AssertionError"}, {"sglang@0.5", O::kRejects, "AssertionError"}}},
      {"2.5 dynamic by fused name",
       [] {
         ModelBuilder builder = Healthy();
         Plain(builder, "model.layers.1.mlp.down_proj", 512, 256);
         return Both(builder, {{"dynamic", {{"-:model\\.layers\\.1\\.mlp\\.down_proj", Json::object()}}}});
       },
       Same({"vllm@0.10", "vllm@0.15", "vllm@main", "sglang@0.5"}, O::kLoads)},
      {"2.5 a rule for a part alone never fires",
       [] {
         ModelBuilder builder = Healthy();
         builder.Override("up_proj", {.bits = 8});
         builder.Override("gate_proj", {.bits = 8});
         return Both(builder, {{"dynamic", {{"+:.*\\.up_proj", {{"bits", 8}}}, {"+:.*\\.gate_proj", {{"bits", 8}}}}}});
       },
       {{"vllm@0.15", O::kRejects, "AssertionError"}}},
      {"2.5 a rule that covers the fused name",
       [] {
         ModelBuilder builder = Healthy();
         builder.Override("up_proj", {.bits = 8});
         builder.Override("gate_proj", {.bits = 8});
         return Both(builder, {{"dynamic", {{"+:.*\\.(gate_up|up|gate)_proj", {{"bits", 8}}}}}});
       },
       {{"vllm@0.15", O::kLoads}}},
      {"1.7 head: needs the key",
       [] {
         ModelBuilder builder = Healthy();
         builder.LmHead({});
         return Both(builder, {{"lm_head", false}});
       },
       {{"vllm@0.15", O::kRejects, "There is no module or parameter named 'lm_head.g_idx' in LlamaForCausalLM"},
        {"sglang@0.5", O::kGarbage},
        {"tgi@3.3", O::kRejects, "weight lm_head.weight does not exist"},
        {"exllamav2", O::kLoads}}},
      {"1.7 head: with the key",
       [] {
         ModelBuilder builder = Healthy();
         return builder.LmHead({});
       },
       {{"vllm@0.15", O::kLoads},
        {"vllm@main", O::kLoads},
        {"sglang@0.5", O::kLoads},
        {"tgi@3.3", O::kRejects, "weight lm_head.weight does not exist"}}},
      {"2.7 head: a vocabulary that is no multiple of 64",
       [] {
         ModelBuilder builder;
         builder.Layers(1).Sizes(256, 512, 128, 96).WithConfigs().LmHead({});
         return builder;
       },
       {{"vllm@0.15", O::kUnknown, "", "", "derived"}}},
      {"2.4 a partly quantized model",
       [] {
         ModelBuilder builder = Healthy();
         return Plain(builder, "model.layers.1.mlp.down_proj", 512, 256);
       },
       {{"vllm@0.15", O::kLoads},
        {"vllm@main", O::kLoads},
        {"vllm@0.10", O::kRejects, "KeyError: 'layers.1.mlp.down_proj.weight'"},
        {"sglang@0.5", O::kGarbage}}},
      {"S7 an incomplete layer",
       [] { return Healthy().RemoveTensor("model.layers.1.mlp.down_proj.scales"); },
       {{"vllm@0.15", O::kGarbage},
        {"sglang@0.5", O::kGarbage},
        {"tgi@3.3", O::kRejects, "scales does not exist"},
        {"exllamav2", O::kRejects, "KeyError: 'scales'"},
        {"llama.cpp@main", O::kRejects, "KeyError: 'model.layers.1.mlp.down_proj.scales'"}}},
      {"S14 groups that are no power of two",
       [] {
         ModelBuilder builder;
         builder.Layers(1).Sizes(192, 384, 192, 128).Quant({.group_size = 96}).WithConfigs();
         return builder;
       },
       {{"exllamav2", O::kGarbage, "", "no power of two"}}},
      {"5.1 ExLlamaV2 splits no GPTQ layer",
       [] { return Healthy(); },
       {{"exllamav2", O::kRejects, "Tensor split not implemented for GPTQ matrices"}},
       {.tp = 2}},
      {"4.3 TGI: sizes that do not divide",
       [] { return Healthy(); },
       {{"tgi@3.3", O::kRejects, "is not compatible with sharding on 3 shards"}},
       {.tp = 3}},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
