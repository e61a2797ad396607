// Zero points in all their spellings.

#include "dequant/zeros.h"

#include <algorithm>
#include <cstring>

namespace gptq_doctor {
namespace {

// What is added to whole words, again and again, modulo the word size.
using WordConstants = std::vector<uint64_t>;

// A 1 in every `bits`-wide field of a word.
uint64_t Ones(int bits, int pack_bits) {
  uint64_t out = 0;
  for (int shift = 0; shift + bits <= pack_bits; shift += bits) out |= uint64_t{1} << shift;
  return out;
}

// GPTQModel before 8e8ff117b: the first and third word of a 1 in every 3-bit field are swapped.
WordConstants Swapped3Bit() { return {0x24924924u, 0x92492492u, 0x49249249u}; }

// Empty: nothing, or field by field.
WordConstants ConstantsOf(const PackedModule& m) {
  switch (m.zero_rule) {
    case ZeroRule::kPlusOne:
      if (m.bits == 2 || m.bits == 4 || m.bits == 8) return {Ones(m.bits, m.pack_bits)};
      return {};
    case ZeroRule::kBroken3Bit:
      return Swapped3Bit();
    case ZeroRule::kShiftedBase:
      return m.base_bits == 3 ? Swapped3Bit() : WordConstants{Ones(m.base_bits, m.pack_bits)};
    case ZeroRule::kStored:
    case ZeroRule::kFloat:
      return {};
  }
  return {};
}

// Adds to the first `used` bits of the row, which end in the middle of a word where its other fields are no column's.
void AddToWords(std::span<char> row, int pack_bits, const WordConstants& constants, int64_t used) {
  const size_t bytes = static_cast<size_t>(pack_bits) / 8;
  for (size_t i = 0; i * bytes + bytes <= row.size() && used > 0; ++i, used -= pack_bits) {
    uint64_t word = 0;
    std::memcpy(&word, &row[i * bytes], bytes);
    const uint64_t mask = used >= 64 ? ~uint64_t{0} : (uint64_t{1} << used) - 1;
    const uint64_t sum = word + constants[i % constants.size()];
    word = (sum & mask) | (word & ~mask);
    std::memcpy(&row[i * bytes], &word, bytes);
  }
}

// Adds to every field of the continuous layout by itself, modulo 2^bits. The words are a little-endian bit stream.
void AddToFields(std::span<char> row, int bits, int64_t columns, unsigned one) {
  const unsigned mask = (1u << bits) - 1;
  for (int64_t n = 0; n < columns; ++n) {
    const size_t byte = static_cast<size_t>(n * bits / 8);
    const auto shift = static_cast<unsigned>(n * bits % 8);
    const size_t width = shift + static_cast<unsigned>(bits) > 8 ? 2 : 1;
    unsigned pair = 0;
    std::memcpy(&pair, &row[byte], width);
    const unsigned field = ((pair >> shift) + one) & mask;
    pair = (pair & ~(mask << shift)) | field << shift;
    std::memcpy(&row[byte], &pair, width);
  }
}

}  // namespace

std::vector<char> ZerosAsV2(std::span<const char> row, const PackedModule& m) {
  std::vector<char> out(row.begin(), row.end());
  const WordConstants constants = ConstantsOf(m);
  if (!constants.empty()) {
    AddToWords(out, m.pack_bits, constants, m.out_features * m.bits);
  } else if (m.zero_rule == ZeroRule::kPlusOne) {
    AddToFields(out, m.bits, m.out_features, 1);
  }
  return out;
}

void ZerosToV1(std::span<char> row, int bits, int pack_bits, int64_t out_features) {
  if (bits == 3) return AddToFields(row, bits, out_features, 7);
  AddToWords(row, pack_bits, {~Ones(bits, pack_bits) + 1}, out_features * bits);
}

std::vector<uint16_t> DecodeZeros(const PackedModule& m) {
  const auto groups = static_cast<size_t>(m.groups), outputs = static_cast<size_t>(m.out_features);
  std::vector<uint16_t> zeros(groups * outputs);
  const size_t row_bytes = groups == 0 ? 0 : m.qzeros.size() / groups;
  std::vector<uint8_t> codes(outputs);
  for (size_t g = 0; g < groups; ++g) {
    UnpackRow(ZerosAsV2(m.qzeros.subspan(g * row_bytes, row_bytes), m), m.bits, m.pack_bits, m.layout, codes);
    std::copy(codes.begin(), codes.end(), zeros.begin() + static_cast<std::ptrdiff_t>(g * outputs));
  }
  return zeros;
}

}  // namespace gptq_doctor
