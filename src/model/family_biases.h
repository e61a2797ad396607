#ifndef GPTQ_DOCTOR_MODEL_FAMILY_BIASES_H_
#define GPTQ_DOCTOR_MODEL_FAMILY_BIASES_H_

// Which linear layers of an architecture have a bias, by model_type: what tells a packer's zero-filled artefact from a
// parameter of the model. Families that are not in the table are unknown, never guessed.

#include <string_view>

#include "model/model_config.h"

namespace gptq_doctor {

enum class BiasFact { kHas, kHasNot, kUnknown };

// `stem` is a module's name, "model.layers.0.mlp.up_proj".
BiasFact FamilyBias(const ModelConfig& config, std::string_view stem);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_FAMILY_BIASES_H_
