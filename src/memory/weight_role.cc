// What a module is for, by its name.

#include <algorithm>
#include <array>

#include "base/dotted_name.h"
#include "memory/weight_table.h"

namespace gptq_doctor {
namespace {

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

template <size_t N>
bool Among(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 8> kEmbeddings = {
    "embed_tokens", "wte", "word_embeddings", "tok_embeddings", "embed_in", "embeddings", "embedding", "shared"};
constexpr std::array<std::string_view, 5> kHeads = {"lm_head", "output_layer", "embed_out", "output", "head"};
constexpr std::array<std::string_view, 10> kTowers = {
    "vision",      "visual",    "image",   "audio", "mm_projector", "multi_modal_projector",
    "patch_embed", "resampler", "aligner", "speech"};
constexpr std::array<std::string_view, 4> kRouters = {"gate", "router", "shared_expert_gate", "wg"};

}  // namespace

const char* ToString(WeightRole role) {
  switch (role) {
    case WeightRole::kEmbedding:
      return "embedding";
    case WeightRole::kHead:
      return "head";
    case WeightRole::kLinear:
      return "linear";
    case WeightRole::kExpert:
      return "expert";
    case WeightRole::kRouter:
      return "router";
    case WeightRole::kNorm:
      return "norm";
    case WeightRole::kTower:
      return "tower";
    case WeightRole::kOther:
      break;
  }
  return "other";
}

WeightRole WeightRoleOf(std::string_view pattern) {
  if (std::any_of(kTowers.begin(), kTowers.end(), [&](std::string_view word) { return Contains(pattern, word); })) {
    return WeightRole::kTower;
  }
  const std::string_view last = LastPart(pattern);
  const bool in_layer = Contains(pattern, ".*");
  if (!in_layer && Among(last, kEmbeddings)) return WeightRole::kEmbedding;
  if (!in_layer && Among(last, kHeads)) return WeightRole::kHead;
  if (Contains(last, "norm") || last.starts_with("ln_") || last.ends_with("_ln")) return WeightRole::kNorm;
  if (!in_layer) return WeightRole::kOther;
  if (Contains(pattern, ".experts")) return WeightRole::kExpert;
  if (Among(last, kRouters)) return WeightRole::kRouter;
  if (Contains(last, "rotary") || Contains(last, "relative_attention_bias") || Contains(last, "conv1d")) {
    return WeightRole::kOther;
  }
  return WeightRole::kLinear;
}

bool IsTiedCopy(const WeightClass& c, bool tied) { return tied && c.role == WeightRole::kHead && !c.quantized; }

}  // namespace gptq_doctor
