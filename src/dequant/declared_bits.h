#ifndef GPTQ_DOCTOR_DEQUANT_DECLARED_BITS_H_
#define GPTQ_DOCTOR_DEQUANT_DECLARED_BITS_H_

#include <string>
#include <vector>

#include "dequant/module_slab.h"

namespace gptq_doctor {

// Modules whose bits nobody announced, in words; empty for the others. Announced is what the first configuration that
// declares GPTQ says, its `dynamic` entries included, as long as it is right for most modules. Without one, a module
// stands out that is the only one of its bits among eight or more; a head may be.
std::vector<std::string> OtherBits(const Examination& exam, const std::vector<ModuleLayout>& layouts);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_DECLARED_BITS_H_
