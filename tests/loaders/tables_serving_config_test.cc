// What serving engines and converters do, cell by cell of the tables that compare them. Rows carry the tables' numbers.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of these tables

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
      // Up to 0.10 and in SGLang the method is asked of the top level alone (vllm/config.py _parse_quant_hf_config,
      // sglang/srt/configs/model_config.py _parse_quant_hf_config): none is found, so no class reads the section.
      {"1.1 text_config.quantization_config", [] { return Nested("text_config"); },
       Same({"vllm@0.15", "vllm@main", "lmdeploy"}, O::kLoads) +
           Same({"vllm@0.7", "vllm@0.9", "vllm@0.10"}, O::kRejects, "KeyError: 'layers.0.mlp.down_proj.g_idx'") +
           Same({"sglang@0.5"}, O::kFallsBack) + Same({"tgi@3.3", "llama.cpp@main"}, O::kRejects)},
      {"1.1 hf_quant_config.json", [] { return Moved("hf_quant_config.json"); },
       Same({"vllm@0.10", "vllm@0.15", "vllm@main"}, O::kLoads, "", "takes its settings from hf_quant_config.json") +
           Same({"vllm@0.7", "vllm@0.9"}, O::kRejects) + Same({"sglang@0.5"}, O::kRejects, "KeyError: 'quantization'")},
      {"1.1 hf_quant_config.json in ModelOpt's shape",
       [] {
         ModelBuilder builder = SideOnly();
         return builder.File("hf_quant_config.json", R"({"quantization": {"quant_algo": null}})");
       },
       Same({"sglang@0.5"}, O::kFallsBack)},
      {"1.1 compression_config",
       [] {
         ModelBuilder builder = Healthy();
         const Json section = ReadConfiguration(builder, "config.json")["quantization_config"];
         NoSection(builder);
         NoSideFile(builder);
         return Config(builder, {{"compression_config", section}});
       },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5"}, O::kLoads)},
      {"1.1 the two files disagree: config.json counts",
       [] {
         ModelBuilder builder = Healthy();
         return SideFile(builder, {{"bits", 8}, {"group_size", 32}});
       },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main", "lmdeploy"}, O::kLoads)},
      {"1.1 LMDeploy searches all of config.json", [] { return Nested("llm_config"); },
       Same({"lmdeploy"}, O::kLoads) + Same({"vllm@0.15", "vllm@main"}, O::kRejects)},
      {"1.1 MLX: quantization first",
       [] {
         ModelBuilder builder = NoGIdx(false);
         return Config(builder, {{"quantization", {{"bits", 4}, {"group_size", 128}}}});
       },
       {{"mlx-lm", O::kRejects, "parameters not in model", "native"}}},
      {"1.1 KTransformers wants no configuration",
       [] {
         ModelBuilder builder = Experts();
         NoSection(builder);
         return NoSideFile(builder);
       },
       {{"ktransformers", O::kLoads}}},
      {"1.1 text-generation-webui hands on to transformers",
       SideOnly,
       {{"text-generation-webui@4.7", O::kFallsBack, "LOAD REPORT from: "}}},
      {"1.1 TensorRT-LLM: no method, no quantization",
       [] {
         return SectionChanged({{"quant_method", nullptr}});
       },
       {{"tensorrt-llm", O::kRejects}}},
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
           std::vector<Cell>{{"llama.cpp@main", O::kRejects, "KeyError: 'bits'"},
                             {"lmdeploy", O::kLoads},
                             {"exllamav2", O::kLoads},
                             {"mlx-lm", O::kRejects, "(g_idx) are not currently supported"}}},
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
        {"llama.cpp@main", O::kLoads},
        {"mlx-lm", O::kRejects, "(g_idx) are not currently supported"},
        {"lmdeploy", O::kLoads}}},
      {"1.2 lm_head, dynamic: not read",
       [] {
         return SectionChanged({{"lm_head", true}, {"dynamic", {{"-:.*down_proj", Json::object()}}}});
       },
       Same({"tgi@3.3", "lmdeploy", "llama.cpp@main", "exllamav2"}, O::kLoads)},
      {"1.2 lm_head: by tensors",
       [] {
         ModelBuilder builder = Healthy();
         builder.LmHead({});
         return Section(builder, {{"lm_head", nullptr}});
       },
       Same({"llama.cpp@main", "exllamav2"}, O::kLoads)},
      {"1.2 checkpoint_format: TGI looks for marlin_24 only",
       [] {
         return SectionChanged({{"checkpoint_format", "gptq_v2"}});
       },
       Same({"tgi@3.3", "vllm@main", "sglang@0.5", "lmdeploy"}, O::kLoads)},
      {"1.2 modules_in_block_to_quantize: SGLang does not read it",
       [] {
         return SectionChanged({{"modules_in_block_to_quantize", {{"self_attn.q_proj"}}}});
       },
       Same({"sglang@0.5", "tgi@3.3", "lmdeploy", "llama.cpp@main"}, O::kLoads) +
           Same({"vllm@0.15", "vllm@main"}, O::kRejects, "Detected some but not all shards")},
      {"1.2 other names: TGI reads them in quant_config.json alone",
       [] {
         ModelBuilder builder = SectionChanged({{"bits", nullptr}});
         return builder.File("quant_config.json", R"({"w_bit": 4, "q_group_size": 128, "desc_act": false})");
       },
       Same({"tgi@3.3"}, O::kLoads, "", "takes its settings from quant_config.json")},
      {"1.2 other names are not accepted",
       [] {
         return SectionChanged({{"bits", nullptr}, {"w_bit", 4}, {"group_size", nullptr}, {"q_group_size", 128}});
       },
       Same({"vllm@0.15", "vllm@main", "sglang@0.5"}, O::kRejects, "Cannot find any of ['bits']") +
           Same({"llama.cpp@main"}, O::kRejects, "KeyError: 'bits'") + Same({"lmdeploy"}, O::kLoads)},
      {"1.2 TGI: bits that are nowhere are 4, groups -1",
       [] {
         return SectionChanged({{"bits", nullptr}, {"group_size", nullptr}});
       },
       {{"tgi@3.3", O::kUnknown, "", "groups of"}}},
      {"1.2 null lists and rules",
       [] {
         ModelBuilder builder = Healthy();
         Json config = ReadConfiguration(builder, "config.json");
         config["quantization_config"]["dynamic"] = Json();
         config["quantization_config"]["modules_in_block_to_quantize"] = Json();
         return builder.File("config.json", config.dump());
       },
       Same(kVllm, O::kLoads) + Same({"sglang@0.5", "tgi@3.3", "exllamav2", "llama.cpp@main", "lmdeploy"}, O::kLoads)},
      {"1.2 bits, group_size, desc_act, sym, lm_head, dynamic, checkpoint_format: MLX has defaults or reads none",
       [] {
         ModelBuilder builder = NoGIdx(false);
         for (const char* key : {"bits", "group_size", "desc_act", "sym", "lm_head", "checkpoint_format"})
           Section(builder, {{key, nullptr}});
         return Section(builder, {{"dynamic", {{"-:.*", Json::object()}}}, {"w_bit", 8}});
       },
       {{"mlx-lm", O::kUnknown, "", "", "derived"}}},
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
       Same({"vllm@0.15", "vllm@main", "sglang@0.5", "exllamav2"}, O::kLoads) +
           Same({"llama.cpp@main"}, O::kRejects, "Quant method is not yet supported: 'GPTQ'") +
           Same({"lmdeploy"}, O::kRejects, "unsupported quant_config") +
           Same({"tgi@3.3"}, O::kRejects, "weight model.layers.0.mlp.down_proj.weight does not exist")},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
