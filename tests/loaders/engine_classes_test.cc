// vLLM and SGLang: the dtype they run at where the user gives none, and their class for auto-round. Rows name the
// function of the sources that decides.

#include "loaders/tables_serving.h"

namespace gptq_doctor::testing {
namespace {

using namespace serving;  // NOLINT: the directories of these tables

ModelBuilder Dtyped(const char* dtype, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  return Config(builder, {{"torch_dtype", dtype}});
}
ModelBuilder AutoRound(const Json& keys = Json::object(), const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Section(builder, {{"quant_method", "auto-round"}, {"desc_act", nullptr}, {"checkpoint_format", nullptr}});
  NoSideFile(builder);
  return Section(builder, keys);
}
const std::vector<std::string> kWithAutoRound = {"vllm@0.9", "vllm@0.10", "vllm@0.15", "vllm@main", "sglang@0.5"};

TEST(EngineClasses, Dtypes) {
  const auto on = [](const char* arch, const char* dtype = "") {
    return SimulateOptions{.gpu_arch = arch, .dtype = dtype};
  };
  const std::string half_only =
      "torch.bfloat16 is not supported for quantization method gptq. Supported dtypes: [torch.float16]";
  CheckTable({
      {"_resolve_auto_dtype: float32 under Marlin", [] { return Dtyped("float32"); },
       Same({"vllm@0.7", "sglang@0.5"}, O::kLoads) +
           Same({"vllm@0.9", "vllm@0.10", "vllm@main"}, O::kLoads, "", "runs at bfloat16")},
      {"_resolve_auto_dtype: float32 under the gptq kernel", [] { return Dtyped("float32", {.sym = false}); },
       Same({"vllm@0.7"}, O::kSlow, "", "runs at float16") + Same({"sglang@0.5"}, O::kSlow) +
           Same({"vllm@0.9", "vllm@0.10", "vllm@0.15"}, O::kRejects, half_only)},
      {"_find_dtype: none is named",
       [] {
         ModelBuilder builder = Healthy({.sym = false});
         return Config(builder, {{"torch_dtype", nullptr}});
       },
       Same({"vllm@0.7"}, O::kSlow) + Same({"vllm@0.15"}, O::kRejects, half_only)},
      {"_resolve_auto_dtype: float64", [] { return Dtyped("float64"); },
       Same({"vllm@0.7"}, O::kRejects, "torch.float64 is not supported for quantization method gptq_marlin.") +
           Same({"vllm@0.15", "vllm@main"}, O::kLoads, "", "runs at bfloat16")},
      {"PretrainedConfig: a dtype that torch lacks", [] { return Dtyped("auto"); },
       Same({"vllm@0.15", "sglang@0.5", "transformers@5.0", "autogptq@0.7.1"}, O::kRejects,
            "AttributeError: module 'torch' has no attribute 'auto'")},
  });
  CheckTable({
      {"supported_dtypes: no bfloat16 below 8.0", [] { return Dtyped("bfloat16"); },
       Same({"vllm@0.9", "vllm@0.10"}, O::kSlow, "", "runs at float16") +
           Same({"vllm@0.15", "vllm@main"}, O::kLoads, "", "runs at float16") + Same({"sglang@0.5"}, O::kSlow) +
           Same({"vllm@0.7"}, O::kRejects, half_only),
       on("7.5")},
      {"float32 below 8.0", [] { return Dtyped("float32", {.sym = false}); },
       Same({"vllm@0.10", "vllm@0.15"}, O::kSlow, "", "runs at float16"), on("7.5")},
      {"_FLOAT16_NOT_SUPPORTED_MODELS below 8.0",
       [] {
         ModelBuilder builder = Dtyped("bfloat16");
         return Type(builder, "gemma2", "Gemma2ForCausalLM");
       },
       Same({"vllm@0.15"}, O::kRejects, "torch.float32 is not supported for quantization method gptq_marlin"),
       on("7.5")},
      {"check_if_supports_dtype", [] { return Healthy(); },
       Same({"vllm@0.15"}, O::kRejects, "Bfloat16 is only supported on GPUs with compute capability of at least 8.0."),
       on("7.5", "bfloat16")},
      {"maybe_downgrade_dtype_for_legacy_gpu", [] { return Healthy(); }, Same({"sglang@0.5"}, O::kSlow),
       on("7.5", "bfloat16")},
      {"maybe_downgrade_dtype_for_legacy_gpu: 7.0", [] { return Healthy(); },
       Same({"sglang@0.5"}, O::kRejects, "SGLang only supports sm75 and above."), on("7.0")},
  });
}

TEST(EngineClasses, AutoRound) {
  const std::string bits = "ValueError: Unsupported weight_bits: 5, currently only support";
  CheckTable({
      {"from_config: desc_act and checkpoint_format are not asked for", [] { return AutoRound(); },
       Same(kWithAutoRound, O::kLoads, "", "auto-round class") +
           Same({"vllm@0.7"}, O::kRejects, "Unknown quantization method: auto-round.")},
      {"from_config: sym is",
       [] {
         return AutoRound({{"sym", nullptr}});
       },
       Same(kWithAutoRound, O::kRejects, "Cannot find any of ['sym'] in the model's quantization config.")},
      {"__init__: bits",
       [] {
         return AutoRound({{"bits", 5}});
       },
       Same({"vllm@0.9", "vllm@0.10", "sglang@0.5"}, O::kRejects, bits + "  {8, 2, 3, 4}") +
           Same({"vllm@0.15", "vllm@main"}, O::kRejects, bits + " {8, 2, 3, 4}.")},
      {"__init__: the native packing",
       [] {
         return AutoRound({{"packing_format", "auto_round"}});
       },
       Same({"vllm@0.9", "vllm@0.10", "sglang@0.5"}, O::kRejects,
            "ValueError: Unsupported packing_format: auto_round, currently only support  {") +
           Same({"vllm@0.15", "vllm@main"}, O::kRejects,
                "ValueError: Unsupported packing_format: auto_round, currently only support {")},
      {"__init__: packed as AutoGPTQ packs",
       [] {
         return AutoRound({{"packing_format", "auto_round:auto_gptq"}});
       },
       Same(kWithAutoRound, O::kLoads)},
      {"__init__: packed as AWQ",
       [] {
         return AutoRound({{"packing_format", "auto_round:auto_awq"}});
       },
       Same(kWithAutoRound, O::kUnknown)},
      {"__init__: data_type",
       [] {
         return AutoRound({{"data_type", "fp8"}});
       },
       Same(kWithAutoRound, O::kRejects, "ValueError: Unsupported data_type: fp8, currently only support  {'int'}")},
      {"__init__: backend",
       [] {
         return AutoRound({{"backend", "exllama"}});
       },
       Same({"vllm@0.10", "sglang@0.5"}, O::kRejects,
            "ValueError: Unsupported backend: exllama,  currently only support  {'auto', 'gptq'") +
           Same({"vllm@main"}, O::kRejects, "Unsupported backend: exllama,  currently only support {'auto'")},
      {"apply_gptq_quant_layer: asymmetric",
       [] {
         return AutoRound({{"sym", false}}, {.sym = false});
       },
       Same({"vllm@0.10", "vllm@0.15", "sglang@0.5"}, O::kSlow) +
           Same({"vllm@main"}, O::kRejects,
                "NotImplementedError: INC quantization with bits=4, sym=False is not supported. Only 4-bit")},
      {"apply_gptq_quant_layer: desc_act is forced false",
       [] {
         return AutoRound({{"desc_act", true}}, {.group_size = 64, .desc_act = true});
       },
       Same({"vllm@0.15"}, O::kGarbage, "", "ignores g_idx") + Same({"sglang@0.5"}, O::kLoads)},
      {"check_gptq_support: desc_act without Marlin",
       [] {
         return AutoRound({{"desc_act", true}, {"sym", false}}, {.sym = false, .desc_act = true});
       },
       Same({"sglang@0.5"}, O::kRejects, "AutoRound GPTQ loader supports desc_act=False only.")},
      {"get_layer_config: plain layers that extra_config names",
       [] {
         ModelBuilder builder = AutoRound({{"extra_config", {{"model.layers.1.mlp.down_proj", {{"bits", 16}}}}}});
         return Plain(builder, "model.layers.1.mlp.down_proj", 512, 256);
       },
       Same(kWithAutoRound, O::kLoads)},
      {"get_layer_config: plain layers that it does not name",
       [] {
         ModelBuilder builder = AutoRound();
         return Plain(builder, "model.layers.1.mlp.down_proj", 512, 256);
       },
       Same({"vllm@0.10", "vllm@0.15"}, O::kRejects, "KeyError: 'layers.1.mlp.down_proj.weight'") +
           Same({"sglang@0.5"}, O::kGarbage)},
      {"get_layer_config: settings of a layer's own",
       [] {
         return AutoRound({{"extra_config", {{"model.layers.1.mlp.down_proj", {{"bits", 8}}}}}});
       },
       Same({"vllm@0.15", "sglang@0.5"}, O::kUnknown)},
      {"inc: 0.10 has another class of that name",
       [] {
         return AutoRound({{"quant_method", "inc"}});
       },
       Same({"vllm@0.7", "vllm@0.9", "sglang@0.5"}, O::kRejects, "Unknown quantization method: inc.") +
           Same({"vllm@0.10"}, O::kRejects, "AssertionError") + Same({"vllm@0.15", "vllm@main"}, O::kLoads)},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
