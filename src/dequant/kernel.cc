#include "dequant/kernel.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "dequant/kernel_avx2.h"

namespace gptq_doctor {
namespace {

Error Refuse(std::string message) { return Error{ErrorKind::kRefused, "", std::move(message)}; }

size_t ElementBytes(Dtype dtype) { return static_cast<size_t>(BitsOf(dtype)) / 8; }

float LoadFloat(const char* at, Dtype dtype) {
  switch (dtype) {
    case Dtype::kF16:
      return HalfToFloat(LoadLe16(at));
    case Dtype::kBF16:
      return BfloatToFloat(LoadLe16(at));
    default: {
      float value;
      std::memcpy(&value, at, sizeof value);
      return value;
    }
  }
}

// F16 or BF16, rounded to nearest even.
void StoreFloat(float value, Dtype dtype, char* at) {
  const uint16_t bits = dtype == Dtype::kF16 ? FloatToHalf(value) : FloatToBfloat(value);
  std::memcpy(at, &bits, sizeof bits);
}

void StoreFloats(std::span<const float> values, Dtype dtype, bool avx2, char* out) {
  size_t done = 0;
  if (dtype == Dtype::kF32) {
    std::memcpy(out, values.data(), values.size_bytes());
    done = values.size();
  } else if (avx2) {
    done = static_cast<size_t>(RoundFloatsAvx2(values.data(), static_cast<int64_t>(values.size()), dtype, out));
  }
  for (; done < values.size(); ++done) StoreFloat(values[done], dtype, out + 2 * done);
}

// `count` words of one row to streams that lie `apart` bytes from each other.
template <size_t kWord>
void Scatter(const char* from, size_t count, size_t apart, char* to) {
  for (size_t n = 0; n < count; ++n) std::memcpy(to + n * apart, from + n * kWord, kWord);
}

// Each code's value from the table of its group.
template <size_t kWidth>
void LookUp(const DequantPlan::Scratch& scratch, std::span<const uint32_t> group_of, int bits, char* out) {
  const char* table = scratch.table.data();
  const uint8_t* codes = scratch.codes.data();
  const uint32_t* groups = group_of.data();
  for (size_t k = 0; k < scratch.codes.size(); ++k) {
    const size_t entry = (size_t{groups[k]} << bits) + codes[k];
    std::memcpy(out + k * kWidth, table + entry * kWidth, kWidth);
  }
}

// The g with group_of[k] == k / g for all k; 0 where there is none.
int64_t UniformGroup(const std::vector<uint32_t>& group_of) {
  if (group_of.empty() || group_of[0] != 0) return 0;
  const auto change = std::find_if(group_of.begin(), group_of.end(), [](uint32_t g) { return g != 0; });
  const auto size = static_cast<size_t>(change - group_of.begin());
  for (size_t k = 0; k < group_of.size(); ++k) {
    if (group_of[k] != k / size) return 0;
  }
  return static_cast<int64_t>(size);
}

// The vector paths need AVX2 and F16C.
bool CpuHasAvx2() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;  // Clang 14 knows no "f16c" for the builtin
  return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
#else
  return false;
#endif
}

Status CheckSizes(const PackedModule& m) {
  const auto words = static_cast<uint64_t>(PackedWords(m.in_features, m.bits, m.pack_bits));
  const auto zero_words = static_cast<uint64_t>(PackedWords(m.out_features, m.bits, m.pack_bits));
  const uint64_t word = static_cast<uint64_t>(m.pack_bits) / 8;
  const auto outputs = static_cast<uint64_t>(m.out_features), groups = static_cast<uint64_t>(m.groups);
  const bool float_zeros = m.zero_rule == ZeroRule::kFloat;
  const std::pair<const char*, std::pair<uint64_t, std::optional<uint64_t>>> wanted[] = {
      {"qweight", {m.qweight.size(), CheckedMul(words * word, outputs)}},
      {"qzeros",
       {m.qzeros.size(), float_zeros ? CheckedMul(groups * 4, outputs) : CheckedMul(groups * word, zero_words)}},
      {"scales", {m.scales.size(), CheckedMul(groups * ElementBytes(m.scales_dtype), outputs)}}};
  for (const auto& [name, sizes] : wanted) {
    if (!sizes.second || sizes.first != *sizes.second) {
      return Refuse(std::string(name) + " has " + std::to_string(sizes.first) + " bytes where " +
                    std::to_string(m.bits) + " bits of [" + std::to_string(m.out_features) + ", " +
                    std::to_string(m.in_features) + "] in " + std::to_string(m.groups) + " groups need " +
                    (sizes.second ? std::to_string(*sizes.second) : std::string("more than 64 bits can count")));
    }
  }
  if (!m.g_idx.empty() && m.g_idx.size() != static_cast<uint64_t>(m.in_features) * 4) {
    return Refuse("g_idx has " + std::to_string(m.g_idx.size()) + " bytes where " + std::to_string(m.in_features) +
                  " input channels need " + std::to_string(m.in_features * 4));
  }
  return Ok();
}

}  // namespace

std::vector<uint32_t> GroupsOf(const PackedModule& m) {
  std::vector<uint32_t> out(static_cast<size_t>(m.in_features));
  for (size_t k = 0; k < out.size(); ++k) {
    if (m.g_idx.empty()) {
      out[k] = m.group_size > 0 ? static_cast<uint32_t>(k / static_cast<size_t>(m.group_size)) : 0;
    } else {
      const auto value = static_cast<int32_t>(LoadLe32(&m.g_idx[4 * k]));
      out[k] = static_cast<uint32_t>(value < 0 ? value + m.groups : value);
    }
  }
  return out;
}

std::vector<float> FloatsOf(std::span<const char> bytes, Dtype dtype) {
  const size_t width = ElementBytes(dtype);
  std::vector<float> out(bytes.size() / width);
  for (size_t i = 0; i < out.size(); ++i) out[i] = LoadFloat(&bytes[i * width], dtype);
  return out;
}

Status CheckModule(const PackedModule& m) {
  constexpr int64_t kLimit = int64_t{1} << 40;
  if (m.bits < 2 || m.bits > 8 || (m.pack_bits != 8 && m.pack_bits != 16 && m.pack_bits != 32 && m.pack_bits != 64)) {
    return Refuse(std::to_string(m.bits) + " bits in words of " + std::to_string(m.pack_bits) +
                  " are no known packing");
  }
  if (m.zero_rule == ZeroRule::kShiftedBase && (m.base_bits < 2 || m.base_bits > 8)) {
    return Refuse("zero points were written for " + std::to_string(m.base_bits) + " bits, which no packer has");
  }
  if (m.in_features <= 0 || m.out_features <= 0 || m.groups <= 0 || m.in_features > kLimit || m.out_features > kLimit ||
      m.groups > m.in_features) {
    return Refuse("impossible shape: [" + std::to_string(m.out_features) + ", " + std::to_string(m.in_features) +
                  "] in " + std::to_string(m.groups) + " groups");
  }
  if (m.scales_dtype != Dtype::kF16 && m.scales_dtype != Dtype::kBF16 && m.scales_dtype != Dtype::kF32) {
    return Refuse(std::string("scales are ") + ToString(m.scales_dtype) + ", not F16, BF16 or F32");
  }
  if (m.layout == CodeLayout::kPlanar && (m.pack_bits != 32 || m.in_features % 32 != 0 || m.out_features % 32 != 0)) {
    return Refuse("bit planes need 32-bit words and dimensions that are multiples of 32");
  }
  if (Status sizes = CheckSizes(m); !sizes) return sizes;
  const std::vector<uint32_t> group_of = GroupsOf(m);
  const auto bad =
      std::find_if(group_of.begin(), group_of.end(), [&](uint32_t g) { return g >= static_cast<uint64_t>(m.groups); });
  if (bad != group_of.end()) {
    return Refuse("input channel " + std::to_string(bad - group_of.begin()) + " belongs to group " +
                  std::to_string(static_cast<int32_t>(*bad)) + ", but there are " + std::to_string(m.groups));
  }
  return Ok();
}

DequantPlan::DequantPlan(const PackedModule& module, CpuPath path)
    : module_(module), scales_(FloatsOf(module.scales, module.scales_dtype)), group_of_(GroupsOf(module)) {
  if (module.zero_rule == ZeroRule::kFloat) {
    float_zeros_ = FloatsOf(module.qzeros, Dtype::kF32);
  } else {
    zeros_ = DecodeZeros(module);
  }
  uniform_group_ = UniformGroup(group_of_);
  avx2_ = path == CpuPath::kAuto && CpuHasAvx2();
  // Blocks of 32 input channels must lie in one group.
  whole_blocks_ = avx2_ && float_zeros_.empty() && module.pack_bits == 32 && (module.bits == 4 || module.bits == 8) &&
                  module.in_features % 32 == 0 && uniform_group_ > 0 &&
                  (uniform_group_ % 32 == 0 || module.groups == 1);
}

void DequantPlan::Rows(int64_t first_row, int64_t rows, Dtype dtype, std::span<char> out) const {
  assert(first_row >= 0 && rows >= 0 && first_row + rows <= module_.out_features);
  assert(out.size() >= static_cast<size_t>(rows * module_.in_features) * ElementBytes(dtype));
  if (whole_blocks_) {
    const Avx2Job job{.bits = module_.bits,
                      .in_features = module_.in_features,
                      .out_features = module_.out_features,
                      .group_size = uniform_group_,
                      .qweight = module_.qweight.data(),
                      .scales = scales_.data(),
                      .zeros = zeros_.data()};
    const int64_t done = DequantizeRowsAvx2(job, first_row, rows, dtype, out.data());
    if (done == rows) return;
    first_row += done;
    rows -= done;
    out = out.subspan(static_cast<size_t>(done * module_.in_features) * ElementBytes(dtype));
  }
  RowsGeneric(first_row, rows, dtype, out.data());
}

void DequantPlan::RowsGeneric(int64_t first_row, int64_t rows, Dtype dtype, char* out) const {
  constexpr int64_t kPanel = 64;  // columns that are turned at a time: four cache lines of each row of words
  const auto inputs = static_cast<size_t>(module_.in_features), outputs = static_cast<size_t>(module_.out_features);
  const size_t word = static_cast<size_t>(module_.pack_bits) / 8, width = ElementBytes(dtype);
  const auto words = static_cast<size_t>(PackedWords(module_.in_features, module_.bits, module_.pack_bits));
  const size_t stream = words * word, apart = stream + 64;  // streams at powers of two would share cache sets
  std::vector<char> streams(apart * static_cast<size_t>(kPanel));
  Scratch scratch{.codes = std::vector<uint8_t>(inputs), .floats = {}, .table = {}};
  for (int64_t row = 0; row < rows; row += kPanel) {
    const auto take = static_cast<size_t>(std::min(kPanel, rows - row)), first = static_cast<size_t>(first_row + row);
    const auto scatter = word == 4 ? Scatter<4> : word == 2 ? Scatter<2> : word == 1 ? Scatter<1> : Scatter<8>;
    for (size_t r = 0; r < words; ++r) {
      scatter(&module_.qweight[(r * outputs + first) * word], take, apart, &streams[r * word]);
    }
    for (size_t n = 0; n < take; ++n) {
      UnpackRow(std::span(streams).subspan(n * apart, stream), module_.bits, module_.pack_bits, module_.layout,
                scratch.codes);
      Row(first + n, dtype, scratch, out + (static_cast<size_t>(row) + n) * inputs * width);
    }
  }
}

void DequantPlan::Row(size_t n, Dtype dtype, Scratch& scratch, char* out) const {
  const auto outputs = static_cast<size_t>(module_.out_features), groups = static_cast<size_t>(module_.groups);
  const auto value = [&](size_t group, uint32_t code) {
    const size_t cell = group * outputs + n;
    return float_zeros_.empty() ? scales_[cell] * static_cast<float>(static_cast<int>(code) - zeros_[cell])
                                : scales_[cell] * static_cast<float>(code) - float_zeros_[cell];
  };
  // A table of what every code means in every group is worth it where it is smaller than the row.
  const size_t entries = groups << module_.bits;
  const bool by_table = entries * 2 <= scratch.codes.size();
  scratch.floats.resize(by_table ? entries : scratch.codes.size());
  if (!by_table) {
    for (size_t k = 0; k < scratch.codes.size(); ++k) scratch.floats[k] = value(group_of_[k], scratch.codes[k]);
    return StoreFloats(scratch.floats, dtype, avx2_, out);
  }
  for (size_t i = 0; i < entries; ++i) {
    scratch.floats[i] = value(i >> module_.bits, static_cast<uint32_t>(i) & ((1u << module_.bits) - 1));
  }
  scratch.table.resize(entries * ElementBytes(dtype));
  StoreFloats(scratch.floats, dtype, avx2_, scratch.table.data());
  if (dtype == Dtype::kF32) {
    LookUp<4>(scratch, group_of_, module_.bits, out);
  } else {
    LookUp<2>(scratch, group_of_, module_.bits, out);
  }
}

}  // namespace gptq_doctor
