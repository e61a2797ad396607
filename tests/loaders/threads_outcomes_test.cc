// More problems from public threads: what each loader made of a directory, and healthy variants beside them. Each row
// names the thread's repository and number.

#include "loaders/tables_serving.h"
#include "support/problem_models.h"

namespace gptq_doctor::testing::serving {
namespace {

constexpr const char* kInput = "The input size is not aligned with the quantized weight shape.";
constexpr const char* kPacked = "'MergedColumnParallelLinear' object has no attribute 'weight'";

// Three groups in down_proj, as Qwen-14B has 107: no two ranks share them.
ModelBuilder OddGroups() {
  ModelBuilder builder;
  builder.Layers(2).Sizes(256, 384, 128, 128).Quant({}).WithConfigs();
  return builder;
}
ModelBuilder Typed(const char* type, const char* architecture) {
  ModelBuilder builder = Healthy();
  return Type(builder, type, architecture);
}
ModelBuilder Undeclared(const char* type, const char* architecture) {
  ModelBuilder builder = Typed(type, architecture);
  Config(builder, {{"model_type", type}, {"architectures", {architecture}}, {"quantization_config", nullptr}});
  return NoSideFile(builder);
}
ModelBuilder Mixed(const char* type) {
  GptqOptions quant;
  quant.bias = true;  // Qwen2's attention has them
  ModelBuilder builder = Experts(quant);
  return Type(builder, type, "X");
}
ModelBuilder AutoRound(const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  return Section(builder, {{"quant_method", "auto-round"}, {"packing_format", "auto_round:auto_gptq"}});
}
ModelBuilder QuantizedHead() {
  ModelBuilder builder = AutoRound();
  return builder.LmHead({});
}
ModelBuilder Tower(const Json& keys) {
  ModelBuilder builder = Vision("qwen2_5_vl");
  Json config = Json::parse(builder.Build().at("config.json"));
  config["quantization_config"].update(keys);
  return builder.File("config.json", config.dump());
}
// A layer of 2 and 3 bits side by side, which no width explains.
ModelBuilder OddRows() {
  ModelBuilder builder = Healthy();
  return builder.Tensor({"model.layers.0.self_attn.q_proj.qweight", "I32", {34, 256}, ""});
}
ModelBuilder PlainDownEverywhere() {
  ModelBuilder builder = Healthy();
  for (const char* layer : {"0", "1"})
    Plain(builder, "model.layers." + std::string(layer) + ".mlp.down_proj", 512, 256);
  return builder;
}

const SimulateOptions kTwoRanks = {.tp = 2};
SimulateOptions On(const char* gpu, int tp = 1) { return {.tp = tp, .gpu_arch = gpu}; }

TEST(Threads, Vllm) {
  CheckTable({
      {"vllm-project/vllm#2699",
       OddGroups,
       {{"vllm@0.2", O::kRejects, kInput, "192 inputs"}, {"vllm@0.9", O::kRejects, "input_size_per_partition = 192"}},
       kTwoRanks},
      {"vllm-project/vllm#2699, one rank", OddGroups, Same({"vllm@0.2"}, O::kSlow) + Same({"vllm@0.9"}, O::kLoads)},
      {"QwenLM/Qwen3#986",
       OddGroups,
       {{"vllm@0.6", O::kRejects, "input_size_per_partition = 192 is not divisible by min_thread_k = 128"}},
       kTwoRanks},
      {"xusenlinzy/api-for-open-llm#196",
       [] { return Healthy(); },
       {{"vllm@0.2.3", O::kRejects, "Unknown quantization method: gptq. Must be one of ['awq', 'squeezellm']."},
        {"vllm@0.2.6", O::kSlow}}},
      {"vllm-project/vllm#1100", [] { return Bare(); }, {{"vllm@0.1.7", O::kRejects, ".g_idx'"}}},
      {"sgl-project/sglang#228, vLLM of its time",
       [] { return Healthy({.bits = 3}); },
       {{"vllm@0.2", O::kRejects, "only 4-bit weight quantization is supported for GPTQ, but got 3 bits."}}},
      {"vllm-project/vllm#2330",
       [] { return Healthy({.bits = 8}); },
       {{"vllm@0.3.0", O::kRejects, "but got 8 bits."}, {"vllm@0.3.3", O::kSlow}}},
      {"QwenLM/Qwen3#506",
       [] { return Mixed("qwen2_moe"); },
       {{"vllm@0.3", O::kRejects, kPacked}, {"vllm@0.4.3", O::kUnknown, "", kPacked}}},
      {"intel/auto-round#586, known issues", [] { return Mixed("deepseek"); }, {{"vllm@0.10", O::kRejects, kPacked}}},
      {"vllm-project/vllm#22001", [] { return Experts(); }, {{"vllm@0.9", O::kRejects, "AssertionError"}}, On("7.0")},
      {"sasha0552/pascal-pkgs-ci#28",
       [] { return Experts(); },
       {{"vllm@0.9", O::kRejects, "AssertionError"}},
       On("6.0")},
      {"vllm-project/vllm#22001, a newer GPU", [] { return Experts(); }, Same({"vllm@0.9", "vllm@0.15"}, O::kLoads)},
      {"vllm-project/vllm#49137",
       QuantizedHead,
       {{"vllm@main", O::kRejects, "no module or parameter named 'lm_head."}}},
      {"vllm-project/vllm#37185",
       [] { return AutoRound({.bits = 2}); },
       {{"vllm@0.15", O::kUnknown, "", "wrong text"}, {"vllm@main", O::kRejects, "bits=2, sym=True is not supported"}}},
      {"vllm-project/vllm#7374",
       [] { return Healthy({.desc_act = true}); },
       {{"vllm@0.6", O::kGarbage, "", "ROCm"}, {"vllm@0.15", O::kUnknown}},
       On("rocm", 2)},
      {"vllm-project/vllm#7374, one rank",
       [] { return Healthy({.desc_act = true}); },
       {{"vllm@0.6", O::kSlow}},
       On("rocm")},
      {"intel/auto-round#982 under vLLM, which maps names",
       [] {
         return Tower({{"quant_method", "auto-round"}, {"block_name_to_quantize", "model.language_model.layers"}});
       },
       Same({"vllm@0.10", "vllm@0.15"}, O::kLoads)},
  });
}

TEST(Threads, Sglang) {
  const std::string dynamic = "-:.*visual.*";
  CheckTable({
      {"intel/auto-round#982",
       [] {
         return Tower({{"quant_method", "auto-round"}, {"block_name_to_quantize", "model.language_model.layers"}});
       },
       {{"sglang@0.5", O::kRejects, "KeyError: 'model.layers.0.mlp.down_proj."}}},
      {"intel/auto-round#982, names of the engine",
       [] {
         return Tower({{"quant_method", "auto-round"}, {"block_name_to_quantize", "model.layers"}});
       },
       Same({"sglang@0.5"}, O::kLoads)},
      {"sgl-project/sglang#26840",
       [] { return Tower(Json::object()); },
       {{"sglang@0.5", O::kRejects, "KeyError: 'visual."}}},
      {"sgl-project/sglang#26840, a rule takes the tower out",
       [=] {
         return Tower({{"dynamic", {{dynamic, Json::object()}}}});
       },
       Same({"sglang@0.5"}, O::kLoads)},
      {"sgl-project/sglang#6249",
       [] { return Experts(); },
       {{"sglang@0.4.6", O::kUnknown, "KeyError: 'intermediate_size_full'"}, {"sglang@0.5", O::kLoads}}},
      {"sgl-project/sglang#228",
       [] { return Healthy({.bits = 3}); },
       {{"sglang@0.5", O::kRejects, "output size is not aligned"}}},
      {"load loops: gemma2.py",
       [] { return Undeclared("gemma2", "Gemma2ForCausalLM"); },
       {{"sglang@0.5", O::kRejects, "KeyError: 'model.layers.0.mlp.down_proj.g_idx'"}}},
      {"load loops: llama.py", [] { return Undeclared("llama", "LlamaForCausalLM"); },
       Same({"sglang@0.5"}, O::kFallsBack)},
      {"load loops: not read",
       [] { return Undeclared("exaone", "ExaoneForCausalLM"); },
       {{"sglang@0.5", O::kFallsBack, "", "", "was not read"}}},
      {"load loops, healthy", [] { return Typed("gemma2", "Gemma2ForCausalLM"); }, Same({"sglang@0.5"}, O::kLoads)},
  });
}

TEST(Threads, OtherLoaders) {
  CheckTable({
      {"turboderp-org/exllamav2#563", [] { return Healthy({.bits = 8}); },
       Same({"exllamav2"}, O::kRejects, "q_weight and gptq_qzeros have incompatible shapes")},
      {"turboderp/exllama#85", [] { return Healthy({.bits = 8, .g_idx = false}); },
       Same({"exllama"}, O::kRejects, "qweight and qzeros have incompatible shapes")},
      {"huggingface/text-generation-inference#1407",
       [] { return Healthy({.bits = 3, .group_size = -1, .desc_act = true}); },
       Same({"tgi@3.3"}, O::kRejects, "Only 2,4,8 bits are supported.")},
      {"AutoGPTQ/AutoGPTQ#754", OddRows,
       Same({"autogptq@0.7.1"}, O::kRejects, "Trying to set a tensor of shape torch.Size([34, 256]) in \"qweight\"")},
      {"AutoGPTQ/AutoGPTQ#307", PlainDownEverywhere,
       Same({"autogptq@0.5"}, O::kRejects, "QuantLinear() does not have a parameter or a buffer named weight.")},
      {"oobabooga/text-generation-webui#4960", [] { return Mixed("mixtral"); },
       Same({"autogptq@0.5"}, O::kRejects, "mixtral isn't supported yet.")},
      {"InternLM/lmdeploy#2368", [] { return Healthy({.bits = 8}); }, Same({"lmdeploy"}, O::kUnknown)},
      {"NVIDIA/TensorRT-LLM#988", [] { return Healthy({.group_size = 32}); }, Same({"tensorrt-llm"}, O::kRejects)},
      {"ModelCloud/GPTQModel#1654",
       [] {
         return Changed({{"quant_method", "qqq"}, {"checkpoint_format", "qqq"}});
       },
       Same({"vllm@0.9", "sglang@0.5", "gptqmodel@5.8"}, O::kUnknown)},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing::serving
