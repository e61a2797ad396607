#include "dequant/kernel.h"

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

void StoreFloat(float value, Dtype dtype, char* at) {
  if (dtype == Dtype::kF32) {
    std::memcpy(at, &value, sizeof value);
    return;
  }
  const uint16_t bits = dtype == Dtype::kF16 ? FloatToHalf(value) : FloatToBfloat(value);
  std::memcpy(at, &bits, sizeof bits);
}

std::vector<float> LoadFloats(std::span<const char> bytes, Dtype dtype) {
  const size_t width = ElementBytes(dtype);
  std::vector<float> out(bytes.size() / width);
  for (size_t i = 0; i < out.size(); ++i) out[i] = LoadFloat(&bytes[i * width], dtype);
  return out;
}

std::vector<uint32_t> GroupOf(const PackedModule& m) {
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
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
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

Status CheckModule(const PackedModule& m) {
  constexpr int64_t kLimit = int64_t{1} << 40;
  if (m.bits < 2 || m.bits > 8 || (m.pack_bits != 8 && m.pack_bits != 16 && m.pack_bits != 32 && m.pack_bits != 64)) {
    return Refuse(std::to_string(m.bits) + " bits in words of " + std::to_string(m.pack_bits) +
                  " are no known packing");
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
  const std::vector<uint32_t> group_of = GroupOf(m);
  const auto bad =
      std::find_if(group_of.begin(), group_of.end(), [&](uint32_t g) { return g >= static_cast<uint64_t>(m.groups); });
  if (bad != group_of.end()) {
    return Refuse("input channel " + std::to_string(bad - group_of.begin()) + " belongs to group " +
                  std::to_string(static_cast<int32_t>(*bad)) + ", but there are " + std::to_string(m.groups));
  }
  return Ok();
}

DequantPlan::DequantPlan(const PackedModule& module, CpuPath path)
    : module_(module), scales_(LoadFloats(module.scales, module.scales_dtype)), group_of_(GroupOf(module)) {
  if (module.zero_rule == ZeroRule::kFloat) {
    float_zeros_ = LoadFloats(module.qzeros, Dtype::kF32);
  } else {
    zeros_ = DecodeZeros(module);
  }
  uniform_group_ = UniformGroup(group_of_);
  vector_ = path == CpuPath::kAuto && CpuHasAvx2() && float_zeros_.empty() && module.pack_bits == 32 &&
            (module.bits == 4 || module.bits == 8) && module.in_features % 32 == 0;
}

void DequantPlan::Rows(int64_t first_row, int64_t rows, Dtype dtype, std::span<char> out) const {
  assert(first_row >= 0 && rows >= 0 && first_row + rows <= module_.out_features);
  assert(out.size() >= static_cast<size_t>(rows * module_.in_features) * ElementBytes(dtype));
  // Blocks of 32 input channels must lie in one group for the vector paths.
  if (vector_ && uniform_group_ > 0 && (uniform_group_ % 32 == 0 || module_.groups == 1)) {
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
  RowsScalar(first_row, rows, dtype, out.data());
}

void DequantPlan::RowsScalar(int64_t first_row, int64_t rows, Dtype dtype, char* out) const {
  // Panels of a few hundred KB: codes [K, panel] unpacked once, then written transposed.
  const int64_t inputs = module_.in_features, outputs = module_.out_features;
  const int64_t panel = std::clamp<int64_t>((1 << 18) / std::max<int64_t>(inputs, 1), 1, 64);
  const size_t width = ElementBytes(dtype);
  const int64_t words = PackedWords(inputs, module_.bits, module_.pack_bits);
  const size_t word = static_cast<size_t>(module_.pack_bits) / 8;
  std::vector<char> columns;
  std::vector<uint8_t> codes(static_cast<size_t>(inputs * panel));
  for (int64_t row = first_row; row < first_row + rows; row += panel) {
    const int64_t take = std::min(panel, first_row + rows - row);
    columns.resize(static_cast<size_t>(words * take) * word);
    for (int64_t r = 0; r < words; ++r) {
      std::memcpy(&columns[static_cast<size_t>(r * take) * word],
                  &module_.qweight[static_cast<size_t>(r * outputs + row) * word], static_cast<size_t>(take) * word);
    }
    UnpackColumns(columns, words, take, module_.bits, module_.pack_bits, module_.layout, inputs,
                  std::span(codes).first(static_cast<size_t>(inputs * take)));
    for (int64_t n = 0; n < take; ++n) {
      char* at = out + static_cast<size_t>((row - first_row + n) * inputs) * width;
      for (int64_t k = 0; k < inputs; ++k, at += width) {
        const size_t cell = static_cast<size_t>(group_of_[static_cast<size_t>(k)] * outputs + row + n);
        const uint8_t code = codes[static_cast<size_t>(k * take + n)];
        const float value = float_zeros_.empty() ? scales_[cell] * static_cast<float>(code - zeros_[cell])
                                                 : scales_[cell] * static_cast<float>(code) - float_zeros_[cell];
        StoreFloat(value, dtype, at);
      }
    }
  }
}

}  // namespace gptq_doctor
