// What SGLang's row cannot say: method resolution, and a load loop that warns where vLLM stops.

#include <algorithm>
#include <string>

#include "loaders/auto_round.h"
#include "loaders/engine.h"
#include "loaders/families.h"
#include "loaders/sglang_models.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kMissingKey = "ValueError: Cannot find any of ['{key}'] in the model's quantization config.";
constexpr std::string_view kMethodSource = "sgl-project/sglang python/sglang/srt/configs/model_config.py:1440-1590";
constexpr std::string_view kGptqSource = "sgl-project/sglang python/sglang/srt/layers/quantization/gptq.py";

// Without a section it takes a hf_quant_config.json for ModelOpt's, whose settings lie in `quantization`.
bool CheckModelOpt(Walk& walk) {
  bool exists = false, broken = false;
  const JsonValue* file = FindSection(walk.configs, {"hf_quant_config.json", ""}, &exists, &broken);
  if (file == nullptr || !file->IsObject() || file->Find("quantization") != nullptr) return true;
  walk.Remedy(kFixCommand);
  return walk.Rejects("config", "stops: hf_quant_config.json is none of ModelOpt's",
                      "sgl-project/sglang python/sglang/srt/configs/model_config.py:1178-1337",
                      "KeyError: 'quantization'");
}

// The class of CPUs with AMX.
bool CheckAmx(Walk& walk) {
  static constexpr std::string_view kSource =
      "sgl-project/sglang python/sglang/srt/layers/quantization/gptq/schemes/gptq_cpu.py";
  const auto set = [&](std::string_view key) {
    const JsonValue* value = walk.declared.Find(key);
    return value != nullptr && Truthy(*value);
  };
  walk.Assume("the CPU has AMX");
  std::string why;
  if (walk.declared.desc_act && !(set("true_sequential") && set("static_groups"))) {
    why = "desc_act (True) is only supported with sequential and static group on CPU with AMX.";
  } else if (walk.declared.bits != 4) {
    why = "only 4bits is supported on CPU with AMX.";
  } else if (const JsonValue* format = walk.declared.Find("checkpoint_format");
             format != nullptr && format->AsString() != nullptr && *format->AsString() == "gptq_v2") {
    why = "gptq_v2 is not supported on CPU with AMX.";
  }
  if (why.empty()) return true;
  return walk.Rejects("method", "stops: " + why, kSource, "ValueError: Currently, " + why);
}

// python/sglang/srt/configs/model_config.py _get_and_verify_dtype; load_model_utils.py lowers it on old GPUs.
constexpr DtypeRule kDtype = {.half_on_old = true, .no_half = "gemma*"};

bool CheckKeysAndDtype(Walk& walk) {
  std::string why_not;
  const KernelRow& marlin = walk.profile.kernels[0];
  const KernelRow& gptq = walk.profile.kernels[1];
  const std::string dtype = EngineDtype(walk, kDtype);
  if (EngineMethod(walk) == "gptq" && AllSettingsGiven(walk) && !CheckMarlinLookup(walk, marlin.source)) return false;
  if (SaysMarlin(walk)) {
    why_not = "the settings say Marlin";
  } else if (FitsMarlin(walk, &why_not)) {
    walk.method = "gptq_marlin";
    walk.kernel = &marlin;
    walk.Step("method", "The model is convertible to gptq_marlin during runtime. Using gptq_marlin kernel.",
              marlin.source);
    if (walk.facts.experts && walk.profile.since < Version{0, 5, 0}) {
      walk.Degrade(Outcome::kUnknown, "method",
                   "whether this release loads Marlin experts was not read; 0.4.6 stops at them",
                   "sgl-project/sglang#6249", "KeyError: 'intermediate_size_full'");
    } else if (walk.facts.experts && dtype == "bfloat16") {
      walk.Assume("Marlin experts want float16 scales and activations: derived from the code path, not executed");
      walk.Degrade(Outcome::kUnknown, "dtype",
                   "experts under bfloat16 should stop: moe_wna16_marlin_gemm assumes hidden_states.dtype "
                   "(torch.bfloat16) == w1_scale.dtype (torch.float16)",
                   "sgl-project/sglang python/sglang/srt/layers/moe");
    }
    return true;
  }
  if (!CheckRequired(walk, kKeyBits | kKeyGroupSize | kKeyDescAct, kMissingKey)) return false;
  if (!CheckBitsType(walk, true, kGptqSource)) return false;
  if (walk.machine.platform == kCpu && !CheckAmx(walk)) return false;
  const int64_t bits = walk.declared.bits;
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) {
    return walk.Rejects(
        "method", "stops: bits " + walk.declared.bits_text, kGptqSource,
        walk.Message(
            "ValueError: Currently, only 2/3/4/8-bit weight quantization is supported for GPTQ, but got {b} bits."));
  }
  walk.method = "gptq";
  walk.kernel = &gptq;
  walk.Step("method", "not convertible to gptq_marlin (" + why_not + "): takes the gptq kernel", gptq.source);
  if (walk.facts.experts) {
    return walk.Rejects("method", "stops: the gptq method has no experts",
                        "sgl-project/sglang python/sglang/srt/layers/quantization/gptq.py:178",
                        "TypeError: GPTQ Method does not support MoE, please use gptq_marlin");
  }
  if (dtype == "bfloat16" && walk.machine.platform != kCpu) {
    walk.Remedy("--dtype float16");
    return walk.Rejects(
        "dtype", "stops: the gptq kernel takes float16 only", kMethodSource,
        "ValueError: torch.bfloat16 is not supported for quantization method gptq. Supported dtypes: [torch.float16]");
  }
  return true;
}

// dynamic never reaches experts.
std::vector<LayerSettings> SettingsHere(const Walk& walk, size_t index) {
  if (walk.facts.classes[index].part != Part::kExpert) return EngineSettingsOf(walk, index);
  return {{walk.declared.bits, walk.declared.group_size, walk.declared.sym, nullptr}};
}

constexpr AutoRoundTraits kAutoRound = {
    .name = "auto-round",
    .only = "currently only support  ",
    .backends = "auto gptq gptq:marlin awq awq:marlin marlin",
    .reads_order = true,
    .passes_backend = true,
    .order_message = "ValueError: SGLang's AutoRound GPTQ loader supports desc_act=False only.",
    .source = "sgl-project/sglang python/sglang/srt/layers/quantization/auto_round.py"};

constexpr EngineTraits kTraits = {
    .source = "sgl-project/sglang python/sglang/srt/layers/quantization/utils.py:245-330, gptq/schemes",
    .outputs_of_3_bits = 10,  // its pack factor is 32 // 3
    .group_message =
        "ValueError: Marlin does not support group_size = {g} for quant_type = uint4b8. Only group_sizes = "
        "[-1, 32, 64, 128] are supported."};

// Vision towers that get the model's quantization, where no rule of dynamic takes them out.
void BuildVision(Walk& walk) {
  if (!SglangQuantizesVision(walk) || IsAutoRound(walk)) return;
  const JsonValue* dynamic = walk.declared.Find("dynamic");
  const bool rules = dynamic != nullptr && dynamic->IsObject() && !dynamic->members.empty();
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (digest.part != Part::kVision || !digest.dense_linear || !digest.in_blocks) continue;
    if (rules && walk.facts.EffectsOf(*dynamic, NameStyle::kEngines)[i].excluded == digest.count) continue;
    walk.built[i] = Built::kQuantized;
  }
}

bool CheckMarlinTiles(Walk& walk, const ClassDigest& digest) {
  const RankShape shape = ShapeOnRank(walk.facts, digest, walk.options.tp);
  if (shape.out % 64 == 0 && shape.in % 128 == 0) return true;
  walk.Degrade(Outcome::kUnknown, "kernel",
               "Marlin's tiles do not fit " + std::to_string(shape.in) + " x " + std::to_string(shape.out) + " (" +
                   std::string(digest.pattern) + "); the test's result is discarded and the repack kernel decides",
               "sgl-project/sglang gptq_kernels.py");
  return true;
}

bool CountsAsStored(const ClassDigest* digest, std::string_view) { return digest == nullptr || digest->gptq; }

// Plain layers were built.
bool LoadPlain(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  if (walk.facts.quantized_modules == 0) return true;
  walk.Remedy(kFixCommand);
  if (const std::string strict = SglangKeyError(walk); !strict.empty()) {
    return walk.Rejects(
        "tensors",
        "stops at the first packed tensor: config.json has no quantization_config, so plain layers were built", source,
        strict);
  }
  if (!SglangLoopIsKnown(walk))
    walk.Assume("the load loop of model_type " + walk.facts.model_type + " only warns: it was not read, and some stop");
  FallBack(walk, "tensors", "config.json has no quantization_config", source,
           walk.Message("Parameter {name} not found in params_dict", {{"name", walk.facts.first_tensor}}));
  return false;
}

bool CheckTiedHead(Walk& walk) {
  if (walk.profile.since >= Version{0, 4, 0} || !walk.facts.tied) return true;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (digest.part != Part::kLmHead) continue;
    walk.Remedy("take a newer version, or drop the tensor");
    return walk.Rejects("tensors", "stops: tie_word_embeddings is true and the head is stored all the same",
                        "sgl-project/sglang#577", "KeyError: 'lm_head.weight'");
  }
  return true;
}

// Plain in the files and quantized here, or the other way round.
void DoubtOtherKind(Walk& walk, const ClassDigest& digest) {
  if (digest.part == Part::kLmHead && walk.facts.tied) return;
  walk.Degrade(
      Outcome::kGarbage, "tensors",
      Modules(digest.count) + " (" + std::string(digest.pattern) + ") " +
          (digest.gptq ? "are quantized in the files and plain here" : "are plain in the files and quantized here") +
          ": skipped with a warning, the layer stays uninitialised",
      walk.profile.tensors.source,
      walk.Message("Parameter {name} not found in params_dict",
                   {{"name", std::string(digest.stem) + (digest.gptq ? ".qweight" : ".weight")}}));
}

// Shapes of the files against those of the declared settings.
bool CheckShapes(Walk& walk, size_t at) {
  const ClassDigest& digest = walk.facts.classes[at];
  const std::string pattern(digest.pattern);
  const std::vector<LayerSettings> settings = SettingsHere(walk, at);
  if (settings.empty()) {
    walk.Degrade(Outcome::kUnknown, "modules", "a pattern of dynamic cannot be judged", walk.profile.modules.source);
    return true;
  }
  const Copied copied = CopyOf(walk, digest, settings);
  if (copied.result == CopyResult::kFits) return true;
  walk.Remedy(kFixCommand);
  if (copied.result == CopyResult::kColumnAssert) {
    return walk.Rejects("tensors",
                        "stops: the shapes of " + pattern + " are not those of the declared bits and group_size",
                        walk.profile.tensors.source, "AssertionError");
  }
  walk.Degrade(Outcome::kGarbage, "tensors",
               pattern + " has " + std::to_string(copied.stored) + " rows where " + std::to_string(copied.expected) +
                   " are expected: " + (copied.result == CopyResult::kSilentCut ? "cut" : "padded with zeros") +
                   " without a message",
               "sgl-project/sglang python/sglang/srt/layers/parameter.py:310-336");
  return true;
}

bool CheckClasses(Walk& walk) {
  for (size_t at = 0; at < walk.facts.classes.size(); ++at) {
    const ClassDigest& digest = walk.facts.classes[at];
    const Built built = walk.built[at];
    if ((digest.gptq && built == Built::kDense) || (digest.dense_linear && built == Built::kQuantized)) {
      DoubtOtherKind(walk, digest);
      continue;
    }
    if (!digest.gptq || built != Built::kQuantized) continue;
    DoubtMissingParts(walk, digest, true);
    if (!CheckShapes(walk, at)) return false;
  }
  return true;
}

}  // namespace

// Layers are made before any weight is read.
bool StageSglangLayers(Walk& walk) {
  if (walk.dense_model || walk.kernel == nullptr) return true;
  BuildVision(walk);
  if (IsAutoRound(walk) ? !BuildAutoRoundLayers(walk, kAutoRound) : !CheckRules(walk, kTraits)) return false;
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    const ClassDigest& digest = walk.facts.classes[i];
    if (walk.built[i] == Built::kUnknown && digest.part != Part::kExpert) {
      walk.Degrade(Outcome::kUnknown, "modules",
                   "cannot tell which layers of " + std::string(digest.pattern) + " become quantized", kTraits.source);
      return false;
    }
    if (!digest.gptq || walk.built[i] != Built::kQuantized || digest.in_features <= 0) continue;
    const bool fits = walk.kernel->name == "gptq" ? CheckGptqSizes(walk, digest, SettingsHere(walk, i), kTraits)
                                                  : CheckMarlinTiles(walk, digest);
    if (!fits) return false;
  }
  if (walk.kernel->name == "gptq" && walk.declared.bits == 3) {
    return walk.Rejects("tensors", "stops: it computes the pack factor of 3 bits as 32 // 3 = 10, so the shapes differ",
                        kTraits.source, "AssertionError");
  }
  return true;
}

bool StageSglangMethod(Walk& walk) {
  if (walk.exam.dir.Has("quant_model_description.json") && walk.profile.since >= Version{0, 4, 0}) {
    walk.Degrade(Outcome::kUnknown, "method",
                 "quant_model_description.json makes it take the model for one of ModelSlim, which is not examined",
                 "sgl-project/sglang python/sglang/srt/configs/model_config.py (_find_quant_modelslim_config)");
    return false;
  }
  if (walk.dense_model) return CheckModelOpt(walk);
  if (!CheckMethodType(walk, kMethodSource)) return false;
  const std::string method = EngineMethod(walk);
  if (!CheckOtherMethod(walk, method, kMethodSource)) return false;
  if (method.empty() || (method != "gptq" && method != "gptq_marlin" && method != "auto-round")) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("method",
                        method.empty() ? "stops: the settings name no quant_method"
                                       : "stops: quant_method \"" + method + "\" is none it knows",
                        kMethodSource,
                        "ValueError: Unknown quantization method: " + method + ". Must be one of [...].");
  }
  if (IsOldGpu(walk) && walk.machine.sm < 75) {
    return walk.Rejects(
        "method", "stops: the GPU is too old",
        "sgl-project/sglang python/sglang/srt/model_executor/model_runner_components/load_model_utils.py",
        "RuntimeError: SGLang only supports sm75 and above.");
  }
  if (walk.machine.platform == kRocm) {
    walk.Assume("ROCm capability numbers pass the SM test: derived from the code path, not executed");
    walk.Remedy("--quantization gptq");
    return walk.Rejects("method", "stops: the Marlin upgrade is taken and then refused on ROCm", kMethodSource,
                        "ValueError: gptq_marlin quantization is currently not supported in ROCm.");
  }
  return method == "auto-round" ? TakeAutoRound(walk, kAutoRound) : CheckKeysAndDtype(walk);
}

bool StageSglangTensors(Walk& walk) {
  const ModelFacts& facts = walk.facts;
  const std::string_view source = walk.profile.tensors.source;
  if (walk.dense_model) return LoadPlain(walk);
  if (!CheckTiedHead(walk)) return false;
  if (!facts.config_clash.empty())
    return walk.Rejects("tensors", "stops: " + facts.config_clash, source, "AssertionError");
  for (size_t at = 0; at < facts.classes.size(); ++at) {  // dynamic never reaches experts
    const ClassDigest& digest = facts.classes[at];
    if (digest.part == Part::kExpert && (digest.gptq || digest.dense_linear)) walk.built[at] = Built::kQuantized;
  }
  if (const std::string strict = SglangKeyError(walk); !strict.empty())
    return walk.Rejects("tensors", "stops at a tensor whose layer was built otherwise than it is stored", source,
                        strict);
  if (!CheckClasses(walk)) return false;
  CheckAbsent(walk, "uninitialised memory, nothing checks");
  if (const auto mix = FindFusedMix(facts, CountsAsStored)) {
    walk.Degrade(Outcome::kGarbage, "modules",
                 mix->fused + " has quantized and plain parts: the plain ones are skipped", source);
  }
  if (walk.kernel != nullptr && walk.kernel->slow)
    walk.Degrade(Outcome::kSlow, "kernel", "uses the gptq kernel, slower than Marlin", walk.kernel->source);
  walk.Step("tensors", "every packed tensor has a place", source);
  return true;
}

}  // namespace gptq_doctor
