// What AutoGPTQ, GPTQModel, transformers and optimum do, cell by cell of the tables that compare them. Rows carry the
// tables' numbers.

#include "loaders/table.h"

namespace gptq_doctor::testing {
namespace {

using O = Outcome;
const std::vector<std::string> kAutoGptq = {"autogptq@0.5", "autogptq@0.6", "autogptq@0.7.0", "autogptq@0.7.1",
                                            "autogptq@main"};
const std::vector<std::string> kGptqModelWithGate = {"gptqmodel@1.6", "gptqmodel@2.0", "gptqmodel@4.0",
                                                     "gptqmodel@5.0", "gptqmodel@5.2", "gptqmodel@5.7",
                                                     "gptqmodel@6.0", "gptqmodel@7.0", "gptqmodel@7.3.4"};
const std::vector<std::string> kTransformers = {"transformers@4.44", "transformers@4.55/auto-gptq",
                                                "transformers@4.55/gptqmodel", "transformers@5.0"};

ModelBuilder Bare(const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  NoSection(builder);
  NoSideFile(builder);
  return builder;
}
ModelBuilder SectionOnly(const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  NoSideFile(builder);
  return builder;
}
ModelBuilder SideOnly() {
  ModelBuilder builder = Healthy();
  NoSection(builder);
  return builder;
}
ModelBuilder Old() {  // keys that AutoGPTQ 0.4 knows
  ModelBuilder builder = Healthy();
  builder.WeightName("gptq_model-4bit-128g.safetensors");
  builder.File(
      "quantize_config.json",
      R"({"bits": 4, "group_size": 128, "damp_percent": 0.01, "desc_act": false, "sym": true, "true_sequential": true, "model_name_or_path": null, "model_file_base_name": null})");
  return builder;
}
ModelBuilder Changed(const Json& keys, const GptqOptions& quant = {}) {
  ModelBuilder builder = Healthy(quant);
  Both(builder, keys);
  return builder;
}
// Both spellings of the format, in this order.
ModelBuilder Spellings(const char* first, const char* first_value, const char* second, const char* second_value) {
  ModelBuilder builder = Healthy({.bits = 2});
  Both(builder, {{"checkpoint_format", nullptr}});
  Both(builder, {{first, first_value}});
  Both(builder, {{second, second_value}});
  return builder;
}

TEST(PythonTables, ConfigSources) {
  CheckTable({
      {"1.1 AG <=0.6: quantize_config.json only", [] { return SectionOnly(); },
       Same({"autogptq@0.4", "autogptq@0.5", "autogptq@0.6"}, O::kRejects,
            "FileNotFoundError: [Errno 2] No such file or directory: '")},
      {"1.1 AG >=0.7, local directory: only the first of the list", [] { return SectionOnly(); },
       Same({"autogptq@0.7.0", "autogptq@0.7.1", "autogptq@main"}, O::kRejects, "/quantize_config.json'")},
      {"1.1 AG: quant_config.json does not help",
       [] {
         ModelBuilder builder = SectionOnly();
         builder.File("quant_config.json", R"({"w_bit": 4, "q_group_size": 128, "desc_act": false, "sym": true})");
         return builder;
       },
       Same({"autogptq@0.7.1", "autogptq@main", "gptqmodel@1.4"}, O::kRejects, "FileNotFoundError")},
      {"1.1 AG: quantize_config.json suffices", [] { return SideOnly(); }, Same(kAutoGptq, O::kLoads)},
      {"1.1 GM <=1.5: the same defect",
       [] { return SectionOnly(); },
       {{"gptqmodel@1.4", O::kRejects, "FileNotFoundError"}}},
      {"1.1 GM >=1.6: config.json's section", [] { return SectionOnly(); },
       Same(kGptqModelWithGate, O::kLoads, "", "takes its settings from config.json")},
      {"1.1 GM >=1.6: quant_config.json before config.json",
       [] {
         ModelBuilder builder = SectionOnly({});
         Section(builder, {{"bits", 8}});
         builder.File("quant_config.json", R"({"w_bit": 4, "q_group_size": 128, "desc_act": false, "sym": true})");
         return builder;
       },
       Same({"gptqmodel@2.0", "gptqmodel@5.0", "gptqmodel@7.3.4"}, O::kLoads, "",
            "takes its settings from quant_config.json")},
      {"1.1 GM gate, up to 5.6", [] { return Bare(); },
       Same({"gptqmodel@1.6", "gptqmodel@2.0", "gptqmodel@4.0", "gptqmodel@5.0", "gptqmodel@5.2"}, O::kRejects,
            "AttributeError: `quantize_config` must be passed")},
      {"1.1 GM gate, from 5.7", [] { return Bare(); },
       Same({"gptqmodel@5.7", "gptqmodel@6.0", "gptqmodel@7.0", "gptqmodel@7.3.4"}, O::kFallsBack)},
      {"1.1 transformers never reads quantize_config.json", [] { return SideOnly(); },
       Same(kTransformers, O::kFallsBack)},
      {"1.1 optimum: the model's attribute, else quantize_config.json", [] { return SideOnly(); },
       Same({"optimum@1.17", "optimum@1.24"}, O::kLoads, "", "takes its settings from quantize_config.json")},
      {"1.1 optimum: neither", [] { return Bare(); },
       Same({"optimum@1.17", "optimum@1.24"}, O::kRejects, "ValueError: Failed to load quantization config from ")},
      {"1.1 conflict: AG and GM obey quantize_config.json",
       [] {
         ModelBuilder builder = Healthy();
         Section(builder, {{"bits", 8}});
         return builder;
       },
       Same({"autogptq@0.7.1", "gptqmodel@7.3.4"}, O::kLoads) +
           Same({"transformers@4.44", "transformers@4.55/gptqmodel", "transformers@5.0"}, O::kRejects)},
      {"1.1 conflict, the other way",
       [] {
         ModelBuilder builder = Healthy();
         SideFile(builder, {{"bits", 8}});
         return builder;
       },
       Same({"autogptq@0.5", "gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kRejects) + Same(kTransformers, O::kLoads)},
      {"5.1 section only under text_config",
       [] {
         ModelBuilder builder = SectionOnly();
         Json section = ReadConfiguration(builder, "config.json")["quantization_config"];
         NoSection(builder);
         Config(builder, {{"text_config", {{"quantization_config", section}}}});
         return builder;
       },
       Same(kTransformers, O::kFallsBack) + Same({"gptqmodel@7.3.4"}, O::kFallsBack)},
      {"5.1 null section",
       [] {
         ModelBuilder builder = SectionOnly();
         Json config = ReadConfiguration(builder, "config.json");
         config["quantization_config"] = Json();
         return builder.File("config.json", config.dump());
       },
       {{"transformers@4.44", O::kFallsBack},
        {"transformers@4.55/gptqmodel", O::kRejects, "AttributeError: 'NoneType' object has no attribute 'get'", "",
         "derived"}}},
  });
}

TEST(PythonTables, MissingKeys) {
  CheckTable({
      {"1.2 bits",
       [] {
         return Changed({{"bits", nullptr}});
       },
       Same(kAutoGptq, O::kLoads) + Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads) +
           Same(kTransformers, O::kRejects,
                "TypeError: GPTQConfig.__init__() missing 1 required positional argument: 'bits'")},
      {"1.2 group_size: AG -1, GM and TF 128",
       [] {
         return Changed({{"group_size", nullptr}});
       },
       Same(kAutoGptq, O::kRejects, "Trying to set a tensor of shape") +
           Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads) + Same(kTransformers, O::kLoads)},
      {"1.2 desc_act: true up to GM 4, false later",
       [] {
         return Changed({{"desc_act", nullptr}});
       },
       Same({"autogptq@0.7.1", "autogptq@main", "gptqmodel@1.4", "gptqmodel@2.0", "gptqmodel@4.0"}, O::kSlow) +
           Same({"gptqmodel@5.0", "gptqmodel@6.0", "gptqmodel@7.3.4"}, O::kLoads) + Same(kTransformers, O::kLoads)},
      {"1.2 sym",
       [] {
         return Changed({{"sym", nullptr}});
       },
       Same({"autogptq@0.7.1", "gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads) + Same(kTransformers, O::kLoads)},
      {"1.2 checkpoint_format means gptq",
       [] {
         return Changed({{"checkpoint_format", nullptr}}, {.bits = 2});
       },
       Same({"autogptq@main", "gptqmodel@2.0", "gptqmodel@7.3.4", "transformers@4.55/gptqmodel", "transformers@5.0"},
            O::kSlow)},
      {"1.2 checkpoint_format missing over v2 zeros",
       [] {
         return Changed({{"checkpoint_format", nullptr}}, {.bits = 2, .v2 = true});
       },
       Same({"autogptq@main", "gptqmodel@2.0", "gptqmodel@7.3.4", "transformers@5.0"}, O::kGarbage)},
      {"1.2 quant_method",
       [] {
         return Changed({{"quant_method", nullptr}});
       },
       Same(kAutoGptq, O::kLoads) + Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads) +
           Same(kTransformers, O::kRejects, "has no `quant_method` attribute")},
  });
}

TEST(PythonTables, TwoSpellingsOfTheFormat) {
  CheckTable({
      {"1.3 GM1-GM5: the last in key order", [] { return Spellings("checkpoint_format", "gptq", "format", "gptq_v2"); },
       Same({"gptqmodel@1.4", "gptqmodel@2.0", "gptqmodel@4.0", "gptqmodel@5.0"}, O::kGarbage)},
      {"1.3 GM1-GM5, reversed", [] { return Spellings("format", "gptq_v2", "checkpoint_format", "gptq"); },
       Same({"gptqmodel@1.4", "gptqmodel@2.0", "gptqmodel@4.0", "gptqmodel@5.0"}, O::kSlow)},
      {"1.3 GM6-GM7: format wins", [] { return Spellings("format", "gptq_v2", "checkpoint_format", "gptq"); },
       Same({"gptqmodel@6.0", "gptqmodel@7.0", "gptqmodel@7.3.4"}, O::kGarbage)},
      {"1.3 TF455: only checkpoint_format", [] { return Spellings("checkpoint_format", "gptq", "format", "gptq_v2"); },
       Same({"transformers@4.55/gptqmodel", "autogptq@main"}, O::kSlow)},
      {"1.3 TF5: checkpoint_format wins", [] { return Spellings("format", "gptq_v2", "checkpoint_format", "gptq"); },
       Same({"transformers@5.0"}, O::kSlow)},
      {"1.3 AG07: neither is read", [] { return Spellings("checkpoint_format", "gptq_v2", "format", "gptq_v2"); },
       Same({"autogptq@0.7.1", "transformers@4.44"}, O::kSlow)},
      {"1.3 AGdev: gptq_v2 is unknown",
       [] {
         return Changed({{"checkpoint_format", "gptq_v2"}});
       },
       {{"autogptq@main", O::kRejects, "ValueError: Unknown quantization format: gptq_v2."}}},
      {"1.3 GM2: case-sensitive",
       [] {
         return Changed({{"checkpoint_format", "GPTQ"}});
       },
       Same({"gptqmodel@2.0", "gptqmodel@4.0"}, O::kRejects,
            "checkpoint `format` used is GPTQ, and the quantization method is gptq") +
           Same({"gptqmodel@7.3.4"}, O::kLoads)},
      {"1.3 AG07: version GEMM means AWQ",
       [] {
         return Changed({{"version", "GEMM"}});
       },
       {{"autogptq@0.7.1", O::kUnknown, "", "AWQ"}}},
      {"4.3 GM6: an invalid version is an invalid format",
       [] {
         return Changed({{"format", "0.1"}});
       },
       Same({"gptqmodel@6.0", "gptqmodel@7.3.4"}, O::kRejects, "Unknown quantization format: `0.1`")},
  });
}

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
       Same(accelerate, O::kRejects, "ValueError: The checkpoint passed was saved with tf, we need a the pt format.")},
      {"1.6 mlx",
       [&] {
         return with({{"format", "mlx"}});
       },
       Same(accelerate, O::kRejects, "OSError") +
           Same({"transformers@4.44", "transformers@4.55/gptqmodel", "transformers@5.0"}, O::kLoads)},
  });
}

TEST(PythonTables, FormatsAndOrder) {
  CheckTable({
      {"2.2 v2, label gptq",
       [] {
         return Changed({{"checkpoint_format", "gptq"}}, {.bits = 2, .v2 = true});
       },
       Same({"autogptq@0.7.1", "autogptq@main", "gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kGarbage) +
           Same(kTransformers, O::kGarbage)},
      {"2.2 v2, label gptq_v2",
       [] { return Healthy({.bits = 2, .v2 = true}); },
       {{"autogptq@0.7.1", O::kGarbage},
        {"transformers@4.44", O::kGarbage},
        {"gptqmodel@2.0", O::kSlow},
        {"gptqmodel@7.3.4", O::kSlow},
        {"transformers@4.55/gptqmodel", O::kSlow},
        {"transformers@5.0", O::kSlow}}},
      {"2.2 v1, label gptq_v2",
       [] {
         return Changed({{"checkpoint_format", "gptq_v2"}}, {.bits = 2});
       },
       Same({"gptqmodel@2.0", "gptqmodel@7.3.4", "transformers@5.0"}, O::kGarbage)},
      {"2.2 Marlin ignores the zeros",
       [] {
         return Changed({{"checkpoint_format", "gptq"}}, {.v2 = true});
       },
       {{"gptqmodel@2.0", O::kLoads}, {"gptqmodel@7.3.4", O::kLoads}}},
      {"2.3 act-order under desc_act false: kernels that read g_idx",
       [] {
         return Changed({{"desc_act", false}}, {.desc_act = true});
       },
       {{"autogptq@0.7.1", O::kLoads},
        {"autogptq@0.4", O::kRejects},
        {"transformers@4.44", O::kGarbage},
        {"gptqmodel@2.0", O::kGarbage},
        {"gptqmodel@7.3.4", O::kGarbage}}},
      {"2.3 cuda_old never reads g_idx",
       [] {
         return Changed({{"desc_act", false}}, {.bits = 8, .desc_act = true});
       },
       {{"autogptq@0.7.1", O::kGarbage}, {"autogptq@main", O::kGarbage}}},
      {"2.3 desc_act true, sequential",
       [] {
         return Changed({{"desc_act", true}});
       },
       Same({"autogptq@0.7.1", "gptqmodel@7.3.4", "transformers@4.55/gptqmodel"}, O::kSlow)},
      {"4.2 #8 asymmetric v1 without a known quantizer", [] { return Healthy({.sym = false}); },
       Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kRejects, "Loading of a sym=False model with format=") +
           Same({"transformers@4.55/gptqmodel"}, O::kLoads)},
      {"4.2 #8 with one",
       [] {
         return Changed({{"meta", {{"quantizer", {"gptqmodel:2.2.0"}}}}}, {.sym = false});
       },
       Same({"gptqmodel@2.0", "gptqmodel@7.3.4"}, O::kLoads)},
      {"4.2 #8 one too old",
       [] {
         return Changed({{"meta", {{"quantizer", {"gptqmodel:0.8.9"}}}}}, {.sym = false});
       },
       Same({"gptqmodel@2.0"}, O::kRejects)},
      {"S18 is_marlin_format, even false",
       [] {
         return Changed({{"is_marlin_format", false}});
       },
       Same({"gptqmodel@6.0", "gptqmodel@7.3.4"}, O::kRejects, "`is_marlin_format` is no longer supported") +
           Same({"gptqmodel@5.0", "autogptq@0.7.1"}, O::kLoads)},
      {"S14 format marlin over GPTQ tensors",
       [] {
         return Changed({{"checkpoint_format", "marlin"}});
       },
       {{"gptqmodel@2.0", O::kUnknown, "", "", "derived"}, {"gptqmodel@7.3.4", O::kUnknown, "", "", "derived"}}},
      {"S19 surplus keys",
       [] {
         ModelBuilder builder = Old();
         return SideFile(builder, {{"quant_method", "gptq"}});
       },
       {{"autogptq@0.4", O::kRejects,
         "TypeError: BaseQuantizeConfig.__init__() got an unexpected keyword argument 'quant_method'"},
        {"autogptq@0.5", O::kLoads}}},
      {"S25 quantization_config.json alone",
       [] {
         ModelBuilder builder = SectionOnly();
         return builder.File("quantization_config.json",
                             R"({"bits": 4, "group_size": 128, "sym": true, "quant_method": "gptq"})");
       },
       {{"autogptq@0.7.1", O::kRejects, "FileNotFoundError"}}},
      {"4.3 act_group_aware with desc_act",
       [] {
         return Changed({{"desc_act", true}, {"act_group_aware", true}});
       },
       Same({"gptqmodel@4.0", "gptqmodel@7.3.4"}, O::kRejects,
            "`act_group_aware` == `True` requires `desc_act` == `False`") +
           Same({"gptqmodel@2.0"}, O::kSlow)},
      {"4.5 group_size 256 needs GM 5",
       [] {
         ModelBuilder builder;
         builder.Layers(1).Sizes(512, 1024, 256, 128).Quant({.group_size = 256}).WithConfigs();
         return builder;
       },
       {{"gptqmodel@2.0", O::kRejects, "group_size"},
        {"gptqmodel@4.0", O::kRejects},
        {"gptqmodel@5.0", O::kSlow},
        {"gptqmodel@7.3.4", O::kSlow}}},
      {"3.2 bits",
       [] {
         return Changed({{"bits", 5}});
       },
       Same(kAutoGptq, O::kRejects, "only support quantize to [2, 3, 4, 8] bits.") +
           Same({"gptqmodel@2.0"}, O::kRejects, "`bits` must be in the set of `[2, 3, 4, 8]`") +
           Same(kTransformers, O::kRejects, "Only support quantization to [2,3,4,8] bits but found 5")},
      {"3.2 group_size 0",
       [] {
         return Changed({{"group_size", 0}});
       },
       Same({"autogptq@0.7.1"}, O::kRejects, "group_size must greater then 0") +
           Same(kTransformers, O::kRejects, "group_size must be greater than 0 or equal to -1")},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
