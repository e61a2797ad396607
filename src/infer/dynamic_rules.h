#ifndef GPTQ_DOCTOR_INFER_DYNAMIC_RULES_H_
#define GPTQ_DOCTOR_INFER_DYNAMIC_RULES_H_

// The `dynamic` entries that give every module what its tensors have: one anchored, escaped pattern a name with \d+ for
// its numbers where every module of that name agrees, alternatives of numbers or whole names where they do not.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "infer/infer.h"

namespace gptq_doctor {

struct DynamicAnswer {
  std::vector<DynamicRule> rules;
  std::vector<Fact> facts;  // how many modules differ, what is dense inside quantized blocks
  int64_t modules = 0;      // that differ from the base
};
// `base` holds bits and group_size; classes hold those of every class.
DynamicAnswer MakeDynamic(const TensorIndex& tensors, const Inventory& inventory, std::span<const ClassFacts> classes,
                          const Quantization& base);

// `name` with everything that a regular expression would take for an operator escaped.
std::string EscapePattern(std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_DYNAMIC_RULES_H_
