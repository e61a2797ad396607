// What vLLM's rows cannot say: how the method is resolved, and how kernels are chosen while the model is built.

#include <algorithm>
#include <string>

#include "loaders/engine.h"
#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kMethodSource = "vllm-project/vllm vllm/config/model.py (ModelConfig._verify_quantization)";
constexpr std::string_view kMarlinUtils =
    "vllm-project/vllm vllm/model_executor/layers/quantization/utils/marlin_utils.py, kernels/linear";
constexpr std::string_view kGptq = "vllm-project/vllm vllm/model_executor/layers/quantization/gptq.py";
constexpr std::string_view kMissingKey = "ValueError: Cannot find any of ['{key}'] in the model's quantization config.";

bool IsMain(const Walk& walk) { return walk.profile.since == kMainVersion; }
bool Upto10(const Walk& walk) { return walk.profile.since < Version{0, 11, 0}; }

bool MethodOfMain(Walk& walk) {
  const Declared& read = walk.declared;
  if (!CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeyDescAct | kKeySym, kMissingKey)) return false;
  const std::string_view source = walk.profile.kernels.front().source;
  if (!read.sym || (read.bits != 4 && read.bits != 8)) {
    walk.Remedy("use vLLM before May 2026 with --dtype float16, or another loader");
    return walk.Rejects("method", "stops: only symmetric 4- and 8-bit weights are left", source,
                        walk.Message("ValueError: Unsupported quantization config: bits={b}, sym={sym}"));
  }
  const int64_t g = read.group_size;
  if (g != -1 && g != 32 && g != 64 && g != 128) {
    return walk.Rejects("method", "stops: group_size " + std::to_string(g), source,
                        walk.Message("ValueError: Marlin does not support group_size = {g}. Only group_sizes = [-1, "
                                     "32, 64, 128] are supported."));
  }
  if (walk.machine.platform == kCuda && walk.machine.given && walk.machine.sm < 75) {
    return walk.Rejects("method", "stops: the GPU is too old", source,
                        walk.Message("Marlin does not support weight_bits = uint{b}b8. Only types = [] are supported "
                                     "(for group_size = {g}, device_capability = " +
                                     std::to_string(walk.machine.sm) + ", zp = False)."));
  }
  if ((walk.machine.platform == kCpu || walk.machine.platform == kXpu) && read.bits == 8) {
    return walk.Rejects("method", "stops: 8 bits do not run on this device", source,
                        "Marlin does not support weight_bits = uint8b128.");
  }
  walk.method = "auto_gptq";
  walk.kernel = &walk.profile.kernels.front();
  walk.Step("method", "takes the auto_gptq class (Marlin family)", source);
  return true;
}

bool MethodBefore(Walk& walk) {
  std::string why_not;
  const KernelRow& marlin = walk.profile.kernels[0];
  const KernelRow& gptq = walk.profile.kernels[1];
  if (FitsMarlin(walk, marlin.min_sm, &why_not)) {
    walk.method = "gptq_marlin";
    walk.kernel = &marlin;
    walk.Step("method", "The model is convertible to gptq_marlin during runtime. Using gptq_marlin kernel.",
              marlin.source);
    return true;
  }
  if (EngineMethod(walk) == "gptq_marlin" &&
      !CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeyDescAct | kKeySym, kMissingKey))
    return false;
  if (!CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeyDescAct, kMissingKey)) return false;
  const Declared& read = walk.declared;
  if (read.bits != 2 && read.bits != 3 && read.bits != 4 && read.bits != 8) {
    if (read.bits == 0)
      walk.Assume("a bits value that is no integer fails in 32 // bits: derived from the code path, not executed");
    return walk.Rejects("method", "stops: bits " + read.bits_text, gptq.source,
                        read.bits == 0 ? std::string("TypeError")
                                       : walk.Message("ValueError: Currently, only 2/3/4/8-bit weight quantization is "
                                                      "supported for GPTQ, but got {b} bits."));
  }
  walk.method = "gptq";
  walk.kernel = &gptq;
  walk.Step("method", "not convertible to gptq_marlin (" + why_not + "): takes the gptq kernel", gptq.source);
  if (walk.machine.platform == kCuda && walk.machine.given && walk.machine.sm < 60) {
    return walk.Rejects("method", "stops: the GPU is too old", gptq.source,
                        "The quantization method gptq is not supported for the current GPU. Minimum capability: 60.");
  }
  return true;
}

// A layer that was not in the list, or the list's opposite: the load loop stops at the first name it does not know.
std::string UnknownName(const Walk& walk, std::string_view tensor) {
  const std::string left = LeftoverName(tensor);
  if (!IsMain(walk)) return "KeyError: '" + left + "'";
  std::string model = walk.facts.class_name;
  if (const size_t at = model.find("ForCausalLM"); at != std::string::npos) model = model.substr(0, at) + "Model";
  if (left.find(".experts.") != std::string::npos) {
    return "AttributeError: Layer " + left.substr(0, left.rfind('.')) + " has no parameter '" +
           left.substr(left.rfind('.') + 1) + "' for checkpoint weight '" + std::string(tensor) + "'";
  }
  const std::string layer = left.substr(0, left.rfind('.'));
  const std::string_view leaf = std::string_view(layer).substr(layer.rfind('.') + 1);
  const bool row = leaf == "down_proj" || leaf == "o_proj" || leaf == "out_proj";
  return "ValueError: There is no module or parameter named '" + left + "' in " + model +
         ". The available parameters belonging to " + layer + " (" + (row ? "RowParallelLinear" : "LinearBase") +
         ") are: {'" + layer + ".weight'}";
}

bool RejectLeftover(Walk& walk, std::string detail, std::string_view tensor) {
  return walk.Rejects("tensors", std::move(detail), walk.profile.tensors.source, UnknownName(walk, tensor));
}

std::string FirstTensorOf(const ClassDigest& digest) {
  for (const TensorRecord* tensor : {digest.g_idx, digest.qweight, digest.qzeros, digest.scales, digest.weight}) {
    if (tensor != nullptr) return std::string(tensor->name());
  }
  return std::string(digest.stem);
}

// The layers an engine of this age builds plain although all others are quantized.
bool GateIsPlain(const Walk& walk) {
  if (Upto10(walk)) return true;
  return walk.facts.model_type != "qwen3_moe" && walk.facts.model_type != "qwen3_next";
}

bool CheckLmHead(Walk& walk, const ClassDigest& digest, bool* skip) {
  *skip = true;
  if (walk.facts.tied) {
    walk.Step("tensors", "skips every lm_head tensor: tie_word_embeddings is true", walk.profile.tensors.source);
    return true;
  }
  if (!walk.declared.lm_head) {
    walk.Remedy("set \"lm_head\": true in config.json's quantization_config");
    return walk.Rejects(
        "tensors", "stops: lm_head is quantized in the files, but the configuration does not say \"lm_head\": true",
        walk.profile.tensors.source,
        "ValueError: There is no module or parameter named 'lm_head." +
            std::string(digest.g_idx != nullptr ? "g_idx" : "qweight") + "' in " + walk.facts.class_name);
  }
  if (digest.out_features % 64 != 0) {
    walk.Assume(
        "a quantized lm_head whose vocabulary is no multiple of 64 fails: derived from the code path, not executed");
    walk.Degrade(Outcome::kUnknown, "tensors",
                 "lm_head has " + std::to_string(digest.out_features) +
                     " outputs, no multiple of 64: copying it into the padded parameter should fail",
                 "vllm-project/vllm vllm/model_executor/layers/vocab_parallel_embedding.py:445-485");
  }
  return true;
}

bool CheckShapeLimits(Walk& walk, const ClassDigest& digest) {
  const RankShape shape = ShapeOnRank(digest, walk.options.tp);
  const int64_t g = walk.declared.group_size;
  const bool split_group =
      g > 0 && g < digest.in_features && shape.in % g != 0 && !(walk.declared.desc_act && walk.options.tp > 1);
  const std::string at = " (" + std::string(digest.pattern) +
                         (walk.options.tp > 1 ? ", tensor-parallel size " + std::to_string(walk.options.tp) : "") + ")";
  static constexpr std::string_view kNotAligned =
      "ValueError: The input size is not aligned with the quantized weight shape. This can be caused by too large "
      "tensor parallel size.";
  static constexpr std::string_view kOutputNotAligned =
      "ValueError: The output size is not aligned with the quantized weight shape. This can be caused by too large "
      "tensor parallel size.";
  if (walk.method == "gptq") {
    if (split_group) {
      walk.Remedy("lower --tensor-parallel-size, or pad the layer before quantizing");
      return walk.Rejects("kernel",
                          "stops: " + std::to_string(shape.in) + " inputs a rank are no multiple of group_size " +
                              std::to_string(g) + at,
                          kGptq, std::string(kNotAligned));
    }
    const int64_t pack = walk.declared.bits == 3 ? 32 : 32 / walk.declared.bits;
    if (shape.out % pack != 0) {
      return walk.Rejects("kernel",
                          "stops: " + std::to_string(shape.out) +
                              " outputs a rank are no multiple of the pack factor " + std::to_string(pack) + at,
                          kGptq, std::string(kOutputNotAligned));
    }
    return true;
  }
  std::string reason;
  const bool padded = IsMain(walk) && !walk.declared.desc_act;
  if (split_group) {
    reason = "Weight input_size_per_partition = " + std::to_string(shape.in) +
             " is not divisible by group_size = " + std::to_string(g);
  } else if (!padded && shape.out % 64 != 0) {
    reason =
        "Weight output_size_per_partition = " + std::to_string(shape.out) + " is not divisible by  min_thread_n = 64";
  } else if (!padded && shape.in % 128 != 0) {
    reason =
        "Weight input_size_per_partition = " + std::to_string(shape.in) + " is not divisible by min_thread_k = 128";
  }
  if (reason.empty()) return true;
  const std::string advice = reason + ". Consider reducing tensor_parallel_size or running with --quantization gptq.";
  // The Exllama kernel of the same class takes fp16 layers that Marlin refuses, where groups stay whole.
  if (!split_group && !Upto10(walk) && EngineDtype(walk) == "float16" &&
      shape.out % (32 / std::max<int64_t>(1, walk.declared.bits)) == 0 &&
      (!walk.declared.desc_act || walk.options.tp == 1)) {
    walk.Degrade(Outcome::kSlow, "kernel",
                 "Marlin refuses " + std::string(digest.pattern) + " (" + reason + "); its Exllama kernel takes it",
                 kMarlinUtils);
    return true;
  }
  walk.Remedy(split_group ? "lower --tensor-parallel-size, or pad the layer before quantizing"
                          : "lower --tensor-parallel-size, or --quantization gptq --dtype float16");
  std::string message = walk.profile.since < Version{0, 9, 0}
                            ? "ValueError: " + advice
                            : "ValueError: Failed to find a kernel that can implement the WNA16 linear layer. "
                              "Reasons:\n MarlinLinearKernel cannot implement due to: " +
                                  advice;
  if (split_group) message += "\nwith --quantization gptq: " + std::string(kNotAligned);
  return walk.Rejects("kernel", "stops: no kernel takes the layer's shape on a rank" + at, kMarlinUtils,
                      std::move(message));
}

}  // namespace

bool StageVllmMethod(Walk& walk) {
  if (walk.dense_model) return true;
  const std::string method = EngineMethod(walk);
  if (method.empty()) {
    walk.dense_model = true;
    walk.dense_why = "the settings name no quant_method, which counts as not quantized";
    walk.Step("method", walk.dense_why, kMethodSource);
    return true;
  }
  if (method == "auto-round" || method == "inc") {
    walk.Step("method", "takes its auto-round path, which forces desc_act to false",
              "vllm-project/vllm vllm/model_executor/layers/quantization/inc.py");
    walk.declared.desc_act = false;
    walk.declared.present |= kKeyDescAct;
  } else if (method != "gptq" && method != "gptq_marlin" && !(IsMain(walk) && method == "auto_gptq")) {
    walk.Remedy("gptq-doctor fix --write");
    return walk.Rejects("method", "stops: quant_method \"" + method + "\" is none it knows", kMethodSource,
                        "ValueError: Unknown quantization method: " + method + ". Must be one of [...].");
  }
  walk.declared.method = method;
  const JsonValue* flag = walk.declared.Find("is_marlin_format");
  const JsonValue* format = walk.declared.Find("checkpoint_format");
  const bool marlin = (flag != nullptr && Truthy(*flag)) ||
                      (format != nullptr && format->AsString() != nullptr && *format->AsString() == "marlin");
  if (marlin && Upto10(walk)) {
    const std::string wanted =
        walk.facts.first_class == nullptr ? "B" : std::string(walk.facts.first_class->stem) + ".qweight";
    return walk.Rejects(
        "method",
        "stops: the configuration says marlin, so it builds layers for B and s tensors, which are not in the files",
        kMethodSource, "KeyError: '" + LeftoverName(wanted) + "'");
  }
  return IsMain(walk) ? MethodOfMain(walk) : MethodBefore(walk);
}

bool StageVllmDtype(Walk& walk) {
  if (walk.dense_model || walk.kernel == nullptr) return true;
  const std::string dtype = EngineDtype(walk);
  static constexpr std::string_view kSource = "vllm-project/vllm vllm/config/vllm.py:743-770";
  const bool given = !walk.options.dtype.empty();
  if (dtype == "float32") {
    walk.Remedy("--dtype float16");
    if (given) {
      return walk.Rejects("dtype", "stops: float32 is not among the dtypes of " + walk.method, kSource,
                          "ValueError: torch.float32 is not supported for quantization method " + walk.method +
                              ". Supported dtypes: [torch.float16" +
                              std::string(walk.method == "gptq" ? "]" : ", torch.bfloat16]"));
    }
    walk.Assume("the model runs at config.json's float32; releases whose --dtype auto lowers it to float16 load it");
    if (walk.method == "gptq") {
      return walk.Rejects(
          "dtype", "stops: config.json says float32, the gptq kernel takes float16 only", kSource,
          "ValueError: torch.float32 is not supported for quantization method gptq. Supported dtypes: [torch.float16]");
    }
    return walk.Rejects("dtype", "stops: config.json says float32, Marlin takes float16 and bfloat16",
                        "vllm-project/vllm#28843", "RuntimeError: gpt_marlin_gemm only supports bfloat16 and float16");
  }
  if (walk.method == "gptq" && dtype == "bfloat16") {
    walk.Remedy("--dtype float16");
    return walk.Rejects(
        "dtype",
        std::string("stops: ") + (given ? "--dtype" : "config.json") +
            " says bfloat16, the gptq kernel takes float16 only",
        kSource,
        "ValueError: torch.bfloat16 is not supported for quantization method gptq. Supported dtypes: [torch.float16]");
  }
  walk.Step("dtype", "runs at " + dtype, kSource);
  return true;
}

bool StageVllmModules(Walk& walk) {
  if (!StageModules(walk) || walk.dense_model) return !walk.dense_model || true;
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (digest.part == Part::kRouter && GateIsPlain(walk) && walk.built[i] != Built::kNothing)
      walk.built[i] = Built::kDense;
    if (digest.part == Part::kVision && Upto10(walk) && digest.dense_linear && digest.in_blocks) {
      const bool excepted = walk.facts.model_type == "qwen2_vl" || walk.facts.model_type == "qwen2_5_vl";
      walk.built[i] = excepted ? Built::kDense : Built::kQuantized;
    }
  }
  if (!Upto10(walk)) {
    if (const auto mix = FindFusedMix(walk.facts)) {
      return walk.Rejects("modules",
                          "stops: " + std::string(mix->quantized->leaf) + " is quantized and " +
                              std::string(mix->plain->leaf) + " is not, but both are parts of " + mix->fused,
                          walk.profile.modules.source,
                          "ValueError: Detected some but not all shards of " + mix->fused +
                              " are quantized. All shards of fused layers to have the same precision.");
    }
  }
  return true;
}

bool StageVllmKernels(Walk& walk) {
  if (walk.dense_model || walk.kernel == nullptr) return true;
  if (walk.machine.platform == kCuda && !walk.machine.given)
    walk.Assume("an NVIDIA GPU of compute capability 8.0 or newer");
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (walk.built[i] != Built::kQuantized || digest.in_features <= 0) continue;
    if (digest.part == Part::kExpert) {
      const RankShape shape = ShapeOnRank(digest, walk.options.tp);
      if (walk.method != "gptq" && (shape.in % 64 != 0 || shape.out % 64 != 0)) {
        const bool order = walk.facts.act_order.value_or(false);
        walk.Degrade(order ? Outcome::kGarbage : Outcome::kSlow, "kernel",
                     std::string("Layer '") + EngineName(digest) +
                         "' is not supported by GPTQMoeMarlin. Falling back to Moe WNA16 kernels" +
                         (order ? ", which drop g_idx" : ""),
                     walk.kernel->source);
      }
      continue;
    }
    if (!CheckShapeLimits(walk, digest)) return false;
  }
  if (walk.kernel->slow) {
    walk.Degrade(Outcome::kSlow, "kernel", "uses the gptq kernel, slower than Marlin", walk.kernel->source);
  } else {
    walk.Step("kernel", "repacks for Marlin", walk.kernel->source);
  }
  return true;
}

bool StageVllmTensors(Walk& walk) {
  const ModelFacts& facts = walk.facts;
  if (walk.dense_model) {
    if (facts.quantized_modules == 0) return true;
    walk.Remedy("gptq-doctor fix --write");
    const std::string why = walk.dense_why.empty() ? "config.json has no quantization_config" : walk.dense_why;
    return RejectLeftover(walk, "stops at the first packed tensor: " + why + ", so plain layers were built",
                          facts.first_tensor);
  }
  if (!facts.config_clash.empty()) {
    walk.Remedy("use the config.json that belongs to these weights");
    return walk.Rejects("tensors", "stops: " + facts.config_clash, walk.profile.tensors.source, "AssertionError");
  }
  // In the order of names, as the loop meets them.
  std::vector<size_t> order(facts.classes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return facts.classes[a].stem < facts.classes[b].stem; });
  for (const size_t i : order) {
    const ClassDigest& digest = facts.classes[i];
    const std::string_view source = walk.profile.tensors.source;
    if (walk.built[i] == Built::kNothing && !digest.gptq) continue;
    if (walk.built[i] == Built::kUnknown) {
      walk.Degrade(Outcome::kUnknown, "modules",
                   "cannot tell which layers of " + std::string(digest.pattern) + " become quantized",
                   walk.profile.modules.source);
      continue;
    }
    if (digest.part == Part::kLmHead && digest.gptq) {
      bool skip = false;
      if (!CheckLmHead(walk, digest, &skip)) return false;
      if (skip && !walk.declared.lm_head) continue;
    }
    if (digest.gptq && walk.built[i] == Built::kDense) {
      if (digest.part == Part::kRouter)
        walk.Remedy("vLLM 0.11 or later reads from the tensors which layers are quantized");
      return RejectLeftover(
          walk, "stops: " + std::string(digest.pattern) + " is quantized in the files and plain in this loader",
          FirstTensorOf(digest));
    }
    if (digest.dense_linear && walk.built[i] == Built::kQuantized) {
      const int64_t g = walk.declared.group_size;
      if (digest.part == Part::kVision && g > 0 && digest.in_features % g != 0) {
        return walk.Rejects("kernel",
                            "stops: " + std::string(digest.pattern) +
                                " is plain in the files, but is built quantized and its " +
                                std::to_string(digest.in_features) + " inputs are no multiple of group_size",
                            kGptq,
                            "ValueError: The input size is not aligned with the quantized weight shape. This can be "
                            "caused by too large tensor parallel size.");
      }
      std::string left = LeftoverName(std::string(digest.stem) + ".weight");
      return walk.Rejects(
          "tensors", "stops: " + std::string(digest.pattern) + " is plain in the files and quantized in this loader",
          source, UnknownName(walk, std::string(digest.stem) + ".weight"));
    }
    if (!digest.gptq || walk.built[i] != Built::kQuantized) continue;
    if (digest.qweight == nullptr || digest.scales == nullptr ||
        (digest.qzeros == nullptr && walk.kernel != nullptr && walk.kernel->zeros != Zeros::kUnused)) {
      walk.Degrade(Outcome::kGarbage, "tensors",
                   Modules(digest.count) + " lack packed tensors (" + std::string(digest.pattern) +
                       "): they stay uninitialised, nothing checks",
                   source);
    }
    if (digest.g_idx == nullptr && walk.declared.desc_act) {
      walk.Degrade(Outcome::kGarbage, "tensors",
                   "desc_act is true but " + std::string(digest.pattern) +
                       " has no g_idx: the index stays uninitialised, garbage or a crash",
                   source);
    }
    const auto settings = EngineSettingsOf(walk, digest);
    if (!settings) {
      walk.Degrade(Outcome::kUnknown, "modules", "a pattern of dynamic cannot be judged", walk.profile.modules.source);
      continue;
    }
    int64_t expected = 0, stored = 0;
    switch (CopyOf(walk, digest, settings->bits, settings->group_size, &expected, &stored)) {
      case CopyResult::kFits:
        break;
      case CopyResult::kSilentCut:
        walk.Degrade(Outcome::kGarbage, "tensors",
                     std::string(digest.pattern) + " has " + std::to_string(stored) + " rows where " +
                         std::to_string(expected) + " are expected: cut without a message",
                     source);
        break;
      case CopyResult::kTooFewRows:
        walk.Remedy("gptq-doctor fix --write");
        return walk.Rejects("tensors",
                            "stops: " + std::string(digest.pattern) + " has fewer rows than the declared settings give",
                            source,
                            "RuntimeError: start (0) + length (" + std::to_string(expected) +
                                ") exceeds dimension size (" + std::to_string(stored) + ").");
      case CopyResult::kColumnAssert:
        walk.Remedy("gptq-doctor fix --write");
        return walk.Rejects("tensors",
                            "stops: the shapes of " + std::string(digest.pattern) +
                                " are not those of the declared bits and group_size",
                            source, "AssertionError");
    }
  }
  const auto& layers = walk.exam.configs.model.num_hidden_layers;
  if (layers && facts.layers > *layers && walk.exam.configs.model.Find("num_nextn_predict_layers") == nullptr) {
    walk.Remedy("use the config.json that belongs to these weights");
    return RejectLeftover(
        walk,
        "stops: config.json has " + std::to_string(*layers) + " layers, the files have " + std::to_string(facts.layers),
        "model.layers." + std::to_string(*layers) + ".mlp.down_proj.g_idx");
  }
  if (layers && facts.layers > 0 && facts.layers < *layers) {
    walk.Degrade(Outcome::kGarbage, "tensors",
                 "config.json has " + std::to_string(*layers) + " layers, the files have " +
                     std::to_string(facts.layers) + ": the missing ones stay uninitialised, nothing checks",
                 walk.profile.tensors.source);
  }
  walk.Step("tensors", "every packed tensor has a place", walk.profile.tensors.source);
  return true;
}

}  // namespace gptq_doctor
