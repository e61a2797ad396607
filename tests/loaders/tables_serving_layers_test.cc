// What serving engines and converters do, cell by cell of the tables that compare them. Rows carry the tables' numbers.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of these tables

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
      {"1.7 parts of one fused layer with other groups",
       [] {
         ModelBuilder builder = Healthy();
         return builder.Override("q_proj", {.group_size = 64});
       },
       {{"tgi@3.3", O::kRejects, "RuntimeError: Sizes of tensors must match except in dimension 1."},
        {"exllamav2", O::kLoads}}},
      {"1.7 router: plain",
       [] {
         ModelBuilder builder = Experts();
         return Plain(builder, "model.layers.1.mlp.gate", 256, 2);
       },
       Same({"vllm@0.10", "vllm@0.15", "sglang@0.5", "tgi@3.3"}, O::kLoads) +
           Same({"exllamav2"}, O::kRejects, "## Could not find model.layers.0.mlp.gate.* in model")},
      {"1.7 router: quantized",
       [] {
         ModelBuilder builder = Experts();
         return Quantized(builder, "model.layers.1.mlp.gate", 256, 64, {});
       },
       {{"vllm@0.10", O::kRejects, "KeyError: 'layers.1.mlp.gate.g_idx'"},
        {"vllm@0.15", O::kLoads},
        {"sglang@0.5", O::kGarbage},
        {"tgi@3.3", O::kRejects, "weight model.layers.1.mlp.gate.weight does not exist"}}},
      {"1.7 experts: ExLlamaV2 takes each for itself",
       [] {
         ModelBuilder builder = Experts();
         for (int layer = 0; layer < 2; ++layer) {
           const std::string mlp = "model.layers." + std::to_string(layer) + ".mlp.";
           for (int expert = 0; expert < 2; ++expert) {
             const std::string stem = mlp + "experts." + std::to_string(expert) + ".";
             Quantized(builder, stem + "gate_proj", 256, 128, {.group_size = expert == 0 ? 32 : 128});
             Quantized(builder, stem + "up_proj", 256, 128, {});
             Quantized(builder, stem + "down_proj", 128, 256, {});
           }
           Plain(builder, mlp + "gate", 256, 2);
         }
         return Config(builder, {{"num_experts", 2}});
       },
       Same({"exllamav2"}, O::kLoads)},
      {"S12 experts with smaller groups in the settings",
       [] {
         ModelBuilder builder = Experts({.group_size = 64});
         return Both(builder, {{"group_size", 32}});
       },
       {{"vllm@main", O::kRejects, "RuntimeError: start (0)"}, {"vllm@0.15", O::kRejects, "RuntimeError: start (0)"}}},
      {"S12 experts alone with smaller groups in the settings",
       [] {
         ModelBuilder builder = Experts();
         builder.Override("experts", {.group_size = 128});
         for (int expert = 0; expert < 2; ++expert) {
           const std::string stem = "model.layers.1.mlp.experts." + std::to_string(expert) + ".";
           Quantized(builder, stem + "gate_proj", 256, 128, {.group_size = -1});
           Quantized(builder, stem + "up_proj", 256, 128, {.group_size = -1});
         }
         return builder;
       },
       {{"vllm@main", O::kGarbage, "", "the rest stays uninitialised"}, {"vllm@0.15", O::kLoads}}},
      {"2.6 experts with larger groups in the settings",
       [] {
         ModelBuilder builder = Experts();
         const std::string stem = "model.layers.1.mlp.experts.0.";
         Quantized(builder, stem + "gate_proj", 256, 128, {.group_size = 32});
         return Quantized(builder, stem + "up_proj", 256, 128, {.group_size = 32});
       },
       Same({"vllm@0.15", "vllm@main"}, O::kRejects,
            "RuntimeError: The size of tensor a (2) must match the size of tensor b (8)")},
      {"1.7 experts: SGLang never asks dynamic, vLLM does",
       [] {
         ModelBuilder builder = Experts();
         return Both(builder, {{"dynamic", {{"-:.*experts.*", Json::object()}}}});
       },
       Same({"sglang@0.5"}, O::kLoads) + Same({"vllm@0.15"}, O::kRejects, "KeyError: 'layers.1.mlp.experts.w2_g_idx'")},
      {"S10 experts that Marlin refuses, act-order",
       [] {
         ModelBuilder builder = Experts({.group_size = 32, .desc_act = true});
         const std::string stem = "model.layers.1.mlp.experts.0.";
         for (const char* part : {"gate_proj", "up_proj"})
           Quantized(builder, stem + part, 256, 96, {.group_size = 32, .desc_act = true});
         return Quantized(builder, stem + "down_proj", 96, 256, {.group_size = 32, .desc_act = true});
       },
       Same({"vllm@0.15", "vllm@main"}, O::kGarbage, "", "drop g_idx")},
      {"S11 asymmetric experts under the gptq class", [] { return Experts({.sym = false}); },
       Same({"vllm@0.15"}, O::kGarbage, "", "handed on as symmetric") +
           Same({"vllm@0.7", "vllm@0.9"}, O::kRejects, "AssertionError")},
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
      {"S7 a norm of one layer is in no file",
       [] { return Healthy().RemoveTensor("model.layers.1.input_layernorm.weight"); },
       Same({"vllm@0.10", "vllm@0.15", "vllm@main", "sglang@0.5"}, O::kGarbage, "",
            "no file holds model.layers.1.input_layernorm.weight") +
           Same({"tgi@3.3"}, O::kRejects, "RuntimeError: weight model.layers.1.input_layernorm.weight does not exist") +
           Same({"exllamav2"}, O::kRejects, "## Could not find model.layers.1.input_layernorm.* in model") +
           Same({"llama.cpp@main", "lmdeploy"}, O::kUnknown)},
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
