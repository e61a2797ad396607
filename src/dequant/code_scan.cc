#include "dequant/code_scan.h"

#include <algorithm>
#include <cmath>

#include "dequant/code_kernels.h"
#include "infer/value_checks.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kLongestRow = 4 << 20;       // bytes of a row up to which columns are counted one by one
constexpr uint64_t kEnoughForRandom = 1 << 16;  // codes of a piece that is judged on its own
constexpr int64_t kOtherLayoutEvery = 8;        // blocks: one of so many is also read in the other 3-bit layout

class PieceScan {
 public:
  PieceScan(const CodeShape& shape, const ZerosOfInput& zeros) : s_(shape), zeros_(zeros) {
    width_ = static_cast<size_t>(s_.columns * s_.lanes);
    if (s_.by_column) {
      counts_.first.resize(width_);
      counts_.differs.resize(width_);
      counts_.at_ends.resize(static_cast<size_t>(s_.columns));
      ends_.resize(width_);
    }
  }

  CodeCounts Run(int64_t first_row, std::span<const char> rows) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(rows.data());
    counts_.zero_bytes = BytesInZeroRuns(bytes, rows.size());
    if (!s_.unpack) {
      CountBytes(bytes, rows.size(), bytes_);
      for (size_t at = 0; s_.by_column && at + width_ <= rows.size(); at += width_) {
        Row(bytes + at, (first_row + static_cast<int64_t>(at / width_)) * s_.block_inputs);
      }
    } else if (s_.by_column) {
      Unpacked(first_row, rows);
    }
    FlushEnds();
    FoldBytes();
    if (counts_.total() >= kEnoughForRandom && LooksRandom(counts_.codes, s_.bits)) {
      counts_.random_codes = static_cast<int64_t>(counts_.total());
    }
    return std::move(counts_);
  }

 private:
  void Unpacked(int64_t first_row, std::span<const char> rows) {
    const size_t block_bytes = s_.RowBytes() * static_cast<size_t>(s_.block_rows);
    std::vector<uint8_t> codes(static_cast<size_t>(s_.block_inputs) * width_);
    const CodeLayout other = s_.layout == CodeLayout::kPlanar ? CodeLayout::kContinuous : CodeLayout::kPlanar;
    for (size_t at = 0; at + block_bytes <= rows.size(); at += block_bytes) {
      const std::span<const char> block = rows.subspan(at, block_bytes);
      const int64_t number = first_row / s_.block_rows + static_cast<int64_t>(at / block_bytes);
      const int64_t input = number * s_.block_inputs, inputs = std::min(s_.block_inputs, s_.inputs - input);
      if (inputs <= 0) return;
      if (s_.bits == 3 && s_.pack_bits == 32 && number % kOtherLayoutEvery == 0) {
        UnpackColumns(block, s_.block_rows, s_.columns, s_.bits, s_.pack_bits, other, inputs, codes);
        CountBytes(codes.data(), static_cast<size_t>(inputs) * width_, counts_.other_layout);
      }
      UnpackColumns(block, s_.block_rows, s_.columns, s_.bits, s_.pack_bits, s_.layout, inputs, codes);
      CountBytes(codes.data(), static_cast<size_t>(inputs) * width_, bytes_);
      for (int64_t k = 0; k < inputs; ++k) Row(codes.data() + static_cast<size_t>(k) * width_, input + k);
    }
  }

  // One row of bytes; it holds the codes of `input` and the next ones.
  void Row(const uint8_t* row, int64_t input) {
    if (!seen_) std::copy_n(row, width_, counts_.first.begin());
    seen_ = true;
    MarkDifferences(row, counts_.first.data(), width_, counts_.differs.data());
    CountEnds(row, width_, s_.bits, s_.fields, ends_.data());
    if (++unflushed_ == 255 / s_.fields) FlushEnds();
    if (zeros_) CountDead(row, input);
  }

  void FlushEnds() {
    if (unflushed_ == 0) return;
    for (size_t i = 0; i < width_; ++i) counts_.at_ends[i / static_cast<size_t>(s_.lanes)] += ends_[i];
    std::fill(ends_.begin(), ends_.end(), uint8_t{0});
    unflushed_ = 0;
  }

  void CountDead(const uint8_t* row, int64_t input) {
    const GroupZeros group = zeros_(input);
    if (group.zeros.empty()) return;
    if (group.group != pattern_group_) MakePattern(group.zeros);
    pattern_group_ = group.group;
    const uint64_t differences = DifferencesFrom(row, pattern_.data(), width_);
    const uint8_t mask = static_cast<uint8_t>((1 << s_.bits) - 1);
    for (int64_t lane = 0; lane < s_.lanes; ++lane) {
      uint8_t any = 0;
      for (int64_t i = lane; i < 8; i += s_.lanes) any = static_cast<uint8_t>(any | (differences >> (8 * i) & 0xFF));
      for (int field = 0; field < s_.fields; ++field) {
        const bool inside = input + lane * s_.fields + field < s_.inputs;
        counts_.dead_inputs += inside && (any >> (field * s_.bits) & mask) == 0;
      }
    }
  }

  // Every field of a column's bytes holds its zero point.
  void MakePattern(std::span<const uint8_t> zeros) {
    pattern_.resize(width_);
    uint8_t ones = 0;
    for (int field = 0; field < s_.fields; ++field) ones = static_cast<uint8_t>(ones | 1 << (field * s_.bits));
    for (size_t n = 0; n < zeros.size(); ++n) {
      std::fill_n(pattern_.begin() + static_cast<std::ptrdiff_t>(n * static_cast<size_t>(s_.lanes)), s_.lanes,
                  static_cast<uint8_t>(zeros[n] * ones));
    }
  }

  void FoldBytes() {
    const unsigned mask = (1u << s_.bits) - 1;
    for (unsigned byte = 0; byte < 256; ++byte) {
      for (int field = 0; field < s_.fields; ++field) counts_.codes[byte >> (field * s_.bits) & mask] += bytes_[byte];
    }
  }

  const CodeShape& s_;
  const ZerosOfInput& zeros_;
  CodeCounts counts_;
  std::array<uint64_t, 256> bytes_{};
  size_t width_ = 0;
  std::vector<uint8_t> ends_, pattern_;
  int64_t pattern_group_ = -1;
  int unflushed_ = 0;
  bool seen_ = false;
};

}  // namespace

CodeShape::CodeShape(const PackedModule& m)
    : bits(m.bits), pack_bits(m.pack_bits), layout(m.layout), columns(m.out_features), inputs(m.in_features) {
  unpack = 8 % bits != 0;
  fields = unpack ? 1 : 8 / bits;
  lanes = unpack ? 1 : pack_bits / 8;
  block_rows = unpack ? bits : 1;
  block_inputs = block_rows * pack_bits / bits;
  by_column = RowBytes() <= kLongestRow;
}

uint64_t CodeCounts::total() const {
  uint64_t sum = 0;
  for (const uint64_t count : codes) sum += count;
  return sum;
}

void CodeCounts::Add(const CodeCounts& other) {
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] += other.codes[i];
    other_layout[i] += other.other_layout[i];
  }
  zero_bytes += other.zero_bytes;
  random_codes += other.random_codes;
  dead_inputs += other.dead_inputs;
  if (first.empty()) {
    first = other.first;
    differs = other.differs;
    at_ends = other.at_ends;
    return;
  }
  for (size_t i = 0; i < first.size(); ++i) {
    differs[i] = static_cast<uint8_t>(differs[i] | other.differs[i] | (first[i] ^ other.first[i]));
  }
  for (size_t n = 0; n < at_ends.size(); ++n) at_ends[n] += other.at_ends[n];
}

CodeCounts CountCodes(const CodeShape& shape, int64_t first_row, std::span<const char> rows,
                      const ZerosOfInput& zeros) {
  return PieceScan(shape, zeros).Run(first_row, rows);
}

double EntropyOf(std::span<const uint64_t> histogram) {
  double total = 0, sum = 0;
  for (const uint64_t count : histogram) total += static_cast<double>(count);
  for (const uint64_t count : histogram) {
    if (count > 0) sum -= static_cast<double>(count) / total * std::log2(static_cast<double>(count) / total);
  }
  return sum;
}

int LevelsUsed(std::span<const uint64_t> histogram) {
  return static_cast<int>(std::ranges::count_if(histogram, [](uint64_t count) { return count > 0; }));
}

std::vector<std::pair<int64_t, uint8_t>> ConstantColumns(const CodeShape& s, const CodeCounts& counts) {
  std::vector<std::pair<int64_t, uint8_t>> out;
  const uint8_t mask = static_cast<uint8_t>((1 << s.bits) - 1);
  for (int64_t n = 0; !counts.first.empty() && n < s.columns; ++n) {
    const auto at = static_cast<size_t>(n * s.lanes);
    const uint8_t code = counts.first[at] & mask;
    bool constant = true;
    for (size_t i = at; i < at + static_cast<size_t>(s.lanes) && constant; ++i) {
      constant = counts.differs[i] == 0;
      for (int field = 0; field < s.fields; ++field)
        constant = constant && (counts.first[i] >> (field * s.bits) & mask) == code;
    }
    if (constant) out.emplace_back(n, code);
  }
  return out;
}

int64_t SaturatedColumns(const CodeShape& s, const CodeCounts& counts, double share) {
  const double least = share * static_cast<double>(s.inputs);
  return std::ranges::count_if(counts.at_ends, [&](uint32_t ends) { return ends > least; });
}

}  // namespace gptq_doctor
