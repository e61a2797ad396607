#ifndef GPTQ_DOCTOR_LOADERS_SGLANG_MODELS_H_
#define GPTQ_DOCTOR_LOADERS_SGLANG_MODELS_H_

// How SGLang's model classes meet a tensor that has no parameter, and which build vision towers quantized: it differs
// from class to class.

#include <string>
#include <string_view>

#include "loaders/walk.h"

namespace gptq_doctor {

// The KeyError at the first tensor whose layer was built otherwise than it is stored; empty where there is none, or
// where the class only warns, as Llama's does. Heads are left out.
std::string SglangKeyError(const Walk& walk);
// The class hands its quantization to the vision tower.
bool SglangQuantizesVision(const Walk& walk);
// The class was read; of the others it is taken that they only warn.
bool SglangLoopIsKnown(const Walk& walk);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_SGLANG_MODELS_H_
