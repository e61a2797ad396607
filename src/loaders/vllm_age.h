#ifndef GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_
#define GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_

// Ages of vLLM that its stages tell apart.

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

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_
