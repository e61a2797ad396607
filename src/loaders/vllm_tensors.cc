// How vLLM's load loop meets tensors that fit no layer, and shapes that differ.

#include <algorithm>
#include <string>

#include "base/dotted_name.h"
#include "loaders/engine.h"
#include "loaders/families.h"
#include "loaders/stages.h"
#include "loaders/vllm_age.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kGptq = "vllm-project/vllm vllm/model_executor/layers/quantization/gptq.py";

std::string UnknownName(const Walk& walk, std::string_view tensor) {
  const std::string left = LeftoverName(tensor);
  if (!IsMain(walk)) return "KeyError: '" + left + "'";
  std::string model = walk.facts.class_name;
  if (const size_t at = model.find("ForCausalLM"); at != std::string::npos) model = model.substr(0, at) + "Model";
  if (left.find(".experts.") != std::string::npos) {
    return "AttributeError: Layer " + std::string(ParentPart(left)) + " has no parameter '" +
           std::string(LastPart(left)) + "' for checkpoint weight '" + std::string(tensor) + "'";
  }
  const std::string layer(ParentPart(left));
  const std::string_view leaf = LastPart(layer);
  const bool row = leaf == "down_proj" || leaf == "o_proj" || leaf == "out_proj";
  return "ValueError: There is no module or parameter named '" + left + "' in " + model +
         ". The available parameters belonging to " + layer + " (" + (row ? "RowParallelLinear" : "LinearBase") +
         ") are: {'" + layer + ".weight'}";
}

bool RejectLeftover(Walk& walk, std::string detail, std::string_view tensor) {
  return walk.Rejects("tensors", std::move(detail), walk.profile.tensors.source, UnknownName(walk, tensor));
}

std::string FirstTensorOf(const ClassDigest& digest) {
  for (const TensorRecord* tensor : {digest.g_idx, digest.qweight, digest.qzeros, digest.scales, digest.weight}) {
    if (tensor != nullptr) return std::string(tensor->name());
  }
  return std::string(digest.stem);
}

// Tensors of other layouts: the first name that a plain layer does not have stops the loop.
bool CheckForeign(Walk& walk) {
  std::string first;
  const Inventory& inventory = walk.exam.inventory;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (!digest.foreign || !digest.in_blocks) continue;
    for (const Component& component :
         inventory.components(inventory.modules[inventory.classes[digest.id].representative])) {
      if (component.suffix == kWeight || component.suffix == kBias) continue;
      const std::string name = std::string(digest.stem) + "." + std::string(inventory.SuffixName(component.suffix));
      if (first.empty() || name < first) first = name;
    }
  }
  if (first.empty()) return true;
  return RejectLeftover(walk, "stops: the files hold tensors for which no layer was built", first);
}

// Load loops of 2023 and 2024 knew no surplus biases and no stored copy of a tied head.
bool CheckOldLoops(Walk& walk) {
  for (const ClassDigest& digest : walk.facts.classes) {
    if (walk.profile.since < Version{0, 4, 3} && digest.gptq && digest.bias != nullptr &&
        digest.bias_expected == false) {
      walk.Remedy("take a newer vLLM, which skips surplus biases");
      return walk.Rejects("tensors", "stops: the files hold biases that the architecture lacks",
                          "vllm-project/vllm#1420", "KeyError: '" + std::string(digest.stem) + ".bias'");
    }
    if (walk.profile.since < Version{0, 4, 3} && digest.part == Part::kLmHead && walk.facts.tied) {
      walk.Remedy("take a newer version, or drop the tensor");
      return walk.Rejects("tensors", "stops: tie_word_embeddings is true and the head is stored all the same",
                          "OpenBMB/MiniCPM#141", "KeyError: 'lm_head.weight'");
    }
  }
  return true;
}

// Experts are copied one by one into a slice of the fused parameter: main narrows it to a shorter tensor, before that
// sizes had to be equal, a single row excepted.
bool CopyExpert(Walk& walk, const ClassDigest& digest, const Copied& copied) {
  static constexpr std::string_view kSource =
      "vllm-project/vllm vllm/model_executor/layers/fused_moe/layer.py; main routed_experts.py "
      "(_narrow_expert_data_for_padding)";
  if (copied.result == CopyResult::kFits) return true;
  const std::string what = std::string(digest.pattern) + " has " + std::to_string(copied.stored) + " rows where " +
                           std::to_string(copied.expected) + " are expected";
  if (copied.stored < copied.expected && IsMain(walk)) {
    walk.Degrade(Outcome::kGarbage, "tensors", what + ": the rest stays uninitialised, without a message", kSource);
    return true;
  }
  if (copied.stored == 1) {
    walk.Step("tensors", what + ": the one row is repeated, which is right for symmetric weights", kSource);
    return true;
  }
  walk.Remedy(kFixCommand);
  return walk.Rejects("tensors", "stops: " + what, kSource,
                      "RuntimeError: The size of tensor a (" + std::to_string(copied.expected) +
                          ") must match the size of tensor b (" + std::to_string(copied.stored) +
                          ") at non-singleton dimension 0");
}

bool CheckLmHead(Walk& walk, const ClassDigest& digest) {
  if (walk.facts.tied) {
    walk.Step("tensors", "skips every lm_head tensor: tie_word_embeddings is true", walk.profile.tensors.source);
    return true;
  }
  if (!walk.declared.lm_head) {
    walk.Remedy("set \"lm_head\": true in config.json's quantization_config");
    return walk.Rejects(
        "tensors", "stops: lm_head is quantized in the files, but the configuration does not say \"lm_head\": true",
        walk.profile.tensors.source,
        "ValueError: There is no module or parameter named 'lm_head." +
            std::string(digest.g_idx != nullptr ? "g_idx" : "qweight") + "' in " + walk.facts.class_name);
  }
  if (digest.out_features % 64 != 0) {
    walk.Assume(
        "a quantized lm_head whose vocabulary is no multiple of 64 fails: derived from the code path, not executed");
    walk.Degrade(Outcome::kUnknown, "tensors",
                 "lm_head has " + std::to_string(digest.out_features) +
                     " outputs, no multiple of 64: copying it into the padded parameter should fail",
                 "vllm-project/vllm vllm/model_executor/layers/vocab_parallel_embedding.py:445-485");
  }
  return true;
}

// Plain layers were built: the first packed tensor has no place in them.
bool CheckPlainModel(Walk& walk) {
  if (walk.facts.quantized_modules == 0) return CheckForeign(walk);
  walk.Remedy(kFixCommand);
  const std::string why = walk.dense_why.empty() ? "config.json has no quantization_config" : walk.dense_why;
  return RejectLeftover(walk, "stops at the first packed tensor: " + why + ", so plain layers were built",
                        walk.facts.first_tensor);
}

// What a check says of one class of layers.
enum class Next { kLookOn, kNextClass, kStop };

Next StopIf(bool go_on) { return go_on ? Next::kNextClass : Next::kStop; }

Next CheckUnknownLayer(Walk& walk, size_t at) {
  const ClassDigest& digest = walk.facts.classes[at];
  if (digest.gptq) {
    const DynamicEffect& effect = walk.facts.EffectsOf(*walk.declared.Find("dynamic"), NameStyle::kEngines)[at];
    if (!effect.unknown) {
      const std::string stem(effect.first_excluded);
      return StopIf(RejectLeftover(walk,
                                   "stops: a rule of dynamic builds " + stem + " plain, the files hold it quantized",
                                   stem + (digest.g_idx != nullptr ? ".g_idx" : ".qweight")));
    }
  }
  walk.Degrade(Outcome::kUnknown, "modules",
               "cannot tell which layers of " + std::string(digest.pattern) + " become quantized",
               walk.profile.modules.source);
  return Next::kNextClass;
}

// Plain in the files, built as a quantized layer.
bool RejectPlainLayer(Walk& walk, const ClassDigest& digest) {
  const std::string pattern(digest.pattern);
  const int64_t g = walk.declared.group_size;
  if (digest.leaf == "score" && walk.declared.bits > 0 && digest.out_features % (32 / walk.declared.bits) != 0) {
    return walk.Rejects("kernel",
                        "stops: " + pattern + " is built quantized and its " + std::to_string(digest.out_features) +
                            " outputs are no multiple of the pack factor",
                        kGptq,
                        "ValueError: The output size is not aligned with the quantized weight shape. This can be "
                        "caused by too large tensor parallel size.");
  }
  if (digest.part == Part::kVision && g > 0 && digest.in_features % g != 0) {
    return walk.Rejects("kernel",
                        "stops: " + pattern + " is plain in the files, but is built quantized and its " +
                            std::to_string(digest.in_features) + " inputs are no multiple of group_size",
                        kGptq,
                        "ValueError: The input size is not aligned with the quantized weight shape. This can be "
                        "caused by too large tensor parallel size.");
  }
  return walk.Rejects("tensors", "stops: " + pattern + " is plain in the files and quantized in this loader",
                      walk.profile.tensors.source, UnknownName(walk, std::string(digest.stem) + ".weight"));
}

// The kind of layer that was built against the kind that the files hold; kLookOn where both are quantized.
Next CheckKind(Walk& walk, size_t at) {
  const ClassDigest& digest = walk.facts.classes[at];
  const Built built = walk.built[at];
  if (built == Built::kNothing && !digest.gptq) return Next::kNextClass;
  if (built == Built::kUnknown) return CheckUnknownLayer(walk, at);
  if (digest.part == Part::kLmHead && digest.gptq) {
    if (!CheckLmHead(walk, digest)) return Next::kStop;
    if (!walk.declared.lm_head) return Next::kNextClass;  // tied
  }
  if (digest.gptq && built == Built::kDense) {
    if (digest.part == Part::kRouter)
      walk.Remedy("vLLM 0.11 or later reads from the tensors which layers are quantized");
    return StopIf(RejectLeftover(
        walk, "stops: " + std::string(digest.pattern) + " is quantized in the files and plain in this loader",
        FirstTensorOf(digest)));
  }
  if (digest.dense_linear && built == Built::kQuantized) return StopIf(RejectPlainLayer(walk, digest));
  return digest.gptq && built == Built::kQuantized ? Next::kLookOn : Next::kNextClass;
}

// The tensors that a quantized layer must have, and must not.
bool CheckParts(Walk& walk, const ClassDigest& digest) {
  const std::string pattern(digest.pattern);
  DoubtMissingParts(walk, digest, walk.kernel != nullptr && walk.kernel->zeros != Zeros::kUnused);
  if (digest.weight != nullptr) {
    return RejectLeftover(walk, "stops: " + pattern + " has both a packed and a plain weight", digest.weight->name());
  }
  if (digest.bits == 3 && Upto10(walk)) {
    return walk.Rejects("tensors", "stops: it computes the pack factor of 3 bits as 32 // 3 = 10, so the shapes differ",
                        kGptq, "AssertionError");
  }
  return true;
}

// Shapes of the files against those of the declared settings, by the copying rules.
bool CheckShapes(Walk& walk, size_t at) {
  const ClassDigest& digest = walk.facts.classes[at];
  const std::string pattern(digest.pattern);
  const std::string_view source = walk.profile.tensors.source;
  const std::vector<LayerSettings> settings = EngineSettingsOf(walk, at);
  if (settings.empty()) {
    walk.Degrade(Outcome::kUnknown, "modules", "a pattern of dynamic cannot be judged", walk.profile.modules.source);
    return true;
  }
  const Copied copied = CopyOf(walk, digest, settings);
  if (digest.part == Part::kExpert && walk.profile.since >= Version{0, 10, 0}) return CopyExpert(walk, digest, copied);
  const std::string expected = std::to_string(copied.expected), stored = std::to_string(copied.stored);
  switch (copied.result) {
    case CopyResult::kFits:
      return true;
    case CopyResult::kSilentCut:
      walk.Degrade(Outcome::kGarbage, "tensors",
                   pattern + " has " + stored + " rows where " + expected + " are expected: cut without a message",
                   source);
      return true;
    case CopyResult::kTooFewRows:
      walk.Remedy(kFixCommand);
      return walk.Rejects(
          "tensors", "stops: " + pattern + " has fewer rows than the declared settings give", source,
          "RuntimeError: start (0) + length (" + expected + ") exceeds dimension size (" + stored + ").");
    case CopyResult::kColumnAssert:
      break;
  }
  walk.Remedy(kFixCommand);
  return walk.Rejects("tensors",
                      "stops: the shapes of " + pattern + " are not those of the declared bits and group_size", source,
                      "AssertionError");
}

bool CheckClasses(Walk& walk) {
  const ModelFacts& facts = walk.facts;
  // In the order of names, as the loop meets them.
  std::vector<size_t> order(facts.classes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return facts.classes[a].stem < facts.classes[b].stem; });
  for (const size_t at : order) {
    const Next next = CheckKind(walk, at);
    if (next == Next::kStop) return false;
    if (next == Next::kLookOn && !(CheckParts(walk, facts.classes[at]) && CheckShapes(walk, at))) return false;
  }
  return true;
}

bool CheckLayerCount(Walk& walk) {
  const auto& layers = walk.exam.configs.model.num_hidden_layers;
  const int64_t stored = walk.facts.layers;
  if (!layers || stored <= 0 || stored == *layers) return true;
  const std::string difference =
      "config.json has " + std::to_string(*layers) + " layers, the files have " + std::to_string(stored);
  if (stored < *layers) {
    walk.Degrade(Outcome::kGarbage, "tensors", difference + ": the missing ones stay uninitialised, nothing checks",
                 walk.profile.tensors.source);
    return true;
  }
  if (walk.exam.configs.model.Find("num_nextn_predict_layers") != nullptr) return true;
  walk.Remedy("use the config.json that belongs to these weights");
  return RejectLeftover(walk, "stops: " + difference,
                        "model.layers." + std::to_string(*layers) + ".mlp.down_proj.g_idx");
}

}  // namespace

bool StageVllmTensors(Walk& walk) {
  if (walk.dense_model) return CheckPlainModel(walk);
  if (walk.facts.quantized_modules == 0 && !CheckForeign(walk)) return false;
  if (!walk.facts.config_clash.empty()) {
    walk.Remedy("use the config.json that belongs to these weights");
    return walk.Rejects("tensors", "stops: " + walk.facts.config_clash, walk.profile.tensors.source, "AssertionError");
  }
  if (Upto06(walk) && !CheckOldLoops(walk)) return false;
  if (!CheckClasses(walk)) return false;
  CheckAbsent(walk, "uninitialised memory, nothing checks");
  if (!CheckLayerCount(walk)) return false;
  walk.Step("tensors", "every packed tensor has a place", walk.profile.tensors.source);
  return true;
}

}  // namespace gptq_doctor
