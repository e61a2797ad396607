#include "gptq/key_table.h"

#include <algorithm>

namespace gptq_doctor {
namespace {

constexpr std::string_view kAutoGptq = "AutoGPTQ/AutoGPTQ v0.7.1, auto_gptq/modeling/_base.py";
constexpr std::string_view kAutoGptqMain = "AutoGPTQ/AutoGPTQ 9f7d3707, auto_gptq/quantization/config.py";
constexpr std::string_view kGptqModel = "ModelCloud/GPTQModel v7.3.4, gptqmodel/quantization/config.py";
constexpr std::string_view kGptqModel5 = "ModelCloud/GPTQModel v5.8.0, gptqmodel/quantization/config.py";
constexpr std::string_view kTransformers =
    "huggingface/transformers v4.55.0, utils/quantization_config.py (GPTQConfig)";
constexpr std::string_view kTransformers5 =
    "huggingface/transformers 5.7.0.dev0, utils/quantization_config.py (GPTQConfig)";
constexpr std::string_view kOptimum = "huggingface/optimum v2.1.0, optimum/gptq/quantizer.py";
constexpr std::string_view kAutoRound = "intel/auto-round v0.14.2, auto_round/export/export_to_autogptq/export.py";
constexpr std::string_view kTgi = "huggingface/text-generation-inference db931fcf (modules_to_not_convert)";
constexpr std::string_view kGptqForLlama = "qwopqwop200/GPTQ-for-LLaMa, command line; no loader reads it from JSON";

using F = ConfigField;
using T = KeyType;
constexpr KeyFate kProved = KeyFate::kProved, kKept = KeyFate::kKept, kDropped = KeyFate::kDropped;

constexpr KeyRow kKeys[] = {
    // Settings under their own names.
    {"bits", F::kBits, T::kInt, kProved, false, kAutoGptq},
    {"group_size", F::kGroupSize, T::kInt, kProved, false, kAutoGptq},
    {"desc_act", F::kDescAct, T::kBool, kProved, false, kAutoGptq},
    {"sym", F::kSym, T::kBool, kProved, false, kAutoGptq},
    {"static_groups", F::kStaticGroups, T::kBool, kKept, false, kAutoGptq},
    {"lm_head", F::kLmHead, T::kBool, kProved, false, kGptqModel},
    {"dynamic", F::kDynamic, T::kObject, kProved, false, kGptqModel},
    {"quant_method", F::kMethod, T::kString, kProved, false, kTransformers},
    {"checkpoint_format", F::kCheckpointFormat, T::kString, kProved, false, kAutoGptqMain},
    {"pack_dtype", F::kPackDtype, T::kString, kProved, false, kGptqModel},
    // Other spellings.
    {"w_bit", F::kBits, T::kInt, kDropped, false, kAutoGptq},
    {"wbits", F::kBits, T::kInt, kDropped, false, kGptqModel5},
    {"q_group_size", F::kGroupSize, T::kInt, kDropped, false, kAutoGptq},
    {"groupsize", F::kGroupSize, T::kInt, kDropped, false, kGptqForLlama},
    {"format", F::kCheckpointFormat, T::kString, kDropped, false, kGptqModel},
    {"is_marlin_format", F::kCheckpointFormat, T::kBool, kDropped, false, kAutoGptq},
    {"packing_format", F::kCheckpointFormat, T::kString, kDropped, false,
     "intel/auto-round b9f3d007, auto_round/inference/backend.py"},
    {"method", F::kMethod, T::kString, kDropped, false, kGptqModel},
    {"quant_format", F::kMethod, T::kString, kDropped, false, "ModelCloud/GPTQModel v7.3.4, gptqmodel/models/auto.py"},
    {"zero_point", F::kSym, T::kBool, kDropped, false, kGptqModel5},
    {"extra_config", F::kDynamic, T::kObject, kDropped, false, kAutoRound},
    // GPTQModel maps `version` to the format, so a copied one could become an unknown format.
    {"version", F::kNone, T::kAny, kDropped, false, kGptqModel5},
    {"awq_gemm_checkpoint", F::kNone, T::kBool, kDropped, false, kAutoGptq},
    // What no tensor shows.
    {"damp_percent", F::kNone, T::kNumber, kKept, false, kAutoGptq},
    {"damp_auto_increment", F::kNone, T::kNumber, kKept, false, kGptqModel},
    {"true_sequential", F::kNone, T::kBool, kKept, false, kAutoGptq},
    {"act_group_aware", F::kNone, T::kBool, kKept, false, kGptqModel},
    {"mse", F::kNone, T::kAny, kKept, false, kGptqModel},
    {"rotation", F::kNone, T::kAny, kKept, false, kGptqModel},
    {"parallel_packing", F::kNone, T::kAny, kKept, true, kGptqModel},
    {"device", F::kNone, T::kAny, kKept, true, kGptqModel},
    {"adapter", F::kNone, T::kAny, kKept, false, kGptqModel},
    {"meta", F::kNone, T::kObject, kKept, true, kGptqModel},
    {"model_name_or_path", F::kNone, T::kAny, kKept, true, kAutoGptq},
    {"model_file_base_name", F::kNone, T::kAny, kKept, true, kAutoGptq},
    // transformers and optimum.
    {"dataset", F::kNone, T::kAny, kKept, true, kTransformers},
    {"tokenizer", F::kNone, T::kAny, kKept, true, kTransformers},
    {"batch_size", F::kNone, T::kAny, kKept, true, kTransformers},
    {"pad_token_id", F::kNone, T::kAny, kKept, true, kTransformers},
    {"model_seqlen", F::kNone, T::kAny, kKept, true, kTransformers},
    {"block_name_to_quantize", F::kNone, T::kAny, kKept, false, kTransformers},
    {"module_name_preceding_first_block", F::kNone, T::kAny, kKept, false, kTransformers},
    {"modules_in_block_to_quantize", F::kNone, T::kAny, kKept, false, kOptimum},
    {"max_input_length", F::kNone, T::kAny, kKept, false, kTransformers},
    {"cache_block_outputs", F::kNone, T::kAny, kKept, true, kTransformers},
    {"use_cuda_fp16", F::kNone, T::kBool, kKept, false, kTransformers},
    {"use_exllama", F::kNone, T::kBool, kKept, false, kTransformers},
    {"disable_exllama", F::kNone, T::kBool, kKept, false, kTransformers},
    {"exllama_config", F::kNone, T::kAny, kKept, false, kTransformers},
    {"backend", F::kNone, T::kAny, kKept, false, kTransformers5},
    {"modules_to_not_convert", F::kNone, T::kAny, kKept, false, kTgi},
    // AutoRound's tuning record.
    {"autoround_version", F::kNone, T::kString, kKept, true, kAutoRound},
    {"provider", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"data_type", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"seqlen", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"nsamples", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"iters", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"lr", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"minmax_lr", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"scale_dtype", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"amp", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"gradient_accumulate_steps", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"low_gpu_mem_usage", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"enable_quanted_input", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"enable_minmax_tuning", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"enable_norm_bias_tuning", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"to_quant_block_names", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"act_bits", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"act_group_size", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"act_sym", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"act_dynamic", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"act_data_type", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"super_bits", F::kNone, T::kAny, kKept, true, kAutoRound},
    {"super_group_size", F::kNone, T::kAny, kKept, true, kAutoRound},
};

constexpr std::string_view kVllm = "vllm-project/vllm 017e9f44, model_executor/layers/quantization";
constexpr std::string_view kHf = "huggingface/transformers v4.55.0, quantizers/auto.py";

constexpr MethodRow kMethods[] = {
    {"gptq", "gptq", "", kTransformers},
    {"gptq_marlin", "gptq", "", kVllm},
    {"auto-round", "gptq", "", kAutoRound},
    {"auto_round", "gptq", "", "ModelCloud/GPTQModel v2.2.0, gptqmodel/quantization/config.py"},
    {"intel/auto-round", "gptq", "", kAutoRound},
    {"marlin", "gptq", "marlin", kAutoGptqMain},
    {"bitblas", "gptq", "bitblas", "ModelCloud/GPTQModel v2.2.0, gptqmodel/quantization/config.py"},
    {"awq", "awq", "", kHf},
    {"awq_marlin", "awq", "", kVllm},
    {"qqq", "qqq", "", kGptqModel},
    {"compressed-tensors", "compressed-tensors", "", kHf},
    {"compressed_tensors", "compressed-tensors", "", kHf},
    {"bitsandbytes", "bitsandbytes", "", kHf},
    {"fp8", "fp8", "", kHf},
    {"fbgemm_fp8", "fp8", "", kHf},
    {"modelopt", "modelopt", "", kVllm},
    {"modelopt_fp4", "modelopt", "", kVllm},
    {"gguf", "gguf", "", kGptqModel},
    {"exl2", "exl2", "", "turboderp-org/exllamav2 da07facd"},
    {"exl3", "exl3", "", "turboderp-org/exllamav3 4f8ad012"},
    {"hqq", "hqq", "", kHf},
    {"quanto", "quanto", "", kHf},
    {"torchao", "torchao", "", kHf},
    {"aqlm", "aqlm", "", kHf},
    {"quip", "quip", "", "Cornell-RelaxML/quip-sharp 1d8f873e"},
    {"vptq", "vptq", "", kHf},
    {"spqr", "spqr", "", kHf},
    {"eetq", "eetq", "", kHf},
    {"bitnet", "bitnet", "", kHf},
    {"mxfp4", "mxfp4", "", kHf},
    {"fp_quant", "fp-quant", "", kVllm},
    {"paroquant", "paroquant", "", kGptqModel},
};

char LowerAscii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

std::string_view CanonicalKey(ConfigField field) {
  switch (field) {
    case ConfigField::kNone:
      return "";
    case ConfigField::kBits:
      return "bits";
    case ConfigField::kGroupSize:
      return "group_size";
    case ConfigField::kSym:
      return "sym";
    case ConfigField::kDescAct:
      return "desc_act";
    case ConfigField::kCheckpointFormat:
      return "checkpoint_format";
    case ConfigField::kPackDtype:
      return "pack_dtype";
    case ConfigField::kLmHead:
      return "lm_head";
    case ConfigField::kStaticGroups:
      return "static_groups";
    case ConfigField::kDynamic:
      return "dynamic";
    case ConfigField::kMethod:
      return "quant_method";
  }
  return "";
}

std::span<const KeyRow> KeyTable() { return kKeys; }

const KeyRow* FindKeyRow(std::string_view key) {
  const auto exact = std::ranges::find(kKeys, key, &KeyRow::key);
  if (exact != std::end(kKeys)) return &*exact;
  const auto folded = std::ranges::find_if(
      kKeys, [key](const KeyRow& row) { return std::ranges::equal(row.key, key, {}, {}, LowerAscii); });
  return folded == std::end(kKeys) ? nullptr : &*folded;
}

std::span<const MethodRow> MethodTable() { return kMethods; }

const MethodRow* FindMethodRow(std::string_view lower_case_method) {
  const auto row = std::ranges::find(kMethods, lower_case_method, &MethodRow::method);
  return row == std::end(kMethods) ? nullptr : &*row;
}

}  // namespace gptq_doctor
