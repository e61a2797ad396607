// Problems that people had, told from the directory: configuration missing, in the wrong file or incomplete; weight
// files, shards and headers. Each row names the public thread that it comes from.

#include "gtest/gtest.h"
#include "loaders/models.h"
#include "loaders/support.h"
#include "support/problem_models.h"

namespace gptq_doctor::testing {
namespace {

struct Case {
  const char* thread;
  ModelBuilder (*build)();
  const char* selector;
  Outcome outcome;
  const char* message;  // a part of what the user sees
};

class ConfigCases : public ::testing::TestWithParam<Case> {};

TEST_P(ConfigCases, AreTold) {
  const Case& row = GetParam();
  const LoaderOutcome outcome = Ask(row.build(), row.selector);
  EXPECT_EQ(outcome.outcome, row.outcome) << row.thread << "\n" << Describe(outcome);
  EXPECT_NE(outcome.message.find(row.message), std::string::npos) << row.thread << "\n" << Describe(outcome);
}

INSTANTIATE_TEST_SUITE_P(
    Configuration, ConfigCases,
    ::testing::Values(
        Case{"C002 text-generation-inference#962", SectionOnly, "tgi@0.9", Outcome::kRejects,
             "RuntimeError: weight gptq_bits does not exist"},
        Case{"C003 GPTQModel#1080", SectionOnly, "gptqmodel@1.4", Outcome::kRejects, "quantize_config.json'"},
        Case{"C003 GPTQModel#1080, fixed", SectionOnly, "gptqmodel@1.6", Outcome::kLoads, ""},
        Case{"C003 AutoGPTQ#711", SectionOnly, "autogptq@0.7.1", Outcome::kRejects, "FileNotFoundError"},
        Case{"C005 InternLM-XComposer#402", Bare, "transformers@4.44", Outcome::kFallsBack,
             "were not used when initializing LlamaForCausalLM"},
        Case{"C006 text-generation-webui#761", Bare, "text-generation-webui@2023", Outcome::kRejects,
             "Can't determine model type from model name. Please specify it manually using --model_type"},
        Case{"C007 optimum#1360", SectionOnly, "optimum@1.12", Outcome::kRejects, "FileNotFoundError"},
        Case{"C007 optimum#1360, later", SectionOnly, "optimum@1.24", Outcome::kLoads, ""},
        Case{"C008 Qwen#601, first fault", PastedWithoutMethod, "transformers@4.44", Outcome::kRejects,
             "has no `quant_method` attribute"},
        Case{"C008 Qwen#601, second fault", PastedWithoutMethod, "transformers@4.44", Outcome::kRejects,
             "OSError: Error no file named pytorch_model.bin"},
        Case{"C009 Qwen2.5-32B copy with another config", WrongArchitecture, "vllm@0.15", Outcome::kRejects,
             "AssertionError"},
        Case{"C010 vllm PR 40294", [] { return Without("desc_act"); }, "vllm@0.15", Outcome::kRejects,
             "Cannot find any of ['desc_act'] in the model's quantization config."},
        Case{"C010 vllm PR 40294, main", [] { return Without("sym"); }, "vllm@main", Outcome::kRejects,
             "Cannot find any of ['sym']"},
        Case{"C011 AutoGPTQ#22", WrongGroup, "autogptq@0.7.1", Outcome::kRejects,
             "ValueError: Trying to set a tensor of shape torch.Size([1, 32]) in \"qzeros\""},
        Case{"C012 GPTQModel PR 535", Bare, "gptqmodel@2.0", Outcome::kRejects, "`quantize_config` must be passed"}));

INSTANTIATE_TEST_SUITE_P(
    Files, ConfigCases,
    ::testing::Values(
        Case{"C021 vllm#34859", ShardMissing, "vllm@0.10", Outcome::kGarbage, ""},
        Case{"C021 vllm#34859, 0.15: whole layers are gone",
             [] { return Healthy().Shards(3).Remove("model-00003-of-00003.safetensors"); }, "vllm@0.15",
             Outcome::kGarbage, ""},
        Case{"C021 vllm#34859, 0.15: a part of a fused layer is gone, which its list of layers tells", ShardMissing,
             "vllm@0.15", Outcome::kRejects,
             "Detected some but not all shards of model.layers.0.mlp.gate_up_proj are quantized."},
        Case{"C021 vllm PR 34930", ShardMissing, "vllm@main", Outcome::kRejects,
             "Weight files referenced in index but missing: {'model-00002-of-00003.safetensors'}"},
        Case{"C021 sglang PR 32279", ShardMissing, "sglang@0.5", Outcome::kRejects,
             "(incomplete download?): ['model-00002-of-00003.safetensors']"},
        Case{"C022 AutoGPTQ#526", Sharded, "autogptq@0.6", Outcome::kRejects,
             "Please specify the argument model_basename"},
        Case{"C022 AutoGPTQ#526, 0.7.0", Sharded, "autogptq@0.7.0", Outcome::kRejects,
             "model.safetensors. Please specify"},
        Case{"C022 AutoGPTQ#526, fixed", Sharded, "autogptq@0.7.1", Outcome::kLoads, ""},
        Case{"C023 localGPT#510",
             [] {
               ModelBuilder builder = Healthy();
               SideFile(builder, {{"quant_method", nullptr},
                                  {"checkpoint_format", nullptr},
                                  {"lm_head", nullptr},
                                  {"pack_dtype", nullptr}});
               return builder;
             },
             "autogptq@0.4", Outcome::kRejects, "FileNotFoundError: Could not find model in "},
        Case{"C024 Qwen3-VL#492", AutoGptqOutput, "transformers@4.44", Outcome::kRejects,
             "OSError: Error no file named"},
        Case{"C024 Qwen3-VL#492, AutoGPTQ finds it", AutoGptqOutput, "autogptq@0.7.1", Outcome::kLoads, ""},
        Case{"C025 CoSER#3", StaleIndex, "transformers@4.55/gptqmodel", Outcome::kRejects,
             "FileNotFoundError: No such file or directory: \"model/model-00002-of-00004.safetensors\""},
        Case{"C026 club-3090#1036", ShardMissing, "vllm@main", Outcome::kRejects, "referenced in index but missing"},
        Case{"C027 GPTQModel PR 3077", NoQweight, "gptqmodel@7.3.4", Outcome::kGarbage, ""},
        Case{"C028 Qwen3#170", NoWeights, "transformers@4.44", Outcome::kRejects,
             "OSError: Error no file named pytorch_model.bin"},
        Case{"C029 exllama#242", LfsPointer, "transformers@4.55/gptqmodel", Outcome::kRejects,
             "Error while deserializing header: HeaderTooLarge"},
        Case{"C029 exllama#242, vLLM", LfsPointer, "vllm@0.15", Outcome::kRejects, "HeaderTooLarge"},
        Case{"C029 exllama#242, ExLlamaV2", LfsPointer, "exllamav2", Outcome::kRejects, "HeaderTooLarge"},
        Case{"C029 exllama#242, AutoGPTQ", LfsPointer, "autogptq@0.7.1", Outcome::kRejects, "HeaderTooLarge"},
        Case{"C030 Qwen#462", Truncated, "transformers@4.44", Outcome::kRejects,
             "Error while deserializing header: MetadataIncompleteBuffer"},
        Case{"C030 Qwen#462, TGI", Truncated, "tgi@3.3", Outcome::kRejects, "MetadataIncompleteBuffer"},
        Case{"C031 accelerate PR 1151", NoMetadata, "transformers@4.44", Outcome::kRejects,
             "AttributeError: 'NoneType' object has no attribute 'get'"},
        Case{"C031 accelerate PR 1151, later", NoMetadata, "transformers@4.55/gptqmodel", Outcome::kLoads, ""},
        Case{"C031 accelerate PR 1151, a warning", NoMetadata, "autogptq@0.7.1", Outcome::kLoads, ""},
        Case{"C032 BIGRec#8", PickleInside, "transformers@4.44", Outcome::kRejects,
             "Error while deserializing header: "}));

INSTANTIATE_TEST_SUITE_P(
    Keys, ConfigCases,
    ::testing::Values(
        Case{"C017 GPTQModel#1354",
             [] {
               ModelBuilder builder = Healthy();
               Section(builder, {{"use_exllama", true}, {"disable_exllama", false}});
               return builder;
             },
             "transformers@4.44", Outcome::kRejects, "Cannot specify both `disable_exllama` and `use_exllama`"},
        Case{"C050 LlamaFactory#4677, dataset as a list is fine",
             [] {
               ModelBuilder builder = Healthy();
               Section(builder, {{"dataset", {"some text", "more text"}}});
               return builder;
             },
             "transformers@4.55/gptqmodel", Outcome::kLoads, ""},
        Case{"dataset by an unknown name",
             [] {
               ModelBuilder builder = Healthy();
               Section(builder, {{"dataset", "pile"}});
               return builder;
             },
             "transformers@4.55/gptqmodel", Outcome::kRejects, "You have entered a string value for dataset."},
        Case{"upper-case method", [] { return WithKey("quant_method", "GPTQ"); }, "transformers@4.55/gptqmodel",
             Outcome::kFallsBack, "Hence, we will skip the quantization."},
        Case{"upper-case method, 4.44", [] { return WithKey("quant_method", "GPTQ"); }, "transformers@4.44",
             Outcome::kRejects, "Unknown quantization type, got GPTQ"},
        Case{"fixture with Python True",
             [] {
               ModelBuilder builder = Healthy();
               builder.File("quantize_config.json", "{\"bits\": 4, \"group_size\": 128, \"desc_act\": True}");
               return builder;
             },
             "autogptq@0.7.1", Outcome::kRejects,
             "json.decoder.JSONDecodeError: Expecting value: line 1 column 44 (char 43)"}));

}  // namespace
}  // namespace gptq_doctor::testing
