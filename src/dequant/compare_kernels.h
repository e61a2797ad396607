#ifndef GPTQ_DOCTOR_DEQUANT_COMPARE_KERNELS_H_
#define GPTQ_DOCTOR_DEQUANT_COMPARE_KERNELS_H_

// Inner loops of the comparison: plain loops that the compiler turns into vector code.

#include <cstddef>

namespace gptq_doctor {

struct PairSums {
  double ww = 0, bb = 0, wb = 0;  // inner products
  double dd = 0;                  // of the difference with itself
  float largest = 0;              // |difference|
  void Add(const PairSums& other);
};
PairSums SumPairs(const float* w, const float* b, size_t count);

struct Range {
  float low = 0, high = 0;  // both 0 where there are no values
};
Range RangeOf(const float* values, size_t count);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_COMPARE_KERNELS_H_
