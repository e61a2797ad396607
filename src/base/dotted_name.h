#ifndef GPTQ_DOCTOR_BASE_DOTTED_NAME_H_
#define GPTQ_DOCTOR_BASE_DOTTED_NAME_H_

// Parts of names such as "model.layers.0.mlp.up_proj".

#include <string_view>

namespace gptq_doctor {

// "up_proj"; of a name without dots the name.
inline std::string_view LastPart(std::string_view name) { return name.substr(name.rfind('.') + 1); }  // npos + 1 is 0

// "model.layers.0.mlp"; of a name without dots the empty one.
inline std::string_view ParentPart(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_DOTTED_NAME_H_
