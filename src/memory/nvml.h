#ifndef GPTQ_DOCTOR_MEMORY_NVML_H_
#define GPTQ_DOCTOR_MEMORY_NVML_H_

// Asks the NVIDIA driver for its cards. The library is loaded when it is asked for, so that the program runs where
// there is none.

#include <string>
#include <vector>

#include "gptq_doctor/memory.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

// Every card with its total and free memory. Errors (kUsage) say what is missing and what to give instead.
Result<std::vector<GpuSpec>> QueryGpus(const std::string& library = "libnvidia-ml.so.1");

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_NVML_H_
