// What TGI's rows cannot say: a config that is read until an exception and then from the next file, and tensors asked
// for by name.

#include <algorithm>
#include <cmath>
#include <string>

#include "loaders/engine.h"
#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kQuant =
    "huggingface/text-generation-inference server/text_generation_server/utils/quantization.py:47-130";
constexpr std::string_view kModels =
    "huggingface/text-generation-inference server/text_generation_server/models/__init__.py:444-515";
constexpr std::string_view kLayers =
    "huggingface/text-generation-inference server/text_generation_server/layers/gptq, layers/marlin";

void TakeSym(Declared& read, const JsonValue& section) {
  if (const JsonValue* zero_point = section.Find("zero_point")) {
    read.sym = !Truthy(*zero_point);
    read.method = "awq";
    read.present |= kKeySym;
  } else if (const JsonValue* sym = section.Find("sym")) {
    read.sym = Truthy(*sym);
    read.present |= kKeySym;
  }
}

// What Python compares equal to an integer: 4.0 and True as 4 and 1; 0 where nothing does.
int64_t Whole(const JsonValue& value) {
  const auto number = PythonNumber(value);
  return number && std::abs(*number) < 1e9 && *number == std::floor(*number) ? static_cast<int64_t>(*number) : 0;
}

// Takes an integer, or false where the program raises.
bool Take(const JsonValue& section, std::string_view key, KeyBit bit, Declared& read, const JsonValue*& value,
          int64_t& number) {
  value = section.Find(key);
  if (value == nullptr) return false;
  number = Whole(*value);
  read.present |= bit;
  return true;
}

void TakeOrder(const JsonValue& value, Declared& read) {
  read.desc_act = Truthy(value);
  read.present |= kKeyDescAct;
}

// Each returns false where the program raises and goes on to the next file; what was read before stays.
bool ReadConfigJson(Declared& read, const JsonValue* section) {
  if (section == nullptr || !section->IsObject()) return false;
  const JsonValue* method = section->Find("quant_method");
  if (method == nullptr) return false;
  TakeSym(read, *section);
  if (!Take(*section, "bits", kKeyBits, read, read.bits_value, read.bits) ||
      !Take(*section, "group_size", kKeyGroupSize, read, read.group_size_value, read.group_size))
    return false;
  read.method = method->AsString() == nullptr ? "" : *method->AsString();
  if (const JsonValue* desc_act = section->Find("desc_act")) TakeOrder(*desc_act, read);
  return true;
}

bool ReadSideFile(Declared& read, const JsonValue* section, std::string_view bits_key, std::string_view group_key,
                  bool takes_sym) {
  if (section == nullptr || !section->IsObject()) return false;
  if (!Take(*section, bits_key, kKeyBits, read, read.bits_value, read.bits) ||
      !Take(*section, group_key, kKeyGroupSize, read, read.group_size_value, read.group_size))
    return false;
  if (takes_sym) TakeSym(read, *section);
  const JsonValue* desc_act = section->Find("desc_act");
  if (desc_act == nullptr) return false;
  TakeOrder(*desc_act, read);
  const JsonValue* version = section->Find("version");
  if (version != nullptr && version->AsString() != nullptr && *version->AsString() == "GEMM") read.method = "awq";
  return true;
}

void Describe(Walk& walk, std::string_view file) {
  const Declared& read = walk.declared;
  walk.Step("config",
            "takes its settings from " + std::string(file) + ": bits " + std::to_string(read.bits) + ", group_size " +
                std::to_string(read.group_size) + ", sym " +
                (read.sym            ? "true"
                 : read.Has(kKeySym) ? "false"
                                     : "false (absent)") +
                ", desc_act " + (read.desc_act ? "true" : "false"),
            kQuant);
}

// Marlin's tile test: N and K divisible by (128, 64) or (64, 128).
bool MarlinShape(Walk& walk, const ClassDigest& digest) {
  const RankShape shape = ShapeOnRank(walk.facts, digest, walk.options.tp);
  const int64_t g = walk.declared.group_size;
  if (g > 0 && g < digest.in_features && shape.in % g != 0) {
    return walk.Rejects("kernel", "stops: inputs are no multiple of group_size (" + std::string(digest.pattern) + ")",
                        kLayers,
                        "ValueError: Number of input features (" + std::to_string(shape.in) +
                            ") not divisible by group size (" + std::to_string(g) + ")");
  }
  const bool fits = (shape.in % 128 == 0 && shape.out % 64 == 0) || (shape.in % 64 == 0 && shape.out % 128 == 0);
  if (fits) return true;
  return walk.Rejects(
      "kernel", "stops: Marlin has no tile for " + std::string(digest.pattern), kLayers,
      "ValueError: The GPTQ Marlin kernel does not have a valid thread configuration for weight matrix with shape (" +
          std::to_string(shape.out) + ", " + std::to_string(shape.in) + ").");
}

bool WeightMissing(Walk& walk, std::string detail, std::string_view name) {
  return walk.Rejects("tensors", std::move(detail), walk.profile.tensors.source,
                      "RuntimeError: weight " + std::string(name) + " does not exist");
}

bool CheckDense(Walk& walk) {
  if (walk.facts.quantized_modules == 0) return true;
  const ClassDigest* first = walk.facts.first_class;
  walk.Remedy(kFixCommand);
  return WeightMissing(walk, "stops: no configuration selects its GPTQ loader, so it asks for plain weights",
                       std::string(first == nullptr ? "" : first->stem) + ".weight");
}

bool CheckClass(Walk& walk, const ClassDigest& digest) {
  const std::string stem(digest.stem);
  const bool marlin = walk.kernel != nullptr && walk.kernel->name == "marlin";
  if (digest.part == Part::kRouter)
    return digest.gptq ? WeightMissing(walk, "stops: it wants a plain router", stem + ".weight") : true;
  if (digest.part == Part::kVision || digest.part == Part::kOther) return true;
  if (digest.part == Part::kLmHead) {
    if (!digest.gptq || walk.facts.tied) return true;
    return WeightMissing(walk, "stops: a quantized output head cannot be loaded", stem + ".weight");
  }
  if (!digest.gptq || digest.qweight == nullptr) {
    if (!digest.in_blocks || (!digest.dense_linear && !digest.gptq)) return true;
    return walk.Rejects("tensors", "stops: " + stem + " is not quantized in the files", kLayers,
                        marlin
                            ? "RuntimeError: Cannot load `gptq` weight for GPTQ -> Marlin repacking, make sure the "
                              "model is already quantized"
                            : "RuntimeError: Cannot load `gptq` weight, make sure the model is already quantized, or "
                              "quantize it with `text-generation-server quantize ORIGINAL_MODEL_ID NEW_MODEL_ID`");
  }
  if (digest.g_idx == nullptr) {
    walk.Remedy("write sequential g_idx tensors");
    return WeightMissing(walk, "stops: no g_idx tensors", stem + ".g_idx");
  }
  if (digest.scales == nullptr) return WeightMissing(walk, "stops: scales are missing", stem + ".scales");
  if (digest.qzeros == nullptr && !marlin) return WeightMissing(walk, "stops: qzeros are missing", stem + ".qzeros");
  if (digest.bias_expected == true && digest.bias == nullptr)
    return WeightMissing(walk, "stops: the architecture has a bias here, the files do not", stem + ".bias");
  if (walk.options.tp > 1 && (digest.row_parallel ? digest.in_features : digest.out_features) % walk.options.tp != 0) {
    return walk.Rejects("kernel", "stops: a dimension does not divide by the number of shards", kLayers,
                        "AssertionError: The choosen size " +
                            std::to_string(digest.row_parallel ? digest.in_features : digest.out_features) +
                            " is not compatible with sharding on " + std::to_string(walk.options.tp) + " shards");
  }
  if (marlin && !MarlinShape(walk, digest)) return false;
  if (digest.bits && *digest.bits != walk.declared.bits) {
    walk.Degrade(Outcome::kUnknown, "tensors",
                 stem + " has " + std::to_string(*digest.bits) + " bits, the settings say " +
                     std::to_string(walk.declared.bits) + ": whether a kernel notices was not traced",
                 kLayers);
  } else if (marlin && digest.groups > 0 && GroupsFor(digest.in_features, walk.declared.group_size) != digest.groups) {
    walk.Degrade(Outcome::kUnknown, "tensors",
                 "the groups of " + stem +
                     " are not those of the declared group_size: whether the kernel notices was not traced",
                 kLayers);
  }
  return true;
}

// The parts of a fused layer are concatenated along their outputs.
bool CheckFusedParts(Walk& walk) {
  const auto& classes = walk.facts.classes;
  for (const ClassDigest& one : classes) {
    for (const ClassDigest& other : classes) {
      if (one.fused.empty() || one.fused != other.fused || !one.gptq || !other.gptq || one.leaf >= other.leaf ||
          one.count != other.count || (one.bits == other.bits && one.groups == other.groups))
        continue;
      return walk.Rejects("tensors",
                          "stops: " + std::string(one.pattern) + " and " + std::string(other.leaf) +
                              " have other bits or groups, and their tensors are concatenated",
                          kLayers, "RuntimeError: Sizes of tensors must match except in dimension 1.");
    }
  }
  return true;
}

// Layers that modules_to_not_convert names; the Marlin loader does not read it.
bool CheckExceptions(Walk& walk) {
  const JsonValue* list = walk.declared.Find("modules_to_not_convert");
  if (list == nullptr || walk.kernel->name == "marlin") return true;
  for (const JsonValue& item : list->items) {
    for (const ClassDigest& digest : walk.facts.classes) {
      if (item.AsString() == nullptr || !digest.in_blocks || (!digest.gptq && !digest.dense_linear) ||
          digest.stem.find(*item.AsString()) == std::string_view::npos)
        continue;
      walk.Assume(
          "a layer of modules_to_not_convert stops it with a TypeError: derived from the code path, not executed");
      walk.Degrade(Outcome::kUnknown, "tensors",
                   "modules_to_not_convert names " + std::string(digest.pattern) +
                       ": its helper is called with an argument missing",
                   kLayers);
      return false;
    }
  }
  return true;
}

// Without --quantize config.json's quant_method selects the loader; its other keys are read afterwards.
bool SelectLoader(Walk& walk, const JsonValue* section) {
  if (section == nullptr) return true;
  if (!section->IsObject()) {
    return walk.Rejects("config", "stops: the settings in config.json are no JSON object", kModels,
                        "AttributeError: '" + std::string(PythonType(*section)) + "' object has no attribute 'get'");
  }
  const JsonValue* value = section->Find("quant_method");
  if (value == nullptr) return true;
  if (value->kind == JsonKind::kArray || value->IsObject()) {
    return walk.Rejects("method", "stops: quant_method is no string", kModels,
                        "TypeError: unhashable type: '" + std::string(PythonType(*value)) + "'");
  }
  const std::string method = value->AsString() == nullptr ? "" : *value->AsString();
  if (method == "gptq") {
    walk.dense_model = false;
    return true;
  }
  if (method == "awq") {
    walk.Degrade(Outcome::kUnknown, "method", "selects its AWQ loader; what that makes of GPTQ tensors is not examined",
                 kModels);
    return false;
  }
  if (method == "exl2") {
    return walk.Rejects("method", "stops: quant_method exl2 over other tensors", kModels,
                        "RuntimeError: Cannot load `exl2`-quantized weight, make sure the model is already quantized.");
  }
  if (method == "compressed-tensors") {
    return walk.Rejects("method", "stops: these are no settings of compressed-tensors", kModels,
                        "ValueError: Cannot parse compressed-tensors configuration");
  }
  return true;
}

// The first file that gives all it asks for; each leaves behind what it read before it failed.
std::string_view ReadSettings(Walk& walk, const JsonValue* section) {
  Declared& read = walk.declared;
  bool exists = false, broken = false;
  if (ReadConfigJson(read, section)) return "config.json";
  walk.Step("config", "config.json's section lacks a key; it keeps what it read and tries the next file", kQuant);
  const JsonValue* side = FindSection(walk.configs, {"quantize_config.json", ""}, &exists, &broken);
  if (ReadSideFile(read, side, "bits", "group_size", /*takes_sym=*/true)) return "quantize_config.json";
  side = FindSection(walk.configs, {"quant_config.json", ""}, &exists, &broken);
  if (ReadSideFile(read, side, "w_bit", "q_group_size", /*takes_sym=*/false)) return "quant_config.json";
  return "what was read and its defaults";
}

// Settings that change the path in ways that are not followed.
bool CheckOddSettings(Walk& walk) {
  const Declared& read = walk.declared;
  if (read.method == "awq") {
    walk.Degrade(Outcome::kUnknown, "config",
                 "takes the tensors for AWQ (zero_point, or version GEMM); what that makes of these is not examined",
                 kQuant);
    return false;
  }
  for (const JsonValue* value : {read.bits_value, read.group_size_value}) {
    if (value == nullptr || PythonType(*value) != "float" || Whole(*value) == 0) continue;
    walk.Degrade(Outcome::kUnknown, "config",
                 "accepts " + PythonRepr(*value) + " as a number; what its kernels make of it is not known", kQuant);
    return false;
  }
  return true;
}

}  // namespace

bool StageTgiConfig(Walk& walk) {
  Declared& read = walk.declared;
  read.bits = 4;
  read.group_size = -1;
  read.desc_act = false;
  read.sym = false;
  read.method = "gptq";
  bool exists = false, broken = false;
  const auto find = [&](std::string_view pointer) {
    const JsonValue* value = FindSection(walk.configs, {"config.json", pointer}, &exists, &broken);
    return value == nullptr || value->kind == JsonKind::kNull ? nullptr : value;
  };
  const JsonValue* section = find("/quantization_config");
  walk.dense_model = true;
  if (!SelectLoader(walk, section != nullptr ? section : find("/compression_config"))) return false;
  if (walk.dense_model) {
    walk.Step("config", "config.json names no quant_method gptq and there is no --quantize flag: plain loader", kQuant);
    return true;
  }
  read.section = section;
  read.file = "config.json";
  Describe(walk, ReadSettings(walk, section));
  return CheckOddSettings(walk);
}

bool StageTgiTensors(Walk& walk) {
  if (walk.dense_model) return CheckDense(walk);
  if (walk.machine.platform == kCuda && !walk.machine.given)
    walk.Assume("an NVIDIA GPU of compute capability 8.0 or newer");
  // The three loaders differ by settings alone; shapes are met later.
  for (const KernelRow& row : walk.profile.kernels) {
    bool fits = TestKernel(walk, row, static_cast<int>(walk.facts.classes.size())).what == Refusal::kNone &&
                walk.declared.bits > 0 && walk.declared.bits < 32 && ((row.bits >> walk.declared.bits) & 1) != 0;
    const auto& groups = row.group_sizes;
    if (fits && !groups.empty())
      fits = std::find(groups.begin(), groups.end(), walk.declared.group_size) != groups.end();
    if (!fits) continue;
    walk.kernel = &row;
    break;
  }
  if (walk.kernel == nullptr) {
    return walk.Rejects("kernel",
                        "stops: bits " +
                            (walk.declared.bits_value == nullptr ? std::to_string(walk.declared.bits)
                                                                 : PythonRepr(*walk.declared.bits_value)) +
                            " have no kernel",
                        kLayers, "NotImplementedError: Only 2,4,8 bits are supported.");
  }
  if (!CheckExceptions(walk) || !CheckFusedParts(walk)) return false;
  if (walk.kernel->slow) {
    walk.Degrade(Outcome::kSlow, "kernel", "takes the kernel " + std::string(walk.kernel->name) + ", a slow one",
                 kLayers);
  } else {
    walk.Step("kernel", "takes the kernel " + std::string(walk.kernel->name), kLayers);
  }
  if (!walk.facts.config_clash.empty()) {
    walk.Degrade(Outcome::kUnknown, "tensors", walk.facts.config_clash, kLayers);
  }
  std::vector<const ClassDigest*> order;
  for (const ClassDigest& digest : walk.facts.classes) order.push_back(&digest);
  std::sort(order.begin(), order.end(), [](const ClassDigest* a, const ClassDigest* b) { return a->stem < b->stem; });
  for (const ClassDigest* digest : order) {
    if (!CheckClass(walk, *digest)) return false;
  }
  if (!walk.facts.absent.empty())
    return WeightMissing(walk, "stops: no file holds " + walk.facts.absent.front(),
                         walk.facts.absent.front() + ".weight");
  if (walk.facts.act_order.value_or(false)) {
    walk.Assume(
        "the parts of a fused layer share one g_idx; else it stops with AssertionError: Tensor-likes are not equal!");
  }
  if (walk.kernel->name != "marlin" && !walk.declared.desc_act && walk.facts.act_order.value_or(false)) {
    walk.Assume(
        "row layers subtract g_idx[0] from every entry where desc_act is false: derived from the code path, not "
        "executed");
    walk.Degrade(Outcome::kUnknown, "values",
                 "desc_act is false but g_idx permutes: row layers get wrong groups unless g_idx[0] is 0", kLayers);
  }
  walk.Step("tensors", "every tensor it asks for is there", walk.profile.tensors.source);
  return true;
}

bool StageOldTgi(Walk& walk) {
  static constexpr std::string_view kSource = "huggingface/text-generation-inference#728, #962";
  if (walk.facts.quantized_modules == 0) return true;
  bool exists = false, broken = false;
  const JsonValue* side = FindSection(walk.configs, {"quantize_config.json", ""}, &exists, &broken);
  const bool tensor = walk.exam.tensors.Find("gptq_bits") != nullptr;
  if (!tensor && (side == nullptr || side->Find("bits") == nullptr)) {
    walk.Remedy(kFixCommand);
    return walk.Rejects("config",
                        "stops: neither tensors gptq_bits and gptq_groupsize nor quantize_config.json say what the "
                        "settings are; config.json is not read",
                        kSource, "RuntimeError: weight gptq_bits does not exist");
  }
  walk.Step("config",
            tensor ? "takes bits and group size from the tensors gptq_bits and gptq_groupsize"
                   : "takes its settings from quantize_config.json",
            kSource);
  walk.kernel = &walk.profile.kernels.front();
  const ClassDigest* first = nullptr;
  for (const ClassDigest& digest : walk.facts.classes) {
    if (!digest.gptq || digest.g_idx != nullptr) continue;
    // Attention is built first.
    if (first == nullptr || (digest.leaf == "q_proj" && first->leaf != "q_proj")) first = &digest;
  }
  if (first != nullptr) {
    walk.Remedy("use TGI 2 or later with g_idx tensors written, or another branch of the model");
    return walk.Rejects("tensors", "stops: no g_idx tensors", "huggingface/text-generation-inference#601",
                        "RuntimeError: weight " + std::string(first->stem) + ".g_idx does not exist");
  }
  walk.Degrade(Outcome::kSlow, "kernel", "runs on its Triton kernel", kSource);
  return StageValues(walk);
}

}  // namespace gptq_doctor
