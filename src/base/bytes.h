#ifndef GPTQ_DOCTOR_BASE_BYTES_H_
#define GPTQ_DOCTOR_BASE_BYTES_H_

// Little-endian loads and checked arithmetic. Every number that comes from a file passes through here before it becomes
// a size, an offset or an allocation.

#include <cstdint>
#include <cstring>
#include <optional>

namespace gptq_doctor {

inline uint16_t LoadLe16(const void* from) {
  uint16_t v;
  std::memcpy(&v, from, 2);
  return v;
}
inline uint32_t LoadLe32(const void* from) {
  uint32_t v;
  std::memcpy(&v, from, 4);
  return v;
}
inline uint64_t LoadLe64(const void* from) {
  uint64_t v;
  std::memcpy(&v, from, 8);
  return v;
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "big-endian hosts are not supported");

inline std::optional<uint64_t> CheckedMul(uint64_t a, uint64_t b) {
  uint64_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}
inline std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t out = 0;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}
// Totals that stop at INT64_MAX instead of wrapping.
inline int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t out = 0;
  return __builtin_add_overflow(a, b, &out) ? INT64_MAX : out;
}
inline int64_t SaturatingMul(int64_t a, int64_t b) {
  int64_t out = 0;
  return __builtin_mul_overflow(a, b, &out) ? INT64_MAX : out;
}
inline int64_t ClampToInt64(uint64_t value) { return value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value); }
inline uint64_t CeilDiv(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

// IEEE 754 half and bfloat16. Conversions to float are exact; from float round once, to nearest even.
float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);
float BfloatToFloat(uint16_t bfloat);
uint16_t FloatToBfloat(float value);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_BYTES_H_
