// What the configuration and layer classes of vLLM and SGLang raise while they are made, before any weight is read.

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "loaders/engine.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kInput =
    "ValueError: The input size is not aligned with the quantized weight shape. This can be caused by too large tensor "
    "parallel size.";
constexpr std::string_view kOutput =
    "ValueError: The output size is not aligned with the quantized weight shape. This can be caused by too large "
    "tensor parallel size.";

std::string NoAttribute(const JsonValue& value, std::string_view name) {
  return Fill("AttributeError: '{t}' object has no attribute '{a}'",
              {{"t", std::string(PythonType(value))}, {"a", std::string(name)}});
}

bool Unhashable(const JsonValue* value) {
  return value != nullptr && (value->kind == JsonKind::kArray || value->kind == JsonKind::kObject);
}

std::string DividedByNoBits(bool fraction) {
  return fraction ? "ZeroDivisionError: Fraction(32, 0)" : "ZeroDivisionError: integer division or modulo by zero";
}

bool CheckRule(Walk& walk, const LayerSettings& own, const ClassDigest& digest, const EngineTraits& traits) {
  const std::string at = "stops: the rule " + own.rule->key + " of dynamic gives " + std::string(digest.pattern);
  const auto reject = [&](std::string_view why, std::string message) {
    return walk.Rejects("modules", at + std::string(why), traits.source, std::move(message));
  };
  if (!own.rule->value.IsObject()) return reject(" no settings", NoAttribute(own.rule->value, "get"));
  const JsonValue* value = own.rule->value.Find("bits");
  const std::string bits = value != nullptr && value->AsBool() ? PythonRepr(*value) : std::to_string(own.bits);
  if (own.bits == 0) return reject(" bits 0", DividedByNoBits(traits.fraction_later));
  if (walk.method == "gptq") {
    if (own.bits == 2 || own.bits == 3 || own.bits == 4 || own.bits == 8) return true;
    return reject(" bits " + bits,
                  "ValueError: Currently, only 2/3/4/8-bit weight quantization is supported for GPTQ, but got " + bits +
                      " bits.");
  }
  if (!own.sym || (own.bits != 4 && own.bits != 8)) {
    return reject(" settings that Marlin does not do", "ValueError: Unsupported quantization config: bits=" + bits +
                                                           ", sym=" + (own.sym ? "True" : "False"));
  }
  const int64_t g = own.group_size;
  if (g == -1 || g == 32 || g == 64 || g == 128) return true;
  return reject(" group_size " + std::to_string(g), Fill(traits.group_message, {{"g", std::to_string(g)}}));
}

}  // namespace

bool SaysMarlin(const Walk& walk) {
  const JsonValue* flag = walk.declared.Find("is_marlin_format");
  const JsonValue* format = walk.declared.Find("checkpoint_format");
  return (flag != nullptr && Truthy(*flag)) ||
         (format != nullptr && format->AsString() != nullptr && *format->AsString() == "marlin");
}

bool AllSettingsGiven(const Walk& walk) {
  for (const std::string_view key : {"bits", "group_size", "sym", "desc_act"}) {
    const JsonValue* value = walk.declared.Find(key);
    if (value == nullptr || value->kind == JsonKind::kNull) return false;
  }
  return true;
}

bool CheckMethodType(Walk& walk, std::string_view source) {
  const JsonValue* value = walk.declared.method_value;
  if (value == nullptr || value->AsString() != nullptr) return true;
  walk.Remedy(kFixCommand);
  return walk.Rejects("method", "stops: quant_method is no string", source, NoAttribute(*value, "lower"));
}

bool CheckOtherMethod(Walk& walk, const std::string& method, std::string_view source) {
  static constexpr std::string_view kKnown[] = {
      "aqlm",      "awq_marlin", "bitblas", "bitsandbytes", "compressed-tensors", "deepspeedfp",  "experts_int8",
      "fp8",       "gguf",       "hqq",     "ipex",         "modelopt",           "modelopt_fp4", "mxfp4",
      "qqq",       "quark",      "torchao", "w8a8_fp8",     "w8a8_int8",          "fbgemm_fp8",   "gptq_bitblas",
      "moe_wna16", "awq"};
  if (std::find(std::begin(kKnown), std::end(kKnown), method) == std::end(kKnown)) return true;
  std::string message;
  if (method == "awq" && walk.declared.Find("zero_point") == nullptr)
    message = "ValueError: Cannot find any of ['zero_point'] in the model's quantization config.";
  if (method == "moe_wna16") message = "ValueError: moe_wna16 only support gptq and awq.";
  walk.Remedy(kFixCommand);
  if (!message.empty())
    return walk.Rejects("method", "stops: its class for " + method + " refuses these settings", source, message);
  walk.Degrade(Outcome::kUnknown, "method",
               "leaves " + method +
                   " to a class of its own, or knows no such method; what that makes of GPTQ tensors "
                   "is not examined",
               source);
  return false;
}

bool CheckBitsType(Walk& walk, bool fraction, std::string_view source) {
  const JsonValue* value = walk.declared.bits_value;
  if (value == nullptr) return true;
  const std::optional<double> number = PythonNumber(*value);
  const std::string type(PythonType(*value));
  std::string message;
  if (number && *number == 0) {
    message = DividedByNoBits(fraction);
  } else if (fraction && (type == "float" || type == "str" || type == "list" || type == "dict")) {
    message = "TypeError: both arguments should be Rational instances";
  } else if (!fraction && !number) {
    message = "TypeError: unsupported operand type(s) for //: 'int' and '" + type + "'";
  }
  if (message.empty()) return true;
  walk.Remedy(kFixCommand);
  return walk.Rejects("method", "stops: bits " + PythonRepr(*value) + " divides nothing", source, std::move(message));
}

bool CheckMarlinLookup(Walk& walk, std::string_view source) {
  for (const JsonValue* value : {walk.declared.bits_value, walk.declared.sym_value}) {
    if (!Unhashable(value)) continue;
    walk.Remedy(kFixCommand);
    return walk.Rejects("method", "stops: " + PythonRepr(*value) + " is no key of its table of (bits, sym)", source,
                        "TypeError: unhashable type: '" + std::string(PythonType(*value)) + "'");
  }
  return true;
}

bool CheckRules(Walk& walk, const EngineTraits& traits) {
  const JsonValue* dynamic = walk.declared.Find("dynamic");
  if (dynamic != nullptr && dynamic->kind != JsonKind::kNull && !dynamic->IsObject()) {
    return walk.Rejects("modules", "stops: dynamic is no JSON object", traits.source, NoAttribute(*dynamic, "items"));
  }
  if (traits.fraction_later && walk.method != "gptq" && walk.declared.bits_value != nullptr &&
      PythonType(*walk.declared.bits_value) == "float") {
    return walk.Rejects("modules", "stops: bits " + walk.declared.bits_text + " is no integer", traits.source,
                        "TypeError: both arguments should be Rational instances");
  }
  for (size_t i = 0; i < walk.facts.classes.size(); ++i) {
    if (walk.built[i] != Built::kQuantized) continue;
    for (const LayerSettings& own : EngineSettingsOf(walk, i)) {
      if (own.rule != nullptr && PythonNumber(own.rule->value) == 0.0) {
        walk.Degrade(Outcome::kUnknown, "modules",
                     "the rule " + own.rule->key + " of dynamic is zero or false, which takes its layers out",
                     traits.source);
        return false;
      }
      if (own.rule != nullptr && !CheckRule(walk, own, walk.facts.classes[i], traits)) return false;
    }
  }
  return true;
}

bool CheckGptqSizes(Walk& walk, const ClassDigest& digest, const std::vector<LayerSettings>& settings,
                    const EngineTraits& traits) {
  const RankShape shape = ShapeOnRank(walk.facts, digest, walk.options.tp);
  const std::string at = " (" + std::string(digest.pattern) +
                         (walk.options.tp > 1 ? ", tensor-parallel size " + std::to_string(walk.options.tp) : "") + ")";
  const auto reject = [&](const std::string& why, std::string message) {
    return walk.Rejects("kernel", "stops: " + why + at, traits.source, std::move(message));
  };
  for (const LayerSettings& own : settings) {
    const JsonValue* value = walk.declared.group_size_value;
    const int64_t g = own.group_size;
    const bool declared = g == walk.declared.group_size && value != nullptr;
    const std::optional<double> number = declared ? PythonNumber(*value) : static_cast<double>(g);
    if (!number) {
      return reject("group_size is no number", "TypeError: unsupported operand type(s) for %: 'int' and '" +
                                                   std::string(PythonType(*value)) + "'");
    }
    if (g == 0 && *number != 0) {  // no integer that a layer could have
      if (std::fmod(static_cast<double>(shape.in), *number) == 0) continue;
      return reject("group_size " + PythonRepr(*value) + " divides no layer", std::string(kInput));
    }
    if (g == 0) return reject("group_size is 0", "ZeroDivisionError: integer modulo by zero");
    if (shape.in % g != 0) {
      walk.Remedy("lower the tensor-parallel size, or pad the layer before quantizing");
      return reject(std::to_string(shape.in) + " inputs a rank are no multiple of group_size " + std::to_string(g),
                    std::string(kInput));
    }
    if (own.bits <= 0) continue;
    const int64_t pack = own.bits == 3 ? traits.outputs_of_3_bits : 32 / own.bits;
    if (shape.out % pack != 0) {
      return reject(std::to_string(shape.out) + " outputs a rank are no multiple of the pack factor " +
                        std::to_string(pack) + (pack == 10 ? " (32 // 3)" : ""),
                    std::string(kOutput) + (pack == 10 ? "\nAssertionError, where all sizes are multiples of 10" : ""));
    }
    if (g < -1)
      return reject("group_size is negative", "RuntimeError: Trying to create tensor with negative dimension");
  }
  return true;
}

}  // namespace gptq_doctor
