// What AutoGPTQ's rows cannot say: the marlin and AWQ marks in quantize_config.json.

#include <string>

#include "loaders/families.h"
#include "loaders/stages.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kSource = "AutoGPTQ/AutoGPTQ auto_gptq/modeling/_base.py";

bool IsGemm(const JsonValue* version, bool any_case) {
  if (version == nullptr || version->AsString() == nullptr) return false;
  const std::string& text = *version->AsString();
  return text == "GEMM" || (any_case && (text == "gemm" || text == "Gemm"));
}

}  // namespace

bool StageAutoGptqFormat(Walk& walk) {
  const bool main = walk.profile.version == "main";
  const bool knows_marlin = walk.profile.since >= Version{0, 7, 0};
  if (!knows_marlin) return true;
  if (walk.declared.group_size_text.empty() && !walk.declared.Has(kKeySym)) {
    walk.Step("config", "warns that the configuration has no entry `sym` and takes it as True", kSource);
  }
  if (main && !StageMethod(walk)) return false;
  const JsonValue* flag = walk.declared.Find("is_marlin_format");
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
  return true;
}

}  // namespace gptq_doctor
