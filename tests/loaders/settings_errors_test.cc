// What the configuration classes of vLLM, SGLang and transformers raise for settings of odd kinds. Rows name the code
// that was run to learn it.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of the serving tables
const std::vector<std::string> kUntil10 = {"vllm@0.7", "vllm@0.9", "vllm@0.10"};
const std::vector<std::string> kGptqClasses = {"vllm@0.7", "vllm@0.9", "vllm@0.10", "vllm@0.15", "sglang@0.5"};
const std::vector<std::string> kBothEngines = {"vllm@0.7",  "vllm@0.9",  "vllm@0.10",
                                               "vllm@0.15", "vllm@main", "sglang@0.5"};
constexpr char kNoItems[] = "AttributeError: 'list' object has no attribute 'items'";

ModelBuilder With(const char* key, const Json& value) { return SectionChanged({{key, value}}); }
// null stays in the file.
ModelBuilder WithNull(const char* key) {
  ModelBuilder builder = Healthy();
  Json config = ReadConfiguration(builder, "config.json");
  config["quantization_config"][key] = Json();
  NoSideFile(builder);
  return builder.File("config.json", config.dump());
}
ModelBuilder Rule(const char* pattern, const Json& settings) { return With("dynamic", {{pattern, settings}}); }

TEST(SettingsErrors, OfTheEngines) {
  CheckTable({
      {"_verify_quantization: no quant_method", [] { return With("quant_method", nullptr); },
       Same(kUntil10, O::kRejects, "ValueError: Unknown quantization method: . Must be one of [...].") +
           Same({"vllm@0.15"}, O::kRejects, "KeyError: 'layers.0.mlp.down_proj.g_idx'")},
      {"_verify_quantization: quant_method that is no string", [] { return With("quant_method", 5); },
       Same(kBothEngines, O::kRejects, "AttributeError: 'int' object has no attribute 'lower'")},
      {"AWQConfig.from_config", [] { return With("quant_method", "awq"); },
       Same(kBothEngines, O::kRejects, "Cannot find any of ['zero_point'] in the model's quantization config.")},
      {"MoeWNA16Config", [] { return With("quant_method", "moe_wna16"); },
       Same(kBothEngines, O::kRejects, "moe_wna16 only support gptq and awq.")},
      {"a class of its own", [] { return With("quant_method", "fp8"); }, Same(kBothEngines, O::kUnknown)},
      {"auto-round came with 0.9", [] { return With("quant_method", "auto-round"); },
       Same({"vllm@0.7"}, O::kRejects, "Unknown quantization method: auto-round.") +
           Same({"vllm@0.9", "vllm@0.15", "vllm@main", "sglang@0.5"}, O::kLoads)},
      {"MarlinConfig: B and s are wanted", [] { return With("quant_method", "marlin"); },
       Same(kUntil10, O::kRejects, "KeyError: 'layers.0.mlp.down_proj.g_idx'") +
           Same({"vllm@0.15", "sglang@0.5"}, O::kRejects, "Unknown quantization method: marlin.")},
      {"GPTQMarlin24Config", [] { return With("checkpoint_format", "marlin_24"); },
       Same({"vllm@0.10", "vllm@0.15"}, O::kRejects, "KeyError: 'layers.0.mlp.down_proj.g_idx'") +
           Same({"vllm@main"}, O::kLoads)},
      {"check_marlin_format: SGLang falls to its gptq class", [] { return With("checkpoint_format", "marlin"); },
       Same({"sglang@0.5"}, O::kSlow, "", "takes the gptq kernel")},
      {"BitBLASConfig", [] { return With("checkpoint_format", "bitblas"); },
       Same({"vllm@0.9", "vllm@0.15"}, O::kRejects, "Trying to use the bitblas backend") +
           Same({"vllm@0.7", "vllm@main"}, O::kLoads)},
      {"is_gptq_marlin_compatible: null is no setting", [] { return WithNull("desc_act"); },
       Same(kGptqClasses, O::kSlow, "", "desc_act is missing") + Same({"vllm@main"}, O::kLoads)},
      {"is_gptq_marlin_compatible: (bits, sym) is looked up", [] { return With("sym", Json::array()); },
       Same(kBothEngines, O::kRejects, "TypeError: unhashable type: 'list'")},
      {"GPTQConfig: Fraction(32, bits)", [] { return With("bits", "4"); },
       Same(kGptqClasses, O::kRejects, "TypeError: both arguments should be Rational instances") +
           Same({"vllm@main"}, O::kRejects, "unsupported operand type(s) for //: 'int' and 'str'")},
      {"override_config: Fraction(32, weight_bits)", [] { return With("bits", 4.0); },
       Same({"vllm@0.15"}, O::kRejects, "TypeError: both arguments should be Rational instances") +
           Same({"vllm@0.10", "vllm@main"}, O::kUnknown)},
      {"create_weights: % group_size", [] { return With("group_size", "128"); },
       Same(kGptqClasses, O::kRejects, "TypeError: unsupported operand type(s) for %: 'int' and 'str'")},
      {"create_weights: group_size 0", [] { return With("group_size", 0); },
       Same(kGptqClasses, O::kRejects, "ZeroDivisionError: integer modulo by zero")},
      {"create_weights: groups longer than the inputs", [] { return With("group_size", 1024); },
       Same(kGptqClasses, O::kRejects, "The input size is not aligned with the quantized weight shape.")},
      {"create_weights: the longest group that fits an integer", [] { return With("group_size", INT64_MAX); },
       Same(kGptqClasses, O::kRejects, "The input size is not aligned with the quantized weight shape.")},
      {"is_layer_gptq_quantized: a list that names one part",
       [] { return With("modules_in_block_to_quantize", {{"self_attn.q_proj"}}); },
       Same({"vllm@0.15", "vllm@main"}, O::kRejects,
            "Detected some but not all shards of model.layers.0.self_attn.qkv_proj are quantized.")},
  });
}

TEST(SettingsErrors, OfRulesOfDynamic) {
  CheckTable({
      {"get_dynamic_override: no object", [] { return With("dynamic", Json::array()); },
       Same(kBothEngines, O::kRejects, kNoItems) + Same({"gptqmodel@7.3.4"}, O::kRejects)},
      {"get_dynamic_override: a rule without settings", [] { return Rule(".*", Json()); },
       Same(kBothEngines, O::kRejects, "AttributeError: 'NoneType' object has no attribute 'get'")},
      {"override_config: bits",
       [] {
         return Rule(".*", {{"bits", 3}});
       },
       Same(kBothEngines, O::kRejects, "ValueError: Unsupported quantization config: bits=3, sym=True")},
      {"override_config: isinstance(weight_bits, int)",
       [] {
         return Rule(".*", {{"bits", 1e308}});
       },
       Same(kBothEngines, O::kLoads) + Same({"gptqmodel@7.3.4"}, O::kRejects)},
      {"override_config: sym",
       [] {
         return Rule(".*down_proj", {{"sym", false}});
       },
       Same(kBothEngines, O::kRejects, "ValueError: Unsupported quantization config: bits=4, sym=False")},
      {"verify_marlin_supported: group_size",
       [] {
         return Rule(".*", {{"group_size", 16}});
       },
       Same({"vllm@0.7", "vllm@0.15", "vllm@main"}, O::kRejects, "Marlin does not support group_size = 16. Only") +
           Same({"sglang@0.5"}, O::kRejects, "Marlin does not support group_size = 16 for quant_type = uint4b8. Only")},
      {"re.match",
       [] {
         return Rule("+:(", {{"bits", 4}});
       },
       Same({"vllm@0.7", "sglang@0.5"}, O::kRejects, "re.error: missing ), unterminated subpattern at position 0") +
           Same({"vllm@0.9", "vllm@0.15", "vllm@main"}, O::kRejects,
                "regex._regex_core.error: missing ) at position 1")},
      {"dynamic_get, pcre.compile",
       [] {
         ModelBuilder builder = Healthy();
         return Both(builder, {{"dynamic", {{"+:*bad", {{"bits", 4}}}}}});
       },
       Same({"gptqmodel@2.0", "gptqmodel@4.0"}, O::kRejects, "re.error: nothing to repeat at position 0") +
           Same({"gptqmodel@5.0"}, O::kRejects) +
           Same({"gptqmodel@7.3.4"}, O::kRejects, "ValueError: QuantizeConfig: invalid dynamic pattern `+:*bad`") +
           Same({"autogptq@main", "transformers@5.0"}, O::kLoads)},
      {"a rule behind one that hits every layer is never compiled",
       [] {
         return With("dynamic", {{".*", {{"bits", 4}}}, {"(", {{"bits", 8}}}});
       },
       Same(kBothEngines, O::kLoads)},
      {"the fused name decides", [] { return Rule("-:.*\\.gate_proj", Json::object()); },
       Same({"vllm@0.15", "sglang@0.5"}, O::kLoads)},
      {"one layer of several", [] { return Rule("-:.*layers\\.1\\.mlp\\.down_proj", Json::object()); },
       Same({"vllm@0.10", "vllm@0.15"}, O::kRejects, "KeyError: 'layers.1.mlp.down_proj.g_idx'")},
  });
}

TEST(SettingsErrors, OfTransformers) {
  const std::vector<std::string> four = {"transformers@4.44", "transformers@4.55/auto-gptq",
                                         "transformers@4.55/gptqmodel"};
  const std::vector<std::string> all = {"transformers@4.44", "transformers@4.55/auto-gptq",
                                        "transformers@4.55/gptqmodel", "transformers@5.0"};
  const std::vector<std::string> late = {"transformers@4.55/gptqmodel", "transformers@5.0"};
  CheckTable({
      {"supports_quant_method: an empty section",
       [] {
         ModelBuilder builder = Healthy();
         return Config(builder, {{"quantization_config", Json::object()}});
       },
       Same(all, O::kRejects, "has no `quant_method` attribute")},
      {"from_dict of a list",
       [] {
         ModelBuilder builder = Healthy();
         return Config(builder, {{"quantization_config", Json::array()}});
       },
       Same({"transformers@4.44"}, O::kRejects, "AttributeError: 'list' object has no attribute 'quant_method'") +
           Same(late, O::kRejects, "AttributeError: 'list' object has no attribute 'get'")},
      {"AUTO_QUANTIZATION_CONFIG_MAPPING: a list", [] { return With("quant_method", {"gptq"}); },
       Same(all, O::kRejects, "TypeError: unhashable type: 'list'")},
      {"AUTO_QUANTIZATION_CONFIG_MAPPING: a number", [] { return With("quant_method", 5); },
       Same({"transformers@4.44"}, O::kRejects, "Unknown quantization type, got 5 - supported") +
           Same(late, O::kFallsBack, "Unknown quantization type, got 5 - supported")},
      {"AUTO_QUANTIZER_MAPPING: another quantizer", [] { return With("quant_method", "awq"); }, Same(all, O::kUnknown)},
      {"load_in_4bit means bitsandbytes", [] { return With("load_in_4bit", true); }, Same(all, O::kUnknown)},
      {"GPTQConfig: damp_percent", [] { return With("damp_percent", "0.01"); },
       Same(all, O::kRejects, "TypeError: '<' not supported between instances of 'int' and 'str'")},
      {"GPTQConfig: damp_percent true is 1", [] { return With("damp_percent", true); },
       Same(all, O::kRejects, "damp_percent must between 0 and 1.")},
      {"GPTQConfig: dataset", [] { return With("dataset", 5); },
       Same(all, O::kRejects, "dataset needs to be either a list of string or a value in")},
      {"GPTQConfig: ptb", [] { return With("dataset", "ptb"); },
       Same(four, O::kRejects, "ptb dataset was deprecated.") +
           Same({"transformers@5.0"}, O::kRejects, "but we found ptb")},
      {"GPTQConfig: exllama_config",
       [] {
         return With("exllama_config", {{"version", 3}});
       },
       Same(four, O::kRejects, "not recognized version 3") + Same({"transformers@5.0"}, O::kLoads)},
      {"GPTQConfig: exllama_config, a number", [] { return With("exllama_config", 5); },
       Same(four, O::kRejects, "TypeError: argument of type 'int' is not iterable")},
      {"GPTQConfig: checkpoint_format", [] { return With("checkpoint_format", 1); },
       Same(late, O::kRejects, "AttributeError: 'int' object has no attribute 'lower'") +
           Same({"transformers@4.44"}, O::kLoads)},
      {"GPTQConfig: format", [] { return WithNull("format"); },
       Same({"transformers@5.0"}, O::kRejects, "AttributeError: 'NoneType' object has no attribute 'lower'") +
           Same({"transformers@4.55/gptqmodel"}, O::kLoads)},
      {"optimum convert_model: a flat list", [] { return With("modules_in_block_to_quantize", {"self_attn.q_proj"}); },
       Same(all, O::kRejects, "TypeError: can only concatenate list (not \"str\") to list")},
      {"optimum convert_model: an empty list", [] { return With("modules_in_block_to_quantize", Json::array()); },
       Same(all, O::kFallsBack, "", "empty list")},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
