#include "dequant/verify_scan.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "dequant/read_range.h"
#include "infer/value_checks.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kPiece = 2 << 20;       // bytes
constexpr uint64_t kSlabBudget = 4 << 20;  // packed bytes, where a module is read again

// Of the columns that stand at the ends of their range, how many codes a healthy column may have there. Rounding to the
// extremes of a group of 32 puts a few per cent there, error feedback some more; of 2 bits half the codes are ends.
double SaturatedShare(int bits) { return bits <= 2 ? 0.98 : bits == 3 ? 0.85 : 0.6; }

void AddPieces(const TensorRecord& tensor, uint64_t step, ScanPiece piece, std::vector<ScanPiece>& out) {
  piece.tensor = &tensor;
  for (piece.begin = 0; piece.begin < tensor.bytes(); piece.begin += step) {
    piece.bytes = std::min(step, tensor.bytes() - piece.begin);
    out.push_back(piece);
  }
}

// Of one slab: cells (group, column) with a scale of 0 and codes that differ.
int64_t ZeroCellsInUse(const PackedModule& m, const std::vector<uint32_t>& group_of) {
  const auto columns = static_cast<size_t>(m.out_features);
  const std::vector<float> scales = FloatsOf(m.scales, m.scales_dtype);
  std::vector<size_t> of_column;
  for (size_t n = 0; n < columns; ++n) {
    for (size_t g = 0; g < static_cast<size_t>(m.groups); ++g) {
      if (scales[g * columns + n] != 0) continue;
      of_column.push_back(n);
      break;
    }
  }
  if (of_column.empty()) return 0;
  const int64_t words = PackedWords(m.in_features, m.bits, m.pack_bits);
  const auto word = static_cast<size_t>(m.pack_bits) / 8;
  std::vector<char> column(static_cast<size_t>(words) * word);
  std::vector<uint8_t> codes(static_cast<size_t>(m.in_features));
  int64_t in_use = 0;
  for (const size_t n : of_column) {
    for (size_t r = 0; r < static_cast<size_t>(words); ++r)
      std::memcpy(&column[r * word], &m.qweight[(r * columns + n) * word], word);
    UnpackColumns(column, words, 1, m.bits, m.pack_bits, m.layout, m.in_features, codes);
    std::vector<int> first(static_cast<size_t>(m.groups), -1);
    std::vector<bool> differs(first.size(), false);
    for (size_t k = 0; k < codes.size(); ++k) {
      const uint32_t g = group_of[k];
      if (first[g] < 0) first[g] = codes[k];
      differs[g] = differs[g] || first[g] != codes[k];
    }
    for (size_t g = 0; g < first.size(); ++g) in_use += differs[g] && scales[g * columns + n] == 0;
  }
  return in_use;
}

}  // namespace

std::vector<ScanPiece> PlanPieces(const std::vector<ScanTarget>& targets) {
  std::vector<ScanPiece> out;
  for (uint32_t t = 0; t < targets.size(); ++t) {
    if (!targets[t].layout) {
      AddPieces(*targets[t].dense, kPiece, {.kind = ScanPiece::Kind::kDense, .target = t}, out);
      continue;
    }
    const ModuleLayout& layout = *targets[t].layout;
    const CodeShape shape(layout.packed);
    const uint64_t block = shape.RowBytes() * static_cast<uint64_t>(shape.block_rows);
    // A row that is too long to count columns may be cut anywhere between bytes.
    const uint64_t step = shape.by_column ? std::max(block, kPiece / block * block) : kPiece;
    AddPieces(*layout.qweight, step, {.kind = ScanPiece::Kind::kCodes, .target = t}, out);
    AddPieces(*layout.scales, kPiece, {.kind = ScanPiece::Kind::kScales, .target = t}, out);
  }
  std::sort(out.begin(), out.end(), [](const ScanPiece& a, const ScanPiece& b) {
    return std::tuple(a.tensor->shard, a.tensor->begin + a.begin) <
           std::tuple(b.tensor->shard, b.tensor->begin + b.begin);
  });
  return out;
}

ModuleScan::ModuleScan(const Examination& exam, const ModuleLayout& layout, int64_t pieces)
    : exam_(exam), layout_(layout), shape_(layout.packed), left_(pieces) {
  PrepareZeros();
}

void ModuleScan::PrepareZeros() {
  const PackedModule& m = layout_.packed;
  const ModuleData* data = exam_.quant.DataOf(layout_.module);
  if (m.zero_rule == ZeroRule::kFloat || data == nullptr || !shape_.by_column) return;
  switch (data->zeros) {
    case ZeroKind::kSymV1:
    case ZeroKind::kSymV2:
    case ZeroKind::kSymBroken3Bit:
    case ZeroKind::kSymShiftedBase:
      constant_zeros_.assign(static_cast<size_t>(m.out_features), static_cast<uint8_t>(1u << (m.bits - 1)));
      return;
    case ZeroKind::kNotRead:
      return;
    case ZeroKind::kConstantOther:
    case ZeroKind::kVaried:
      break;
  }
  const bool ordered = layout_.g_idx == nullptr || data->g_idx == GIdxKind::kSequential || m.groups == 1;
  const bool whole_blocks =
      m.groups == 1 || shape_.unpack || (m.group_size > 0 && m.group_size % shape_.block_inputs == 0);
  by_group_ = ordered && whole_blocks && (m.groups == 1 || m.group_size > 0);
}

int64_t ModuleScan::GroupOf(int64_t input) const {
  const PackedModule& m = layout_.packed;
  return m.groups == 1 ? 0 : std::min(input / m.group_size, m.groups - 1);
}

Status ModuleScan::LoadZeros() {
  std::call_once(loaded_, [&] {
    qzeros_.resize(layout_.qzeros->bytes());
    if (Status read = ReadTensor(exam_, *layout_.qzeros, 0, qzeros_); !read) load_error_ = read.error();
  });
  if (load_error_) return *load_error_;
  return Ok();
}

std::vector<uint8_t> ModuleScan::ZerosOf(int64_t group) const {
  PackedModule one = layout_.packed;
  const size_t row = qzeros_.size() / static_cast<size_t>(one.groups);
  one.groups = 1;
  one.qzeros = std::span(qzeros_).subspan(static_cast<size_t>(group) * row, row);
  const std::vector<uint16_t> zeros = DecodeZeros(one);
  return {zeros.begin(), zeros.end()};
}

CodeCounts ModuleScan::Count(const ScanPiece& piece, std::span<const char> data) const {
  const auto first_row = static_cast<int64_t>(piece.begin / shape_.RowBytes());
  if (!by_group_ && constant_zeros_.empty()) return CountCodes(shape_, first_row, data, {});
  int64_t known = -1;
  std::vector<uint8_t> zeros;
  return CountCodes(shape_, first_row, data, [&](int64_t input) -> GroupZeros {
    if (!by_group_) return {.group = 0, .zeros = constant_zeros_};
    const int64_t group = GroupOf(input);
    if (group != known) zeros = ZerosOf(group);
    known = group;
    return {.group = group, .zeros = zeros};
  });
}

Result<bool> ModuleScan::Add(const ScanPiece& piece, std::span<const char> data) {
  if (by_group_) {
    if (Status loaded = LoadZeros(); !loaded) return loaded.error();
  }
  const CodeCounts counts = Count(piece, data);
  const std::lock_guard lock(mutex_);
  counts_.Add(counts);
  return --left_ == 0;
}

void ModuleScan::JudgeColumns(ModuleCheck& check) const {
  if (!shape_.by_column) return;
  if (shape_.inputs >= 64) check.saturated_columns = SaturatedColumns(shape_, counts_, SaturatedShare(shape_.bits));
  std::vector<std::pair<int64_t, uint8_t>> constant = ConstantColumns(shape_, counts_);
  if (constant.empty()) return;
  const auto all = static_cast<int64_t>(constant.size());
  // Without zero points at hand a constant column may be a dead one.
  if (constant_zeros_.empty() && !by_group_) return;
  const int64_t groups = by_group_ ? layout_.packed.groups : 1;
  for (int64_t g = 0; g < groups && !constant.empty(); ++g) {
    const std::vector<uint8_t> zeros = by_group_ ? ZerosOf(g) : constant_zeros_;
    std::erase_if(constant,
                  [&](const auto& column) { return zeros[static_cast<size_t>(column.first)] != column.second; });
  }
  check.dead_outputs = static_cast<int64_t>(constant.size());
  // With several groups one code everywhere is no output of a quantizer; with one it may be a column of equal weights.
  check.constant_columns = all - check.dead_outputs;
}

ModuleCheck ModuleScan::Finish() const {
  const PackedModule& m = layout_.packed;
  ModuleCheck check;
  check.module = layout_.module;
  check.name = layout_.stem;
  check.bits = m.bits;
  check.group_size = m.group_size;
  check.in_features = m.in_features;
  check.out_features = m.out_features;
  check.bytes = layout_.PackedBytes() + (layout_.g_idx != nullptr ? layout_.g_idx->bytes() : 0);
  check.codes = counts_.total();
  check.entropy = EntropyOf(counts_.codes);
  check.levels = LevelsUsed(counts_.codes);
  if (std::ranges::any_of(counts_.other_layout, [](uint64_t count) { return count > 0; }))
    check.other_entropy = EntropyOf(counts_.other_layout);
  check.random = LooksRandom(counts_.codes, m.bits);
  check.random_codes = counts_.random_codes;
  check.zero_bytes = static_cast<int64_t>(counts_.zero_bytes);
  if (by_group_ || !constant_zeros_.empty()) check.dead_inputs = counts_.dead_inputs;
  JudgeColumns(check);
  return check;
}

Result<int64_t> ZeroScalesInUse(const Examination& exam, const ModuleLayout& layout) {
  std::vector<uint32_t> group_of(static_cast<size_t>(layout.packed.in_features));
  const int64_t step = SlabColumns(layout, kSlabBudget);
  int64_t in_use = 0;
  for (int64_t first = 0; first < layout.packed.out_features; first += step) {
    const Result<ModuleSlab> slab = ReadSlab(exam, layout, first, std::min(step, layout.packed.out_features - first));
    if (!slab) return slab.error();
    if (first == 0) group_of = GroupsOf(slab->packed);
    in_use += ZeroCellsInUse(slab->packed, group_of);
  }
  return in_use;
}

}  // namespace gptq_doctor
