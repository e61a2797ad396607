// Family 1, second part: the rest of the directory's configuration.

#include "rules/checks.h"
#include "rules/families.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kFetchConfig =
    "Fetch the file of the base model; `gptq-doctor fix MODEL --base DIR` overlays it and adds the proved quantization "
    "settings.";

constexpr Rule kRules[] = {
    {.code = "GD140",
     .name = "config-json-missing",
     .severity = Severity::kError,
     .title = "config.json is missing",
     .what = "The directory has weights and no config.json.",
     .why = "Every loader of the transformers family reads it first: \"does not appear to have a file named "
            "config.json\".",
     .evidence = "The list of files.",
     .fix = kFetchConfig,
     .since = "0.1.0",
     .check = CheckConfigJson},
    {.code = "GD141",
     .name = "model-type-missing",
     .severity = Severity::kError,
     .title = "config.json has no model_type",
     .what = "model_type is absent or empty.",
     .why = "transformers says \"Unrecognized model in ...\", and so do all loaders that build on it.",
     .evidence = "config.json.",
     .fix = kFetchConfig,
     .since = "0.1.0"},
    {.code = "GD142",
     .name = "architectures-missing",
     .severity = Severity::kWarning,
     .title = "config.json names no architectures",
     .what = "architectures is absent or empty.",
     .why = "vLLM and SGLang choose the model class by it and stop; transformers' Auto classes go by model_type.",
     .evidence = "config.json.",
     .fix = kFetchConfig,
     .since = "0.1.0"},
    {.code = "GD143",
     .name = "architecture-mismatch",
     .severity = Severity::kError,
     .title = "config.json describes another model than the tensors",
     .what = "The number of layers, the hidden size, the MLP size or the vocabulary of config.json is not that of the "
             "tensors.",
     .why = "Loaders report unexpected keys or size mismatches. Often an overwritten or mixed-up download.",
     .evidence = "Shapes and layer numbers of the tensors against config.json.",
     .fix = kFetchConfig,
     .since = "0.1.0",
     .check = CheckArchitecture},
    {.code = "GD144",
     .name = "tokenizer-missing",
     .severity = Severity::kWarning,
     .title = "No tokenizer files",
     .what = "None of tokenizer.json, tokenizer.model, vocab.json, *.tiktoken and their relatives is here. (A note "
             "where tokenizer_config.json alone is left.)",
     .why = "\"Can't load tokenizer for ...\": save_quantized of AutoGPTQ writes weights and configuration only.",
     .evidence = "The list of files.",
     .fix = "Copy the tokenizer files of the base model.",
     .since = "0.1.0",
     .check = CheckTokenizer},
    {.code = "GD145",
     .name = "tokenizer-too-large",
     .severity = Severity::kWarning,
     .title = "The tokenizer has ids beyond the embedding",
     .what = "The highest token id is not below the number of rows of the embedding.",
     .why = "Such a token indexes outside the table: an assertion on the GPU or garbage.",
     .evidence = "Added tokens of the tokenizer files against the embedding's shape.",
     .fix = "Take the tokenizer that belongs to the model, or remove the added tokens.",
     .since = "0.1.0"},
    {.code = "GD146",
     .name = "remote-code-missing",
     .severity = Severity::kWarning,
     .title = "auto_map names Python files that are not here",
     .what = "auto_map in config.json or tokenizer_config.json points to modules of this directory that do not exist.",
     .why = "Loading with trust_remote_code fails with FileNotFoundError or an import error; architectures that the "
            "loader knows itself still load.",
     .evidence = "auto_map and the list of files.",
     .fix = "Copy the .py files (and .cpp, .cu ones) of the base model.",
     .since = "0.1.0",
     .check = CheckRemoteCode},
    {.code = "GD147",
     .name = "adapter-beside-gptq",
     .severity = Severity::kWarning,
     .title = "An adapter lies beside a GPTQ base",
     .what = "adapter_config.json is in the directory, and the base model is GPTQ.",
     .why = "peft says \"Cannot merge LORA layers when the model is gptq quantized\": the weights are packed integers.",
     .evidence = "adapter_config.json and the format of the base.",
     .fix = "Serve with the adapter, or merge it into the 16-bit base (`gptq-doctor dequantize`) and quantize again.",
     .since = "0.1.0",
     .check = CheckAdapter},
    {.code = "GD148",
     .name = "dtype-unsuited",
     .severity = Severity::kNote,
     .title = "torch_dtype does not suit every GPTQ kernel",
     .what = "config.json asks for bfloat16 or float32. float32 is a warning.",
     .why = "vLLM's plain gptq kernels take float16 only (\"torch.bfloat16 is not supported for quantization method "
            "gptq\"), Marlin float16 and bfloat16.",
     .evidence = "torch_dtype or dtype of config.json.",
     .fix = "Pass `--dtype half`, or set torch_dtype to float16.",
     .since = "0.1.0",
     .check = CheckDtype},
    {.code = "GD149",
     .name = "act-order-buffer",
     .severity = Severity::kNote,
     .title = "Act-order needs a larger ExLlama buffer for long prompts",
     .what = "g_idx is permuted.",
     .why = "ExLlama's v1 kernel in AutoGPTQ and transformers has room for 2048 tokens: \"The temp_state buffer is too "
            "small\".",
     .evidence = "The g_idx of the modules that were read.",
     .fix = "Call exllama_set_max_input_length(model, 4096), or use another kernel.",
     .since = "0.1.0",
     .check = CheckActOrderBuffer},
};

}  // namespace

std::span<const Rule> ModelRules() { return kRules; }

}  // namespace gptq_doctor
