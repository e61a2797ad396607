#ifndef GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_
#define GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_

// Ages of vLLM that its stages tell apart.

#include "loaders/walk.h"

namespace gptq_doctor {

inline bool IsMain(const Walk& walk) { return walk.profile.since == kMainVersion; }
// Before the list of quantized layers came from the headers.
inline bool Upto10(const Walk& walk) { return walk.profile.since < Version{0, 11, 0}; }
// Known from users' threads only.
inline bool Upto06(const Walk& walk) { return walk.profile.since < Version{0, 7, 0}; }

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_VLLM_AGE_H_
