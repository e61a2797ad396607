#ifndef GPTQ_DOCTOR_GPTQ_PACKING_H_
#define GPTQ_DOCTOR_GPTQ_PACKING_H_

// How codes and zero points lie in words. Continuous layout (gptq, gptq_v2): field i occupies bits [b*i, b*i+b) of the
// little-endian bit stream along the packed axis; planar layout (gptq_p): every 32 codes take b words, split into bit
// planes. Pure functions over bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gptq_doctor {

enum class CodeLayout : uint8_t { kContinuous, kPlanar };

// Codes packed along a row-major axis of words: `words` are consecutive words of `pack_bits` bits; writes `count`
// codes.
void UnpackRow(std::span<const char> words, int bits, int pack_bits, CodeLayout layout, std::span<uint8_t> codes);
// The same down the columns: `words` is [rows, columns] row-major, the stream of a column runs down its rows (qweight).
// Writes codes [count, columns] row-major.
void UnpackColumns(std::span<const char> words, int64_t rows, int64_t columns, int bits, int pack_bits,
                   CodeLayout layout, int64_t count, std::span<uint8_t> codes);
// Inverses, for repairs, converters and tests. Codes are masked to `bits`.
void PackRow(std::span<const uint8_t> codes, int bits, int pack_bits, CodeLayout layout, std::span<char> words);
void PackColumns(std::span<const uint8_t> codes, int64_t count, int64_t columns, int bits, int pack_bits,
                 CodeLayout layout, std::span<char> words);

// Words along a packed axis of `count` codes: ceil and floor forms (gptq-format: GPTQModel allocates ceil, AutoGPTQ
// floor).
int64_t PackedWords(int64_t count, int bits, int pack_bits);
int64_t PackedWordsFloor(int64_t count, int bits, int pack_bits);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_PACKING_H_
