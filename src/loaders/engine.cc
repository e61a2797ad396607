#include "loaders/engine.h"

#include <algorithm>

#include "base/text.h"
#include "gptq/module_pattern.h"

namespace gptq_doctor {
namespace {

std::string_view ParentOf(std::string_view stem) {
  const size_t dot = stem.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : stem.substr(0, dot);
}

// Per fused group of the first layer where two classes meet: compares `differs` on every pair of classes with one
// parent pattern.
template <typename Differs>
std::optional<FusedMix> FindPair(const ModelFacts& facts, Differs differs) {
  for (size_t i = 0; i < facts.classes.size(); ++i) {
    const ClassDigest& one = facts.classes[i];
    if (one.fused.empty() || !one.in_blocks || (!one.gptq && !one.dense_linear)) continue;
    for (size_t j = i + 1; j < facts.classes.size(); ++j) {
      const ClassDigest& other = facts.classes[j];
      if (other.fused != one.fused || ParentOf(other.pattern) != ParentOf(one.pattern) ||
          (!other.gptq && !other.dense_linear))
        continue;
      if (!differs(one, other)) continue;
      // Classes of one pattern hold different layers; the pair counts only where a layer has one part in each.
      if (other.leaf == one.leaf) continue;
      const auto& inventory = facts.exam->inventory;
      for (const uint32_t number : inventory.members(inventory.classes[one.id])) {
        const std::string_view parent = ParentOf(inventory.modules[number].stem);
        const std::string twin = std::string(parent) + "." + std::string(other.leaf);
        const int64_t found = inventory.FindModule(twin);
        if (found < 0 || inventory.modules[static_cast<size_t>(found)].class_id != other.id) continue;
        FusedMix mix{&one, &other, std::string(parent) + "." + std::string(one.fused)};
        if (other.gptq && !one.gptq) std::swap(mix.quantized, mix.plain);
        return mix;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::string EngineMethod(const Walk& walk) { return LowerAscii(walk.declared.method); }

bool FitsMarlin(const Walk& walk, int min_sm, std::string* why_not) {
  const Declared& read = walk.declared;
  const auto no = [&](std::string why) {
    *why_not = std::move(why);
    return false;
  };
  for (const auto& [bit, name] :
       {std::pair{kKeyBits, "bits"}, {kKeyGroupSize, "group_size"}, {kKeyDescAct, "desc_act"}, {kKeySym, "sym"}}) {
    if (!read.Has(bit)) return no(std::string(name) + " is missing");
  }
  if (read.bits != 4 && read.bits != 8) return no("bits " + std::to_string(read.bits));
  if (!read.sym) return no("sym is false");
  if (read.sym_value != nullptr && PythonNumber(*read.sym_value) != 1.0)
    return no("sym is not true but " + PythonRepr(*read.sym_value));
  const int64_t g = read.group_size;
  if (g != -1 && g != 32 && g != 64 && g != 128) return no("group_size " + std::to_string(g));
  if (walk.machine.platform != kCuda) return no("the device is no NVIDIA GPU");
  if (walk.machine.given && walk.machine.sm < min_sm)
    return no("compute capability below " + std::to_string(min_sm / 10) + "." + std::to_string(min_sm % 10));
  return true;
}

std::string EngineDtype(const Walk& walk) {
  if (!walk.options.dtype.empty()) return walk.options.dtype;
  return walk.facts.dtype.empty() ? "float16" : walk.facts.dtype;
}

std::optional<FusedMix> FindFusedMix(const ModelFacts& facts) {
  return FindPair(facts, [](const ClassDigest& a, const ClassDigest& b) { return a.gptq != b.gptq; });
}

std::optional<FusedMix> FindFusedSettings(const ModelFacts& facts) {
  return FindPair(facts, [](const ClassDigest& a, const ClassDigest& b) {
    return a.gptq && b.gptq &&
           ((a.bits && b.bits && *a.bits != *b.bits) ||
            (a.groups > 0 && b.groups > 0 && a.in_features == b.in_features && a.groups != b.groups));
  });
}

RankShape ShapeOnRank(const ModelFacts& facts, const ClassDigest& digest, int tp) {
  RankShape shape{digest.in_features, digest.out_features};
  if (!digest.fused.empty()) {
    // Classes of one name hold different layers: one of each name counts.
    std::string seen(" " + std::string(digest.leaf) + " ");
    for (const ClassDigest& other : facts.classes) {
      if (other.fused != digest.fused || ParentOf(other.pattern) != ParentOf(digest.pattern)) continue;
      const std::string leaf = " " + std::string(other.leaf) + " ";
      if (seen.find(leaf) != std::string::npos) continue;
      seen += leaf;
      shape.out += other.out_features;
    }
  }
  if (tp > 1) (digest.row_parallel ? shape.in : shape.out) /= tp;
  return shape;
}

CopyResult CopyOf(const Walk& walk, const ClassDigest& digest, int64_t bits, int64_t group_size, int64_t* expected,
                  int64_t* stored) {
  if (!digest.bits || digest.in_features <= 0) return CopyResult::kFits;
  const int64_t built_rows = digest.in_features * bits / 32;
  const int64_t stored_rows = digest.qweight != nullptr && !digest.qweight->dims().empty()
                                  ? static_cast<int64_t>(digest.qweight->dims()[0])
                                  : built_rows;
  const int64_t built_groups = GroupsFor(digest.in_features, group_size);
  const int64_t stored_groups = digest.groups > 0 ? digest.groups : built_groups;
  const bool rows_differ = built_rows != stored_rows, groups_differ = built_groups != stored_groups;
  if (!rows_differ && !groups_differ) return CopyResult::kFits;
  *expected = rows_differ ? built_rows : built_groups;
  *stored = rows_differ ? stored_rows : stored_groups;
  if (!digest.row_parallel) return CopyResult::kColumnAssert;
  if (!rows_differ && walk.declared.desc_act) return CopyResult::kColumnAssert;
  return *stored < *expected ? CopyResult::kTooFewRows : CopyResult::kSilentCut;
}

std::string EngineName(const ClassDigest& digest) {
  if (digest.part == Part::kExpert) {
    const size_t at = digest.stem.find(".experts.");
    return std::string(digest.stem.substr(0, at)) + ".experts";
  }
  if (digest.fused.empty()) return std::string(digest.stem);
  return std::string(ParentOf(digest.stem)) + "." + std::string(digest.fused);
}

std::optional<LayerSettings> EngineSettingsOf(const Walk& walk, const ClassDigest& digest) {
  LayerSettings settings{walk.declared.bits, walk.declared.group_size, false};
  const JsonValue* dynamic = walk.declared.Find("dynamic");
  if (dynamic == nullptr || !dynamic->IsObject()) return settings;
  const std::string name = EngineName(digest);
  for (const JsonMember& member : dynamic->members) {
    std::string_view text = member.key;
    const bool exclude = text.starts_with("-:");
    if (exclude || text.starts_with("+:")) text.remove_prefix(2);
    const auto pattern = ModulePattern::Compile(text);
    if (!pattern) return std::nullopt;
    if (!pattern->Matches(name)) continue;
    settings.excluded = exclude;
    if (exclude) return settings;
    if (const JsonValue* bits = member.value.Find("bits"); bits != nullptr && bits->AsInt())
      settings.bits = *bits->AsInt();
    if (const JsonValue* group = member.value.Find("group_size"); group != nullptr && group->AsInt())
      settings.group_size = *group->AsInt();
    return settings;
  }
  return settings;
}

std::string LeftoverName(std::string_view tensor) {
  if (tensor.starts_with("model.")) tensor.remove_prefix(6);
  const size_t experts = tensor.find(".experts.");
  if (experts == std::string_view::npos) return std::string(tensor);
  const size_t dot = tensor.rfind('.');
  const std::string_view leaf = tensor.substr(dot + 1);
  const std::string_view stem = tensor.substr(0, dot);
  const bool down = stem.ends_with("down_proj") || stem.ends_with("w2");
  return std::string(tensor.substr(0, experts)) + ".experts." + (down ? "w2_" : "w13_") + std::string(leaf);
}

}  // namespace gptq_doctor
