#ifndef GPTQ_DOCTOR_INFER_VALUE_CHECKS_H_
#define GPTQ_DOCTOR_INFER_VALUE_CHECKS_H_

// Defects of tensor values (gptq-format C) on the modules that were read. What writers legally do is no defect:
// negative scales, groups shortened by padding, channels and groups of zeros.

#include <cstdint>
#include <span>
#include <vector>

#include "infer/code_window.h"
#include "infer/module_reading.h"

namespace gptq_doctor {

// Codes as even as independent random numbers; silent below 8192 codes. `histogram` has 2^bits entries or more.
bool LooksRandom(std::span<const uint64_t> histogram, int bits);
// From qweight and scales: C-4, C-5, C-6, C-18, C-19, C-20.
void CheckWindow(const ModuleWindow& window, std::vector<ValueDefect>& defects);
// From g_idx: C-8 to C-11; and C-20 of qzeros.
void CheckReport(const ModuleReport& report, std::vector<ValueDefect>& defects);
// C-12, once a class, from dtypes.
void CheckDtypes(const TensorIndex& tensors, const Inventory& inventory, std::span<const ClassFacts> classes,
                 std::vector<ValueDefect>& defects);
// C-1 in a checkpoint of v1 zeros. Whether fields of 2^b - 1 were OR-ed or borrowed is one answer for all modules.
void CheckUnderflow(std::span<const ModuleReport> reports, std::vector<ValueDefect>& defects);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_VALUE_CHECKS_H_
