#ifndef GPTQ_DOCTOR_DEQUANT_CODE_KERNELS_H_
#define GPTQ_DOCTOR_DEQUANT_CODE_KERNELS_H_

// Inner loops of verification over packed bytes: plain loops that the compiler turns into vector code. A byte holds
// `fields` codes of `bits` bits (8/bits of them for 2, 4 and 8 bits; one for codes that were unpacked).

#include <array>
#include <cstddef>
#include <cstdint>

namespace gptq_doctor {

// Adds every byte to `histogram`.
void CountBytes(const uint8_t* data, size_t bytes, std::array<uint64_t, 256>& histogram);
// How many of the bytes lie in runs of kZeroRun zero bytes, aligned to the start.
inline constexpr size_t kZeroRun = 512;
uint64_t BytesInZeroRuns(const uint8_t* data, size_t bytes);
// differs[i] |= row[i] ^ first[i].
void MarkDifferences(const uint8_t* row, const uint8_t* first, size_t bytes, uint8_t* differs);
// ends[i] += the number of codes in row[i] that are 0 or 2^bits - 1. A byte of `ends` overflows after 255 / fields
// rows.
void CountEnds(const uint8_t* row, size_t bytes, int bits, int fields, uint8_t* ends);
// Byte i of the result is the OR of row[j] ^ pattern[j] over all j with j % 8 == i.
uint64_t DifferencesFrom(const uint8_t* row, const uint8_t* pattern, size_t bytes);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_CODE_KERNELS_H_
