// What AutoGPTQ, GPTQModel, transformers and optimum do, cell by cell of the tables that compare them. Rows carry the
// tables' numbers.

#include "loaders/tables_python.h"

namespace gptq_doctor::testing {
namespace {

using namespace python;  // NOLINT: the directories of these tables

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
