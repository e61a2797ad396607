#ifndef GPTQ_DOCTOR_REPORT_MEMORY_REPORT_H_
#define GPTQ_DOCTOR_REPORT_MEMORY_REPORT_H_

// The memory ledger for people and for programs.

#include <string>
#include <string_view>

#include "gptq_doctor/memory.h"
#include "report/report.h"

namespace gptq_doctor {

class JsonWriter;

std::string RenderMemoryText(std::string_view model, const MemoryEstimate& estimate, const RenderOptions& options);
// The members beyond those of MemoryBrief, into an open object.
void PutMemoryEstimate(JsonWriter& json, const MemoryEstimate& estimate);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_MEMORY_REPORT_H_
