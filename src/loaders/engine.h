#ifndef GPTQ_DOCTOR_LOADERS_ENGINE_H_
#define GPTQ_DOCTOR_LOADERS_ENGINE_H_

// What vLLM and SGLang have in common: fused layers, splitting over ranks, and how stored shapes are copied into them.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/stages.h"
#include "loaders/walk.h"

namespace gptq_doctor {

// Lower-cased quant_method of the settings; "" where the key is missing or null.
std::string EngineMethod(const Walk& walk);
// All four of bits, group_size, desc_act, sym are there and fit the Marlin family.
bool FitsMarlin(const Walk& walk, int min_sm, std::string* why_not);
// The dtype the engine runs at: --dtype, else config.json's, else float16.
std::string EngineDtype(const Walk& walk);

// Parts of one fused layer that disagree on being quantized; null where all agree.
struct FusedMix {
  const ClassDigest* quantized = nullptr;
  const ClassDigest* plain = nullptr;
  std::string fused;  // "model.layers.0.self_attn.qkv_proj"
};
std::optional<FusedMix> FindFusedMix(const ModelFacts& facts);
// Parts of one fused layer with different bits or group_size.
std::optional<FusedMix> FindFusedSettings(const ModelFacts& facts);

// Per-rank sizes of the layer that an engine builds of a class: parts of a fused layer count together.
struct RankShape {
  int64_t in = 0, out = 0;
};
RankShape ShapeOnRank(const ModelFacts& facts, const ClassDigest& digest, int tp);

// How stored tensors meet the parameters built for `bits` and `group_size`.
enum class CopyResult { kFits, kSilentCut, kTooFewRows, kColumnAssert };
CopyResult CopyOf(const Walk& walk, const ClassDigest& digest, int64_t bits, int64_t group_size, int64_t* expected,
                  int64_t* stored);
// The settings that `dynamic` gives to the fused layer of a class, the base where no rule fires; empty where a pattern
// cannot be judged. `excluded` is set for "-:".
struct LayerSettings {
  int64_t bits = 0, group_size = 0;
  bool excluded = false;
};
std::optional<LayerSettings> EngineSettingsOf(const Walk& walk, const ClassDigest& digest);
// "model.layers.0.self_attn.qkv_proj" for "model.layers.0.self_attn.q_proj", "...mlp.experts" for an expert.
std::string EngineName(const ClassDigest& digest);

// The name an engine's load loop complains about, without the outer "model.".
std::string LeftoverName(std::string_view tensor);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_ENGINE_H_
