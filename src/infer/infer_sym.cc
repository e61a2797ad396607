#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "infer/quantities.h"

namespace gptq_doctor {
namespace {

// Codes of one period of every layout and width: 32 codes are `bits` 32-bit words.
constexpr int kPeriod = 32;

uint32_t MaskOf(int bits) { return (1u << bits) - 1; }

std::vector<uint32_t> ToWords(std::span<const char> bytes) {
  std::vector<uint32_t> words(bytes.size() / 4);
  for (size_t i = 0; i < words.size(); ++i) words[i] = LoadLe32(bytes.data() + 4 * i);
  return words;
}

std::vector<char> ToBytes(std::span<const uint32_t> words) {
  std::vector<char> bytes(words.size() * 4);
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

// The rows of `zeros` that hold `out_features` fields each; one short row where not even the first was read whole.
struct Rows {
  int64_t count = 0, fields = 0, stride = 0;
};
Rows RowsOf(const ZeroWords& zeros) {
  const auto size = static_cast<int64_t>(zeros.bytes.size());
  if (zeros.row_bytes <= 0 || zeros.out_features <= 0) return {};
  const int64_t stored = std::min(zeros.out_features, zeros.row_bytes * 8 / zeros.bits);
  if (size >= zeros.row_bytes) return {size / zeros.row_bytes, stored, zeros.row_bytes};
  const int64_t whole = size / (4 * zeros.bits) * kPeriod;
  return {whole > 0 ? 1 : 0, std::min(whole, stored), size};
}

// True where every row repeats `pattern`, as far as its fields reach.
bool Repeats(const ZeroWords& zeros, const Rows& rows, std::span<const char> pattern) {
  const int64_t bits = rows.fields * zeros.bits;
  const auto bytes = static_cast<size_t>(bits / 8);
  const auto rest = static_cast<int>(bits % 8);
  const size_t period = pattern.size();
  for (int64_t row = 0; row < rows.count; ++row) {
    const char* at = zeros.bytes.data() + row * rows.stride;
    const size_t head = std::min(bytes, period);
    if (std::memcmp(at, pattern.data(), head) != 0) return false;
    if (bytes > period && std::memcmp(at, at + period, bytes - period) != 0) return false;
    if (rest != 0) {
      const auto mask = static_cast<unsigned char>((1 << rest) - 1);
      const auto have = static_cast<unsigned char>(at[bytes]),
                 want = static_cast<unsigned char>(pattern[bytes % period]);
      if (((have ^ want) & mask) != 0) return false;
    }
  }
  return true;
}

// Words of the symmetric zero 2^(b-1), as v2 stores them, repeated to a whole number of 3-bit triples.
std::vector<uint32_t> SymWords(int bits) {
  const std::vector<uint32_t> once = ToWords(ConstantWords(bits, 1u << (bits - 1), CodeLayout::kContinuous));
  std::vector<uint32_t> out;
  for (int i = 0; i < 3; ++i) out.insert(out.end(), once.begin(), once.end());
  return out;
}

// What GPTQModel's writers of v1 files subtract from the words of every module, by the model-wide bits
// (gptq-format C-2, C-27): a 1 in every field; before 7.0.0 the 3-bit words stand in the wrong order.
struct Shift {
  int base_bits;
  std::array<uint32_t, 3> words;
};
constexpr Shift kShifts[] = {
    {2, {0x55555555, 0x55555555, 0x55555555}}, {4, {0x11111111, 0x11111111, 0x11111111}},
    {8, {0x01010101, 0x01010101, 0x01010101}}, {3, {0x49249249, 0x92492492, 0x24924924}},
    {3, {0x24924924, 0x92492492, 0x49249249}},
};

std::vector<char> Shifted(const std::vector<uint32_t>& words, const Shift& shift) {
  std::vector<uint32_t> out = words;
  for (size_t i = 0; i < out.size(); ++i) out[i] -= shift.words[i % 3];
  return ToBytes(out);
}

// One other constant throughout: no field need be looked at on its own. Fields of 2^b - 1 and 3-bit positions are
// counted by FieldScan.
bool TryOtherConstant(const ZeroWords& zeros, const Rows& rows, ZeroReport& report) {
  if (zeros.bits == 3 || (zeros.bits >= 5 && zeros.bits <= 7)) return false;
  const uint32_t value = static_cast<uint8_t>(zeros.bytes[0]) & MaskOf(zeros.bits);
  if (value == MaskOf(zeros.bits)) return false;
  if (!Repeats(zeros, rows, ConstantWords(zeros.bits, value, CodeLayout::kContinuous))) return false;
  report.kind = ZeroKind::kConstantOther;
  report.constant = value;
  return true;
}

bool TryConstants(const ZeroWords& zeros, const Rows& rows, ZeroReport& report) {
  const uint32_t middle = 1u << (zeros.bits - 1);
  const bool planar_only = zeros.bits >= 5 && zeros.bits <= 7;
  if (!planar_only) {
    for (const uint32_t value : {middle - 1, middle}) {
      if (!Repeats(zeros, rows, ConstantWords(zeros.bits, value, CodeLayout::kContinuous))) continue;
      report.kind = value == middle ? ZeroKind::kSymV2 : ZeroKind::kSymV1;
      report.constant = value;
      return true;
    }
  }
  if ((planar_only || zeros.bits == 3) &&
      Repeats(zeros, rows, ConstantWords(zeros.bits, middle, CodeLayout::kPlanar))) {
    report.kind = ZeroKind::kSymV2;
    report.constant = middle;
    report.planar = true;
    return true;
  }
  if (planar_only) return false;
  const std::vector<uint32_t> sym = SymWords(zeros.bits);
  for (const Shift& shift : kShifts) {
    const bool right = shift.words[0] != 0x24924924;
    if (shift.base_bits == zeros.bits && right) continue;  // that is plain v1
    if (!Repeats(zeros, rows, Shifted(sym, shift))) continue;
    report.kind = shift.base_bits == zeros.bits ? ZeroKind::kSymBroken3Bit : ZeroKind::kSymShiftedBase;
    report.base_bits = shift.base_bits;
    return true;
  }
  return false;
}

// Where fields of 2^b - 1 stand in their words (gptq-format C-1). `word` holds `bits_left` bits from the field up.
void CountTopField(uint64_t above, int bits_above, ZeroReport& report) {
  if (bits_above == 0) {
    ++report.top_fields;
  } else if (above == (uint64_t{1} << bits_above) - 1) {
    ++report.run_fields;
  } else {
    ++report.lone_fields;
  }
}

class FieldScan {
 public:
  FieldScan(const ZeroWords& zeros, const Rows& rows, ZeroReport& report)
      : zeros_(zeros), rows_(rows), report_(report), codes_(static_cast<size_t>(rows.fields)) {}

  void Run() {
    const CodeLayout layout = zeros_.bits >= 5 && zeros_.bits <= 7 ? CodeLayout::kPlanar : CodeLayout::kContinuous;
    bool constant = true;
    std::optional<uint8_t> first;
    for (int64_t row = 0; row < rows_.count; ++row) {
      const std::span<const char> words =
          zeros_.bytes.subspan(static_cast<size_t>(row * rows_.stride), static_cast<size_t>(rows_.stride));
      UnpackRow(words, zeros_.bits, zeros_.pack_bits, layout, codes_);
      if (!first && !codes_.empty()) first = codes_[0];
      constant = constant && std::ranges::all_of(codes_, [&](uint8_t code) { return code == *first; });
      report_.fields += rows_.fields;
      if (layout == CodeLayout::kContinuous) ScanTopFields(words);
      if (zeros_.bits == 3) AddPositions();
    }
    report_.kind = constant && first ? ZeroKind::kConstantOther : ZeroKind::kVaried;
    if (constant && first) report_.constant = *first;
  }

 private:
  void ScanTopFields(std::span<const char> words) {
    const auto top = static_cast<uint8_t>(MaskOf(zeros_.bits));
    const int pack = zeros_.pack_bits;
    int64_t run_word = -1;
    for (int64_t n = 0; n < rows_.fields; ++n) {
      if (codes_[static_cast<size_t>(n)] != top) continue;
      const int64_t begin = n * zeros_.bits, word = begin / pack;
      const int64_t word_end = std::min((word + 1) * pack, rows_.fields * zeros_.bits);
      const auto above = static_cast<int>(std::max<int64_t>(0, word_end - begin - zeros_.bits));
      uint64_t bits = 0;
      std::memcpy(&bits, words.data() + word * pack / 8, static_cast<size_t>(pack / 8));
      bits >>= begin % pack;
      bits = zeros_.bits < 64 ? bits >> zeros_.bits : 0;
      bits &= (uint64_t{1} << above) - 1;  // above is at most 62: the field itself takes two bits or more
      const int64_t runs = report_.run_fields;
      CountTopField(bits, above, report_);
      if (report_.run_fields > runs && word != run_word) {
        report_.run_bits += above / zeros_.bits;
        run_word = word;
      }
    }
  }

  void AddPositions() {
    for (size_t n = 0; n < codes_.size(); ++n) {
      const size_t place = n % 32;
      if (place == 0 || place == 10) continue;
      const size_t zone = place < 10 ? 0 : place <= 20 ? 1 : 2;
      report_.position_sum[zone] += codes_[n];
      report_.position_count[zone] += 1;
    }
  }

  const ZeroWords& zeros_;
  const Rows& rows_;
  ZeroReport& report_;
  std::vector<uint8_t> codes_;
};

}  // namespace

std::vector<char> ConstantWords(int bits, uint32_t value, CodeLayout layout) {
  const std::vector<uint8_t> codes(kPeriod, static_cast<uint8_t>(value));
  std::vector<char> words(static_cast<size_t>(4 * bits));
  PackRow(codes, bits, 32, layout, words);
  return words;
}

ZeroReport ReadZeros(const ZeroWords& zeros) {
  ZeroReport report;
  const Rows rows = RowsOf(zeros);
  if (rows.count == 0 || rows.fields == 0) return report;
  report.all_zero = AllZero(zeros.bytes);
  if (TryConstants(zeros, rows, report) || TryOtherConstant(zeros, rows, report)) {
    report.fields = rows.count * rows.fields;
    return report;
  }
  FieldScan(zeros, rows, report).Run();
  return report;
}

PositionVerdict JudgePositions(std::span<const ZeroReport* const> reports) {
  // Flat 2.5 (v1) or 3.5 (v2) in sound files, about 5.7, 2.5 and 1.5 in broken ones (gptq-format C-2); 300 fields a
  // zone keep the error of each mean below 0.1.
  constexpr double kEnough = 300;
  std::array<double, 3> sum{}, count{}, mean{};
  for (const ZeroReport* report : reports) {
    for (size_t i = 0; i < 3; ++i) {
      sum[i] += report->position_sum[i];
      count[i] += report->position_count[i];
    }
  }
  for (size_t i = 0; i < 3; ++i) {
    if (count[i] < kEnough) return PositionVerdict::kUnclear;
    mean[i] = sum[i] / count[i];
  }
  if (mean[0] > mean[1] + 1.5 && mean[1] > mean[2] + 0.3 && mean[0] > mean[2] + 3) return PositionVerdict::kBroken3Bit;
  return mean[0] < mean[2] + 1 && mean[0] > mean[2] - 1 ? PositionVerdict::kFlat : PositionVerdict::kUnclear;
}

}  // namespace gptq_doctor
