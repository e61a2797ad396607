#ifndef GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_
#define GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_

// Ages of vLLM that its stages tell apart.

#include "loaders/auto_round.h"
#include "loaders/engine.h"
#include "loaders/walk.h"

namespace gptq_doctor {

inline bool IsMain(const Walk& walk) { return walk.profile.since == kMainVersion; }
// Before the list of quantized layers came from the headers.
inline bool Upto10(const Walk& walk) { return walk.profile.since < Version{0, 11, 0}; }
// Known from users' threads only.
inline bool Upto06(const Walk& walk) { return walk.profile.since < Version{0, 7, 0}; }

// What its classes raise while they are made. 32 // 3 was the pack factor of 3 bits up to 0.10.
inline EngineTraits VllmTraits(const Walk& walk) {
  return {.source = "vllm-project/vllm vllm/model_executor/layers/quantization/gptq.py, utils/gptq_utils.py",
          .fraction_later = !Upto10(walk) && !IsMain(walk),
          .outputs_of_3_bits = Upto10(walk) ? 10 : 32,
          .group_message =
              "ValueError: Marlin does not support group_size = {g}. Only group_sizes = [-1, 32, 64, 128] "
              "are supported."};
}

// AutoRoundConfig of auto_round.py up to 0.10, INCConfig of inc.py since.
inline AutoRoundTraits VllmAutoRound(const Walk& walk) {
  AutoRoundTraits traits = {
      .name = "auto-round",
      .only = "currently only support  ",
      .backends = "auto gptq gptq:marlin awq awq:marlin marlin ipex",
      .source = "vllm-project/vllm vllm/model_executor/layers/quantization/auto_round.py, inc.py"};
  traits.maps_names = walk.profile.since >= Version{0, 10, 0};
  if (Upto10(walk)) return traits;
  traits.name = "inc";
  traits.only = "currently only support ";
  traits.end = ".";
  if (!IsMain(walk)) return traits;
  traits.backends = "auto gptq gptq:marlin awq awq:marlin marlin";
  traits.refusal_message =
      "NotImplementedError: INC quantization with bits={b}, sym={s} is not supported. Only 4-bit and 8-bit symmetric "
      "quantization is supported with Marlin kernels.";
  return traits;
}

// vllm/config/model.py (vllm/config.py up to 0.9, config/__init__.py in 0.10) _resolve_auto_dtype and
// _FLOAT16_NOT_SUPPORTED_MODELS; get_torch_dtype reads the headers of a local directory in main alone.
inline std::string VllmDtype(const Walk& walk) {
  if (walk.profile.since < Version{0, 9, 0}) return EngineDtype(walk, {.no_half = "gemma2"});
  return EngineDtype(walk,
                     {.by_device = true,
                      .reads_headers = IsMain(walk),
                      .no_half = Upto10(walk) ? "gemma2 gemma3 plamo2 glm4" : "gemma2 gemma3 gemma3_text plamo2 glm4"});
}

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_
