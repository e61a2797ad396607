// What GPTQModel's rows cannot say: the gate of GPTQModel.load(), formats and keys that reject, and the guard on
// asymmetric v1 files.

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>

#include "base/text.h"
#include "loaders/families.h"
#include "loaders/shared_rows.h"
#include "loaders/simulate.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kGate = "ModelCloud/GPTQModel gptqmodel/models/auto.py:226-241, models/loader.py";
constexpr std::string_view kConfig = "ModelCloud/GPTQModel gptqmodel/quantization/config.py";
constexpr std::string_view kNoQuantizeConfig =
    "AttributeError: `quantize_config` must be passed and be an instance of QuantizeConfig.";

// quant_format, then (from 6.0) method, then quant_method is one that counts as quantized.
bool SectionCounts(const Walk& walk, const JsonValue& section) {
  static constexpr std::array<std::string_view, 3> kMethods5 = {"gptq", "awq", "qqq"};
  static constexpr std::array<std::string_view, 8> kMethods7 = {"gptq", "gguf",      "fp8", "bitsandbytes",
                                                                "awq",  "paroquant", "qqq", "exl3"};
  if (!section.IsObject()) return false;
  const bool late = walk.profile.since >= Version{6, 0, 0};
  for (const std::string_view key : {"quant_format", "method", "quant_method"}) {
    if (key == "method" && !late) continue;
    const JsonValue* value = section.Find(key);
    if (value == nullptr || value->AsString() == nullptr) continue;
    const std::string method = LowerAscii(*value->AsString());
    if (late ? std::find(kMethods7.begin(), kMethods7.end(), method) != kMethods7.end()
             : std::find(kMethods5.begin(), kMethods5.end(), method) != kMethods5.end()) {
      return true;
    }
  }
  return false;
}

// "gptqmodel:2.2.0" anywhere in meta.quantizer, version at least 0.9.0.
bool KnownQuantizer(const JsonValue& section) {
  const JsonValue* meta = section.Find("meta");
  const JsonValue* quantizer = meta == nullptr ? nullptr : meta->Find("quantizer");
  if (quantizer == nullptr) return false;
  const auto known = [](const JsonValue& value) {
    const std::string* text = value.AsString();
    if (text == nullptr || !LowerAscii(*text).starts_with("gptqmodel:")) return false;
    std::string_view number = std::string_view(*text).substr(10);
    number = number.substr(0, number.find_first_not_of("0123456789."));
    Version version;
    int parts = 0;
    return ParseVersion(number, &version, &parts) && version >= Version{0, 9, 0};
  };
  if (known(*quantizer)) return true;
  return std::any_of(quantizer->items.begin(), quantizer->items.end(), known);
}

// 7.3.4: where a layer has 5, 6 or 7 bits, format gptq and gptq_v2 are read as gptq_p.
void TakePlanar(Walk& walk) {
  Declared& read = walk.declared;
  if (read.format_given && read.format != "gptq" && read.format != "gptq_v2") return;
  const auto planar = [](int64_t bits) { return bits >= 5 && bits <= 7; };
  bool any = planar(read.bits);
  const JsonValue* dynamic = FindKey(*read.section, "dynamic", true);
  if (dynamic != nullptr) {
    for (const JsonMember& rule : dynamic->members) {
      const JsonValue* bits = rule.value.Find("bits");
      any = any || (!rule.key.starts_with('-') && bits != nullptr && planar(bits->AsInt().value_or(0)));
    }
  }
  if (!any) return;
  walk.Step("format", "takes the format for gptq_p, as some layers have 5 to 7 bits", kConfig);
  read.format = "gptq_p";
  read.format_given = true;
}

bool CheckConflictingKeys(Walk& walk) {
  const Declared& read = walk.declared;
  const Version since = walk.profile.since;
  if (!read.Has(kKeySym))
    walk.Step("settings", "warns: config does not contain `sym` (symmetric quantization). Defaulting to `sym=True`.",
              kConfig);
  const JsonValue* aware = FindKey(*read.section, "act_group_aware", true);
  if (since >= Version{4, 0, 0} && aware != nullptr && Truthy(*aware) && read.desc_act &&
      (since < Version{5, 0, 0} || read.Has(kKeyDescAct))) {
    return walk.Rejects("settings", "stops: act_group_aware and desc_act are both true", kConfig,
                        "ValueError: QuantizeConfig:: `act_group_aware` == `True` requires `desc_act` == `False`.");
  }
  return true;
}

// The declared pack_dtype, where it is given and read.
std::optional<std::string> PackDtype(const Walk& walk) {
  const JsonValue* pack = walk.declared.section == nullptr || walk.profile.since < Version{2, 0, 0}
                              ? nullptr
                              : FindKey(*walk.declared.section, "pack_dtype", true);
  if (pack == nullptr || pack->kind == JsonKind::kNull) return std::nullopt;
  return pack->AsString() != nullptr ? LowerAscii(*pack->AsString()) : PythonRepr(*pack);
}

bool CheckWordWidth(Walk& walk) {
  const std::string text = PackDtype(walk).value_or("int32");
  const ClassDigest* first = walk.facts.first_class;
  if (text == "int32" || first == nullptr || !first->bits || first->qweight == nullptr ||
      first->qweight->dtype != Dtype::kI32)
    return true;
  const int64_t word = text == "int8" ? 8 : text == "int16" ? 16 : 64;
  walk.Remedy(kFixCommand);
  return walk.Rejects("tensors", "stops: the words are 32 bits wide, its layers are built for " + text, kConfig,
                      Fill(kAccelerateShape033,
                           {{"leaf", "qweight"},
                            {"stored", ShapeText({first->in_features * *first->bits / 32, first->out_features})},
                            {"built", ShapeText({first->in_features * *first->bits / word, first->out_features})}}));
}

// False, and the outcome unknown, for formats, methods and adapters whose code was not read or never runs.
bool IsExaminedPath(Walk& walk) {
  static constexpr std::array<std::string_view, 7> kElsewhere = {"bitblas", "qqq",       "ipex",   "gemm",
                                                                 "gemv",    "gemv_fast", "llm-awq"};
  static constexpr std::array<std::string_view, 6> kOtherMethods = {"awq",          "gguf", "fp8",
                                                                    "bitsandbytes", "exl3", "paroquant"};
  const Declared& read = walk.declared;
  const Version since = walk.profile.since;
  const auto unknown = [&](std::string_view step, std::string why) {
    walk.Degrade(Outcome::kUnknown, step, std::move(why), kConfig);
    return false;
  };
  const auto among = [](std::span<const std::string_view> words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (read.format == "marlin" && walk.facts.quantized_modules > 0) {
    walk.Assume("what GPTQModel does with format marlin is derived from the code path, not executed");
    return unknown("format",
                   "format marlin forces its marlin back end, whose weights never reach the kernel in 2.x to 6.x");
  }
  if (among(kElsewhere, read.format))
    return unknown("format", "format " + read.format + " takes a path that is not examined");
  const std::string method = LowerAscii(read.method);
  if (method == "qqq" || (since >= Version{6, 0, 0} && among(kOtherMethods, method)))
    return unknown("format", "quant_method " + method + " takes a path that is not examined");
  const JsonValue* adapter = FindKey(*read.section, "adapter", true);
  if (since >= Version{2, 0, 0} && adapter != nullptr && adapter->kind != JsonKind::kNull)
    return unknown("settings", "an adapter is declared, whose settings are not examined");
  return true;
}

}  // namespace

bool StageGptqModelGate(Walk& walk) {
  bool exists = false, broken = false;
  const JsonValue* section = FindSection(walk.configs, {"config.json", "/quantization_config"}, &exists, &broken);
  const bool side_file =
      walk.configs.Get("quantize_config.json") != nullptr || walk.configs.Get("quant_config.json") != nullptr;
  const bool by_attribute = walk.profile.since < Version{5, 2, 0};
  const bool quantized = side_file || (section != nullptr && section->kind != JsonKind::kNull &&
                                       (by_attribute || SectionCounts(walk, *section)));
  if (quantized) {
    walk.Step("gate",
              side_file ? "takes the directory for quantized: quantize_config.json exists"
                        : "takes the directory for quantized: config.json says so",
              kGate);
    return true;
  }
  walk.Remedy(kFixCommand);
  if (walk.profile.since >= Version{1, 6, 0})
    walk.Step("gate", "from_quantized(), which has no gate, would stop with KeyError: 'quantization_config'", kConfig);
  if (walk.profile.since < Version{5, 7, 0}) {
    return walk.Rejects(
        "gate", "stops: nothing says that the model is quantized, and for a plain one it wants a quantize_config",
        kGate, std::string(kNoQuantizeConfig));
  }
  walk.Step("gate", "nothing says that the model is quantized: hands it to transformers", kGate);
  const JsonValue* method = section == nullptr ? nullptr : section->Find("quant_method");
  if (method != nullptr && method->AsString() != nullptr && *method->AsString() == "auto-round") {
    walk.Degrade(Outcome::kUnknown, "method", "transformers leaves auto-round to the package auto-round, not examined",
                 kGate);
    return false;
  }
  walk.files.clear();
  const bool single = walk.exam.dir.Has("model.safetensors") || walk.exam.dir.Has("model.safetensors.index.json");
  if (!single) {
    return walk.Rejects(
        "weights", "stops: transformers looks for model.safetensors or its index", kGate,
        walk.Message(
            "OSError: Error no file named model.safetensors, or pytorch_model.bin, found in directory {dir}."));
  }
  FallBack(walk, "gate", "hands the model to transformers' from_pretrained without a word", kGate,
           walk.Message("{Class} LOAD REPORT from: {dir}") +
               "\nMISSING: those params were newly initialized because missing from the checkpoint.");
  return false;
}

// While the keys are gone through, before any value is judged.
bool StageGptqModelKeys(Walk& walk) {
  const JsonValue* section = walk.declared.section;
  if (section == nullptr || walk.profile.since < Version{6, 0, 0} ||
      FindKey(*section, "is_marlin_format", true) == nullptr)
    return true;
  walk.Remedy(kFixCommand);
  return walk.Rejects("settings", "stops: the key is_marlin_format is present",
                      "ModelCloud/GPTQModel v6.0.0 gptqmodel/quantization/config.py:2855",
                      "ValueError: QuantizeConfig: `is_marlin_format` is no longer supported. Replace it with an "
                      "explicit `format` field.");
}

// The first value that its class judges (config.py, __post_init__), before bits.
bool StageGptqModelWords(Walk& walk) {
  const std::string text = PackDtype(walk).value_or("int32");
  if (text == "int32" || text == "int16" || text == "int8" || text == "int64") return true;
  return walk.Rejects("settings", "stops: pack_dtype " + text + " is none it knows", kConfig,
                      "ValueError: QuantizeConfig: Unsupported `pack_dtype`: " + text);
}

bool StageGptqModelFormat(Walk& walk) {
  const Declared& read = walk.declared;
  if (read.section == nullptr) return true;
  const Version since = walk.profile.since;
  if (!CheckConflictingKeys(walk) || !CheckWordWidth(walk)) return false;
  if (read.format == "gptq_v2" && since >= Version{6, 0, 0} && since < Version{7, 0, 0}) {
    walk.Step("format",
              "an explicit Marlin back end would stop: Unsupported backend: `gptq_marlin` for `gptq` with format "
              "`gptq_v2`; AUTO takes another kernel",
              "ModelCloud/GPTQModel#2824");
  }
  if (!IsExaminedPath(walk)) return false;
  if (since >= Version{7, 3, 4}) TakePlanar(walk);
  return true;
}

bool StageGptqModelSym(Walk& walk) {
  const Declared& read = walk.declared;
  if (read.section == nullptr || walk.dense_model || read.sym || (read.format_given && read.format != "gptq"))
    return true;
  if (KnownQuantizer(*read.section)) return true;
  walk.Remedy("load through transformers, which has no such guard, or convert to gptq_v2");
  return walk.Rejects("zero points",
                      "stops after reading all weights: asymmetric gptq (v1) is trusted only from GPTQModel 0.9.0 or "
                      "later, and meta.quantizer does not say so",
                      "ModelCloud/GPTQModel gptqmodel/models/loader.py",
                      "ValueError: Format: Loading of a sym=False model with format=gptq is only supported if produced "
                      "by gptqmodel version >= 0.9.0");
}

}  // namespace gptq_doctor
