#ifndef GPTQ_DOCTOR_LOADERS_MODEL_TYPES_H_
#define GPTQ_DOCTOR_LOADERS_MODEL_TYPES_H_

// The model types that transformers has a configuration class for, by release.

#include <string_view>

#include "loaders/profile.h"

namespace gptq_doctor {

// Releases count as the nearest that was read: 4.44.2 below 4.49, 4.55.0 below 5.0, 5.4.0, then 5.13. {}: any of these.
bool KnowsModelType(const Version& transformers, std::string_view type);

// Transformers 4 takes the longest of its types that is a part of the path where config.json names none; "" if none is.
std::string_view TypeInName(std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_MODEL_TYPES_H_
