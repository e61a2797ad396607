#ifndef GPTQ_DOCTOR_MODEL_SIZES_H_
#define GPTQ_DOCTOR_MODEL_SIZES_H_

// Byte arithmetic of GPTQ modules and dense matrices. Pure functions; products are checked and saturate at INT64_MAX.

#include <cstdint>

namespace gptq_doctor {

struct ModuleShape {
  int64_t in_features = 0, out_features = 0;
  int bits = 4;
  int64_t group_size = 128;  // -1: one group
  int pack_bits = 32;
  int scale_bytes = 2;
  bool g_idx = true;
  bool bias = false;
};
int64_t GroupsOf(int64_t in_features, int64_t group_size);
int64_t QuantizedBytes(const ModuleShape& shape);  // qweight + qzeros + scales + g_idx + bias, as gptq stores them
int64_t DenseBytes(int64_t in_features, int64_t out_features, int bytes_per_element);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_SIZES_H_
