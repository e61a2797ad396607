// How TGI, ExLlamaV2, LMDeploy and MLX-LM read config.json and pick files, where values or files are odd. Rows name the
// function of the sources that decides.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of these tables

// The section is replaced by any JSON value.
ModelBuilder Replaced(const Json& section) {
  ModelBuilder builder = Healthy();
  NoSideFile(builder);
  Json config = ReadConfiguration(builder, "config.json");
  config["quantization_config"] = section;
  return builder.File("config.json", config.dump());
}
ModelBuilder Copied(const char* name) {
  ModelBuilder builder = Healthy();
  return builder.File(name, builder.Build().at("model.safetensors"));
}
ModelBuilder ShardGone(const char* name) { return Healthy().Shards(3).Remove(name); }

TEST(ConfigReaders, Tgi) {
  const std::string plain = "RuntimeError: weight model.layers.0.mlp.down_proj.weight does not exist";
  CheckTable({
      {"get_model: no object", [] { return Replaced("gptq"); },
       Same({"tgi@3.3"}, O::kRejects, "AttributeError: 'str' object has no attribute 'get'")},
      {"get_model: quant_method is a list",
       [] {
         return SectionChanged({{"quant_method", {"gptq"}}});
       },
       Same({"tgi@3.3"}, O::kRejects, "TypeError: unhashable type: 'list'")},
      {"get_model: awq",
       [] {
         return SectionChanged({{"quant_method", "awq"}});
       },
       Same({"tgi@3.3"}, O::kUnknown)},
      {"get_model: exl2",
       [] {
         return SectionChanged({{"quant_method", "exl2"}});
       },
       Same({"tgi@3.3"}, O::kRejects, "Cannot load `exl2`-quantized weight")},
      {"get_model: fp8",
       [] {
         return SectionChanged({{"quant_method", "fp8"}});
       },
       Same({"tgi@3.3"}, O::kRejects, plain)},
      {"get_model: compressed-tensors",
       [] {
         return SectionChanged({{"quant_method", "compressed-tensors"}});
       },
       Same({"tgi@3.3"}, O::kRejects, "ValueError: Cannot parse compressed-tensors configuration")},
      {"get_model: compression_config selects, its keys are not read",
       [] {
         ModelBuilder builder = Healthy();
         const Json section = ReadConfiguration(builder, "config.json")["quantization_config"];
         NoSection(builder);
         return Config(builder, {{"compression_config", section}});
       },
       Same({"tgi@3.3"}, O::kLoads, "", "takes its settings from quantize_config.json")},
      {"get_model: no model_type",
       [] {
         ModelBuilder builder = Healthy();
         return Config(builder, {{"model_type", nullptr}});
       },
       Same({"tgi@3.3"}, O::kRejects, "RuntimeError: Could not determine model type for ")},
      {"_get_quantizer_config: version GEMM in the side file",
       [] {
         ModelBuilder builder = Healthy();
         SideFile(builder, {{"version", "GEMM"}});
         return Section(builder, {{"bits", nullptr}});
       },
       Same({"tgi@3.3"}, O::kUnknown)},
      {"_get_quantizer_config: a whole float",
       [] {
         return SectionChanged({{"bits", 4.0}});
       },
       Same({"tgi@3.3"}, O::kUnknown)},
      {"is_layer_skipped_quantization",
       [] {
         return SectionChanged({{"sym", false}, {"modules_to_not_convert", {"down_proj"}}}, {.sym = false});
       },
       {{"tgi@3.3", O::kUnknown, "", "", "derived"}}},
      {"is_layer_skipped_quantization: Marlin does not ask",
       [] {
         return SectionChanged({{"modules_to_not_convert", {"down_proj"}}});
       },
       Same({"tgi@3.3"}, O::kLoads)},
      {"Weights.__init__: a copy beside the shards",
       [] {
         ModelBuilder builder = Healthy().Shards(2);
         return builder.File("model.safetensors", Healthy().Build().at("model.safetensors"));
       },
       Same({"tgi@3.3"}, O::kUnknown, "", "was found in multiple files")},
      {"Weights.__init__: consolidated beside model", [] { return Copied("consolidated.safetensors"); },
       Same({"tgi@3.3"}, O::kUnknown, "", "was found in multiple files")},
  });
}

TEST(ConfigReaders, ExllamaV2) {
  CheckTable({
      {"read: a falsy section counts as none", [] { return Replaced(""); }, Same({"exllamav2"}, O::kLoads)},
      {"read: a list", [] { return Replaced({1}); },
       Same({"exllamav2"}, O::kRejects, "AttributeError: 'list' object has no attribute 'get'")},
      {"read: only gptq_v2 counts",
       [] {
         return SectionChanged({{"checkpoint_format", "gptq_p"}});
       },
       Same({"exllamav2"}, O::kLoads)},
      {"prepare: a list", [] { return Healthy().File("config.json", "[]"); },
       Same({"exllamav2"}, O::kRejects, "TypeError: list indices must be integers or slices, not str")},
      {"prepare: null", [] { return Healthy().File("config.json", "null"); },
       Same({"exllamav2"}, O::kRejects, "TypeError: 'NoneType' object is not subscriptable")},
      {"prepare: no sizes", [] { return Healthy().File("config.json", R"({"architectures": ["LlamaForCausalLM"]})"); },
       Same({"exllamav2"}, O::kRejects,
            "ValueError: Missing any of the following keys: ['vocab_size', 'text_config->vocab_size']")},
      {"check_keys: a shard with layers is gone", [] { return ShardGone("model-00002-of-00003.safetensors"); },
       Same({"exllamav2"}, O::kRejects, "ValueError:  ## Could not find model.layers.0.mlp.down_proj.* in model")},
      {"check_keys: one layer lacks a part",
       [] {
         ModelBuilder builder = Healthy();
         for (const char* leaf : {".qweight", ".qzeros", ".scales", ".g_idx"})
           builder.RemoveTensor(std::string("model.layers.1.mlp.up_proj") + leaf);
         return builder;
       },
       Same({"exllamav2"}, O::kRejects, "## Could not find model.layers.1.mlp.up_proj.* in model")},
      {"check_keys: a head that is not tied", [] { return Healthy().RemoveTensor("lm_head.weight"); },
       Same({"exllamav2"}, O::kRejects, "ValueError:  ## Could not find lm_head.* in model")},
      {"ExLlamaV2ArchParams: a tied one", [] { return Healthy().Tied(true); }, Same({"exllamav2"}, O::kLoads)},
      {"ExLlamaV2ArchParams: an unknown name is read as Llama",
       [] {
         ModelBuilder builder = Healthy();
         Type(builder, "foo", "FooForCausalLM");
         Json config = Json::parse(builder.Build().at("config.json"));
         config.erase("rms_norm_eps");
         config["transformers_version"] = "4.45.2";
         return builder.File("config.json", config.dump());
       },
       Same({"exllamav2"}, O::kRejects, "Missing any of the following keys: ['rms_norm_eps',")},
      {"ExLlamaV2ArchParams: sizes put together by hand",
       [] {
         ModelBuilder builder = Healthy();
         Json config = Json::parse(builder.Build().at("config.json"));
         config.erase("rms_norm_eps");
         return builder.File("config.json", config.dump());
       },
       {{"exllamav2", O::kLoads, "", "", "is an excerpt: this loader stops where 'rms_norm_eps' is missing"}}},
  });
}

TEST(ConfigReaders, Lmdeploy) {
  const std::string dict = "{'bits': 4, 'group_size': 128, 'desc_act': False, 'sym': True,";
  CheckTable({
      {"search_nested_config: anywhere",
       [] {
         ModelBuilder builder = Healthy();
         const Json section = ReadConfiguration(builder, "config.json")["quantization_config"];
         NoSection(builder);
         return Config(builder, {{"thinker_config", {{"text", {{"quantization_config", section}}}}}});
       },
       Same({"lmdeploy"}, O::kLoads)},
      {"get_tm_config: a falsy section", [] { return Replaced(Json::object()); },
       Same({"lmdeploy"}, O::kRejects, "no checkpoint tensors found at prefix")},
      {"int(group_size): null",
       [] {
         Json section = ReadConfiguration(Healthy(), "config.json")["quantization_config"];
         section["group_size"] = Json();
         return Replaced(section);
       },
       Same({"lmdeploy"}, O::kRejects, "a real number, not 'NoneType'")},
      {"int(group_size): a word",
       [] {
         return SectionChanged({{"group_size", "all"}});
       },
       Same({"lmdeploy"}, O::kRejects, "ValueError: invalid literal for int() with base 10: 'all'")},
      {"int(group_size): digits",
       [] {
         return SectionChanged({{"group_size", "128"}});
       },
       Same({"lmdeploy"}, O::kLoads)},
      {"get_tm_config: awq",
       [] {
         return SectionChanged({{"quant_method", "awq"}});
       },
       Same({"lmdeploy"}, O::kRejects, "AssertionError: unsupported quant config: " + dict)},
      {"get_tm_config: fp8",
       [] {
         return SectionChanged({{"quant_method", "fp8"}});
       },
       Same({"lmdeploy"}, O::kUnknown)},
      {"get_tm_config: compressed-tensors",
       [] {
         return SectionChanged({{"quant_method", "compressed-tensors"}});
       },
       Same({"lmdeploy"}, O::kRejects, "KeyError: 'config_groups'")},
      {"create_checkpoint: nothing", [] { return Healthy().Remove("model.safetensors"); },
       Same({"lmdeploy"}, O::kRejects, "RuntimeError: Failed to find valid checkpoint under '")},
      {"create_checkpoint: pickles go before other names",
       [] { return Healthy().WeightName("weights.safetensors").File("pytorch_model.bin", "PK"); },
       Same({"lmdeploy"}, O::kUnknown)},
  });
}

TEST(ConfigReaders, Mlx) {
  const std::string extra = "ValueError: Received 56 parameters not in model";
  CheckTable({
      {"load_model: a falsy section", [] { return Replaced(Json::object()); }, Same({"mlx-lm"}, O::kRejects, extra)},
      {"load_model: a word", [] { return Replaced("gptq"); },
       Same({"mlx-lm"}, O::kRejects, "TypeError: string indices must be integers, not 'str'")},
      {"load_model: another method",
       [] {
         return SectionChanged({{"quant_method", "GPTQ"}});
       },
       Same({"mlx-lm"}, O::kRejects, extra)},
      {"load_model: text_config",
       [] {
         ModelBuilder builder = Nested("text_config");
         Json config = ReadConfiguration(builder, "config.json");
         config["text_config"]["model_type"] = "llama";
         return builder.File("config.json", config.dump());
       },
       Same({"mlx-lm"}, O::kRejects, "g_idx in weights. Models with non-contiguous group indices (g_idx)")},
      {"_transform_awq_weights: bits",
       [] {
         return SectionChanged({{"bits", "4"}});
       },
       Same({"mlx-lm"}, O::kRejects, "ValueError: Only bits='4' is supported for AutoAWQ/GPTQ models.")},
      {"_get_classes: no model_type",
       [] {
         ModelBuilder builder = Healthy();
         return Config(builder, {{"model_type", nullptr}});
       },
       Same({"mlx-lm"}, O::kRejects, "KeyError: 'model_type'")},
      {"_get_classes: a type without a module",
       [] {
         ModelBuilder builder = Healthy();
         return Type(builder, "RefinedWeb", "RWForCausalLM");
       },
       Same({"mlx-lm"}, O::kRejects, "ValueError: Model type RefinedWeb not supported.")},
      {"load_config", [] { return Healthy().File("config.json", "{"); },
       Same({"mlx-lm"}, O::kRejects, "json.decoder.JSONDecodeError: Expecting property name enclosed")},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
