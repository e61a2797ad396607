#include "infer/code_window.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "infer/batch_reader.h"

namespace gptq_doctor {
namespace {

constexpr int64_t kColumns = 512;     // of a slab; a multiple of 32
constexpr float kHalfMax = 65504.0f;  // the largest finite F16

// Where the pieces of one module lie in the reader.
struct Draft {
  const ModuleReport* report = nullptr;
  const ClassFacts* facts = nullptr;
  ModuleTensors t;
  int64_t zero_rows = 0;  // whole rows of qzeros at hand
  int64_t columns = 0;
  int64_t unit_rows = 1, unit_channels = 8;  // the least block of rows that holds whole codes
  bool whole = false;
  std::vector<int64_t> units;  // unit numbers, ascending
  std::vector<size_t> slots;   // unit_rows a unit; one slot where whole
  size_t scale_slot = SIZE_MAX;
  int64_t scale_rows = 0;
};

int ScaleBits(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF16:
      return 16;
    case Dtype::kBF16:
      return 17;
    case Dtype::kF32:
      return 32;
    default:
      return 0;
  }
}

float ScaleAt(std::span<const char> bytes, int scale_bits, size_t i) {
  if (scale_bits == 32) {
    float value;
    std::memcpy(&value, bytes.data() + 4 * i, 4);
    return value;
  }
  const uint16_t raw = LoadLe16(bytes.data() + 2 * i);
  return scale_bits == 16 ? HalfToFloat(raw) : BfloatToFloat(raw);
}

// Counts on the bit patterns: magnitudes of floats order like the integers that hold them. Blocks of a fixed size with
// counters of the width of what they count, which become vector code.
template <typename Word>
void CountPatterns(std::span<const char> bytes, Word infinity, Word largest_fit, ScaleReport& report) {
  constexpr size_t kBlock = 64;
  constexpr Word kMagnitude = std::numeric_limits<Word>::max();
  const size_t count = bytes.size() / sizeof(Word);
  int64_t not_finite = 0, zero = 0, large = 0;
  for (size_t from = 0; from < count; from += kBlock) {
    const size_t size = std::min(kBlock, count - from);
    std::array<Word, kBlock> block;
    if (size < kBlock) block.fill(1);  // counts as nothing
    std::memcpy(block.data(), bytes.data() + from * sizeof(Word), size * sizeof(Word));
    Word block_not_finite = 0, block_zero = 0, block_large = 0;
    for (size_t i = 0; i < kBlock; ++i) {
      const Word magnitude = static_cast<Word>(block[i] & kMagnitude);
      block_not_finite = static_cast<Word>(block_not_finite + (magnitude >= infinity));
      block_zero = static_cast<Word>(block_zero + (magnitude == 0));
      block_large = static_cast<Word>(block_large + (magnitude > largest_fit));
    }
    not_finite += block_not_finite;
    zero += block_zero;
    large += block_large;
  }
  report = {
      .read = static_cast<int64_t>(count), .not_finite = not_finite, .zero = zero, .overflow = large - not_finite};
}

// Every `step` bytes the same; true of less than two of them.
bool Repeats(const char* data, size_t size, size_t step) {
  return size <= step || std::memcmp(data, data + step, size - step) == 0;
}

int64_t GroupOf(const Draft& d, int64_t k) {
  const bool listed = d.report->g_idx.kind == GIdxKind::kSequential || d.report->g_idx.kind == GIdxKind::kActOrder;
  if (d.facts->groups == 1) return 0;
  if (d.report->g_idx.even) return k / *d.report->g_idx.group_size;
  if (listed) {
    const int entry = BitsOf(d.t.g_idx->dtype) / 8;
    const std::span<const char> bytes = d.report->g_idx_bytes;
    if (static_cast<int64_t>(bytes.size()) < (k + 1) * entry) return -1;
    return LoadLe32(bytes.data() + k * entry);  // in range: the kind says so
  }
  return d.facts->group_size && *d.facts->group_size > 0 ? k / *d.facts->group_size : -1;
}

class Windows {
 public:
  Windows(const InferInput& input, std::span<const ClassFacts> classes, const WindowRequest& request)
      : in_(input), classes_(classes), request_(request) {}

  uint64_t Run(const ExamineContext& context, std::vector<Error>& errors,
               const std::function<void(const ModuleWindow&)>& visit) {
    if (request_.modules.empty()) return 0;
    const uint64_t allowance = request_.budget / request_.modules.size();
    uint64_t bytes = 0;
    ReadBuffer buffer;
    for (size_t next = 0; next < request_.modules.size();) {
      BatchReader reader(in_.source, in_.tensors, context.pool, buffer);
      drafts_.clear();
      while (next < request_.modules.size() && reader.bytes() < kSmallBatch) {
        Plan(*request_.modules[next++], allowance, reader);
      }
      reader.Run(errors);
      for (const Draft& draft : drafts_) visit(Read(draft, reader));
      bytes += reader.bytes();
    }
    return bytes;
  }

 private:
  void Plan(const ModuleReport& report, uint64_t allowance, BatchReader& reader) {
    Draft d;
    d.report = &report;
    d.facts = &classes_[in_.inventory.modules[report.module].class_id];
    d.t = TensorsOf(in_.tensors, in_.inventory, report.module);
    const int bits = *d.facts->bits, pack = d.facts->pack_bits;
    const uint64_t bytes = d.t.qweight == nullptr ? 0 : SoundBytes(*d.t.qweight);
    if (bytes == 0 || !d.facts->contradiction.empty() || d.facts->out_features == 0) return;
    const auto rows = static_cast<int64_t>(d.t.qweight->dims()[0]);
    d.unit_rows = pack % bits == 0 ? 1 : bits;
    d.unit_channels = d.unit_rows * pack / bits;
    d.whole = bytes <= allowance / 2 && rows % d.unit_rows == 0;
    d.columns = d.whole ? d.facts->out_features : std::min(kColumns, d.facts->out_features);
    PlanZeros(d);
    if (d.whole) {
      d.slots.push_back(reader.AddWhole(*d.t.qweight));
      for (int64_t unit = 0; unit < rows / d.unit_rows; ++unit) d.units.push_back(unit);
    } else {
      PlanSlabs(d, rows, allowance / 2, reader);
    }
    PlanScales(d, allowance / 2, reader);
    drafts_.push_back(std::move(d));
  }

  void PlanZeros(Draft& d) const {
    if (d.t.qzeros == nullptr || d.report->zero_size == 0) return;
    const uint64_t row = SoundBytes(*d.t.qzeros) / d.t.qzeros->dims()[0];
    if (row == 0) return;
    d.zero_rows = static_cast<int64_t>(d.report->zero_size / row);
    if (d.zero_rows > 0) return;
    const int64_t fields = static_cast<int64_t>(d.report->zero_size) / (4 * *d.facts->bits) * 32;
    d.zero_rows = fields > 0 ? 1 : 0;
    if (fields > 0) d.columns = std::min(d.columns, fields);
  }

  void PlanSlabs(Draft& d, int64_t rows, uint64_t allowance, BatchReader& reader) const {
    const int word = d.facts->pack_bits / 8;
    const int64_t cost = d.unit_rows * d.columns * word;
    const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(allowance) / cost, 1, request_.slabs);
    int64_t usable = rows / d.unit_rows;
    // Sequential groups: keep to the channels whose zeros are at hand.
    if (d.report->g_idx.kind != GIdxKind::kActOrder && d.facts->groups > d.zero_rows && d.zero_rows > 0 &&
        d.facts->group_size && *d.facts->group_size > 0) {
      usable = std::min(usable, std::max<int64_t>(1, d.zero_rows * *d.facts->group_size / d.unit_channels));
    }
    const auto row_bytes = static_cast<uint64_t>(d.facts->out_features) * word;
    for (int64_t i = 0; i < std::min(wanted, usable); ++i) {
      const int64_t unit = i * usable / std::min(wanted, usable);
      d.units.push_back(unit);
      for (int64_t row = unit * d.unit_rows; row < (unit + 1) * d.unit_rows; ++row) {
        d.slots.push_back(
            reader.Add(*d.t.qweight, static_cast<uint64_t>(row) * row_bytes, static_cast<uint64_t>(d.columns * word)));
      }
    }
  }

  void PlanScales(Draft& d, uint64_t allowance, BatchReader& reader) const {
    if (d.t.scales == nullptr || d.t.scales->rank != 2 || ScaleBits(d.t.scales->dtype) == 0) return;
    const uint64_t bytes = SoundBytes(*d.t.scales);
    if (bytes == 0) return;
    const uint64_t row = bytes / d.t.scales->dims()[0];
    const uint64_t rows =
        std::min<uint64_t>(d.t.scales->dims()[0], std::max<uint64_t>(allowance / std::max<uint64_t>(row, 1), 0));
    if (rows == 0) return;
    d.scale_rows = static_cast<int64_t>(rows);
    d.scale_slot = reader.Add(*d.t.scales, 0, rows * row);
  }

  ModuleWindow Read(const Draft& d, const BatchReader& reader) const {
    ModuleWindow out;
    out.module = d.report->module;
    out.whole = d.whole;
    CodeWindow& w = out.window;
    w.bits = *d.facts->bits;
    w.columns = d.columns;
    const std::vector<char> words = Gather(d, reader, w);
    if (words.empty()) return out;
    MarkConstant(words, d.facts->pack_bits / 8, out);
    const auto rows = static_cast<int64_t>(words.size()) / (d.columns * d.facts->pack_bits / 8);
    const auto channels = static_cast<int64_t>(w.channels.size());
    w.codes.resize(static_cast<size_t>(channels * d.columns));
    const CodeLayout layout = w.bits >= 5 && w.bits <= 7 ? CodeLayout::kPlanar : CodeLayout::kContinuous;
    UnpackColumns(words, rows, d.columns, w.bits, d.facts->pack_bits, layout, channels, w.codes);
    if (w.bits == 3) {
      out.planar_codes.resize(w.codes.size());
      UnpackColumns(words, rows, d.columns, w.bits, d.facts->pack_bits, CodeLayout::kPlanar, channels,
                    out.planar_codes);
    }
    ReadStored(d, layout, w);
    ReadScales(d, reader, out);
    return out;
  }

  // The words of all units, one under the other; fills channels and groups.
  std::vector<char> Gather(const Draft& d, const BatchReader& reader, CodeWindow& w) const {
    std::vector<char> words;
    for (size_t slot : d.slots) {
      const std::span<const char> piece = reader.Get(slot);
      if (piece.empty()) return {};
      words.insert(words.end(), piece.begin(), piece.end());
    }
    w.group_whole.assign(static_cast<size_t>(std::max<int64_t>(0, d.zero_rows)), d.whole);
    for (int64_t unit : d.units) {
      for (int64_t i = 0; i < d.unit_channels; ++i) {
        const int64_t k = unit * d.unit_channels + i;
        w.channels.push_back(k);
        w.group.push_back(k < d.facts->in_features ? static_cast<int32_t>(GroupOf(d, k)) : -1);
      }
    }
    return words;
  }

  static void MarkConstant(std::span<const char> words, int word_bytes, ModuleWindow& out) {
    const auto step = static_cast<size_t>(word_bytes);
    out.constant_words = words.size() > step && Repeats(words.data(), words.size(), step);
    out.zero_words = out.constant_words && AllZero(words.subspan(0, step));
  }

  static void ReadStored(const Draft& d, CodeLayout layout, CodeWindow& w) {
    if (d.zero_rows == 0 || d.report->zeros.kind != ZeroKind::kVaried) return;
    const auto row_bytes = static_cast<int64_t>(SoundBytes(*d.t.qzeros) / d.t.qzeros->dims()[0]);
    const std::span<const char> bytes = d.report->zero_bytes;
    // Cut rows hold fewer fields than there are columns; the missing ones stay 0 and the class carries a contradiction.
    std::vector<uint8_t> row(static_cast<size_t>(d.columns));
    w.stored.resize(static_cast<size_t>(d.zero_rows * d.columns));
    for (int64_t g = 0; g < d.zero_rows; ++g) {
      const auto from = static_cast<size_t>(g * row_bytes);
      UnpackRow(bytes.subspan(from, std::min<size_t>(static_cast<size_t>(row_bytes), bytes.size() - from)), w.bits,
                d.facts->pack_bits, layout, row);
      std::ranges::copy(row, w.stored.begin() + g * d.columns);
    }
    w.zero_rows = d.zero_rows;
  }

  void ReadScales(const Draft& d, const BatchReader& reader, ModuleWindow& out) const {
    if (d.scale_slot == SIZE_MAX) return;
    const std::span<const char> bytes = reader.Get(d.scale_slot);
    CodeWindow& w = out.window;
    w.scale_bits = ScaleBits(d.t.scales->dtype);
    const int64_t outputs = d.facts->out_features;
    const auto count = bytes.size() / (w.scale_bits == 32 ? 4 : 2);
    if (count < static_cast<size_t>(d.scale_rows * outputs)) return;
    out.scales = CountScales(bytes, d.t.scales->dtype, w.bits);
    // Single values matter only for witnesses in varied zeros, and for scales of 0 where codes differ at all.
    const bool lossy =
        out.scales.zero > 0 && !Repeats(reinterpret_cast<const char*>(w.codes.data()), w.codes.size(), 1);
    if (d.report->zeros.kind != ZeroKind::kVaried && !lossy) return;
    w.scale_rows = d.scale_rows;
    w.scales.resize(static_cast<size_t>(d.scale_rows * d.columns));
    for (int64_t g = 0; g < d.scale_rows; ++g) {
      for (int64_t n = 0; n < d.columns; ++n) {
        w.scales[static_cast<size_t>(g * d.columns + n)] =
            ScaleAt(bytes, w.scale_bits, static_cast<size_t>(g * outputs + n));
      }
    }
    if (lossy) CountZeroInUse(out);
  }

  // A zero scale loses nothing where the codes of its group all say the same.
  static void CountZeroInUse(ModuleWindow& out) {
    const CodeWindow& w = out.window;
    std::vector<int16_t> first(w.scales.size(), -1);
    std::vector<bool> differs(w.scales.size(), false);
    for (size_t row = 0; row < w.group.size(); ++row) {
      if (w.group[row] < 0 || w.group[row] >= w.scale_rows) continue;
      for (int64_t n = 0; n < w.columns; ++n) {
        const auto at = static_cast<size_t>(w.group[row] * w.columns + n);
        if (w.scales[at] != 0) continue;
        const int16_t code = w.codes[row * static_cast<size_t>(w.columns) + static_cast<size_t>(n)];
        if (first[at] < 0) first[at] = code;
        differs[at] = differs[at] || first[at] != code;
      }
    }
    out.scales.zero_in_use = std::ranges::count(differs, true);
  }

  const InferInput& in_;
  std::span<const ClassFacts> classes_;
  const WindowRequest& request_;
  std::vector<Draft> drafts_;
};

}  // namespace

ScaleReport CountScales(std::span<const char> bytes, Dtype dtype, int bits) {
  const int scale_bits = ScaleBits(dtype);
  // The zero point lies somewhere in the range, so at least half of it is reached on one side. A power of two: exact in
  // F16.
  const float largest = kHalfMax / static_cast<float>(1 << (bits - 1));
  ScaleReport report;
  if (scale_bits == 16) {
    CountPatterns<int16_t>(bytes, 0x7C00, static_cast<int16_t>(FloatToHalf(largest)), report);
  } else if (scale_bits == 17) {
    const uint16_t nearest = FloatToBfloat(largest);
    const bool above = BfloatToFloat(nearest) > largest;
    CountPatterns<int16_t>(bytes, 0x7F80, static_cast<int16_t>(nearest - above), report);
  } else {
    CountPatterns<int32_t>(bytes, 0x7F800000, std::bit_cast<int32_t>(largest), report);
  }
  return report;
}

uint64_t ReadWindows(const InferInput& input, std::span<const ClassFacts> classes, const WindowRequest& request,
                     const ExamineContext& context, std::vector<Error>& errors,
                     const std::function<void(const ModuleWindow&)>& visit) {
  return Windows(input, classes, request).Run(context, errors, visit);
}

}  // namespace gptq_doctor
