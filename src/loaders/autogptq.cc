// What AutoGPTQ's rows cannot say: the marlin and AWQ marks in quantize_config.json.

#include <string>

#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kConfigMain = "AutoGPTQ/AutoGPTQ main auto_gptq/quantization/config.py";
constexpr std::string_view kSource = "AutoGPTQ/AutoGPTQ auto_gptq/modeling/_base.py";

bool IsGemm(const JsonValue* version, bool any_case) {
  if (version == nullptr || version->AsString() == nullptr) return false;
  const std::string& text = *version->AsString();
  return text == "GEMM" || (any_case && (text == "gemm" || text == "Gemm"));
}

// main calls lower() on three values, whatever they are.
bool CheckStrings(Walk& walk) {
  for (const std::string_view key : {"checkpoint_format", "version"}) {
    const JsonValue* value =
        walk.declared.section == nullptr ? nullptr : FindKey(*walk.declared.section, key, /*fold_case=*/true);
    if (value == nullptr || value->AsString() != nullptr) continue;
    return walk.Rejects("format", "stops: " + std::string(key) + " is no string", kConfigMain,
                        "AttributeError: '" + std::string(PythonType(*value)) + "' object has no attribute 'lower'");
  }
  return true;
}

// main: gemm goes with awq, gptq and marlin with gptq.
bool CheckPair(Walk& walk) {
  const std::string format = walk.declared.format.empty() ? "gptq" : walk.declared.format;
  const bool awq = walk.declared.method == "awq" || walk.declared.method == "AWQ";
  if (awq == (format == "gemm") || (format != "gptq" && format != "gemm")) return true;
  return walk.Rejects("format", "stops: checkpoint_format and quant_method do not go together", kConfigMain,
                      Fill("ValueError: The checkpoint format used is {f}, and the quantization method is {m}. This is "
                           "not supported, please open an issue at https://github.com/AutoGPTQ/AutoGPTQ/issues.",
                           {{"f", format}, {"m", awq ? "awq" : "gptq"}}));
}

}  // namespace

bool StageAutoGptqFormat(Walk& walk) {
  const bool main = walk.profile.version == "main";
  const bool knows_marlin = walk.profile.since >= Version{0, 7, 0};
  if (!knows_marlin) return true;
  if (walk.declared.group_size_text.empty() && !walk.declared.Has(kKeySym)) {
    walk.Step("config", "warns that the configuration has no entry `sym` and takes it as True", kSource);
  }
  if (main && (!CheckStrings(walk) || !StageMethod(walk))) return false;
  const JsonValue* flag =
      walk.declared.section == nullptr ? nullptr : FindKey(*walk.declared.section, "is_marlin_format", main);
  const bool marlin = (flag != nullptr && Truthy(*flag)) ||
                      (main && (walk.declared.format == "marlin" || walk.declared.method == "marlin"));
  if (marlin && !main) {
    return walk.Rejects("format", "stops: the configuration marks the weights as marlin", kSource,
                        "ValueError: You passed a GPTQ model saved in int4*fp16 GPTQ Marlin kernel format but are "
                        "loading with use_marlin=False. "
                        "Please use `use_marlin=True` to load this model.");
  }
  if (marlin) {
    walk.Degrade(Outcome::kUnknown, "format",
                 "forces its marlin path, which expects B and s tensors; not examined further", kSource);
    return false;
  }
  if (IsGemm(walk.declared.Find("version"), main)) {
    walk.Degrade(Outcome::kUnknown, "format",
                 "takes the weights as AWQ (version GEMM) and repacks them; not examined further", kSource);
    return false;
  }
  return !main || CheckPair(walk);
}

}  // namespace gptq_doctor
