#include "loaders/auto_round.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "loaders/engine.h"
#include "loaders/stages.h"
#include "loaders/words.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kMissingKey = "ValueError: Cannot find any of ['{key}'] in the model's quantization config.";

// One value against the names that the constructor accepts.
struct NameCheck {
  std::array<std::string_view, 2> keys;  // the first that is there counts
  std::string_view what;                 // as the refusal calls it
  std::string_view spaces;               // between value and list
  std::string_view accepted;             // space-separated
};
constexpr NameCheck kDataType = {{"data_type", {}}, "data_type", ", currently only support  ", "int"};
constexpr NameCheck kPacking = {
    {"packing_format", {}}, "packing_format", ", {only}", "auto_round:auto_gptq auto_round:auto_awq"};
constexpr std::array<std::string_view, 2> kBackendKeys = {"backend", "vllm_backend"};

const JsonValue* FirstOf(const Walk& walk, const std::array<std::string_view, 2>& keys) {
  for (const std::string_view key : keys) {
    const JsonValue* value = key.empty() ? nullptr : walk.declared.Find(key);
    if (value != nullptr) return value;
  }
  return nullptr;
}

// "{'a', 'b'}" of "a b".
std::string SetText(std::string_view words) {
  std::string text = "{";
  AnyWord(words, [&](std::string_view word) {
    text += (text.size() > 1 ? ", '" : "'") + std::string(word) + "'";
    return false;
  });
  return text + "}";
}

bool CheckName(Walk& walk, const NameCheck& check, const AutoRoundTraits& traits) {
  const JsonValue* value = FirstOf(walk, check.keys);
  if (value == nullptr) return true;
  if (value->AsString() != nullptr && HasWord(check.accepted, *value->AsString())) return true;
  walk.Remedy(kFixCommand);
  return walk.Rejects(
      "method", "stops: " + std::string(check.what) + " " + PythonRepr(*value) + " is none it takes", traits.source,
      "ValueError: Unsupported " + std::string(check.what) + ": " + PythonRepr(*value) +
          Fill(check.spaces, {{"only", std::string(traits.only)}}) + SetText(check.accepted) + std::string(traits.end));
}

bool CheckBits(Walk& walk, const AutoRoundTraits& traits) {
  const JsonValue* value = walk.declared.bits_value;
  const auto number = value == nullptr ? std::nullopt : PythonNumber(*value);
  if (!number || (*number != 2 && *number != 3 && *number != 4 && *number != 8)) {
    walk.Remedy(kFixCommand);
    const bool container = value != nullptr && (value->kind == JsonKind::kArray || value->IsObject());
    return walk.Rejects("method", "stops: bits " + walk.declared.bits_text, traits.source,
                        container ? "TypeError: unhashable type: '" + std::string(PythonType(*value)) + "'"
                                  : walk.Message("ValueError: Unsupported weight_bits: {b}, ") +
                                        std::string(traits.only) + "{8, 2, 3, 4}" + std::string(traits.end));
  }
  return true;
}

bool MarlinTakes(const Walk& walk) {
  const Declared& read = walk.declared;
  const KernelRow& marlin = walk.profile.kernels.front();
  const int64_t g = read.group_size;
  return walk.machine.platform == kCuda && (!walk.machine.given || walk.machine.sm >= marlin.min_sm) &&
         (read.bits == 4 || read.bits == 8) && read.sym_value != nullptr && PythonNumber(*read.sym_value) == 1.0 &&
         (g == -1 || g == 32 || g == 64 || g == 128);
}

bool Doubt(Walk& walk, std::string why, const AutoRoundTraits& traits) {
  walk.Degrade(Outcome::kUnknown, "method", std::move(why), traits.source);
  return false;
}

// Which kernel class the layers get.
bool ChooseKernel(Walk& walk, const AutoRoundTraits& traits) {
  const JsonValue* backend = traits.passes_backend ? FirstOf(walk, kBackendKeys) : nullptr;
  const bool asked =
      backend == nullptr || *backend->AsString() == "auto" || backend->AsString()->find("marlin") != std::string::npos;
  const Declared& read = walk.declared;
  if (asked && MarlinTakes(walk)) {
    walk.kernel = &walk.profile.kernels.front();
    return true;
  }
  if (!traits.refusal_message.empty()) {
    return walk.Rejects("method", "stops: Marlin does not take these settings", traits.source,
                        walk.Message(traits.refusal_message,
                                     {{"s", read.sym_value == nullptr ? "True" : PythonRepr(*read.sym_value)}}));
  }
  if (read.desc_act && !traits.order_message.empty())
    return walk.Rejects("method", "stops: desc_act is true", traits.source, std::string(traits.order_message));
  walk.kernel = &walk.profile.kernels.back();
  return true;
}

// The language part of a vision-language model, whichever way transformers nested it (4.52 moved it).
std::string TextName(std::string_view name) {
  static constexpr std::string_view kNested = "model.language_model.";
  return name.starts_with(kNested) ? "model." + std::string(name.substr(kNested.size())) : std::string(name);
}

// What extra_config and block_name_to_quantize make of one layer.
enum class Verdict : uint8_t { kQuantized, kPlain, kOwnSettings };

Verdict Judge(const Walk& walk, const std::vector<std::string>& blocks, const ClassDigest& digest,
              std::string_view stem, bool maps_names) {
  const auto within = [&](const std::string& block) {
    return maps_names ? TextName(stem).starts_with(TextName(block)) : stem.starts_with(block);
  };
  const JsonValue* extra = walk.declared.Find("extra_config");
  const JsonValue* own = extra == nullptr ? nullptr : extra->Find(stem);
  const bool listed = blocks.empty() ? digest.part != Part::kLmHead : std::any_of(blocks.begin(), blocks.end(), within);
  if (own == nullptr) return listed ? Verdict::kQuantized : Verdict::kPlain;
  const JsonValue* bits = own->Find("bits");
  if (bits != nullptr && bits->AsInt().value_or(0) >= 16) return Verdict::kPlain;
  const auto same = [&](std::string_view key, const JsonValue* base) {
    const JsonValue* value = own->Find(key);
    return value == nullptr || (base != nullptr && PythonNumber(*value) == PythonNumber(*base));
  };
  const Declared& read = walk.declared;
  return same("bits", read.bits_value) && same("group_size", read.group_size_value) && same("sym", read.sym_value)
             ? Verdict::kQuantized
             : Verdict::kOwnSettings;
}

std::vector<std::string> BlocksOf(const Walk& walk) {
  const JsonValue* value = FirstOf(walk, {"block_name_to_quantize", "to_quant_block_names"});
  std::vector<std::string> blocks;
  if (value == nullptr) return blocks;
  if (const std::string* text = value->AsString()) {
    for (size_t at = 0; at <= text->size();) {
      const size_t comma = std::min(text->find(',', at), text->size());
      blocks.push_back(text->substr(at, comma - at));
      at = comma + 1;
    }
  }
  for (const JsonValue& item : value->items) {
    if (item.AsString() != nullptr) blocks.push_back(*item.AsString());
  }
  return blocks;
}

// Keys that are patterns, or prefixes of experts, are matched in ways that are not followed here.
bool ExtraIsPlain(const Walk& walk) {
  const JsonValue* extra = walk.declared.Find("extra_config");
  if (extra == nullptr || extra->kind == JsonKind::kNull) return true;
  return extra->IsObject() && std::none_of(extra->members.begin(), extra->members.end(), [](const JsonMember& member) {
           return member.key.find_first_of("*+?^$()[]{}|\\") != std::string::npos || !member.value.IsObject();
         });
}

}  // namespace

bool IsAutoRound(const Walk& walk) { return walk.method == "auto-round" || walk.method == "inc"; }

bool TakeAutoRound(Walk& walk, const AutoRoundTraits& traits) {
  Declared& read = walk.declared;
  if (!CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeySym, kMissingKey)) return false;
  if (!CheckBits(walk, traits) || !CheckName(walk, kDataType, traits) || !CheckName(walk, kPacking, traits) ||
      !CheckName(walk, {kBackendKeys, "backend", ",  {only}", traits.backends}, traits))
    return false;
  if (walk.declared.bits_value != nullptr && PythonType(*walk.declared.bits_value) == "float")
    return CheckBitsType(walk, true, traits.source);
  if (!traits.reads_order) read.desc_act = false;
  read.present |= kKeyDescAct;
  read.lm_head = false;  // set again where the layers are judged
  walk.method = traits.name;
  if (walk.machine.platform == kCpu || walk.machine.platform == kXpu)
    return Doubt(walk, "its auto-round layers for this device are not examined", traits);
  const JsonValue* packing = read.Find("packing_format");
  if (packing != nullptr && *packing->AsString() == "auto_round:auto_awq")
    return Doubt(walk, "takes the tensors for AWQ, as packing_format says; what that makes of these is not examined",
                 traits);
  const JsonValue* dynamic = read.Find("dynamic");
  if (!ExtraIsPlain(walk) || (dynamic != nullptr && Truthy(*dynamic)))
    return Doubt(walk, "extra_config or dynamic gives layers settings of their own, which are not followed", traits);
  if (walk.facts.experts) return Doubt(walk, "its auto-round path for experts is not examined", traits);
  if (!ChooseKernel(walk, traits)) return false;
  walk.Step("method",
            "takes its auto-round class" + std::string(traits.reads_order ? "" : ", which takes desc_act for false") +
                ": " + std::string(walk.kernel->name),
            traits.source);
  return true;
}

bool BuildAutoRoundLayers(Walk& walk, const AutoRoundTraits& traits) {
  const std::vector<std::string> blocks = BlocksOf(walk);
  const Inventory& inventory = walk.exam.inventory;
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    const bool head = digest.part == Part::kLmHead;
    if (walk.built[i] == Built::kNothing || digest.part == Part::kRouter || digest.part == Part::kVision) continue;
    int64_t quantized = 0, own = 0;
    for (const uint32_t number : inventory.members(inventory.classes[digest.id])) {
      const Verdict verdict = Judge(walk, blocks, digest, inventory.modules[number].stem, traits.maps_names);
      quantized += verdict == Verdict::kPlain ? 0 : 1;
      own += verdict == Verdict::kOwnSettings ? 1 : 0;
    }
    if (own > 0 || (quantized > 0 && quantized < digest.count))
      return Doubt(
          walk, "extra_config treats layers of " + std::string(digest.pattern) + " differently, which is not followed",
          traits);
    walk.built[i] = quantized > 0 ? Built::kQuantized : Built::kDense;
    if (head) walk.declared.lm_head = quantized > 0;
  }
  return true;
}

}  // namespace gptq_doctor
