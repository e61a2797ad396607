// How loaders read config.json itself, weight maps that are none, and keys that only a configuration class checks. Rows
// name the function that was run to learn it.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of the serving tables
const std::vector<std::string> kAutoConfig = {"autogptq@0.7.1",   "gptqmodel@7.3.4", "transformers@4.44",
                                              "transformers@5.0", "vllm@0.15",       "sglang@0.5"};

ModelBuilder Whole(const char* text) {
  ModelBuilder builder = Healthy();
  return builder.File("config.json", text);
}
ModelBuilder Key(const char* key, const Json& value) {
  ModelBuilder builder = Healthy();
  return Config(builder, {{key, value}});
}
// null stays in the file.
ModelBuilder NullKey(const char* key) {
  ModelBuilder builder = Healthy();
  Json config = ReadConfiguration(builder, "config.json");
  config[key] = Json();
  return builder.File("config.json", config.dump());
}
ModelBuilder Index(const std::string& text) {
  ModelBuilder builder = Healthy().Shards(3);
  return builder.File("model.safetensors.index.json", text);
}

TEST(ModelConfig, AutoConfig) {
  const std::string unknown = "ValueError: The checkpoint you are trying to load has model type `";
  CheckTable({
      {"_get_config_dict: a list", [] { return Whole("[]"); },
       Same(kAutoConfig, O::kRejects, "TypeError: list indices must be integers or slices, not str")},
      {"_get_config_dict: null", [] { return Whole("null"); },
       Same(kAutoConfig, O::kRejects, "TypeError: 'NoneType' object does not support item assignment")},
      {"from_pretrained: no model_type", [] { return Key("model_type", nullptr); },
       Same(kAutoConfig, O::kRejects, "Should have a `model_type` key in its config.json")},
      {"from_pretrained: model_type null", [] { return NullKey("model_type"); },
       Same(kAutoConfig, O::kRejects, unknown + "None` but Transformers does not recognize this architecture")},
      {"from_pretrained: model_type no string", [] { return Key("model_type", Json::array({1})); },
       Same(kAutoConfig, O::kRejects, "TypeError: unhashable type: 'list'")},
      {"CONFIG_MAPPING: of no release", [] { return Key("model_type", "foo"); },
       Same({"transformers@4.44", "transformers@5.0", "autogptq@0.7.1", "gptqmodel@2.0"}, O::kRejects,
            unknown + "foo`") +
           std::vector<Cell>{{"vllm@0.15", O::kLoads, "", "", "transformers does not"}}},
      {"CONFIG_MAPPING: case counts", [] { return Key("model_type", "LLAMA"); },
       Same({"autogptq@0.7.1", "gptqmodel@7.3.4"}, O::kRejects, unknown + "LLAMA`")},
      {"CONFIG_MAPPING: of a later release", [] { return Key("model_type", "qwen3"); },
       Same({"transformers@4.55/gptqmodel", "transformers@5.0"}, O::kLoads) +
           std::vector<Cell>{{"transformers@4.44", O::kRejects, unknown + "qwen3`", "", "later ones"},
                             {"autogptq@0.7.1", O::kRejects, "TypeError: qwen3 isn't supported yet."}}},
      {"CONFIG_MAPPING: gone with 5", [] { return Key("model_type", "nezha"); },
       Same({"transformers@5.0"}, O::kRejects, unknown + "nezha`")},
      {"from_pretrained: auto_map", [] { return NullKey("auto_map"); },
       Same(kAutoConfig, O::kRejects, "TypeError: argument of type 'NoneType' is not iterable")},
      {"from_pretrained: code that comes with the model",
       [] {
         ModelBuilder builder = Healthy();
         return Config(builder, {{"model_type", "foo"}, {"auto_map", {{"AutoConfig", "configuration_foo.Foo"}}}});
       },
       Same({"transformers@4.44"}, O::kLoads)},
      {"__init__: torch_dtype", [] { return Key("torch_dtype", "auto"); },
       Same(kAutoConfig, O::kRejects, "AttributeError: module 'torch' has no attribute 'auto'")},
      {"__init__: dtype is read since 4.56", [] { return Key("dtype", "x"); },
       Same({"transformers@4.55/gptqmodel"}, O::kLoads) + Same({"transformers@5.0"}, O::kRejects, "attribute 'x'")},
      {"a size that is none", [] { return Key("hidden_size", -1); }, Same(kAutoConfig, O::kUnknown)},
      {"a width that is none", [] { return NullKey("intermediate_size"); }, Same(kAutoConfig, O::kUnknown)},
      {"json.loads: too deep",
       [] { return Whole(("{\"a\": " + std::string(3000, '[') + std::string(3000, ']') + "}").c_str()); },
       Same(kAutoConfig, O::kRejects, "RecursionError: maximum recursion depth exceeded")},
      {"_find_quant_modelslim_config",
       [] {
         ModelBuilder builder = Healthy();
         return builder.File("quant_model_description.json", "{}");
       },
       Same({"sglang@0.5"}, O::kUnknown)},
  });
}

TEST(ModelConfig, NameOfTheDirectory) {
  const TempDir place;
  const std::string path = place.str() + "/some-opt-model";
  Key("model_type", nullptr).WriteTo(path);
  const Examined model = ExamineDirectory(path);
  ASSERT_NE(model.exam, nullptr);
  EXPECT_EQ(Ask(*model.exam, "transformers@4.44").outcome, Outcome::kUnknown);
  EXPECT_EQ(Ask(*model.exam, "transformers@5.0").outcome, Outcome::kRejects);
}

TEST(ModelConfig, OtherReaders) {
  CheckTable({
      {"load_hparams, json.load", [] { return Whole("{\"a\": }"); },
       Same({"llama.cpp@main"}, O::kRejects, "json.decoder.JSONDecodeError: Expecting value: line 1 column 7")},
      {"load_hparams: what transformers does not know is read again", [] { return Key("model_type", "foo"); },
       Same({"llama.cpp@main"}, O::kLoads)},
      {"load_hparams: a list", [] { return Whole("[]"); },
       Same({"llama.cpp@main", "mlx-lm"}, O::kRejects, "AttributeError: 'list' object has no attribute 'get'")},
      {"load_hparams: null", [] { return Whole("null"); },
       Same({"llama.cpp@main"}, O::kRejects, "TypeError: argument of type 'NoneType' is not iterable") +
           Same({"mlx-lm"}, O::kRejects, "AttributeError: 'NoneType' object has no attribute 'get'")},
      {"get_model_architecture", [] { return Key("architectures", nullptr); },
       Same({"llama.cpp@main"}, O::kRejects, "ValueError: Failed to detect model architecture")},
      {"ExLlamaV2Config.prepare: rms_norm_eps", [] { return NullKey("rms_norm_eps"); },
       Same({"exllamav2"}, O::kRejects,
            "ValueError: Missing any of the following keys: ['rms_norm_eps', 'text_config->rms_norm_eps']")},
      {"ExLlamaV2Config.prepare: hidden_size", [] { return Key("hidden_size", "x"); },
       Same({"exllamav2"}, O::kRejects, "TypeError: Value for hidden_size is not of expected type <class 'int'>")},
      {"ExLlamaV2Config.prepare: rope_theta", [] { return Key("rope_theta", "x"); },
       Same({"exllamav2"}, O::kRejects, "TypeError: Value for rope_theta is not of expected type <class 'float'>")},
      {"ExLlamaV2Config.prepare: 256.0 is 256", [] { return Key("hidden_size", 256.0); },
       Same({"exllamav2"}, O::kLoads)},
      {"ExLlamaV2Config.prepare: num_key_value_heads", [] { return Key("num_key_value_heads", 0); },
       Same({"exllamav2"}, O::kRejects, "ZeroDivisionError: integer division or modulo by zero")},
      {"_validate_quant_group_size",
       [] {
         ModelBuilder builder = Healthy();
         return Section(builder, {{"group_size", "-1"}});
       },
       Same({"lmdeploy"}, O::kRejects, "ValueError: Unsupported group_size=-1 for model_format")},
      {"a key that is there twice",
       [] {
         ModelBuilder builder = Healthy();
         std::string text = builder.Build().at("config.json");
         const std::string key = "\"desc_act\":";
         text.insert(text.find(key), key + " true, ");
         return builder.File("config.json", text.replace(text.rfind("false,", text.rfind("\"sym\"")), 6, "true,"));
       },
       Same({"lmdeploy"}, O::kRejects, "'group_size': 128, 'desc_act': True, 'sym': True")},
      {"ExLlamaV2Config.prepare: architectures", [] { return NullKey("architectures"); },
       Same({"exllamav2"}, O::kRejects, "TypeError: object of type 'NoneType' has no len()")},
  });
}

TEST(ModelConfig, WeightMap) {
  const std::vector<std::string> readers = {"vllm@0.15",        "sglang@0.5",     "lmdeploy",
                                            "transformers@5.0", "llama.cpp@main", "gptqmodel@7.3.4"};
  CheckTable({
      {"json.load: cut", [] { return Index("{\"weight_map\": {"); },
       Same(readers, O::kRejects, "json.decoder.JSONDecodeError")},
      {"json.load: not UTF-8", [] { return Index("{\"a\": \"\xe9\"}"); },
       Same(readers, O::kRejects, "UnicodeDecodeError: 'utf-8' codec can't decode byte")},
      {"json.load: a lone value", [] { return Index("5"); }, Same(readers, O::kRejects)},
      {"weight_map is a list", [] { return Index("{\"weight_map\": []}"); }, Same(readers, O::kUnknown)},
      {"glob: a leading dot", [] { return Healthy().WeightName(".model.safetensors"); },
       Same({"exllamav2"}, O::kRejects, "## No .safetensors files found in ") +
           Same({"lmdeploy"}, O::kRejects, "Failed to find valid checkpoint under") + Same({"tgi@3.3"}, O::kLoads)},
      {"not asked", [] { return Index("{"); }, Same({"tgi@3.3", "exllamav2"}, O::kLoads)},
  });
}

TEST(ModelConfig, ValuesOfTheQuantizationRun) {
  const auto with = [](const char* key, const Json& value) {
    return [=] {
      ModelBuilder builder = Healthy();
      return Both(builder, {{key, value}});
    };
  };
  CheckTable({
      {"vram_strategy", with("vram_strategy", "x"),
       Same({"gptqmodel@5.7", "gptqmodel@6.0"}, O::kRejects,
            "ValueError: QuantizeConfig: `vram_strategy` must be one of ['exclusive', 'balanced'].") +
           Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads)},
      {"vram_strategy: folded", with("vram_strategy", "BALANCED"), Same({"gptqmodel@5.7"}, O::kLoads)},
      {"dense_vram_strategy_devices", with("dense_vram_strategy_devices", Json::array()),
       Same({"gptqmodel@7.3.4"}, O::kRejects, "`dense_vram_strategy_devices` must not be empty when provided.")},
      {"hessian", with("hessian", true),
       Same({"gptqmodel@5.7", "gptqmodel@7.3.4"}, O::kRejects, "`hessian` must be a HessianConfig, dict, or None.")},
      {"hessian: a class of its own", with("hessian", {{"a", 1}}), Same({"gptqmodel@7.3.4"}, O::kUnknown)},
      {"bnb_quant_type", with("bnb_quant_type", 5),
       Same({"gptqmodel@6.0"}, O::kRejects, "ValueError: QuantizeConfig: Unknown quantization format: `5`.")},
      {"adapter", with("adapter", 5),
       Same({"gptqmodel@2.0"}, O::kRejects, "ValueError: Adapter: Invalid adapter config: `adapter`.")},
      {"a rule's bits", with("dynamic", {{".*", {{"bits", 16}}}}),
       Same({"gptqmodel@6.0"}, O::kRejects, "`bits` must resolve to one of `[2, 3, 4, 5, 6, 8]`.")},
      {"a rule's group_size", with("dynamic", {{".*", {{"group_size", "64"}}}}),
       Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kRejects,
            "TypeError: '<=' not supported between instances of 'str' and 'int'")},
      {"a format that is looked up", with("checkpoint_format", Json::array({4})),
       Same({"gptqmodel@2.0"}, O::kRejects, "TypeError: unhashable type: 'list'")},
      {"bits in words", with("bits", "4-bit"),
       Same({"gptqmodel@7.3.4"}, O::kRejects, "Unsupported GGUF bits `4_bit`.")},
      {"GPTQConfig: backend", with("backend", 5),
       Same({"transformers@4.55/gptqmodel", "transformers@5.0"}, O::kRejects,
            "AttributeError: 'int' object has no attribute 'lower'")},
      {"modules_in_block_to_quantize", with("modules_in_block_to_quantize", 5),
       Same({"vllm@0.15", "vllm@main"}, O::kRejects, "TypeError: 'int' object is not iterable") +
           Same({"vllm@0.10"}, O::kLoads)},
      {"is_layer_gptq_quantized: an entry that is no name", with("modules_in_block_to_quantize", Json::array({4})),
       Same({"vllm@0.15"}, O::kRejects, "TypeError: 'in <string>' requires string as left operand, not int")},
      {"bnb_quant_type: empty", with("bnb_quant_type", ""), Same({"gptqmodel@6.0"}, O::kUnknown)},
      {"MarlinConfig: groups",
       [] {
         ModelBuilder builder = Healthy({.group_size = 64});
         return Both(builder, {{"is_marlin_format", true}});
       },
       Same({"vllm@0.10"}, O::kRejects, "supported for Marlin, but got group_size of 64")},
      {"override_config: bits 0", with("dynamic", {{".*", {{"bits", 0}}}}),
       Same({"vllm@0.15"}, O::kRejects, "ZeroDivisionError: Fraction(32, 0)") +
           Same({"vllm@main", "sglang@0.5"}, O::kRejects, "ZeroDivisionError: integer division or modulo by zero")},
      {"get_dynamic_override: 0 equals False", with("dynamic", {{".*", 0}}), Same({"vllm@0.15"}, O::kUnknown)},
      {"re.match: a pattern that cannot be judged", with("dynamic", {{"(?<=a)x", {{"bits", 8}}}}),
       Same({"vllm@0.15", "sglang@0.5", "gptqmodel@7.3.4"}, O::kUnknown)},
      {"re.match: a repeated repetition", with("dynamic", {{"x**", {{"bits", 8}}}}),
       Same({"vllm@0.15", "sglang@0.5"}, O::kUnknown)},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
