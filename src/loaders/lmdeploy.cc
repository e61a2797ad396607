// What LMDeploy's rows cannot say: settings anywhere in config.json, and its own checks of them.

#include <cmath>
#include <string>
#include <utility>

#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kKey = "quantization_config";

// The value of the first such key, depth first; null in an inner object goes on, at the top it ends the search.
const JsonValue* SearchNested(const JsonValue& value) {
  for (const JsonMember& member : value.members) {
    if (member.key == kKey) return member.value.kind == JsonKind::kNull ? nullptr : &member.value;
    if (const JsonValue* found = SearchNested(member.value)) return found;
  }
  for (const JsonValue& item : value.items) {
    if (const JsonValue* found = SearchNested(item)) return found;
  }
  return nullptr;
}

constexpr double kLargestGroup = 1e15;  // beyond it no model; far inside what an integer holds

// int(group_size); false where Python raises.
bool TakeGroup(Walk& walk, int64_t* group) {
  const JsonValue* value = walk.declared.Find("group_size");
  *group = 0;
  if (value == nullptr) return true;
  const std::string* text = value->AsString();
  if (text != nullptr && text->starts_with('-')) {  // int("-1")
    JsonValue digits = *value;
    digits.text.erase(0, 1);
    if (const auto number = DigitsOrNumber(digits); number && *number <= kLargestGroup) {
      *group = -static_cast<int64_t>(*number);
      return true;
    }
  }
  if (const auto number = DigitsOrNumber(*value)) {
    std::string error;
    if (std::isnan(*number)) error = "ValueError: cannot convert float NaN to integer";
    if (std::isinf(*number)) error = "OverflowError: cannot convert float infinity to integer";
    if (std::isfinite(*number) && std::abs(*number) > kLargestGroup) error = "ValueError: Unsupported group_size=";
    if (!error.empty())
      return walk.Rejects("config", "stops: group_size is " + PythonRepr(*value), walk.profile.config.source,
                          std::move(error));
    *group = static_cast<int64_t>(*number);
    return true;
  }
  return walk.Rejects("config", "stops: group_size is no number", walk.profile.config.source,
                      text != nullptr ? "ValueError: invalid literal for int() with base 10: '" + *text + "'"
                                      : "TypeError: int() argument must be a string, a bytes-like object or a real "
                                        "number, not '" +
                                            std::string(PythonType(*value)) + "'");
}

// The method's own conditions; `walk.dense_model` stays false.
bool CheckMethod(Walk& walk) {
  const Declared& read = walk.declared;
  const std::string_view source = walk.profile.config.source;
  const std::string dict = PythonDict(read.section);
  const auto unsupported = [&](std::string detail, std::string_view words) {
    return walk.Rejects("config", std::move(detail), source, "AssertionError: " + std::string(words) + dict);
  };
  if (read.method == "gptq") {
    if (!read.desc_act && read.sym) return true;
    return unsupported(std::string("stops: TurboMind refuses ") + (read.desc_act ? "desc_act true" : "sym false"),
                       "unsupported quant config: ");
  }
  const JsonValue* version = read.Find("version");
  const bool gemm = version != nullptr && version->AsString() != nullptr && *version->AsString() == "gemm";
  if (read.method == "awq" && !gemm)
    return unsupported("stops: quant_method awq without version gemm", "unsupported quant config: ");
  if (read.method == "compressed-tensors" && read.Find("config_groups") == nullptr)
    return walk.Rejects("config", "stops: these are no settings of compressed-tensors", source,
                        "KeyError: 'config_groups'");
  if (read.method == "awq" || read.method == "fp8" || read.method == "mxfp4" || read.method == "compressed-tensors") {
    walk.Degrade(Outcome::kUnknown, "method",
                 "takes the tensors for " + read.method + "; what that makes of GPTQ's is not examined", source);
    return false;
  }
  return unsupported("stops: quant_method is missing or unknown", "unsupported quant_config: ");
}

// Tensors that TurboMind decodes as 4 bits in groups of 128, whatever they are.
void CheckShapes(Walk& walk) {
  for (const ClassDigest& digest : walk.facts.classes) {
    if (!digest.gptq) continue;
    std::string what;
    if (digest.bits && *digest.bits != 4) {
      what = std::to_string(*digest.bits) + " bits; bits are not read, it fails later or decodes wrongly";
    } else if (digest.groups > 0 && digest.in_features > 0 && GroupsFor(digest.in_features, 128) != digest.groups) {
      what = std::to_string(digest.groups) + " groups, not those of group_size 128";
    }
    if (what.empty()) continue;
    walk.Degrade(Outcome::kUnknown, "tensors", std::string(digest.pattern) + " has " + what,
                 walk.profile.tensors.source);
    return;
  }
}

}  // namespace

bool StageLmdeploy(Walk& walk) {
  const std::string_view source = walk.profile.tensors.source;
  const ModelFacts& facts = walk.facts;
  const JsonValue* section = SearchNested(*walk.configs.model.json.root);
  if (section != nullptr && !Truthy(*section)) section = nullptr;
  if (facts.quantized_modules == 0) {
    walk.dense_model = true;
    if (walk.profile.backend.empty()) StageFiles(walk);
    return false;
  }
  if (walk.profile.backend == "pytorch") {
    walk.Remedy("use its TurboMind engine");
    return walk.Rejects("method", "stops: the PyTorch engine has no GPTQ", source,
                        "TypeError: Unsupported quant method: gptq");
  }
  if (section == nullptr) {
    const std::string prefix(facts.first_class == nullptr ? "" : facts.first_class->stem);
    walk.Remedy("gptq-doctor fix --write, or --model-format gptq");
    return walk.Rejects("tensors", "stops: no quantization_config, so it looks for plain weights", source,
                        "KeyError: \"no checkpoint tensors found at prefix '" + prefix + "'\"");
  }
  if (!section->IsObject()) {
    return walk.Rejects("config", "stops: quantization_config is no JSON object", walk.profile.config.source,
                        "AttributeError: '" + std::string(PythonType(*section)) + "' object has no attribute 'get'");
  }
  ReadDeclared(walk, *section, "config.json");
  int64_t group = 0;
  if (!TakeGroup(walk, &group) || !CheckMethod(walk)) return false;
  if (group == 0) group = 128;
  if (group != 128) {
    return walk.Rejects("config", "stops: group_size " + std::to_string(group) + "; only 128 is supported", source,
                        "ValueError: Unsupported group_size=" + std::to_string(group) +
                            " for model_format=\"gptq\". Supported group_size values: 128.");
  }
  walk.Step("config", "takes its settings from config.json: group_size 128, desc_act false, sym true", source);
  if (!StageFiles(walk) || !StageModules(walk)) return false;
  walk.kernel = &walk.profile.kernels.front();
  CheckShapes(walk);
  DoubtIncomplete(walk, "; how it then goes on is not examined");
  walk.Step("dtype", "runs at float16", source);
  return true;
}

}  // namespace gptq_doctor
