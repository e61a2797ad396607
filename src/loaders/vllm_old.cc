// vLLM before it had GPTQ, and its experts of 2024.

#include <string>

#include "loaders/engine.h"
#include "loaders/families.h"
#include "loaders/stages.h"
#include "loaders/vllm_age.h"

namespace gptq_doctor {

bool StageVllmWithoutGptq(Walk& walk) {
  static constexpr std::string_view kSource = "vllm-project/vllm#1100; xusenlinzy/api-for-open-llm#196";
  if (walk.facts.quantized_modules == 0) return true;
  walk.Remedy("take vLLM 0.2.6 or later");
  const std::string key = "KeyError: '" + walk.facts.first_tensor + "'";
  if (walk.dense_model)
    return walk.Rejects("tensors", "stops at the first packed tensor: plain layers were built", kSource, key);
  walk.Assume("the release reads quant_method, as those of December 2023 do; earlier ones build plain layers: " + key);
  return walk.Rejects("method", "stops: it has no GPTQ yet", kSource,
                      "ValueError: Unknown quantization method: gptq. Must be one of ['awq', 'squeezellm'].");
}

bool CheckOldExperts(Walk& walk) {
  static constexpr std::string_view kSource =
      "QwenLM/Qwen3#506 (0.4.3); intel/auto-round#586; vllm-project/vllm v0.10 "
      "vllm/model_executor/models/deepseek.py (pack_params)";
  static constexpr std::string_view kMessage =
      "AttributeError: 'MergedColumnParallelLinear' object has no attribute 'weight'";
  if (!walk.facts.experts || !Upto10(walk)) return true;
  const bool packs = walk.facts.model_type == "deepseek";
  if (!packs && !Upto06(walk)) return true;
  const bool certain = packs || (walk.facts.model_type == "qwen2_moe" && walk.profile.since < Version{0, 4, 3});
  if (certain) {
    return walk.Rejects("modules", "stops: the model class stacks its experts' plain weights, which packed layers lack",
                        kSource, std::string(kMessage));
  }
  walk.Degrade(Outcome::kUnknown, "modules",
               "whether this release loads quantized experts was not read; 0.4.3 stops at those of qwen2_moe with " +
                   std::string(kMessage),
               kSource);
  return true;
}

}  // namespace gptq_doctor
