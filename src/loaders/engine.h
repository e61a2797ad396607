#ifndef GPTQ_DOCTOR_LOADERS_ENGINE_H_
#define GPTQ_DOCTOR_LOADERS_ENGINE_H_

// What vLLM and SGLang have in common: fused layers, splitting over ranks, and how stored shapes are copied into them.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loaders/stages.h"
#include "loaders/walk.h"

namespace gptq_doctor {

// Lower-cased quant_method of the settings; "" where the key is missing or null.
std::string EngineMethod(const Walk& walk);
// All four of bits, group_size, desc_act, sym are there and fit the Marlin family, the profile's first kernel.
bool FitsMarlin(const Walk& walk, std::string* why_not);

// ---- the dtype (engine_dtype.cc) ----
struct DtypeRule {
  bool by_device = false;      // what a device lacks, and float32, become the first that it supports; else float16
  bool half_on_old = false;    // float16 on devices without bfloat16, whatever was asked for
  bool reads_headers = false;  // where config.json names none; else float32 is assumed
  std::string_view no_half;    // model types that float16 spoils, space-separated; "gemma*" for all that begin so
};
// The dtype the engine runs at: --dtype, else what it makes of config.json's.
std::string EngineDtype(const Walk& walk, const DtypeRule& rule);
// A CUDA device without bfloat16 was asked for.
bool IsOldGpu(const Walk& walk);

// Parts of one fused layer that disagree on being quantized, in the loader's eyes: of the first such layer that it
// builds. Empty where all agree.
struct FusedMix {
  int64_t layer = 0;
  std::string_view quantized, plain;  // last parts of their names
  std::string fused;                  // "model.layers.0.self_attn.qkv_proj"
};
// Whether a part counts as quantized: its class, null where the files hold nothing of it, and its name.
using CountsAsQuantized = std::function<bool(const ClassDigest* digest, std::string_view stem)>;
std::optional<FusedMix> FindFusedMix(const ModelFacts& facts, const CountsAsQuantized& counts);

// Per-rank sizes of the layer that an engine builds of a class: parts of a fused layer count together.
struct RankShape {
  int64_t in = 0, out = 0;
};
RankShape ShapeOnRank(const ModelFacts& facts, const ClassDigest& digest, int tp);

// How stored tensors meet the parameters built for `bits` and `group_size`.
enum class CopyResult { kFits, kSilentCut, kTooFewRows, kColumnAssert };
// The settings that members of a class are built with, those of `dynamic` included; members that a "-:" rule takes out
// have none. Empty where a pattern cannot be judged.
struct LayerSettings {
  int64_t bits = 0, group_size = 0;
  bool sym = true;
  const JsonMember* rule = nullptr;  // of `dynamic`; null: the base
};
std::vector<LayerSettings> EngineSettingsOf(const Walk& walk, size_t class_index);
// How the stored tensors meet the first of these that they do not fit.
struct Copied {
  CopyResult result = CopyResult::kFits;
  int64_t expected = 0, stored = 0;
};
Copied CopyOf(const Walk& walk, const ClassDigest& digest, const std::vector<LayerSettings>& settings);

// Tensors of a quantized layer that no file holds stay uninitialised, and nothing checks.
void DoubtMissingParts(Walk& walk, const ClassDigest& digest, bool needs_zeros);

// The name an engine's load loop complains about, without the outer "model.".
std::string LeftoverName(std::string_view tensor);

// ---- what the classes of both engines raise while they are made (engine_checks.cc) ----
// Releases differ in this.
struct EngineTraits {
  std::string_view source;         // of the gptq class
  bool fraction_first = true;      // the constructor computes Fraction(32, bits), else 32 // bits
  bool fraction_later = false;     // each Marlin layer computes Fraction(32, bits)
  int64_t outputs_of_3_bits = 32;  // the outputs of a 3-bit layer must be a multiple of it
  std::string_view group_message;  // {g}: Marlin's list lacks a rule's group_size
};
// quant_method that is no string.
bool CheckMethodType(Walk& walk, std::string_view source);
// A quant_method of another format that the engines have a class for; false where the walk ends with it.
bool CheckOtherMethod(Walk& walk, const std::string& method, std::string_view source);
// Bits that divide nothing.
bool CheckBitsType(Walk& walk, bool fraction, std::string_view source);
// bits, group_size, sym and desc_act are there and not null: the upgrade to Marlin looks (bits, sym) up.
bool AllSettingsGiven(const Walk& walk);
// Values that cannot be looked up in the Marlin classes' table of (bits, sym).
bool CheckMarlinLookup(Walk& walk, std::string_view source);
// `dynamic`, and what each of its rules makes of the layers it hits.
bool CheckRules(Walk& walk, const EngineTraits& traits);
// Sizes of a layer under the gptq method.
bool CheckGptqSizes(Walk& walk, const ClassDigest& digest, const std::vector<LayerSettings>& settings,
                    const EngineTraits& traits);
// The configuration says Marlin in one of the spellings that engines read.
bool SaysMarlin(const Walk& walk);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_ENGINE_H_
