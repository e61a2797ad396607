// Which layers vLLM builds quantized, and which kernel takes their shapes; both happen before any weight is read.

#include <algorithm>
#include <string>

#include "loaders/engine.h"
#include "loaders/families.h"
#include "loaders/stages.h"
#include "loaders/vllm_age.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kMarlinUtils =
    "vllm-project/vllm vllm/model_executor/layers/quantization/utils/marlin_utils.py, kernels/linear";

bool GateIsPlain(const Walk& walk) {
  if (Upto10(walk)) return true;
  return walk.facts.model_type != "qwen3_moe" && walk.facts.model_type != "qwen3_next";
}

bool HasStrayWeights(const Walk& walk) {
  const auto& shards = walk.exam.tensors.shards;
  return std::ranges::any_of(walk.exam.dir.files, [&](const ModelFile& file) {
    const std::string& name = file.entry.name;
    return name.ends_with(".safetensors") && name.find('/') == std::string::npos &&
           std::ranges::none_of(shards, [&](const ShardHeader& shard) { return shard.file == name; });
  });
}

// modules_in_block_to_quantize is walked; of a text that gives letters, of an object its keys.
bool CheckListType(Walk& walk) {
  const JsonValue* value = walk.declared.Find("modules_in_block_to_quantize");
  if (value == nullptr || !Truthy(*value)) return true;
  if (value->kind == JsonKind::kArray) {
    const JsonValue& first = value->items.front();
    if (first.AsString() != nullptr || first.kind == JsonKind::kArray) return true;
    return walk.Rejects(
        "modules", "stops: modules_in_block_to_quantize holds what is no name", walk.profile.modules.source,
        "TypeError: 'in <string>' requires string as left operand, not " + std::string(PythonType(first)));
  }
  if (value->IsObject() || value->AsString() != nullptr) {
    walk.Degrade(Outcome::kUnknown, "modules", "modules_in_block_to_quantize is no list; its parts count as names",
                 walk.profile.modules.source);
    return false;
  }
  return walk.Rejects("modules", "stops: modules_in_block_to_quantize is no list", walk.profile.modules.source,
                      "TypeError: '" + std::string(PythonType(*value)) + "' object is not iterable");
}

bool CheckShapeLimits(Walk& walk, size_t index) {
  const ClassDigest& digest = walk.facts.classes[index];
  const std::vector<LayerSettings> settings = EngineSettingsOf(walk, index);
  if (walk.kernel->name == "gptq") return CheckGptqSizes(walk, digest, settings, VllmTraits(walk));
  const RankShape shape = ShapeOnRank(walk.facts, digest, walk.options.tp);
  const int64_t g = settings.empty() ? walk.declared.group_size : settings.front().group_size;
  const bool split_group =
      g > 0 && g < digest.in_features && shape.in % g != 0 && !(walk.declared.desc_act && walk.options.tp > 1);
  const std::string at = " (" + std::string(digest.pattern) +
                         (walk.options.tp > 1 ? ", tensor-parallel size " + std::to_string(walk.options.tp) : "") + ")";
  static constexpr std::string_view kNotAligned =
      "ValueError: The input size is not aligned with the quantized weight shape. This can be caused by too large "
      "tensor parallel size.";
  static constexpr std::string_view kOutputNotAligned =
      "ValueError: The output size is not aligned with the quantized weight shape. This can be caused by too large "
      "tensor parallel size.";
  std::string reason;
  const bool padded = IsMain(walk) && !walk.declared.desc_act;
  // In the order of marlin_utils.verify_marlin_supports_shape.
  if (!padded && shape.out % 64 != 0) {
    reason =
        "Weight output_size_per_partition = " + std::to_string(shape.out) + " is not divisible by  min_thread_n = 64";
  } else if (!padded && shape.in % 128 != 0) {
    reason =
        "Weight input_size_per_partition = " + std::to_string(shape.in) + " is not divisible by min_thread_k = 128";
  } else if (split_group) {
    reason = "Weight input_size_per_partition = " + std::to_string(shape.in) +
             " is not divisible by group_size = " + std::to_string(g);
  }
  if (reason.empty()) return true;
  const std::string advice = reason + ". Consider reducing tensor_parallel_size or running with --quantization gptq.";
  // The Exllama kernel of the same class takes fp16 layers that Marlin refuses, where groups stay whole. Its place in
  // the list was read at 0.15.
  if (!split_group && VllmDtype(walk) == "float16" &&
      shape.out % (32 / std::max<int64_t>(1, walk.declared.bits)) == 0 &&
      (!walk.declared.desc_act || walk.options.tp == 1) && walk.profile.since >= Version{0, 7, 0}) {
    walk.Degrade(Upto10(walk) ? Outcome::kUnknown : Outcome::kSlow, "kernel",
                 "Marlin refuses " + std::string(digest.pattern) + " (" + reason + "); " +
                     (Upto10(walk) ? "whether this version has another kernel for it was not read"
                                   : "its Exllama kernel takes it"),
                 kMarlinUtils);
    return true;
  }
  walk.Remedy(split_group ? "lower --tensor-parallel-size, or pad the layer before quantizing"
                          : "lower --tensor-parallel-size, or --quantization gptq --dtype float16");
  std::string message = walk.profile.since < Version{0, 7, 0}
                            ? "ValueError: " + advice
                            : "ValueError: Failed to find a kernel that can implement the WNA16 linear layer. "
                              "Reasons:\n MarlinLinearKernel cannot implement due to: " +
                                  advice;
  if (split_group) message += "\nwith --quantization gptq: " + std::string(kNotAligned);
  const int64_t pack = walk.declared.bits > 0 ? 32 / walk.declared.bits : 1;
  if (shape.out % pack != 0) message += "\nwith --quantization gptq: " + std::string(kOutputNotAligned);

  return walk.Rejects("kernel", "stops: no kernel takes the layer's shape on a rank" + at, kMarlinUtils,
                      std::move(message));
}

// Layers that vLLM builds in another way than its lists of modules say.
void BuildExceptions(Walk& walk) {
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (digest.part == Part::kRouter && GateIsPlain(walk) && walk.built[i] != Built::kNothing)
      walk.built[i] = Built::kDense;
    // A classification head was built with the model's quantization.
    if (digest.leaf == "score" && Upto06(walk) && digest.dense_linear) walk.built[i] = Built::kQuantized;
    if (digest.part == Part::kVision && Upto10(walk) && digest.dense_linear && digest.in_blocks) {
      const bool excepted =
          !Upto06(walk) && (walk.facts.model_type == "qwen2_vl" || walk.facts.model_type == "qwen2_5_vl");
      walk.built[i] = excepted ? Built::kDense : Built::kQuantized;
    }
  }
}

// Parts of one layer have to be all quantized or all plain: by the list of the settings, or else by the headers. Asked
// before `dynamic`.
bool CheckFusedParts(Walk& walk) {
  const std::vector<std::string_view> keep = KeepList(walk.declared);
  const auto listed = [&](const ClassDigest* digest, std::string_view stem) {
    return keep.empty() ? digest != nullptr && (digest->gptq || digest->g_idx != nullptr) : ListedAsPart(keep, stem);
  };
  const auto mix = FindFusedMix(walk.facts, listed);
  if (!mix) return true;
  if (keep.empty() && HasStrayWeights(walk)) {
    walk.Degrade(Outcome::kUnknown, "modules",
                 "goes by the headers of all weight files, of which one is none of the model's and was not read",
                 walk.profile.modules.source);
    return false;
  }
  return walk.Rejects("modules",
                      "stops: " + std::string(mix->quantized) + " counts as quantized and " + std::string(mix->plain) +
                          " does not, but both are parts of " + mix->fused,
                      walk.profile.modules.source,
                      "ValueError: Detected some but not all shards of " + mix->fused +
                          " are quantized. All shards of fused layers to have the same precision.");
}

}  // namespace

bool StageVllmModules(Walk& walk) {
  if (!StageModules(walk)) return false;
  if (walk.dense_model) return true;
  BuildExceptions(walk);
  if (IsAutoRound(walk)) return BuildAutoRoundLayers(walk, VllmAutoRound(walk));
  return Upto10(walk) || (CheckListType(walk) && CheckFusedParts(walk));
}

bool StageVllmKernels(Walk& walk) {
  if (walk.dense_model || walk.kernel == nullptr) return true;
  if (!IsAutoRound(walk) && !CheckRules(walk, VllmTraits(walk))) return false;
  const bool ordered = walk.declared.desc_act && walk.declared.group_size != -1;
  if (walk.machine.platform == kRocm && IsMain(walk) && VllmDtype(walk) == "bfloat16" &&
      (ordered || walk.declared.bits == 8)) {
    walk.Assume("the package of the Conch kernels is not installed");
    walk.Remedy("--dtype float16");
    return walk.Rejects("kernel", "stops: no kernel of ROCm takes this at bfloat16", kMarlinUtils,
                        "ValueError: Failed to find a kernel that can implement the WNA16 linear layer. Reasons:");
  }
  if (walk.machine.platform == kCuda && !walk.machine.given)
    walk.Assume("an NVIDIA GPU of compute capability 8.0 or newer");
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (walk.built[i] != Built::kQuantized || digest.in_features <= 0) continue;
    if (digest.part == Part::kExpert) {
      const RankShape shape = ShapeOnRank(walk.facts, digest, walk.options.tp);
      if (walk.method != "gptq" && (shape.in % 64 != 0 || shape.out % 64 != 0)) {
        const bool order = walk.facts.act_order.value_or(false);
        walk.Degrade(order ? Outcome::kGarbage : Outcome::kSlow, "kernel",
                     std::string("Layer '") + EngineName(digest, digest.stem) +
                         "' is not supported by GPTQMoeMarlin. Falling back to Moe WNA16 kernels" +
                         (order ? ", which drop g_idx" : ""),
                     walk.kernel->source);
      }
      continue;
    }
    if (!CheckShapeLimits(walk, i)) return false;
  }
  if (ordered && walk.machine.platform == kRocm && walk.options.tp > 1 && walk.kernel->slow) {
    walk.Remedy("--tensor-parallel-size 1, or a model without act-order");
    walk.Degrade(Upto06(walk) ? Outcome::kGarbage : Outcome::kUnknown, "kernel",
                 "act-order over several ranks gives wrong text on ROCm, as people report of August 2024; later "
                 "releases were not tried",
                 "vllm-project/vllm#7374");
  }
  if (walk.kernel->slow) {
    walk.Degrade(Outcome::kSlow, "kernel", "uses the gptq kernel, slower than Marlin", walk.kernel->source);
  } else {
    walk.Step("kernel", "repacks for Marlin", walk.kernel->source);
  }
  return true;
}

}  // namespace gptq_doctor
