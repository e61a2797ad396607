// What AutoGPTQ, GPTQModel, transformers and optimum do, cell by cell of the tables that compare them. Rows carry the
// tables' numbers.

#include "loaders/tables_python.h"

namespace gptq_doctor::testing {
namespace {

using namespace python;  // NOLINT: the directories of these tables

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
      {"1.1 auto-round: transformers leaves it to another quantizer",
       [] {
         ModelBuilder builder = SectionOnly();
         return Section(builder, {{"quant_method", "auto-round"}});
       },
       Same({"transformers@4.55/gptqmodel", "transformers@5.0", "gptqmodel@5.7", "gptqmodel@7.3.4"}, O::kUnknown) +
           Same({"transformers@4.44"}, O::kRejects, "Unknown quantization type, got auto-round") +
           Same({"gptqmodel@2.0", "gptqmodel@4.0"}, O::kRejects, "Unknown quantization method: `auto-round`.") +
           Same({"gptqmodel@5.2"}, O::kRejects, "`quantize_config` must be passed")},
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
       Same(kAutoGptq, O::kLoads) + Same(kGptqModel, O::kLoads) +
           Same(kTransformers, O::kRejects,
                "TypeError: GPTQConfig.__init__() missing 1 required positional argument: 'bits'")},
      {"1.2 group_size: AG -1, GM and TF 128",
       [] {
         return Changed({{"group_size", nullptr}});
       },
       Same(kAutoGptq, O::kRejects, "Trying to set a tensor of shape") + Same(kGptqModel, O::kLoads) +
           Same(kTransformers, O::kLoads)},
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
       Same({"autogptq@0.7.1", "autogptq@main"}, O::kLoads) +
           Same(kGptqModel, O::kLoads, "", "Defaulting to `sym=True`") + Same(kTransformers, O::kLoads)},
      {"1.2 damp_percent, static_groups, true_sequential, lm_head, pack_dtype, act_group_aware: defaults change "
       "nothing",
       [] {
         return Changed({{"lm_head", nullptr}, {"pack_dtype", nullptr}});
       },
       Same(kAutoGptq, O::kLoads) + Same(kGptqModel, O::kLoads) + Same(kTransformers, O::kLoads)},
      {"1.2 pack_dtype: read by GM, over words of 32 bits",
       [] {
         return Changed({{"pack_dtype", "int8"}});
       },
       Same({"gptqmodel@2.0", "gptqmodel@5.0", "gptqmodel@7.3.4"}, O::kRejects,
            "Trying to set a tensor of shape torch.Size([64, 256]) in \"qweight\" (which has shape "
            "torch.Size([256, 256]))") +
           Same({"autogptq@0.7.1", "autogptq@main"}, O::kLoads) + Same(kTransformers, O::kLoads)},
      {"1.2 pack_dtype: judged before bits, a key that is no more before both",
       [] {
         return Changed({{"pack_dtype", ""}, {"bits", 9}});
       },
       Same({"gptqmodel@2.0", "gptqmodel@5.0", "gptqmodel@7.3.4"}, O::kRejects, "Unsupported `pack_dtype`: ")},
      {"1.2 pack_dtype: judged before bits, a key that is no more before both",
       [] {
         return Changed({{"pack_dtype", "int4"}, {"bits", 9}, {"is_marlin_format", false}});
       },
       Same({"gptqmodel@6.0", "gptqmodel@7.3.4"}, O::kRejects, "`is_marlin_format` is no longer supported") +
           Same({"gptqmodel@5.0"}, O::kRejects, "Unsupported `pack_dtype`: int4")},
      {"1.2 checkpoint_format: not read, so v1",
       [] {
         return Changed({{"checkpoint_format", nullptr}}, {.bits = 2});
       },
       Same({"autogptq@0.7.1", "transformers@4.44"}, O::kSlow)},
      {"1.2 checkpoint_format means gptq",
       [] {
         return Changed({{"checkpoint_format", nullptr}}, {.bits = 2});
       },
       Same({"autogptq@main", "gptqmodel@1.4", "gptqmodel@2.0", "gptqmodel@4.0", "gptqmodel@5.0", "gptqmodel@7.3.4",
             "transformers@4.55/gptqmodel", "transformers@5.0"},
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
       Same(kAutoGptq, O::kLoads) +
           Same({"gptqmodel@2.0", "gptqmodel@4.0", "gptqmodel@5.0", "gptqmodel@7.3.4"}, O::kLoads) +
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
      {"1.3 AG04: every key that it does not know stops it",
       [] {
         ModelBuilder builder = Old();
         return SideFile(builder, {{"checkpoint_format", "gptq"}});
       },
       Same({"autogptq@0.4"}, O::kRejects, "got an unexpected keyword argument 'checkpoint_format'")},
      {"1.3 GM1-GM5: quant_method bitblas is a format",
       [] {
         return Changed({{"quant_method", "bitblas"}, {"checkpoint_format", nullptr}});
       },
       Same({"gptqmodel@2.0", "gptqmodel@5.0"}, O::kUnknown, "", "bitblas")},
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
      {"1.3 version gemm, lower case: AGdev alone",
       [] {
         return Changed({{"version", "gemm"}});
       },
       Same({"autogptq@main"}, O::kUnknown, "", "AWQ") + Same({"autogptq@0.7.1", "gptqmodel@2.0"}, O::kLoads)},
      {"1.3 AGdev: quant_method marlin and a true is_marlin_format are formats",
       [] {
         return Changed({{"quant_method", "marlin"}, {"checkpoint_format", nullptr}});
       },
       Same({"autogptq@main"}, O::kUnknown, "", "marlin path") +
           Same({"gptqmodel@2.0", "gptqmodel@5.0"}, O::kUnknown, "", "format marlin")},
      {"1.3 is_marlin_format by age",
       [] {
         return Changed({{"is_marlin_format", true}, {"checkpoint_format", nullptr}});
       },
       Same({"autogptq@main"}, O::kUnknown, "", "marlin path") +
           Same({"autogptq@0.7.1"}, O::kRejects,
                "You passed a GPTQ model saved in int4*fp16 GPTQ Marlin kernel format") +
           Same({"autogptq@0.5", "gptqmodel@2.0", "gptqmodel@5.0"}, O::kLoads)},
      {"1.3 GM5: version stands for format",
       [] {
         return Changed({{"version", "gptq_v2"}, {"checkpoint_format", nullptr}}, {.bits = 2, .v2 = true});
       },
       Same({"gptqmodel@5.0", "gptqmodel@6.0", "gptqmodel@7.3.4"}, O::kSlow) +
           Same({"gptqmodel@2.0", "gptqmodel@4.0"}, O::kGarbage)},
      {"1.3 GM6-GM7: method stands for quant_method",
       [] {
         return Changed({{"method", "gptq"}, {"quant_method", nullptr}});
       },
       Same({"gptqmodel@6.0", "gptqmodel@7.3.4"}, O::kLoads)},
      {"1.3 TF455 lower-cases checkpoint_format",
       [] {
         return Changed({{"checkpoint_format", "GPTQ_V2"}}, {.bits = 2, .v2 = true});
       },
       Same({"transformers@4.55/gptqmodel", "transformers@5.0"}, O::kSlow)},
      {"4.3 GM6: an invalid version is an invalid format",
       [] {
         return Changed({{"format", "0.1"}});
       },
       Same({"gptqmodel@6.0", "gptqmodel@7.3.4"}, O::kRejects, "Unknown quantization format: `0.1`")},
  });
}

}  // namespace
}  // namespace gptq_doctor::testing
