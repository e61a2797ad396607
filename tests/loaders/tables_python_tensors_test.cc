// What AutoGPTQ, GPTQModel, transformers and optimum do, cell by cell of the tables that compare them. Rows carry the
// tables' numbers.

#include "loaders/tables_python.h"

namespace gptq_doctor::testing {
namespace {

using namespace python;  // NOLINT: the directories of these tables

TEST(PythonTables, WeightFiles) {
  const auto renamed = [](const char* name) {
    ModelBuilder builder = Healthy();
    return builder.WeightName(name);
  };
  CheckTable({
      {"1.4 AG04: one base name",
       [] { return Healthy().File("quantize_config.json", ReadConfiguration(Old(), "quantize_config.json").dump()); },
       {{"autogptq@0.4", O::kRejects, "FileNotFoundError: Could not find model in "}}},
      {"1.4 AG04: gptq_model-{bits}bit-{group_size}g",
       [] { return Old(); },
       {{"autogptq@0.4", O::kLoads, "", "reads gptq_model-4bit-128g.safetensors", "use_safetensors"}}},
      {"1.4 AG05: gptq_model-*, then model", [&] { return renamed("gptq_model-4bit-128g.safetensors"); },
       Same(kAutoGptq, O::kLoads) + Same({"gptqmodel@1.4", "gptqmodel@7.3.4"}, O::kLoads) +
           Same(kTransformers, O::kRejects, "OSError: Error no file named")},
      {"1.4 AG05: another name", [&] { return renamed("weights.safetensors"); },
       Same(kAutoGptq, O::kRejects, "FileNotFoundError: Could not find a model in ") +
           Same({"gptqmodel@7.3.4"}, O::kRejects, "Could not find a model in ") +
           Same({"exllamav2", "vllm@0.15", "tgi@3.3"}, O::kLoads)},
      {"1.4 model_file_base_name: AG reads it, GM does not",
       [&] {
         ModelBuilder builder = renamed("weights.safetensors");
         return SideFile(builder, {{"model_file_base_name", "weights"}});
       },
       Same(kAutoGptq, O::kLoads) + Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kRejects)},
      {"1.4 sharded", [] { return Healthy().Shards(2); },
       Same({"autogptq@0.5", "autogptq@0.6", "autogptq@0.7.0"}, O::kRejects,
            "Please specify the argument model_basename") +
           Same({"autogptq@0.7.1", "autogptq@main", "gptqmodel@1.4", "gptqmodel@7.3.4"}, O::kLoads) +
           Same(kTransformers, O::kLoads)},
      {"1.4 single file and index: TF the file, AG07 and GM the index",
       [] {
         ModelBuilder builder = Healthy().Shards(2);
         return builder.File("model.safetensors", Healthy().Build().at("model.safetensors"));
       },
       Same({"autogptq@0.7.1", "gptqmodel@7.3.4"}, O::kLoads, "", "reads model-00001-of-00002.safetensors") +
           Same(kTransformers, O::kUnknown, "", "reads model.safetensors")},
      {"1.4 two names: AG the old one, TF the new one",
       [] {
         ModelBuilder builder = Healthy();
         return builder.File("gptq_model-4bit-128g.safetensors", builder.Build().at("model.safetensors"));
       },
       Same({"autogptq@0.5", "autogptq@0.7.1", "gptqmodel@7.3.4"}, O::kLoads, "",
            "reads gptq_model-4bit-128g.safetensors") +
           Same(kTransformers, O::kLoads, "", "reads model.safetensors")},
      {"1.4 transformers_weights",
       [&] {
         ModelBuilder builder = renamed("weights.safetensors");
         return Config(builder, {{"transformers_weights", "weights.safetensors"}});
       },
       {{"transformers@4.44", O::kRejects},
        {"transformers@4.55/gptqmodel", O::kLoads},
        {"transformers@5.0", O::kLoads}}},
      {"1.4 a wrong group_size changes the name",
       [&] {
         ModelBuilder builder = renamed("gptq_model-4bit-128g.safetensors");
         return Both(builder, {{"group_size", 64}});
       },
       Same({"autogptq@0.7.1", "gptqmodel@7.3.4"}, O::kRejects, "gptq_model-4bit-64g.safetensors")},
      {"1.4 no weights at all", [] { return Healthy().Remove("model.safetensors"); },
       Same({"autogptq@0.5", "autogptq@0.7.1", "gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kRejects,
            "FileNotFoundError: Could not find a model in ") +
           Same({"transformers@4.44", "transformers@4.55/gptqmodel"}, O::kRejects,
                "Error no file named pytorch_model.bin, model.safetensors, tf_model.h5,") +
           Same({"transformers@5.0"}, O::kRejects,
                "Error no file named model.safetensors, or pytorch_model.bin, found")},
      {"1.4 GM: a .bin alone is not found",
       [] { return Healthy().Remove("model.safetensors").File("model.bin", "PK"); },
       Same({"gptqmodel@1.4", "gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kRejects, "Could not find a model in ")},
      {"1.4 pickles are not examined",
       [] {
         ModelBuilder builder = Healthy().Remove("model.safetensors");
         return builder.File("pytorch_model.bin", "PK");
       },
       Same({"transformers@4.44", "transformers@4.55/gptqmodel"}, O::kUnknown)},
  });
}

TEST(PythonTables, TensorsThatDoNotFit) {
  CheckTable({
      {"1.5 unexpected: a quantized head",
       [] {
         ModelBuilder builder = Healthy();
         return builder.LmHead({});
       },
       Same({"autogptq@0.5", "autogptq@0.7.1"}, O::kRejects, "does not have a parameter or a buffer named qweight.") +
           Same({"autogptq@main"}, O::kGarbage, "were not used when initializing") + Same(kTransformers, O::kGarbage) +
           Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads)},
      {"4.3 lm_head false over a quantized head",
       [] {
         ModelBuilder builder = Healthy();
         builder.LmHead({});
         return Both(builder, {{"lm_head", false}});
       },
       {{"gptqmodel@2.0", O::kGarbage}, {"gptqmodel@7.0", O::kGarbage}, {"gptqmodel@7.3.4", O::kLoads}}},
      {"1.5 missing: never reported by AG and GM",
       [] { return Healthy().RemoveTensor("model.layers.1.mlp.up_proj.scales"); },
       Same({"autogptq@0.7.1", "autogptq@main", "gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kGarbage, "",
            "without a message") +
           Same(kTransformers, O::kGarbage)},
      {"1.5 what a missing buffer keeps", [] { return Healthy().RemoveTensor("model.layers.1.mlp.up_proj.qzeros"); },
       Same({"autogptq@0.7.1", "autogptq@main"}, O::kGarbage, "", "the buffers keep zeros") +
           Same(kTransformers, O::kGarbage, "", "the buffers keep uninitialised memory")},
      {"1.5 dtype: floats are cast",
       [] {
         GptqOptions quant;
         quant.scales_dtype = "F32";
         return Healthy(quant);
       },
       Same(kAutoGptq, O::kLoads) + Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads) +
           Same(kTransformers, O::kLoads)},
      {"1.5 a missing plain weight is drawn at random", [] { return Bare(); },
       Same({"transformers@4.44", "transformers@4.55/gptqmodel"}, O::kFallsBack, "and are newly initialized: [") +
           Same({"transformers@5.0"}, O::kFallsBack, "| MISSING")},
      {"1.5 value a missing plain weight keeps: the final norm",
       [] { return Healthy().RemoveTensor("model.norm.weight"); },
       Same({"autogptq@0.7.1", "autogptq@main", "gptqmodel@2.0", "gptqmodel@5.0", "gptqmodel@7.3.4"}, O::kGarbage, "",
            "no file holds model.norm.weight: it stays uninitialised memory, without a message") +
           Same(kTransformers, O::kGarbage, "", "it stays random, with a warning")},
      {"2.1 surplus biases: AG up to 0.7 builds them, later loaders drop them",
       [] {
         GptqOptions quant;
         quant.bias = true;
         return Healthy(quant);
       },
       Same({"autogptq@0.7.1"}, O::kLoads) +
           std::vector<Cell>{{"autogptq@main", O::kLoads, "", "", "are all zero"},
                             {"gptqmodel@7.3.4", O::kLoads, "", "", "are all zero"},
                             {"transformers@5.0", O::kLoads, "", "", "are all zero"}}},
      {"1.5 shape, bits",
       [] {
         return Changed({{"bits", 8}});
       },
       {{"autogptq@0.7.1", O::kRejects,
         "in \"qweight\" (which has shape torch.Size([128, 256])), this look incorrect."},
        {"gptqmodel@7.3.4", O::kRejects, "this looks incorrect."},
        {"transformers@4.44", O::kRejects, "Trying to set a tensor of shape torch.Size([64, 256]) in \"qweight\""},
        {"transformers@4.55/gptqmodel", O::kRejects,
         "size mismatch for qweight: copying a param with shape torch.Size([64, 256]) from checkpoint"},
        {"transformers@5.0", O::kRejects, "You set `ignore_mismatched_sizes` to `False`"}}},
      {"9 shape, group_size alone",
       [] {
         return Changed({{"group_size", 64}});
       },
       {{"autogptq@0.7.1", O::kRejects, "in \"qzeros\""},
        {"transformers@4.55/gptqmodel", O::kRejects, "size mismatch for qzeros"}}},
      {"S10 a plain layer without modules_in_block_to_quantize",
       [] {
         ModelBuilder builder = Healthy();
         return Plain(builder, "model.layers.1.mlp.up_proj", 256, 512);
       },
       Same(kTransformers, O::kGarbage) +
           Same({"autogptq@0.7.1"}, O::kRejects, "QuantLinear() does not have a parameter or a buffer named weight.")},
      {"S11 dynamic: GM obeys, the others do not",
       [] {
         ModelBuilder builder = Healthy();
         builder.Override("mlp.up_proj", {.bits = 8});
         return Both(builder, {{"dynamic", {{"+:.*up_proj", {{"bits", 8}}}}}});
       },
       Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads) + Same(kTransformers, O::kRejects) +
           Same({"autogptq@0.7.1"}, O::kRejects)},
      {"5.4 no g_idx",
       [] {
         GptqOptions quant;
         quant.g_idx = false;
         return Healthy(quant);
       },
       Same({"autogptq@0.7.1", "gptqmodel@7.3.4"}, O::kLoads) + Same({"transformers@4.55/gptqmodel"}, O::kUnknown)},
      {"S12 a type outside the list",
       [] {
         ModelBuilder builder = Healthy();
         return Type(builder, "qwen3", "Qwen3ForCausalLM");
       },
       Same(kAutoGptq, O::kRejects, "TypeError: qwen3 isn't supported yet.") +
           Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads)},
      {"4.6 case of model_type",
       [] {
         ModelBuilder builder = Healthy();
         return Type(builder, "RefinedWeb", "RWForCausalLM");
       },
       {{"gptqmodel@4.0", O::kRejects, "RefinedWeb isn't supported yet."}}},
  });
}

TEST(PythonTables, Metadata) {
  const std::vector<std::string> accelerate = {"autogptq@0.7.1", "autogptq@main", "gptqmodel@2.0", "gptqmodel@7.3.4"};
  const auto with = [](std::vector<std::pair<std::string, std::string>> metadata) {
    ModelBuilder builder = Healthy();
    return builder.Metadata(std::move(metadata));
  };
  CheckTable({
      {"1.6 absent", [&] { return with({}); },
       Same(accelerate, O::kLoads, "", "does not contain metadata") +
           Same({"transformers@4.44"}, O::kRejects, "AttributeError: 'NoneType' object has no attribute 'get'") +
           Same({"transformers@4.55/gptqmodel", "transformers@5.0"}, O::kLoads)},
      {"1.6 without format",
       [&] {
         return with({{"total", "1"}});
       },
       Same(accelerate, O::kRejects, "does not contain the valid metadata") +
           Same({"transformers@4.44", "transformers@4.55/gptqmodel"}, O::kRejects,
                "ValueError: Incompatible safetensors file.") +
           Same({"transformers@5.0"}, O::kLoads)},
      {"1.6 tf",
       [&] {
         return with({{"format", "tf"}});
       },
       Same(accelerate, O::kRejects, "ValueError: The checkpoint passed was saved with tf, we need a the pt format.") +
           Same({"transformers@4.44", "transformers@4.55/gptqmodel"}, O::kUnknown, "", "TensorFlow") +
           Same({"transformers@5.0"}, O::kLoads)},
      {"1.6 flax",
       [&] {
         return with({{"format", "flax"}});
       },
       Same(accelerate, O::kRejects, "saved with flax, we need a the pt format.") +
           Same({"transformers@4.44"}, O::kUnknown, "", "Flax")},
      {"1.6 shards without format",
       [&] {
         ModelBuilder builder = with({{"total", "1"}});
         return builder.Shards(2);
       },
       Same({"transformers@4.44", "transformers@4.55/gptqmodel"}, O::kRejects,
            "OSError: The safetensors archive passed at ")},
      {"1.6 mlx",
       [&] {
         return with({{"format", "mlx"}});
       },
       Same(accelerate, O::kRejects, "OSError") +
           Same({"transformers@4.44", "transformers@4.55/gptqmodel", "transformers@5.0"}, O::kLoads)},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
