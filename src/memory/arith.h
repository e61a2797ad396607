#ifndef GPTQ_DOCTOR_MEMORY_ARITH_H_
#define GPTQ_DOCTOR_MEMORY_ARITH_H_

// Byte counts from untrusted numbers: non-negative, saturating at INT64_MAX.

#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"

namespace gptq_doctor {

constexpr int64_t kGiB = int64_t{1} << 30;

inline int64_t Times(std::initializer_list<int64_t> factors) {
  int64_t out = 1;
  bool zero = false, over = false;
  for (const int64_t factor : factors) {
    zero = zero || factor == 0;
    over = over || __builtin_mul_overflow(out, factor, &out);
  }
  return zero ? 0 : over ? INT64_MAX : out;
}
inline int64_t CeilDivide(int64_t a, int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }
// `bits` bits an element.
inline int64_t BitsToBytes(int64_t elements, int64_t bits) {
  const int64_t product = Times({elements, bits});
  return product == INT64_MAX ? INT64_MAX : CeilDivide(product, 8);
}
inline int64_t FromGiB(double gib) { return static_cast<int64_t>(gib * static_cast<double>(kGiB)); }
inline double ToGiB(int64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(kGiB); }

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_ARITH_H_
