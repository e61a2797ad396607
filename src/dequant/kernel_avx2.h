#ifndef GPTQ_DOCTOR_DEQUANT_KERNEL_AVX2_H_
#define GPTQ_DOCTOR_DEQUANT_KERNEL_AVX2_H_

// The fast paths for 4 and 8 bits in 32-bit words with groups of whole blocks of 32 channels. Called by DequantPlan
// alone, which keeps the scalar path as the yardstick; bit-identical to it.

#include <cstdint>

#include "model/safetensors.h"

namespace gptq_doctor {

struct Avx2Job {
  int bits;  // 4 or 8
  int64_t in_features, out_features, group_size;
  const char* qweight;
  const float* scales;    // [G, N]
  const uint16_t* zeros;  // [G, N]
};

// Writes as many of the rows as come in whole panels of eight, from the first on, and returns how many that were.
int64_t DequantizeRowsAvx2(const Avx2Job& job, int64_t first_row, int64_t rows, Dtype dtype, char* out);

// Rounds to F16 or BF16, nearest even. Returns how many are done, all but the last few.
int64_t RoundFloatsAvx2(const float* values, int64_t count, Dtype dtype, char* out);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_KERNEL_AVX2_H_
