#ifndef GPTQ_DOCTOR_MEMORY_GPU_TABLE_H_
#define GPTQ_DOCTOR_MEMORY_GPU_TABLE_H_

// Cards by name, with the memory that a program really sees: less than the label, because the driver keeps some and
// because error correction takes a sixteenth of GDDR memory.

#include <optional>
#include <span>
#include <string_view>

#include "gptq_doctor/memory.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

struct GpuRow {
  std::string_view name;
  double label_gib;
  double visible_gib;  // measured; 0: follows from the label and `kind`
  char kind;           // 'g' consumer, 'e' GDDR with error correction, 'h' HBM
  double process_gib;  // overhead of one process where it was measured; 0: not
  std::string_view source;
};
std::span<const GpuRow> GpuTable();

// "RTX 4090", "nvidia a100 80gb", "24GiB", "24" (GiB), "16384MiB". Names are compared without case, spaces and the
// words NVIDIA, GeForce and Tesla. Errors name the nearest rows.
Result<GpuSpec> FindGpu(std::string_view text);
// A size as people write it: GB is taken as GiB, which is what labels and the public tables mean. Bare numbers are GiB.
std::optional<int64_t> ParseSize(std::string_view text);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_GPU_TABLE_H_
