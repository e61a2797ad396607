#include "loaders/sglang_models.h"

#include <algorithm>

#include "base/dotted_name.h"
#include "loaders/engine.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

enum class Loop : uint8_t {
  kWarns,       // "Parameter ... not found in params_dict", or nothing
  kFusedStops,  // parts of fused layers are looked up by name, all others only warn
  kStops,       // every tensor is looked up by name
};

struct ModelRow {
  std::string_view model_types;  // space-separated
  Loop loop;
  bool vision;  // the tower is built with the model's quantization
};

// sgl-project/sglang of August 2026 python/sglang/srt/models/*.py, load_weights and self.visual.
constexpr ModelRow kModels[] = {
    {"llama mistral qwen2 qwen2_moe qwen3_moe qwen3_5 glm4 phi3", Loop::kWarns, false},
    {"qwen3 qwen3_vl mixtral", Loop::kFusedStops, false},
    {"gemma gemma2 gemma3_text cohere internlm2 stablelm olmo2 granite baichuan chatglm minicpm starcoder2",
     Loop::kStops, false},
    {"qwen2_vl qwen2_5_vl gemma3", Loop::kStops, true},
    {"glm4v", Loop::kWarns, true},
};

const ModelRow* Find(const Walk& walk) {
  const auto row = std::find_if(std::begin(kModels), std::end(kModels), [&](const ModelRow& model) {
    return HasWord(model.model_types, walk.facts.model_type);
  });
  return row == std::end(kModels) ? nullptr : row;
}

// "model.layers.0.mlp.gate_up_proj.g_idx": as the loop names it when it looks it up.
std::string LoopName(const ClassDigest& digest, std::string_view leaf) {
  if (digest.part == Part::kExpert) return "model." + LeftoverName(std::string(digest.stem) + "." + std::string(leaf));
  return EngineName(digest, digest.stem) + "." + std::string(leaf);
}

std::string_view FirstLeaf(const ClassDigest& digest) {
  if (!digest.gptq) return "weight";
  return digest.g_idx != nullptr ? "g_idx" : "qweight";
}

}  // namespace

std::string SglangKeyError(const Walk& walk) {
  const ModelRow* row = Find(walk);
  if (row == nullptr || row->loop == Loop::kWarns) return {};
  // Writers lay integers down first, then by name.
  const auto before = [](const ClassDigest& a, const ClassDigest& b) {
    return a.gptq != b.gptq ? a.gptq : a.stem < b.stem;
  };
  const ClassDigest* first = nullptr;
  for (size_t i = 0; i < walk.facts.classes.size() && i < walk.built.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    const bool differs =
        (digest.gptq && walk.built[i] == Built::kDense) || (digest.dense_linear && walk.built[i] == Built::kQuantized);
    const bool looked_up = row->loop == Loop::kStops || !digest.fused.empty() || digest.part == Part::kExpert;
    if (!differs || !looked_up || digest.part == Part::kLmHead) continue;
    if (first == nullptr || before(digest, *first)) first = &digest;
  }
  return first == nullptr ? std::string() : "KeyError: '" + LoopName(*first, FirstLeaf(*first)) + "'";
}

bool SglangQuantizesVision(const Walk& walk) {
  const ModelRow* row = Find(walk);
  return row != nullptr && row->vision;
}

bool SglangLoopIsKnown(const Walk& walk) { return Find(walk) != nullptr; }

}  // namespace gptq_doctor
