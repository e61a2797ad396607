#include "loaders/engine.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/dotted_name.h"
#include "base/text.h"
#include "loaders/words.h"

namespace gptq_doctor {
std::string EngineMethod(const Walk& walk) { return LowerAscii(walk.declared.method); }

bool FitsMarlin(const Walk& walk, std::string* why_not) {
  const Declared& read = walk.declared;
  const auto no = [&](std::string why) {
    *why_not = std::move(why);
    return false;
  };
  for (const auto& [bit, name] :
       {std::pair{kKeyBits, "bits"}, {kKeyGroupSize, "group_size"}, {kKeyDescAct, "desc_act"}, {kKeySym, "sym"}}) {
    const JsonValue* value = read.Has(bit) ? walk.declared.Find(name) : nullptr;
    if (value == nullptr || value->kind == JsonKind::kNull) return no(std::string(name) + " is missing");
  }
  if (read.bits != 4 && read.bits != 8) return no("bits " + std::to_string(read.bits));
  if (!read.sym) return no("sym is false");
  if (read.sym_value != nullptr && PythonNumber(*read.sym_value) != 1.0)
    return no("sym is not true but " + PythonRepr(*read.sym_value));
  const int64_t g = read.group_size;
  if (g != -1 && g != 32 && g != 64 && g != 128) return no("group_size " + std::to_string(g));
  const KernelRow& marlin = walk.profile.kernels.front();
  if ((marlin.platforms & walk.machine.platform) == 0) return no("the device is none of Marlin's");
  if (walk.machine.platform == kCpu && read.bits != 4) return no("a CPU, which takes 4 bits only");
  const int min_sm = marlin.min_sm;
  if (walk.machine.platform == kCuda && walk.machine.given && walk.machine.sm < min_sm)
    return no("compute capability below " + std::to_string(min_sm / 10) + "." + std::to_string(min_sm % 10));
  return true;
}

namespace {

// The module of that name. Classes that are fused hold the same layers in the same order as a rule, so that it stands
// at `place` of the other class.
int64_t FindTwin(const Inventory& inventory, std::span<const uint32_t> others, size_t place, std::string_view twin) {
  if (place < others.size() && inventory.modules[others[place]].stem == twin) return others[place];
  return inventory.FindModule(twin);
}

}  // namespace

std::optional<FusedMix> FindFusedMix(const ModelFacts& facts, const CountsAsQuantized& counts) {
  const Inventory& inventory = facts.exam->inventory;
  std::optional<FusedMix> first;
  for (const ClassDigest& one : facts.classes) {
    if (one.fused.empty() || !one.in_blocks || (!one.gptq && !one.dense_linear)) continue;
    std::string seen(one.leaf);
    for (const ClassDigest& other : facts.classes) {
      // Classes of one name hold different layers: each name is looked up once.
      if (other.fused != one.fused || ParentPart(other.pattern) != ParentPart(one.pattern) ||
          HasWord(seen, other.leaf) || (!other.gptq && !other.dense_linear))
        continue;
      seen += " " + std::string(other.leaf);
      const auto members = inventory.members(inventory.classes[one.id]);
      const auto others = inventory.members(inventory.classes[other.id]);
      std::string twin;
      for (size_t place = 0; place < members.size(); ++place) {
        const std::string_view stem = inventory.modules[members[place]].stem, parent = ParentPart(stem);
        twin.assign(parent).append(".").append(other.leaf);
        const int64_t found = FindTwin(inventory, others, place, twin);
        const ClassDigest* digest =
            found < 0 ? nullptr : &facts.classes[inventory.modules[static_cast<size_t>(found)].class_id];
        if (!counts(&one, stem) || counts(digest, twin)) continue;
        const FusedMix mix{LayerNumber(stem, one.block_prefix), one.leaf, other.leaf,
                           std::string(parent) + "." + std::string(one.fused)};
        // Engines build layer by layer, the attention first.
        if (!first || mix.layer < first->layer || (mix.layer == first->layer && one.fused == "qkv_proj")) first = mix;
        break;
      }
    }
  }
  return first;
}

RankShape ShapeOnRank(const ModelFacts& facts, const ClassDigest& digest, int tp) {
  RankShape shape{digest.in_features, digest.out_features};
  if (!digest.fused.empty()) {
    // Classes of one name hold different layers: one of each name counts.
    std::string seen(" " + std::string(digest.leaf) + " ");
    for (const ClassDigest& other : facts.classes) {
      if (other.fused != digest.fused || ParentPart(other.pattern) != ParentPart(digest.pattern)) continue;
      const std::string leaf = " " + std::string(other.leaf) + " ";
      if (seen.find(leaf) != std::string::npos) continue;
      seen += leaf;
      shape.out += other.out_features;
    }
  }
  if (tp > 1) (digest.row_parallel ? shape.in : shape.out) /= tp;
  return shape;
}

std::vector<LayerSettings> EngineSettingsOf(const Walk& walk, size_t class_index) {
  const LayerSettings base{walk.declared.bits, walk.declared.group_size, walk.declared.sym, nullptr};
  const JsonValue* dynamic = walk.declared.Find("dynamic");
  if (dynamic == nullptr || !dynamic->IsObject() || dynamic->members.empty()) return {base};
  const DynamicEffect& effect = walk.facts.EffectsOf(*dynamic, NameStyle::kEngines)[class_index];
  if (effect.unknown) return {};
  std::vector<LayerSettings> settings;
  if (effect.ruled + effect.excluded < walk.facts.classes[class_index].count) settings.push_back(base);
  for (const JsonMember* rule : effect.rules) {
    LayerSettings own = base;
    own.rule = rule;
    if (const JsonValue* bits = rule->value.Find("bits"); bits != nullptr)  // true is an int for Python
      own.bits = bits->AsBool() ? *bits->AsBool() : bits->AsInt().value_or(own.bits);
    if (const JsonValue* group = rule->value.Find("group_size"); group != nullptr)
      own.group_size = group->AsInt().value_or(own.group_size);
    if (const JsonValue* sym = rule->value.Find("sym"); sym != nullptr) own.sym = sym->AsBool().value_or(own.sym);
    settings.push_back(own);
  }
  if (settings.empty()) settings.push_back(base);
  return settings;
}

Copied CopyOf(const Walk& walk, const ClassDigest& digest, const std::vector<LayerSettings>& settings) {
  if ((!digest.bits && !digest.no_width) || digest.in_features <= 0) return {};
  for (const LayerSettings& own : settings) {
    const int64_t built_rows = SaturatingMul(digest.in_features, own.bits) / 32;
    const int64_t stored_rows = digest.qweight != nullptr && !digest.qweight->dims().empty()
                                    ? static_cast<int64_t>(digest.qweight->dims()[0])
                                    : built_rows;
    const int64_t built_groups = GroupsFor(digest.in_features, own.group_size);
    const int64_t stored_groups = digest.groups > 0 ? digest.groups : built_groups;
    const bool rows_differ = built_rows != stored_rows;
    if (!rows_differ && built_groups == stored_groups) continue;
    Copied copied{CopyResult::kColumnAssert, rows_differ ? built_rows : built_groups,
                  rows_differ ? stored_rows : stored_groups};
    if (digest.row_parallel && (rows_differ || !walk.declared.desc_act))
      copied.result = copied.stored < copied.expected ? CopyResult::kTooFewRows : CopyResult::kSilentCut;
    return copied;
  }
  return {};
}

void DoubtMissingParts(Walk& walk, const ClassDigest& digest, bool needs_zeros) {
  const std::string pattern(digest.pattern);
  const auto doubt = [&](const std::string& why) {
    walk.Degrade(Outcome::kGarbage, "tensors", why, walk.profile.tensors.source);
  };
  if (digest.qweight == nullptr || digest.scales == nullptr || (needs_zeros && digest.qzeros == nullptr)) {
    doubt(Modules(digest.count) + " lack packed tensors (" + pattern + "): they stay uninitialised, nothing checks");
  }
  if (digest.g_idx == nullptr && walk.declared.desc_act)
    doubt("desc_act is true but " + pattern + " has no g_idx: the index stays uninitialised, garbage or a crash");
  if (digest.bias_expected == true && digest.bias == nullptr) {
    doubt("the architecture has a bias in " + pattern + ", the files do not: it stays uninitialised, nothing checks");
  }
}

std::string LeftoverName(std::string_view tensor) {
  if (tensor.starts_with("model.")) tensor.remove_prefix(6);
  const size_t experts = tensor.find(".experts.");
  if (experts == std::string_view::npos) return std::string(tensor);
  const std::string_view leaf = LastPart(tensor), stem = ParentPart(tensor);
  const bool down = stem.ends_with("down_proj") || stem.ends_with("w2");
  return std::string(tensor.substr(0, experts)) + ".experts." + (down ? "w2_" : "w13_") + std::string(leaf);
}

}  // namespace gptq_doctor
