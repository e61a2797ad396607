#ifndef GPTQ_DOCTOR_LOADERS_EXLLAMA_KEYS_H_
#define GPTQ_DOCTOR_LOADERS_EXLLAMA_KEYS_H_

// What ExLlamaV2 wants of config.json and of the tensors' names before it loads anything.

#include "loaders/walk.h"

namespace gptq_doctor {

// config.json: an object with one architecture; of its sizes those that some config.json lacks.
bool CheckExllamaConfig(Walk& walk);
// A tensor for every layer that the architecture has and that the files hold of other layers.
bool CheckExllamaKeys(Walk& walk);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_EXLLAMA_KEYS_H_
