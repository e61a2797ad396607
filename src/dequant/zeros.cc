// Zero points in all their spellings.

#include <cstring>

#include "base/bytes.h"
#include "dequant/kernel.h"

namespace gptq_doctor {
namespace {

// A 1 in every `bits`-wide field of a word.
uint64_t Ones(int bits, int pack_bits) {
  uint64_t out = 0;
  for (int shift = 0; shift + bits <= pack_bits; shift += bits) out |= uint64_t{1} << shift;
  return out;
}

uint64_t LoadWord(const char* at, int pack_bits) {
  uint64_t word = 0;
  std::memcpy(&word, at, static_cast<size_t>(pack_bits) / 8);
  return word;
}

// `row` with the constant added to every word, modulo the word size. Three words of a 3-bit row repeat.
std::vector<char> Corrected(std::span<const char> row, int pack_bits, std::span<const uint64_t> constants) {
  std::vector<char> out(row.begin(), row.end());
  const size_t bytes = static_cast<size_t>(pack_bits) / 8;
  for (size_t i = 0; i * bytes + bytes <= out.size(); ++i) {
    const uint64_t word = LoadWord(&out[i * bytes], pack_bits) + constants[i % constants.size()];
    std::memcpy(&out[i * bytes], &word, bytes);
  }
  return out;
}

// What has to be added to whole words; empty: nothing, or field by field.
std::vector<uint64_t> WordConstants(const PackedModule& m) {
  switch (m.zero_rule) {
    case ZeroRule::kPlusOne:
      if (m.bits == 2 || m.bits == 4 || m.bits == 8) return {Ones(m.bits, m.pack_bits)};
      return {};
    case ZeroRule::kBroken3Bit:
      return {0x24924924u, 0x92492492u, 0x49249249u};  // GPTQModel before 8e8ff117b: first and third are swapped
    case ZeroRule::kShiftedBase:
      if (m.base_bits == 3) return {0x24924924u, 0x92492492u, 0x49249249u};
      return {Ones(m.base_bits, m.pack_bits)};
    case ZeroRule::kStored:
    case ZeroRule::kFloat:
      return {};
  }
  return {};
}

}  // namespace

std::vector<uint16_t> DecodeZeros(const PackedModule& m) {
  const auto groups = static_cast<size_t>(m.groups), outputs = static_cast<size_t>(m.out_features);
  std::vector<uint16_t> zeros(groups * outputs);
  const size_t row_bytes = groups == 0 ? 0 : m.qzeros.size() / groups;
  const std::vector<uint64_t> constants = WordConstants(m);
  const bool field_plus_one = m.zero_rule == ZeroRule::kPlusOne && constants.empty();
  const uint32_t mask = (1u << m.bits) - 1;
  std::vector<uint8_t> codes(outputs);
  for (size_t g = 0; g < groups; ++g) {
    const std::span<const char> row = m.qzeros.subspan(g * row_bytes, row_bytes);
    if (constants.empty()) {
      UnpackRow(row, m.bits, m.pack_bits, m.layout, codes);
    } else {
      UnpackRow(Corrected(row, m.pack_bits, constants), m.bits, m.pack_bits, m.layout, codes);
    }
    for (size_t n = 0; n < outputs; ++n) {
      zeros[g * outputs + n] = static_cast<uint16_t>(field_plus_one ? (codes[n] + 1u) & mask : codes[n]);
    }
  }
  return zeros;
}

}  // namespace gptq_doctor
