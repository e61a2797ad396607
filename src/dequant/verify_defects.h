#ifndef GPTQ_DOCTOR_DEQUANT_VERIFY_DEFECTS_H_
#define GPTQ_DOCTOR_DEQUANT_VERIFY_DEFECTS_H_

// What of a VerifyReport is a defect: added to Examination::quant.value_defects, in place of what inference said about
// the same quantities from a sample. Silent unless sure.

#include "dequant/verify.h"

namespace gptq_doctor {

// `chosen_only`: defects of modules that are not in the report are dropped.
// Fills ModuleCheck::defects.
void RecordDefects(Examination& exam, VerifyReport& report, bool chosen_only);
// A dense tensor with NaN or infinity.
void RecordBadDense(Examination& exam, uint32_t module, const TensorRecord& tensor, int64_t count);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_VERIFY_DEFECTS_H_
