#ifndef GPTQ_DOCTOR_DEQUANT_COMPARE_MATCH_H_
#define GPTQ_DOCTOR_DEQUANT_COMPARE_MATCH_H_

// Whose weights does a module hold that are not its own? Compares a few rows and columns of it with the same rows of
// every matrix of the base that has its shape, as it lies or turned.

#include <optional>
#include <string>

#include "dequant/base_matrices.h"
#include "dequant/module_slab.h"

namespace gptq_doctor {

struct Match {
  std::string tensor;  // of the base
  bool transposed = false;
  double cosine = 0;  // of the sample
};
// Empty where nothing resembles it.
Result<std::optional<Match>> FindMatch(const Examination& exam, const ModuleLayout& layout, const BaseMatrices& base);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_COMPARE_MATCH_H_
