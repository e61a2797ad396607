// What vLLM's rows cannot say: how the method is resolved, and which dtype it runs at.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "loaders/auto_round.h"
#include "loaders/engine.h"
#include "loaders/families.h"
#include "loaders/stages.h"
#include "loaders/vllm_age.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kMethodSource = "vllm-project/vllm vllm/config/model.py (ModelConfig._verify_quantization)";
constexpr std::string_view kOldMethodSource =
    "vllm-project/vllm v0.7.3 vllm/config.py, v0.10.1.1 vllm/config/__init__.py";
constexpr std::string_view kMissingKey = "ValueError: Cannot find any of ['{key}'] in the model's quantization config.";

// 4.0 equals 4 in every comparison here; sizes computed from it are floats.
void DoubtFloats(Walk& walk, std::string_view source) {
  for (const JsonValue* value : {walk.declared.bits_value, walk.declared.group_size_value}) {
    if (value == nullptr || (value->kind != JsonKind::kBool && PythonType(*value) != "float")) continue;
    walk.Degrade(Outcome::kUnknown, "method",
                 "accepts " + PythonRepr(*value) + " as a number; what its layers make of it is not known", source);
    return;
  }
}

// (bits, sym) is one of the two pairs that the Marlin classes know.
bool FitsMarlinType(const Walk& walk) {
  const Declared& read = walk.declared;
  const bool sym = read.sym && (read.sym_value == nullptr || PythonNumber(*read.sym_value) == 1.0);
  return sym && (read.bits == 4 || read.bits == 8);
}

std::string UnsupportedMarlin(const Walk& walk) {
  const JsonValue* sym = walk.declared.sym_value;
  return walk.Message("ValueError: Unsupported quantization config: bits={b}, sym={s}",
                      {{"s", sym == nullptr ? "True" : PythonRepr(*sym)}});
}

bool MethodOfMain(Walk& walk) {
  const Declared& read = walk.declared;
  if (!CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeyDescAct | kKeySym, kMissingKey)) return false;
  const std::string_view source = walk.profile.kernels.front().source;
  if (!CheckBitsType(walk, false, source) || !CheckMarlinLookup(walk, source)) return false;
  if (!FitsMarlinType(walk)) {
    walk.Remedy("use vLLM before May 2026 with --dtype float16, or another loader");
    return walk.Rejects("method", "stops: only symmetric 4- and 8-bit weights are left", source,
                        UnsupportedMarlin(walk));
  }
  const int64_t g = read.group_size;
  if (g != -1 && g != 32 && g != 64 && g != 128) {
    return walk.Rejects(
        "method", "stops: group_size " + std::to_string(g), source,
        Fill("ValueError: Marlin does not support group_size = {g}. Only group_sizes = [-1, 32, 64, 128] "
             "are supported.",
             {{"g", read.group_size_text}}));
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
  DoubtFloats(walk, source);
  walk.method = "auto_gptq";
  walk.kernel = &walk.profile.kernels.front();
  walk.Step("method", "takes the auto_gptq class (Marlin family)", source);
  return true;
}

// The marlin class of up to 0.10 reads group_size alone.
bool CheckMarlinGroups(Walk& walk) {
  static constexpr std::string_view kMarlin =
      "vllm-project/vllm v0.10.1.1 vllm/model_executor/layers/quantization/marlin.py:23-45";
  const JsonValue* value = walk.declared.group_size_value;
  if (!CheckRequired(walk, kKeyGroupSize, kMissingKey)) return false;
  const std::optional<double> number = PythonNumber(*value);
  if (number == 128.0 || number == -1.0) return true;
  return walk.Rejects("method", "stops: its marlin class has no groups of " + walk.declared.group_size_text, kMarlin,
                      walk.Message("ValueError: Currently, only group size 128 and -1 (channelwise) is supported for "
                                   "Marlin, but got group_size of {g}"));
}

// Devices and layers that the gptq class was not made for.
bool CheckGptqDevice(Walk& walk, std::string_view source) {
  if (walk.machine.platform == kXpu && walk.declared.bits != 4) {
    return walk.Rejects("method", "stops: its class for this device takes 4 bits only",
                        "vllm-project/vllm vllm/model_executor/layers/quantization/ipex_quant.py",
                        walk.Message("ValueError: IPEX quantization supports weight bits [4], but got {b}."));
  }
  if (walk.machine.platform == kXpu || walk.machine.platform == kCpu) {
    walk.Degrade(Outcome::kUnknown, "method",
                 "the gptq kernel has no code for this device; what takes its place is not examined", source);
    return false;
  }
  if (!walk.facts.experts || Upto06(walk)) return true;  // older ones: CheckOldExperts
  if (Upto10(walk)) {
    if (walk.profile.since >= Version{0, 10, 0})
      walk.Assume("the release is without 3654847db of August 2025, which hands experts on to moe_wna16");
    return walk.Rejects("method", "stops: the gptq class has nothing for an expert layer", source, "AssertionError");
  }
  if (walk.exam.quant.base.sym == false) {
    walk.Degrade(Outcome::kGarbage, "method",
                 "experts are handed on as symmetric whatever the settings say, but the zero points are not", source);
  }
  return true;
}

bool MethodBefore(Walk& walk) {
  std::string why_not;
  const KernelRow& marlin = walk.profile.kernels.front();
  const KernelRow& gptq = walk.profile.kernels.back();
  const bool upgrade =
      walk.profile.kernels.size() > 1 && walk.machine.platform == kCuda && EngineMethod(walk) == "gptq";
  if (upgrade && AllSettingsGiven(walk) && !CheckMarlinLookup(walk, marlin.source)) return false;
  if (walk.profile.kernels.size() == 1) {
    why_not = "this version has no Marlin";
  } else if (FitsMarlin(walk, &why_not)) {
    DoubtFloats(walk, marlin.source);
    walk.method = "gptq_marlin";
    walk.kernel = &marlin;
    walk.Step("method", "The model is convertible to gptq_marlin during runtime. Using gptq_marlin kernel.",
              marlin.source);
    return true;
  }
  if (EngineMethod(walk) == "gptq_marlin" &&
      !CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeyDescAct | kKeySym, kMissingKey))
    return false;
  const bool marlin_asked = EngineMethod(walk) == "gptq_marlin" && walk.machine.platform == kCuda;
  if (marlin_asked && !FitsMarlinType(walk)) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("method", "stops: quant_method gptq_marlin with settings that Marlin does not do",
                        marlin.source, UnsupportedMarlin(walk));
  }
  if (!CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeyDescAct, kMissingKey)) return false;
  const Declared& read = walk.declared;
  if (!CheckBitsType(walk, true, gptq.source)) return false;
  if (walk.profile.since < Version{0, 3, 3} && read.bits != 4) {
    walk.Remedy("take a newer vLLM");
    return walk.Rejects("method", "stops: bits " + read.bits_text, gptq.source,
                        walk.Message("ValueError: Currently, only 4-bit weight quantization is supported for GPTQ, "
                                     "but got {b} bits."));
  }
  if (read.bits != 2 && read.bits != 3 && read.bits != 4 && read.bits != 8) {
    return walk.Rejects("method", "stops: bits " + read.bits_text, gptq.source,
                        walk.Message("ValueError: Currently, only 2/3/4/8-bit weight quantization is supported for "
                                     "GPTQ, but got {b} bits."));
  }
  if (!CheckGptqDevice(walk, gptq.source)) return false;
  DoubtFloats(walk, gptq.source);
  walk.method = "gptq";
  walk.kernel = &gptq;
  walk.Step("method", "not convertible to gptq_marlin (" + why_not + "): takes the gptq kernel", gptq.source);
  if (walk.machine.platform == kCuda && walk.machine.given && walk.machine.sm < 60) {
    return walk.Rejects("method", "stops: the GPU is too old", gptq.source,
                        "The quantization method gptq is not supported for the current GPU. Minimum capability: 60.");
  }
  return true;
}

// No quant_method: an error up to 0.10, a dense model afterwards and before 0.7.
bool TakeNoMethod(Walk& walk) {
  if (Upto10(walk) && !Upto06(walk)) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("method", "stops: the settings name no quant_method", kOldMethodSource,
                        "ValueError: Unknown quantization method: . Must be one of [...].");
  }
  walk.dense_model = true;
  walk.dense_why = "the settings name no quant_method, which counts as not quantized";
  walk.Step("method", walk.dense_why, kMethodSource);
  return true;
}

bool TakeVllmAutoRound(Walk& walk) {
  if (!TakeAutoRound(walk, VllmAutoRound(walk))) return false;
  if (walk.declared.bits == 2) {
    walk.Degrade(Outcome::kUnknown, "method",
                 "people report wrong text from 2-bit auto-round models here; the cause is not known",
                 "vllm-project/vllm#37185");
  }
  return true;
}

bool KnowsMethod(const Walk& walk, std::string_view method) {
  return method == "gptq" || method == "gptq_marlin" || (method == "auto_gptq" && IsMain(walk)) ||
         (method == "gptq_marlin_24" && !IsMain(walk)) || (method == "marlin" && Upto10(walk));
}

// Formats whose tensors are not GPTQ's, by the word of the settings.
bool CheckOtherFormats(Walk& walk, std::string_view method) {
  const JsonValue* format = walk.declared.Find("checkpoint_format");
  std::string label = format != nullptr && format->AsString() != nullptr ? *format->AsString() : "";
  if (method == "gptq_marlin_24") label = "marlin_24";
  const bool marlin = Upto10(walk) && (SaysMarlin(walk) || method == "marlin");
  if (marlin && !CheckMarlinGroups(walk)) return false;
  if (marlin && walk.facts.foreign_modules > 0 && walk.facts.quantized_modules == 0) {
    walk.method = "marlin";
    walk.Step("method", "takes its marlin class, which holds B, s and workspace", kMethodSource);
    return false;
  }
  if (marlin || (label == "marlin_24" && !IsMain(walk))) {
    return walk.Rejects("method",
                        "stops: the configuration says " + (marlin ? std::string("marlin") : label) +
                            ", so it builds layers for B and s tensors, which are not in the files",
                        kMethodSource, "KeyError: '" + LeftoverName(walk.facts.first_tensor) + "'");
  }
  if (label == "bitblas" && !IsMain(walk) && walk.profile.since >= Version{0, 9, 0}) {
    return walk.Rejects(
        "method", "stops: checkpoint_format bitblas wants the bitblas package", kMethodSource,
        "ValueError: Trying to use the bitblas backend, but could not importwith the following error: No module "
        "named 'bitblas'. Please install bitblas through the following command: `pip install "
        "bitblas>=0.1.0`");
  }
  return true;
}

}  // namespace

bool StageVllmMethod(Walk& walk) {
  if (walk.dense_model) return true;
  if (!CheckMethodType(walk, kMethodSource)) return false;
  const std::string method = EngineMethod(walk);
  if (method.empty()) return TakeNoMethod(walk);
  if (!CheckOtherMethod(walk, method, kMethodSource)) return false;
  if (method == "inc" && walk.profile.since >= Version{0, 10, 0} && Upto10(walk)) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("method", "stops: its inc class is for another device and takes no settings",
                        "vllm-project/vllm v0.10.1.1 vllm/model_executor/layers/quantization/inc.py", "AssertionError");
  }
  const bool auto_round = method == "auto-round" && walk.profile.since >= Version{0, 9, 0};
  if (auto_round || (method == "inc" && !Upto10(walk))) return TakeVllmAutoRound(walk);
  if (!KnowsMethod(walk, method)) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("method", "stops: quant_method \"" + method + "\" is none it knows", kMethodSource,
                        "ValueError: Unknown quantization method: " + method + ". Must be one of [...].");
  }
  walk.declared.method = method;
  if (!CheckOtherFormats(walk, method)) return false;
  if (IsMain(walk)) return MethodOfMain(walk);
  return MethodBefore(walk) && CheckOldExperts(walk);
}

bool StageVllmDtype(Walk& walk) {
  if (walk.dense_model || walk.kernel == nullptr) return true;
  static constexpr std::string_view kSource = "vllm-project/vllm vllm/config/vllm.py:743-770, vllm/config/model.py";
  const bool given = !walk.options.dtype.empty();
  // What people met at 0.11 stands against the code, which lowers float32 by itself.
  const bool reported = !given && walk.facts.dtype == "float32" && walk.method == "gptq_marlin" &&
                        walk.profile.since == Version{0, 11, 0};
  if (reported) {
    walk.Remedy("--dtype float16");
    walk.Assume(
        "a part of the model runs at config.json's float32, as people report of 0.11; the code of 0.15 lowers "
        "float32 to bfloat16 by itself, and then it loads");
    return walk.Rejects("dtype", "stops: config.json says float32, Marlin takes float16 and bfloat16",
                        "vllm-project/vllm#28843", "RuntimeError: gpt_marlin_gemm only supports bfloat16 and float16");
  }
  const std::string dtype = VllmDtype(walk);
  const bool half_only = walk.method == "gptq";
  const std::string from = given                      ? "--dtype"
                           : walk.facts.dtype.empty() ? "no dtype in config.json"
                                                      : "config.json's " + walk.facts.dtype;
  if (dtype != "float16" && (half_only || dtype != "bfloat16")) {
    walk.Remedy("--dtype float16");
    return walk.Rejects(
        "dtype", "stops: " + from + " makes it run at " + dtype + ", which is not among the dtypes of " + walk.method,
        kSource,
        "ValueError: torch." + dtype + " is not supported for quantization method " + walk.method +
            ". Supported dtypes: [torch.float16" + std::string(half_only ? "]" : ", torch.bfloat16]"));
  }
  if (dtype == "bfloat16" && IsOldGpu(walk)) {
    walk.Remedy("--dtype float16");
    return walk.Rejects("dtype", "stops: the GPU has no bfloat16",
                        "vllm-project/vllm vllm/worker/worker.py, vllm/platforms/cuda.py",
                        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.");
  }
  if (dtype == "bfloat16" && IsAutoRound(walk) && walk.kernel->slow) {
    walk.Degrade(Outcome::kUnknown, "dtype",
                 "its auto-round class lets bfloat16 through to the gptq kernel, which was made for float16", kSource);
  }
  walk.Step("dtype", "runs at " + dtype, kSource);
  return true;
}

}  // namespace gptq_doctor
