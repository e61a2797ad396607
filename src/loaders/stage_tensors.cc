// Tensors against the layers that were built: what fits nothing, what is missing, what has another shape. This is how
// loaders behave that go through accelerate or transformers; serving engines have their own stages.

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

int64_t Dim(const TensorRecord* tensor, size_t axis) {
  return tensor == nullptr || tensor->dims().size() <= axis ? 0 : static_cast<int64_t>(tensor->dims()[axis]);
}

// How accelerate names a module: the repr of what was built.
std::string BuiltRepr(const ClassDigest& digest, bool quantized) {
  if (quantized) return "QuantLinear()";
  return "Linear(in_features=" + std::to_string(digest.in_features) +
         ", out_features=" + std::to_string(digest.out_features) +
         ", bias=" + (digest.bias_expected.value_or(digest.bias != nullptr) ? "True" : "False") + ")";
}

bool CheckUnexpected(Walk& walk) {
  const TensorFacts& facts = walk.profile.tensors;
  for (size_t i = 0; i < walk.facts.classes.size() && facts.unexpected == Unexpected::kRejects; ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (!digest.gptq || digest.weight == nullptr || walk.built[i] != Built::kQuantized) continue;
    return walk.Rejects(
        "tensors", "stops: " + std::string(digest.pattern) + " has both a packed and a plain weight", facts.source,
        walk.Message(facts.unexpected_message, {{"stem", BuiltRepr(digest, true)}, {"leaf", "weight"}}));
  }
  int64_t modules = 0;
  const ClassDigest* first = nullptr;
  bool head_only = true;
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (!digest.gptq || walk.built[i] != Built::kDense) continue;
    if (digest.part == Part::kLmHead && walk.facts.tied) continue;
    if (digest.part != Part::kLmHead) head_only = false;
    if (first == nullptr) first = &digest;
    modules += digest.count;
  }
  if (modules == 0) return true;
  const TensorRecord* tensor = first->qweight != nullptr ? first->qweight : first->scales;
  const std::string name(tensor == nullptr ? first->stem : tensor->name());
  const std::string message =
      walk.Message(facts.unexpected_message, {{"name", name}, {"stem", BuiltRepr(*first, false)}, {"leaf", "qweight"}});
  if (facts.unexpected == Unexpected::kRejects) {
    return walk.Rejects("tensors", "stops: " + name + " fits no layer that it built", facts.source, message);
  }
  walk.Degrade(Outcome::kGarbage, "tensors",
               Modules(modules) + (modules == 1 ? " is" : " are") +
                   " quantized in the files and plain in this loader (" + std::string(first->pattern) +
                   "): the packed tensors are dropped and the weight stays " + std::string(facts.missing_value),
               facts.source, message);
  if (head_only)
    walk.Remedy("keep the output head unquantized, or load with a program that supports a quantized lm_head");
  return true;
}

// The value of modules_in_block_to_quantize that the tensors call for: suffixes of the quantized layers.
std::string KeepListOf(const ModelFacts& facts) {
  std::vector<std::string> suffixes;
  for (const ClassDigest& digest : facts.classes) {
    if (!digest.gptq || !digest.in_blocks) continue;
    std::string_view suffix = digest.leaf;
    if (digest.part != Part::kExpert)
      suffix = std::string_view(digest.pattern).substr(std::min(digest.pattern.size(), digest.block_prefix.size() + 3));
    if (std::find(suffixes.begin(), suffixes.end(), suffix) == suffixes.end()) suffixes.emplace_back(suffix);
  }
  std::string text = "[[";
  for (const std::string& suffix : suffixes) text += (text.size() > 2 ? ", " : "") + JsonQuote(suffix);
  return text + "]]";
}

bool CheckUnpacked(Walk& walk) {
  const TensorFacts& facts = walk.profile.tensors;
  int64_t modules = 0;
  const ClassDigest* first = nullptr;
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (!digest.dense_linear || walk.built[i] != Built::kQuantized) continue;
    if (first == nullptr) first = &digest;
    modules += digest.count;
  }
  if (modules == 0) return true;
  const std::string name = std::string(first->stem) + ".weight";
  if (walk.profile.modules.modules_in_block) {
    walk.Remedy("add to config.json's quantization_config: \"modules_in_block_to_quantize\": " +
                KeepListOf(walk.facts));
  }
  if (facts.unexpected == Unexpected::kRejects) {
    return walk.Rejects("tensors", "stops: " + name + " is plain in the files and quantized in this loader",
                        facts.source,
                        walk.Message(facts.unexpected_message,
                                     {{"name", name}, {"stem", BuiltRepr(*first, true)}, {"leaf", "weight"}}));
  }
  walk.Degrade(
      Outcome::kGarbage, "tensors",
      Modules(modules) + (modules == 1 ? " is" : " are") + " plain in the files and quantized in this loader (" +
          std::string(first->pattern) + "): the packed tensors it built stay " + std::string(facts.missing_value),
      facts.source,
      walk.Message(facts.unexpected_message, {{"name", name}, {"stem", std::string(first->stem)}, {"leaf", "weight"}}));
  return true;
}

void CheckUnjudged(Walk& walk) {
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    if (walk.built[i] != Built::kUnknown) continue;
    walk.Degrade(Outcome::kUnknown, "modules",
                 "cannot tell which layers of " + std::string(walk.facts.classes[i].pattern) + " become quantized",
                 walk.profile.modules.source);
    return;
  }
}

bool CheckComplete(Walk& walk) {
  const TensorFacts& facts = walk.profile.tensors;
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (!digest.gptq || walk.built[i] != Built::kQuantized) continue;
    std::string lacking;
    if (digest.qweight == nullptr) lacking = "qweight";
    if (digest.scales == nullptr) lacking += lacking.empty() ? "scales" : ", scales";
    if (digest.qzeros == nullptr) lacking += lacking.empty() ? "qzeros" : ", qzeros";
    if (!lacking.empty()) {
      walk.Degrade(Outcome::kGarbage, "tensors",
                   Modules(digest.count) + " lack " + lacking + " (" + std::string(digest.pattern) +
                       "); the buffers keep " + std::string(facts.missing_value) +
                       (facts.missing_reported ? "" : ", without a message"),
                   facts.source);
    }
    if (digest.g_idx == nullptr && facts.g_idx_required) {
      const std::string text = "has no g_idx for " + std::string(digest.pattern);
      if (!facts.g_idx_message.empty()) {
        return walk.Rejects("tensors", "stops: " + text, facts.source,
                            walk.Message(facts.g_idx_message, {{"stem", std::string(digest.stem)}}));
      }
      walk.Assume("a g_idx buffer without a tensor stays uninitialised: derived from the code path, not executed");
      walk.Degrade(Outcome::kUnknown, "tensors", text + ": the index buffer may stay uninitialised", facts.source);
    }
  }
  return true;
}

bool CheckLayers(Walk& walk) {
  const TensorFacts& facts = walk.profile.tensors;
  if (!walk.facts.config_clash.empty()) {
    walk.Remedy("use the config.json that belongs to these weights");
    return walk.Rejects("tensors", "stops: " + walk.facts.config_clash, facts.source,
                        walk.Message(facts.shape_message, {{"leaf", "qweight"}}));
  }
  const auto& layers = walk.exam.configs.model.num_hidden_layers;
  if (!layers || walk.facts.layers == 0 || *layers == walk.facts.layers) return true;
  const std::string both =
      "config.json has " + std::to_string(*layers) + " layers, the files have " + std::to_string(walk.facts.layers);
  walk.Remedy("use the config.json that belongs to these weights");
  if (*layers < walk.facts.layers && facts.unexpected == Unexpected::kRejects) {
    return walk.Rejects("tensors", "stops: " + both, facts.source,
                        walk.Message(facts.unexpected_message, {{"stem", "model.layers." + std::to_string(*layers)},
                                                                {"leaf", "qweight"},
                                                                {"name", "model.layers." + std::to_string(*layers)}}));
  }
  // Models with extra prediction layers (MTP) store more layers than config.json counts.
  const JsonValue* extra = walk.exam.configs.model.Find("num_nextn_predict_layers");
  if (extra != nullptr && *layers < walk.facts.layers && extra->AsInt().value_or(0) + *layers >= walk.facts.layers)
    return true;
  walk.Degrade(Outcome::kGarbage, "tensors",
               both + (*layers < walk.facts.layers ? ": the rest is ignored" : ": the missing ones stay uninitialised"),
               facts.source);
  return true;
}

}  // namespace

ClassSettings SettingsOf(const Walk& walk, size_t index) {
  ClassSettings settings{walk.declared.bits, walk.declared.group_size, true};
  const JsonValue* dynamic = walk.profile.modules.dynamic ? walk.declared.Find("dynamic") : nullptr;
  if (dynamic == nullptr || !dynamic->IsObject() || dynamic->members.empty()) return settings;
  const DynamicEffect& effect = walk.facts.EffectsOf(*dynamic, walk.profile.modules.names)[index];
  settings.certain = effect.uniform && !effect.unknown;
  if (effect.changed > 0) {
    settings.bits = effect.bits.value_or(settings.bits);
    settings.group_size = effect.group_size.value_or(settings.group_size);
  }
  return settings;
}

std::optional<ShapeClash> ClashOf(const Walk& walk, size_t index, int64_t bits, int64_t group_size) {
  const ClassDigest& digest = walk.facts.classes[index];
  if (!digest.bits && !digest.no_width) return std::nullopt;
  if (digest.in_features <= 0 || digest.out_features <= 0 || bits <= 0) return std::nullopt;
  ShapeClash clash;
  clash.at = &digest;
  if (digest.bits != bits && digest.qweight != nullptr) {
    clash.bits = true;
    clash.leaf = "qweight";
    clash.stored_rows = Dim(digest.qweight, 0);
    clash.stored_columns = Dim(digest.qweight, 1);
    clash.built_rows = SaturatingMul(digest.in_features / 32, bits);
    clash.built_columns = digest.out_features;
    if (clash.stored_rows != clash.built_rows) return clash;
  }
  const TensorRecord* zeros = digest.qzeros != nullptr ? digest.qzeros : digest.scales;
  const int64_t built_groups = GroupsFor(digest.in_features, group_size);
  if (digest.groups > 0 && built_groups != digest.groups && zeros != nullptr) {
    clash.bits = false;
    clash.leaf = digest.qzeros != nullptr ? "qzeros" : "scales";
    clash.stored_rows = Dim(zeros, 0);
    clash.stored_columns = Dim(zeros, 1);
    clash.built_rows = built_groups;
    clash.built_columns =
        digest.qzeros != nullptr ? SaturatingMul(digest.out_features, bits) / 32 : digest.out_features;
    return clash;
  }
  (void)walk;
  return std::nullopt;
}

std::optional<ShapeClash> FindShapeClash(const Walk& walk) {
  std::optional<ShapeClash> found;
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (!digest.gptq || walk.built[i] != Built::kQuantized) continue;
    const ClassSettings settings = SettingsOf(walk, i);
    if (!settings.certain) continue;
    auto clash = ClashOf(walk, i, settings.bits, settings.group_size);
    if (clash && (!found || digest.stem < found->at->stem)) found = std::move(clash);
  }
  return found;
}

void CheckAbsent(Walk& walk, std::string_view keeps) {
  const std::vector<std::string>& absent = walk.facts.absent;
  if (absent.empty()) return;
  walk.Degrade(Outcome::kGarbage, "tensors",
               "no file holds " + absent.front() + ".weight" +
                   (absent.size() > 1 ? " and " + std::to_string(absent.size() - 1) + " more plain weights" : "") +
                   ": it stays " + std::string(keeps),
               walk.profile.tensors.source);
}

bool StageTensors(Walk& walk) {
  if (walk.dense_model) return true;
  const TensorFacts& facts = walk.profile.tensors;
  CheckAbsent(walk, facts.missing_reported ? "random, with a warning" : "uninitialised memory, without a message");
  CheckUnjudged(walk);
  if (!CheckUnexpected(walk)) return false;
  if (!CheckUnpacked(walk)) return false;
  if (!CheckComplete(walk) || !CheckLayers(walk)) return false;
  if (facts.shapes != Shapes::kRejects) return true;
  if (const auto clash = FindShapeClash(walk)) {
    const std::string stored = ShapeText({clash->stored_rows, clash->stored_columns});
    const std::string expected = ShapeText({clash->built_rows, clash->built_columns});
    walk.Remedy(kFixCommand);
    return walk.Rejects(
        "tensors",
        std::string("stops: the declared ") + (clash->bits ? "bits" : "group_size") +
            " do not give the shapes in the files (" + std::string(clash->at->stem) + "." + clash->leaf + " is " +
            stored + ", the layer has " + expected + ")",
        facts.source,
        walk.Message(facts.shape_message, {{"leaf", clash->leaf},
                                           {"stored", stored},
                                           {"built", expected},
                                           {"name", std::string(clash->at->stem) + "." + clash->leaf}}));
  }
  walk.Step("tensors", "every packed tensor has a layer of its shape", facts.source);
  return true;
}

}  // namespace gptq_doctor
