// Keys of GPTQModel's settings that loading does not use, whose values its configuration class checks all the same.

#include <string>

#include "base/text.h"
#include "loaders/families.h"
#include "loaders/stages.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kSource =
    "ModelCloud/GPTQModel gptqmodel/quantization/config.py: v5.8.0:836-958, v6.0.3:1503-1827, v7.3.4:1731-2123, "
    "adapter/adapter.py";

constexpr uint8_t Bit(JsonKind kind) { return static_cast<uint8_t>(1U << static_cast<unsigned>(kind)); }
constexpr uint8_t kNull = Bit(JsonKind::kNull), kString = Bit(JsonKind::kString), kArray = Bit(JsonKind::kArray),
                  kObject = Bit(JsonKind::kObject), kNumbers = Bit(JsonKind::kNumber) | Bit(JsonKind::kBool);

struct ValueRule {
  std::string_view key;
  Version since, until;
  uint8_t accepted;             // kinds of JSON values
  uint8_t unseen = 0;           // kinds that a class of their own judges further
  std::string_view words;       // a string must be one of these, lower-cased
  std::string_view what;        // behind "ValueError: QuantizeConfig: `key` "; {v}
  std::string_view whole = {};  // instead of that
};
constexpr Version kV2 = {2, 0, 0}, kV57 = {5, 7, 0}, kV6 = {6, 0, 0}, kV7 = {7, 0, 0}, kV9 = {9, 0, 0};
constexpr std::string_view kStrategies = "exclusive balanced";
constexpr std::string_view kOneStrategy = "must be one of ['exclusive', 'balanced'].";
constexpr std::string_view kDevices = "must be a list of device strings or torch.device values.";
constexpr ValueRule kRules[] = {
    {"adapter", kV2, kV9, kNull | kObject, 0, {}, {}, "ValueError: Adapter: Invalid adapter config: `adapter`."},
    {"bnb_quant_type", kV6, kV9, 0, kString, {}, {}, "ValueError: QuantizeConfig: Unknown quantization format: `{v}`."},
    {"failsafe",
     kV57,
     kV6,
     kNull | kNumbers | kObject | kString,
     kString | kObject,
     {},
     "must be a FailSafe config, dict, string, int, float, or None."},
    {"fallback",
     kV6,
     kV9,
     kNull | kNumbers | kObject | kString,
     kString | kObject,
     {},
     "must be a Fallback config, dict, string, int, float, or None."},
    {"smooth",
     kV7,
     kV9,
     kNull,
     kString | kObject,
     {},
     {},
     "ValueError: QuantizeConfig: `fallback.smooth` must be a SmoothMethod, string, or dict."},
    {"hessian", kV57, kV9, kNull, kObject, {}, "must be a HessianConfig, dict, or None."},
    {"gptaq", kV57, kV9, kNull, kObject, {}, "must be a GPTAQConfig, dict, or None."},
    {"foem", kV6, kV9, kNull, kObject, {}, "must be a FOEMConfig, dict, or None."},
    {"preprocessors", kV7, kV9, kNull, kArray, {}, "must be a list or None."},
    {"vram_strategy", kV57, kV7, kString, 0, kStrategies, kOneStrategy},
    {"dense_vram_strategy", kV7, kV9, kString, 0, kStrategies, kOneStrategy},
    {"dense_vram_strategy_devices", kV7, kV9, kNull | kArray, kArray, {}, kDevices},
    {"moe_vram_strategy", kV7, kV9, kString, 0, kStrategies, kOneStrategy},
    {"moe_vram_strategy_devices", kV7, kV9, kNull | kArray, kArray, {}, kDevices},
    {"gc_mode", kV57, kV9, kString, 0, "interval on_stage_end", "must be one of ['interval', 'on_stage_end']."},
    {"moe", kV6, kV9, kNull, kObject, {}, "must be a MoEConfig, dict, or None."}};

bool Empty(const JsonValue& value) { return value.items.empty() && value.members.empty() && value.text.empty(); }

bool CheckValue(Walk& walk, const ValueRule& rule, const JsonValue& value) {
  const auto reject = [&](std::string_view what) {
    const std::string message = rule.whole.empty()
                                    ? "ValueError: QuantizeConfig: `" + std::string(rule.key) + "` " + std::string(what)
                                    : std::string(rule.whole);
    return walk.Rejects("settings", "stops: " + std::string(rule.key) + " is " + PythonRepr(value), kSource,
                        Fill(message, {{"v", PythonRepr(value)}}));
  };
  const uint8_t kind = Bit(value.kind);
  if (((rule.accepted | rule.unseen) & kind) == 0) return reject(rule.what);
  if (kind == kString && !rule.words.empty()) return HasWord(rule.words, LowerAscii(value.text)) || reject(rule.what);
  if (kind == kArray && rule.what == kDevices && Empty(value)) return reject("must not be empty when provided.");
  if ((rule.unseen & kind) == 0 || (Empty(value) && kind == kArray)) return true;
  walk.Degrade(Outcome::kUnknown, "settings",
               "checks " + std::string(rule.key) + " in a class of its own, which is not examined", kSource);
  return true;
}

}  // namespace

bool StageGptqModelValues(Walk& walk) {
  if (walk.dense_model || walk.declared.section == nullptr) return true;
  for (const ValueRule& rule : kRules) {
    if (walk.profile.since < rule.since || walk.profile.since >= rule.until) continue;
    const JsonValue* value = FindKey(*walk.declared.section, rule.key, walk.profile.config.lower_keys);
    if (value != nullptr && !CheckValue(walk, rule, *value)) return false;
  }
  return true;
}

}  // namespace gptq_doctor
