#ifndef GPTQ_DOCTOR_DEQUANT_CODE_SCAN_H_
#define GPTQ_DOCTOR_DEQUANT_CODE_SCAN_H_

// What the codes of one module say on their own, counted over pieces of qweight in any order. A piece is a whole number
// of row blocks (RowBlock below). Knows no files.

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "dequant/kernel.h"

namespace gptq_doctor {

// How qweight is looked at. 2, 4 and 8 bits are counted as they lie in bytes; other widths are unpacked first.
struct CodeShape {
  explicit CodeShape(const PackedModule& module);
  int bits = 4, pack_bits = 32;
  CodeLayout layout = CodeLayout::kContinuous;
  bool unpack = false;
  int fields = 2;            // codes in a byte
  int64_t lanes = 4;         // bytes of one column in a row of bytes
  int64_t columns = 0;       // out_features
  int64_t inputs = 0;        // in_features
  int64_t block_rows = 1;    // rows of words in a row block
  int64_t block_inputs = 8;  // input channels of a row block
  bool by_column = true;     // false: a row is too long to keep counts for every column
  uint64_t RowBytes() const { return static_cast<uint64_t>(columns) * static_cast<uint64_t>(pack_bits / 8); }
};

// Sums that can be added up over pieces.
struct CodeCounts {
  std::array<uint64_t, 256> codes{};         // by code
  std::array<uint64_t, 256> other_layout{};  // 3 bits: some blocks read in the other layout
  uint64_t zero_bytes = 0;                   // of qweight, in runs of zero bytes
  int64_t random_codes = 0;                  // in pieces whose codes are as even as random bits
  int64_t dead_inputs = 0;                   // channels whose code is the zero point in every column
  std::vector<uint8_t> first, differs;       // by byte lane: the first row seen, and the bits in which others differ
  std::vector<uint32_t> at_ends;             // by column: codes of 0 or 2^b - 1
  void Add(const CodeCounts& other);
  uint64_t total() const;
};

// The zero points of an input channel's group, one a column; empty where they are not known.
struct GroupZeros {
  int64_t group = -1;
  std::span<const uint8_t> zeros;
};
using ZerosOfInput = std::function<GroupZeros(int64_t input)>;

// Counts a piece: `rows` of words from row `first_row` on. `zeros` may be empty: dead inputs are not counted then.
CodeCounts CountCodes(const CodeShape& shape, int64_t first_row, std::span<const char> rows, const ZerosOfInput& zeros);

// Shannon entropy in bits, and how many codes occur.
double EntropyOf(std::span<const uint64_t> histogram);
int LevelsUsed(std::span<const uint64_t> histogram);

// Columns all of whose codes are the same: column and code.
std::vector<std::pair<int64_t, uint8_t>> ConstantColumns(const CodeShape& shape, const CodeCounts& counts);
// Columns in which more than `share` of the codes stand at 0 or 2^b - 1.
int64_t SaturatedColumns(const CodeShape& shape, const CodeCounts& counts, double share);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_CODE_SCAN_H_
