// The dtype that vLLM and SGLang run at where the user gives none.

#include <string>

#include "loaders/engine.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

// A word that ends in "*" stands for all that begin so.
bool Listed(std::string_view words, std::string_view type) {
  return AnyWord(words, [&](std::string_view word) {
    return word.ends_with('*') ? type.starts_with(word.substr(0, word.size() - 1)) : word == type;
  });
}

// What the tensors' headers say: the first of these that every float fits in.
std::string DtypeOfTensors(const Walk& walk) {
  bool half = false, wide = false;
  const TensorIndex& tensors = walk.exam.tensors;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const Dtype dtype = tensors.at(i).dtype;
    if (dtype == Dtype::kF32) return "float32";
    half = half || dtype == Dtype::kF16;
    wide = wide || dtype == Dtype::kBF16;
  }
  return half && !wide ? "float16" : wide && !half ? "bfloat16" : "";
}

}  // namespace

bool IsOldGpu(const Walk& walk) { return walk.machine.platform == kCuda && walk.machine.given && walk.machine.sm < 80; }

std::string EngineDtype(const Walk& walk, const DtypeRule& rule) {
  if (rule.half_on_old && IsOldGpu(walk)) return "float16";
  if (!walk.options.dtype.empty()) return walk.options.dtype;
  std::string dtype = walk.facts.dtype;
  if (dtype.empty() && rule.reads_headers) dtype = DtypeOfTensors(walk);
  if (dtype.empty()) dtype = "float32";
  const bool half = !Listed(rule.no_half, walk.facts.model_type);
  if (!rule.by_device) return dtype != "float32" ? dtype : half ? "float16" : "bfloat16";
  // The device's list of what it supports, less float16 for models that it spoils; its first stands in for all others.
  const std::string_view first = !IsOldGpu(walk) ? "bfloat16" : half ? "float16" : "float32";
  const bool supported = (dtype == "float16" && half) || (dtype == "bfloat16" && !IsOldGpu(walk));
  return supported ? dtype : std::string(first);
}

}  // namespace gptq_doctor
