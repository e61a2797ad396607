#ifndef GPTQ_DOCTOR_MODEL_FAMILY_BIASES_H_
#define GPTQ_DOCTOR_MODEL_FAMILY_BIASES_H_

// Which linear layers of an architecture have a bias, by model_type: what tells a packer's zero-filled artefact from a
// parameter of the model. AutoGPTQ 0.2.0 to 0.7.1 store one for every quantized layer (AutoGPTQ/AutoGPTQ
// auto_gptq/modeling/_utils.py, make_quant), so that a stored bias proves nothing.

#include <optional>
#include <string_view>

#include "model/model_config.h"

namespace gptq_doctor {

// `name` is that of a module or of a class of them: "model.layers.0.mlp.up_proj", "model.layers.*.mlp.up_proj".
// Empty for a family or a layer that the table does not have, and where the deciding key is no boolean.
std::optional<bool> FamilyBias(const ModelConfig& config, std::string_view name);
// The same, and where that is empty what the names of Llama's layers mean in every family known: a bias only if
// attention_bias or mlp_bias says so. For estimates and for what is said with an assumption.
std::optional<bool> LikelyBias(const ModelConfig& config, std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_FAMILY_BIASES_H_
