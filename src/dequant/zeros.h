#ifndef GPTQ_DOCTOR_DEQUANT_ZEROS_H_
#define GPTQ_DOCTOR_DEQUANT_ZEROS_H_

// Packed rows of zero points between their spellings. Bits that belong to no output column stay as they are, so that a
// row that goes there and back is the same to the last bit.

#include <span>
#include <vector>

#include "dequant/kernel.h"

namespace gptq_doctor {

// A row of qzeros as gptq_v2 stores it, in the words and the layout of `module`: every field is its zero point. Not for
// kFloat.
std::vector<char> ZerosAsV2(std::span<const char> row, const PackedModule& module);

// The reverse for the continuous layout: every field is its zero point less one. A zero point of 0 has no place in v1:
// at 2, 4 and 8 bits the whole word is subtracted from, so that the field becomes 2^b - 1 and the next one pays (as
// GPTQModel writes it); at 3 bits the field wraps alone. ZerosAsV2 restores both.
void ZerosToV1(std::span<char> row, int bits, int pack_bits, int64_t out_features);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_ZEROS_H_
