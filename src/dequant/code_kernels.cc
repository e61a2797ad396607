#include "dequant/code_kernels.h"

#include <algorithm>
#include <cstring>

namespace gptq_doctor {
namespace {

// Two codes a byte, or four.
template <int kBits>
void CountPackedEnds(const uint8_t* row, size_t bytes, uint8_t* ends) {
  constexpr uint8_t kMask = (1 << kBits) - 1;
  for (size_t i = 0; i < bytes; ++i) {
    uint8_t count = ends[i];
    for (int shift = 0; shift < 8; shift += kBits) {
      const uint8_t code = static_cast<uint8_t>(row[i] >> shift) & kMask;
      count = static_cast<uint8_t>(count + (code == 0) + (code == kMask));
    }
    ends[i] = count;
  }
}

void CountWholeEnds(const uint8_t* row, size_t bytes, uint8_t top, uint8_t* ends) {
  for (size_t i = 0; i < bytes; ++i) ends[i] = static_cast<uint8_t>(ends[i] + (row[i] == 0) + (row[i] == top));
}

}  // namespace

void CountBytes(const uint8_t* data, size_t bytes, std::array<uint64_t, 256>& histogram) {
  // Four tables, so that equal neighbours do not wait for each other's store.
  std::array<std::array<uint32_t, 256>, 4> tables;
  constexpr size_t kMost = size_t{1} << 30;  // bytes before a counter could overflow
  while (bytes > 0) {
    const size_t some = std::min(bytes, kMost);
    for (auto& table : tables) table.fill(0);
    size_t i = 0;
    for (; i + 8 <= some; i += 8) {
      uint64_t word;
      std::memcpy(&word, data + i, 8);
      for (size_t lane = 0; lane < 8; ++lane) ++tables[lane % 4][word >> (8 * lane) & 0xFF];
    }
    for (; i < some; ++i) ++tables[0][data[i]];
    for (size_t value = 0; value < 256; ++value) {
      for (const auto& table : tables) histogram[value] += table[value];
    }
    data += some;
    bytes -= some;
  }
}

uint64_t BytesInZeroRuns(const uint8_t* data, size_t bytes) {
  uint64_t total = 0;
  for (size_t i = 0; i + kZeroRun <= bytes; i += kZeroRun) {
    uint64_t any = 0;
    for (size_t j = 0; j < kZeroRun; j += 8) {
      uint64_t word;
      std::memcpy(&word, data + i + j, 8);
      any |= word;
    }
    if (any == 0) total += kZeroRun;
  }
  return total;
}

void MarkDifferences(const uint8_t* row, const uint8_t* first, size_t bytes, uint8_t* differs) {
  for (size_t i = 0; i < bytes; ++i) differs[i] = static_cast<uint8_t>(differs[i] | (row[i] ^ first[i]));
}

void CountEnds(const uint8_t* row, size_t bytes, int bits, int fields, uint8_t* ends) {
  if (fields == 2) return CountPackedEnds<4>(row, bytes, ends);
  if (fields == 4) return CountPackedEnds<2>(row, bytes, ends);
  CountWholeEnds(row, bytes, static_cast<uint8_t>((1 << bits) - 1), ends);
}

uint64_t DifferencesFrom(const uint8_t* row, const uint8_t* pattern, size_t bytes) {
  uint64_t differences = 0;
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t word, wanted;
    std::memcpy(&word, row + i, 8);
    std::memcpy(&wanted, pattern + i, 8);
    differences |= word ^ wanted;
  }
  for (; i < bytes; ++i) differences |= uint64_t{static_cast<uint8_t>(row[i] ^ pattern[i])} << (8 * (i % 8));
  return differences;
}

}  // namespace gptq_doctor
