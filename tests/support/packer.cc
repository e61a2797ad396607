#include "support/packer.h"

#include <cstring>

#include "base/bytes.h"

namespace gptq_doctor::testing {
namespace {

// Stores the lowest `pack_bits` of each word, little-endian.
std::string WordBytes(const std::vector<uint64_t>& words, int pack_bits) {
  std::string out;
  for (uint64_t word : words) {
    for (int bit = 0; bit < pack_bits; bit += 8) out.push_back(static_cast<char>((word >> bit) & 0xFF));
  }
  return out;
}

std::vector<uint64_t> StreamWords(const std::vector<uint32_t>& codes, int bits, int pack_bits) {
  const size_t total = codes.size() * static_cast<size_t>(bits);
  const auto width = static_cast<size_t>(pack_bits);
  std::vector<uint64_t> words((total + width - 1) / width, 0);
  for (size_t i = 0; i < codes.size(); ++i) {
    for (int b = 0; b < bits; ++b) {
      const size_t at = i * static_cast<size_t>(bits) + static_cast<size_t>(b);
      if ((codes[i] >> b) & 1u) words[at / width] |= uint64_t{1} << (at % width);
    }
  }
  return words;
}

std::vector<int> PlaneWidths(int bits) {
  switch (bits) {
    case 3:
      return {2, 1};
    case 5:
      return {4, 1};
    case 6:
      return {4, 2};
    case 7:
      return {4, 2, 1};
    default:
      return {bits};
  }
}

std::vector<uint64_t> PlanarWords(const std::vector<uint32_t>& codes, int bits) {
  std::vector<uint64_t> words;
  for (size_t block = 0; block < codes.size(); block += 32) {
    int low = 0;
    for (int width : PlaneWidths(bits)) {
      for (int word = 0; word < width; ++word) {
        uint64_t value = 0;
        for (int j = 0; j < 32 / width; ++j) {
          const uint32_t code = codes[block + static_cast<size_t>(word * (32 / width) + j)];
          value |= static_cast<uint64_t>((code >> low) & ((1u << width) - 1)) << (width * j);
        }
        words.push_back(value);
      }
      low += width;
    }
  }
  return words;
}

std::vector<uint64_t> Words(const std::vector<uint32_t>& codes, int bits, int pack_bits, bool planar) {
  return planar ? PlanarWords(codes, bits) : StreamWords(codes, bits, pack_bits);
}

}  // namespace

std::string PackStream(const std::vector<uint32_t>& codes, int bits, int pack_bits) {
  return WordBytes(StreamWords(codes, bits, pack_bits), pack_bits);
}

std::string PackPlanar(const std::vector<uint32_t>& codes, int bits) { return WordBytes(PlanarWords(codes, bits), 32); }

std::string PackQweight(const std::vector<std::vector<uint32_t>>& codes, int bits, int pack_bits, bool planar) {
  const size_t columns = codes.empty() ? 0 : codes[0].size();
  std::vector<std::vector<uint64_t>> streams(columns);
  for (size_t n = 0; n < columns; ++n) {
    std::vector<uint32_t> column;
    for (const auto& row : codes) column.push_back(row[n]);
    streams[n] = Words(column, bits, pack_bits, planar);
  }
  std::vector<uint64_t> words;
  for (size_t r = 0; columns != 0 && r < streams[0].size(); ++r) {
    for (size_t n = 0; n < columns; ++n) words.push_back(streams[n][r]);
  }
  return WordBytes(words, pack_bits);
}

std::string PackQzeros(const std::vector<std::vector<uint32_t>>& stored, int bits, int pack_bits, bool planar) {
  std::string out;
  for (const auto& row : stored) out += WordBytes(Words(row, bits, pack_bits, planar), pack_bits);
  return out;
}

std::string FloatBytes(double value, const std::string& dtype) {
  const auto single = static_cast<float>(value);
  std::string out;
  if (dtype == "F32") {
    out.resize(4);
    std::memcpy(out.data(), &single, 4);
  } else {
    const uint16_t bits = dtype == "BF16" ? FloatToBfloat(single) : FloatToHalf(single);
    out.resize(2);
    std::memcpy(out.data(), &bits, 2);
  }
  return out;
}

uint64_t TestRandom::Next() {
  state_ += 0x9E3779B97F4A7C15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double TestRandom::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

double TestRandom::Gauss() {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += Uniform();
  return sum;
}

}  // namespace gptq_doctor::testing
