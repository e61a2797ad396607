// What serving engines and converters do, cell by cell of the tables that compare them. Rows carry the tables' numbers.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of these tables

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
        {"sglang@0.5", O::kRejects, "ValueError: The output size is not aligned", "32 // 3"},
        {"tgi@3.3", O::kRejects, "NotImplementedError: Only 2,4,8 bits are supported."},
        {"llama.cpp@main", O::kRejects, "3-bit gptq dequantization is not yet implemented"}}},
      {"1.3 3 bits before 0.11", [] { return Healthy({.bits = 3}); },
       Same({"vllm@0.7", "vllm@0.10"}, O::kRejects, "ValueError: The output size is not aligned", "32 // 3")},
      {"1.3 3 bits before 0.11, sizes that are multiples of 10",
       [] {
         ModelBuilder builder;
         builder.Layers(1).Sizes(320, 640, 320, 128).Quant({.bits = 3, .group_size = 64}).WithConfigs();
         return builder;
       },
       Same({"vllm@0.7", "vllm@0.10", "sglang@0.5"}, O::kRejects, "AssertionError")},
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
      {"1.3 XPU: act-order is never applied",
       [] { return Healthy({.group_size = 64, .desc_act = true}); },
       {{"vllm@main", O::kGarbage, "", "XPU"}},
       on("xpu")},
      {"1.3 XPU: 4 bits only", [] { return Healthy({.bits = 8}); },
       Same({"vllm@main"}, O::kRejects, "Marlin does not support weight_bits = uint8b128") +
           Same({"vllm@0.15"}, O::kRejects, "IPEX quantization supports weight bits [4], but got 8."),
       on("xpu")},
      {"1.3 XPU, 4 bits: vLLM 0.15 hands on to ipex",
       [] { return Healthy(); },
       {{"vllm@main", O::kLoads}, {"vllm@0.15", O::kUnknown}},
       on("xpu")},
      {"1.3 ROCm: act-order or 8 bits at bfloat16", [] { return Healthy({.bits = 8}); },
       Same({"vllm@main"}, O::kRejects, "Failed to find a kernel that can implement the WNA16 linear layer."),
       on("rocm", "bfloat16")},
      {"1.3 ROCm: ExLlamaV2's kernel in TGI",
       [] { return Healthy(); },
       {{"tgi@3.3", O::kLoads, "", "exllamav2"}, {"vllm@main", O::kLoads}},
       on("rocm")},
      {"1.3 CPU, 4 bits",
       [] { return Healthy(); },
       {{"vllm@main", O::kLoads}, {"vllm@0.15", O::kLoads}, {"sglang@0.5", O::kSlow, "", "", "AMX"}},
       on("cpu")},
      {"1.3 CPU with AMX: 8 bits",
       [] { return Healthy({.bits = 8}); },
       {{"sglang@0.5", O::kRejects, "Currently, only 4bits is supported on CPU with AMX."}, {"vllm@0.15", O::kUnknown}},
       on("cpu")},
      {"1.3 CPU with AMX: act-order",
       [] { return Healthy({.desc_act = true}); },
       {{"sglang@0.5", O::kRejects, "desc_act (True) is only supported with sequential and static group"}},
       on("cpu")},
      {"1.5 CPU with AMX: gptq_v2",
       [] { return Healthy({.v2 = true}); },
       {{"sglang@0.5", O::kRejects, "gptq_v2 is not supported on CPU with AMX."}},
       on("cpu")},
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
        {"llama.cpp@main", O::kRejects, "Missing or incomplete model files"},
        {"lmdeploy", O::kRejects, "FileNotFoundError: No such file or directory: "},
        {"mlx-lm", O::kRejects, "(g_idx) are not currently supported"}}},
      {"1.4 TGI leaves out training arguments",
       [] {
         ModelBuilder builder = Healthy();
         return builder.File("training_args.safetensors", builder.Build().at("model.safetensors"));
       },
       {{"tgi@3.3", O::kLoads}}},
      {"1.4 SGLang drops consolidated beside model",
       [] {
         ModelBuilder builder = Healthy();
         return builder.File("consolidated.safetensors", builder.Build().at("model.safetensors"));
       },
       {{"sglang@0.5", O::kLoads}}},
      {"1.4 pickles alone are not examined, ExLlamaV2 finds nothing",
       [] { return Healthy().Remove("model.safetensors").File("pytorch_model.bin", "PK"); },
       Same({"vllm@0.15", "sglang@0.5", "llama.cpp", "lmdeploy"}, O::kUnknown) +
           Same({"mlx-lm"}, O::kRejects, "No safetensors found") +
           Same({"exllamav2"}, O::kRejects, "No .safetensors files found")},
      {"1.4 no weights",
       [] { return Healthy().Remove("model.safetensors"); },
       {{"tgi@3.3", O::kRejects, "FileNotFoundError: No local weights found in model with extension .safetensors"},
        {"exllamav2", O::kRejects, "No .safetensors files found"},
        {"mlx-lm", O::kRejects, "No safetensors found"}}},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
