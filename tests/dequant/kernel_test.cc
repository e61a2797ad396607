// Every kernel path against a naive evaluation of the formula, on modules packed by the tests' own bit-by-bit packer.

#include "dequant/kernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

using testing::FloatBytes;
using testing::PackQweight;
using testing::PackQzeros;
using testing::TestRandom;

struct Shape {
  int bits;
  int64_t in, out, group;  // group -1: one
  bool v1, act_order, with_g_idx;
  std::string scales_dtype;
  int pack_bits;
  bool planar;
};

// A module with its truth.
struct Truth {
  Shape shape;
  std::vector<std::vector<uint32_t>> codes, zeros;  // [K][N], [G][N]
  std::vector<std::vector<double>> scales;          // [G][N], exactly representable in scales_dtype
  std::vector<int32_t> g_idx;
  std::string qweight, qzeros, scale_bytes, g_idx_bytes;
  PackedModule packed;

  explicit Truth(const Shape& s, uint64_t seed = 1) : shape(s) {
    TestRandom random(seed);
    const int64_t group = s.group > 0 ? s.group : s.in;
    const auto groups = static_cast<size_t>((s.in + group - 1) / group), outputs = static_cast<size_t>(s.out);
    const uint32_t top = (1u << s.bits) - 1;
    zeros.assign(groups, std::vector<uint32_t>(outputs));
    scales.assign(groups, std::vector<double>(outputs));
    for (size_t g = 0; g < groups; ++g) {
      for (size_t n = 0; n < outputs; ++n) {
        zeros[g][n] = static_cast<uint32_t>(random.Next() & top);
        if (s.v1 && zeros[g][n] == 0) zeros[g][n] = 1;  // zeros of 0 have tests of their own
        const std::string bytes = FloatBytes(random.Gauss() * 0.01, s.scales_dtype);
        scale_bytes += bytes;
        scales[g][n] = Load(bytes, s.scales_dtype);
      }
    }
    for (int64_t k = 0; k < s.in; ++k) g_idx.push_back(static_cast<int32_t>(k / group));
    if (s.act_order) {
      for (size_t i = g_idx.size(); i > 1; --i) std::swap(g_idx[i - 1], g_idx[random.Next() % i]);
    }
    codes.assign(static_cast<size_t>(s.in), std::vector<uint32_t>(outputs));
    for (auto& row : codes) {
      for (uint32_t& code : row) code = static_cast<uint32_t>(random.Next() & top);
    }
    auto stored = zeros;
    if (s.v1) {
      for (auto& row : stored) {
        for (uint32_t& z : row) z -= 1;
      }
    }
    qweight = PackQweight(codes, s.bits, s.pack_bits, s.planar);
    qzeros = PackQzeros(stored, s.bits, s.pack_bits, s.planar);
    g_idx_bytes.assign(reinterpret_cast<const char*>(g_idx.data()), g_idx.size() * 4);
    Pack(groups);
  }

  static double Load(const std::string& bytes, const std::string& dtype) {
    if (dtype == "F16") return static_cast<double>(HalfToFloat(LoadLe16(bytes.data())));
    if (dtype == "BF16") return static_cast<double>(BfloatToFloat(LoadLe16(bytes.data())));
    float value;
    std::memcpy(&value, bytes.data(), 4);
    return static_cast<double>(value);
  }

  void Pack(size_t groups) {
    packed.bits = shape.bits;
    packed.pack_bits = shape.pack_bits;
    packed.layout = shape.planar ? CodeLayout::kPlanar : CodeLayout::kContinuous;
    packed.zero_rule = shape.v1 ? ZeroRule::kPlusOne : ZeroRule::kStored;
    packed.in_features = shape.in;
    packed.out_features = shape.out;
    packed.groups = static_cast<int64_t>(groups);
    packed.group_size = shape.group;
    packed.qweight = qweight;
    packed.qzeros = qzeros;
    packed.scales = scale_bytes;
    packed.scales_dtype = DtypeFromName(shape.scales_dtype);
    if (shape.with_g_idx) packed.g_idx = g_idx_bytes;
  }

  std::string Expected(const std::string& dtype) const {
    std::string out;
    for (size_t n = 0; n < static_cast<size_t>(shape.out); ++n) {
      for (size_t k = 0; k < static_cast<size_t>(shape.in); ++k) {
        const auto g = static_cast<size_t>(g_idx[k]);
        const double difference = static_cast<double>(codes[k][n]) - static_cast<double>(zeros[g][n]);
        out += FloatBytes(scales[g][n] * difference, dtype);
      }
    }
    return out;
  }
};

std::string Dequantize(const PackedModule& module, const std::string& dtype, CpuPath path, int64_t step = 0) {
  const DequantPlan plan(module, path);
  const Dtype type = DtypeFromName(dtype);
  const auto row = static_cast<size_t>(module.in_features) * static_cast<size_t>(BitsOf(type)) / 8;
  std::string out(row * static_cast<size_t>(module.out_features), '\x55');
  if (step == 0) step = module.out_features;
  for (int64_t n = 0; n < module.out_features; n += step) {
    const int64_t rows = std::min(step, module.out_features - n);
    plan.Rows(n, rows, type, std::span(out).subspan(static_cast<size_t>(n) * row, static_cast<size_t>(rows) * row));
  }
  return out;
}

TEST(DequantKernel, EveryPathEqualsTheFormula) {
  const Shape shapes[] = {
      {4, 128, 32, 32, true, false, true, "F16", 32, false},   {4, 256, 40, 128, true, false, false, "F16", 32, false},
      {4, 96, 16, 32, false, false, true, "F16", 32, false},   {4, 352, 24, 128, true, false, true, "F16", 32, false},
      {4, 256, 24, 64, true, true, true, "F16", 32, false},    {4, 128, 16, -1, true, false, true, "BF16", 32, false},
      {4, 64, 8, 16, true, false, true, "F32", 32, false},     {8, 128, 32, 64, true, false, true, "F16", 32, false},
      {8, 160, 20, -1, false, false, false, "F16", 32, false}, {2, 128, 32, 64, true, false, true, "F16", 32, false},
      {3, 64, 32, 32, true, true, true, "F16", 32, false},     {3, 64, 64, 32, false, false, true, "F16", 32, true},
      {5, 64, 32, 32, false, false, true, "F16", 32, true},    {6, 96, 32, 32, false, false, true, "F16", 32, true},
      {7, 64, 32, 64, false, true, true, "BF16", 32, true},    {4, 64, 16, 32, true, false, true, "F16", 16, false},
      {8, 64, 16, 32, true, false, true, "F16", 8, false},     {2, 64, 32, 32, false, false, true, "F16", 64, false},
      {4, 104, 8, -1, true, false, false, "F16", 32, false},
  };
  for (const Shape& shape : shapes) {
    const Truth truth(shape);
    ASSERT_TRUE(CheckModule(truth.packed).ok());
    for (const std::string dtype : {"F32", "F16", "BF16"}) {
      const std::string expected = truth.Expected(dtype);
      for (const CpuPath path : {CpuPath::kScalar, CpuPath::kAuto}) {
        for (const int64_t step : {int64_t{0}, int64_t{5}}) {
          EXPECT_TRUE(Dequantize(truth.packed, dtype, path, step) == expected)
              << shape.bits << " bits, group " << shape.group << ", act-order " << shape.act_order << ", " << dtype
              << (path == CpuPath::kAuto ? ", auto" : ", scalar") << ", step " << step;
        }
      }
    }
  }
}

// Shapes that nobody thought of, from fixed seeds.
TEST(DequantKernel, RandomShapesEqualTheFormula) {
  TestRandom random(20240501);
  const auto one_of = [&](std::initializer_list<int64_t> values) {
    return *(values.begin() + static_cast<std::ptrdiff_t>(random.Next() % values.size()));
  };
  for (int round = 0; round < 120; ++round) {
    Shape shape{};
    shape.bits = static_cast<int>(one_of({2, 3, 4, 4, 4, 8, 8, 5, 6, 7}));
    shape.planar = (shape.bits >= 5 && shape.bits <= 7) || (shape.bits == 3 && random.Next() % 2 == 0);
    const bool whole_words = shape.bits == 3 || shape.planar;  // dimensions in blocks of 32 codes
    shape.pack_bits = whole_words ? 32 : static_cast<int>(one_of({32, 32, 32, 16, 8, 64}));
    const int64_t unit = whole_words ? 32 : std::max<int64_t>(1, shape.pack_bits / shape.bits);
    shape.in = unit * one_of({1, 2, 3, 5, 8, 11}) * (whole_words ? 1 : one_of({1, 4, 8}));
    shape.out = unit * one_of({1, 2, 3, 5, 9});
    shape.group = one_of({-1, 16, 32, 64, 128, 48});
    shape.v1 = !shape.planar && random.Next() % 2 == 0;
    shape.act_order = random.Next() % 3 == 0;
    shape.with_g_idx = shape.act_order || random.Next() % 2 == 0;
    shape.scales_dtype = random.Next() % 4 == 0 ? "BF16" : "F16";
    const Truth truth(shape, random.Next());
    const Status sound = CheckModule(truth.packed);
    ASSERT_TRUE(sound.ok()) << sound.error().message;
    for (const std::string dtype : {"F32", "F16", "BF16"}) {
      const std::string expected = truth.Expected(dtype);
      for (const CpuPath path : {CpuPath::kScalar, CpuPath::kAuto}) {
        EXPECT_TRUE(Dequantize(truth.packed, dtype, path) == expected)
            << "round " << round << ": " << shape.bits << " bits in " << shape.pack_bits << ", [" << shape.out << ", "
            << shape.in << "], group " << shape.group << (shape.act_order ? ", act-order, " : ", ") << dtype;
      }
    }
  }
}

// Nearest, ties to even, with nothing but arithmetic on doubles. Finite and infinite values.
uint16_t Rounded(double value, int fraction_bits, int bias) {
  const auto sign = static_cast<uint32_t>(std::signbit(value) ? 0x8000 : 0);
  const uint32_t infinity = static_cast<uint32_t>(2 * bias + 1) << fraction_bits;
  if (std::isinf(value)) return static_cast<uint16_t>(sign | infinity);
  if (value == 0) return static_cast<uint16_t>(sign);
  int exponent = 0;
  (void)std::frexp(value, &exponent);
  exponent = std::max(exponent - 1, 1 - bias);
  const double steps = std::nearbyint(std::ldexp(std::fabs(value), fraction_bits - exponent));
  const uint32_t bits = (static_cast<uint32_t>(exponent + bias - 1) << fraction_bits) + static_cast<uint32_t>(steps);
  return static_cast<uint16_t>(sign | std::min(bits, infinity));
}

// Every 16-bit pattern as a scale, with differences from the lowest to the highest: one rounding, whichever path.
TEST(DequantKernel, AllScalesRoundOnce) {
  constexpr size_t kOutputs = 8192, kInputs = 32, kCodes = 8;
  std::string scales(2 * kOutputs, '\0');
  for (int bits = 2; bits <= 8; ++bits) {
    const bool planar = bits > 4 && bits < 8;
    const uint32_t top = (1u << bits) - 1, zero = 1u << (bits - 1);
    const uint32_t some[kCodes] = {0, 1, zero - 1, zero, std::min(zero + 1, top), top, top / 3, top - 1};
    std::vector<std::vector<uint32_t>> codes;
    for (size_t k = 0; k < kInputs; ++k) codes.emplace_back(kOutputs, some[k % kCodes]);
    const std::vector<std::vector<uint32_t>> stored(1, std::vector<uint32_t>(kOutputs, zero));
    const std::string qweight = PackQweight(codes, bits, 32, planar), qzeros = PackQzeros(stored, bits, 32, planar);
    for (uint32_t block = 0; block < (bits == 4 || bits == 8 ? 16 : 8); ++block) {  // BF16 scales for the usual widths
      const std::string from = block < 8 ? "F16" : "BF16";
      for (uint32_t i = 0; i < kOutputs; ++i) {
        const auto pattern = static_cast<uint16_t>(i + block % 8 * kOutputs);
        std::memcpy(&scales[2 * i], &pattern, 2);
      }
      PackedModule module{.bits = bits, .layout = planar ? CodeLayout::kPlanar : CodeLayout::kContinuous};
      module.zero_rule = ZeroRule::kStored;
      module.in_features = kInputs;
      module.out_features = kOutputs;
      module.groups = 1;
      module.qweight = qweight;
      module.qzeros = qzeros;
      module.scales = scales;
      module.scales_dtype = DtypeFromName(from);
      for (const std::string to : {"F16", "BF16"}) {
        const std::string scalar = Dequantize(module, to, CpuPath::kScalar);
        ASSERT_TRUE(Dequantize(module, to, CpuPath::kAuto) == scalar) << bits << " bits, " << from << " to " << to;
        for (size_t n = 0; n < kOutputs; ++n) {
          const double scale = Truth::Load(scales.substr(2 * n, 2), from);
          for (size_t k = 0; k < kCodes; ++k) {
            const double value = scale * (static_cast<double>(some[k]) - static_cast<double>(zero));
            if (std::isnan(value)) continue;
            const uint16_t wanted = to == "F16" ? Rounded(value, 10, 15) : Rounded(value, 7, 127);
            const uint16_t got = LoadLe16(&scalar[2 * (n * kInputs + k)]);
            if (got != wanted)
              FAIL() << bits << " bits, " << from << " to " << to << ", " << value << ": " << got << ", not " << wanted;
          }
        }
      }
      ASSERT_TRUE(Dequantize(module, "F32", CpuPath::kAuto) == Dequantize(module, "F32", CpuPath::kScalar)) << bits;
    }
  }
}

TEST(DequantKernel, ZeroOfZeroInV1IsReadWordByWord) {
  // True zeros 8,7,0,9,8,8,6,8 as GPTQModel stores them: the borrow runs upward, nothing is lost (word 75777F67).
  const uint32_t word = 0x75777F67;
  PackedModule module;
  module.in_features = 32;
  module.out_features = 8;
  module.groups = 1;
  module.qzeros = std::span(reinterpret_cast<const char*>(&word), 4);
  EXPECT_EQ(DecodeZeros(module), (std::vector<uint16_t>{8, 7, 0, 9, 8, 8, 6, 8}));
}

TEST(DequantKernel, KnownDefectsOfPackersAreUndone) {
  const uint32_t broken[3] = {0x00000000, 0xB6DB6DB7, 0x49249249};
  PackedModule module;
  module.bits = 3;
  module.in_features = 32;
  module.out_features = 32;
  module.groups = 1;
  module.zero_rule = ZeroRule::kBroken3Bit;
  module.qzeros = std::span(reinterpret_cast<const char*>(broken), 12);
  EXPECT_EQ(DecodeZeros(module), std::vector<uint16_t>(32, 4));

  const uint32_t shifted = 0x6F6F6F6F;  // 8-bit symmetric, the 4-bit constant subtracted
  module.bits = 8;
  module.out_features = 4;
  module.zero_rule = ZeroRule::kShiftedBase;
  module.base_bits = 4;
  module.qzeros = std::span(reinterpret_cast<const char*>(&shifted), 4);
  EXPECT_EQ(DecodeZeros(module), std::vector<uint16_t>(4, 128));
}

TEST(DequantKernel, FloatZerosOfMarch2023) {
  const Shape shape{4, 32, 8, -1, false, false, false, "F32", 32, false};
  Truth truth(shape);
  std::string zeros;
  for (size_t n = 0; n < 8; ++n) zeros += FloatBytes(truth.scales[0][n] * truth.zeros[0][n], "F32");
  truth.packed.qzeros = zeros;
  truth.packed.zero_rule = ZeroRule::kFloat;
  ASSERT_TRUE(CheckModule(truth.packed).ok());
  const std::string out = Dequantize(truth.packed, "F32", CpuPath::kAuto);
  float first;
  std::memcpy(&first, out.data(), 4);
  const auto scale = static_cast<float>(truth.scales[0][0]);
  float zero;
  std::memcpy(&zero, zeros.data(), 4);
  EXPECT_EQ(first, scale * static_cast<float>(truth.codes[0][0]) - zero);
}

TEST(DequantKernel, NegativeGroupIndexCountsFromTheEnd) {
  Truth truth(Shape{4, 64, 8, 32, true, false, true, "F16", 32, false});
  std::string negative;
  for (const int32_t g : truth.g_idx) {
    const int32_t value = g - 2;
    negative.append(reinterpret_cast<const char*>(&value), 4);
  }
  truth.packed.g_idx = negative;
  ASSERT_TRUE(CheckModule(truth.packed).ok());
  EXPECT_TRUE(Dequantize(truth.packed, "F16", CpuPath::kAuto) == truth.Expected("F16"));
}

TEST(DequantKernel, ContradictingSizesAreRefusedWithNumbers) {
  const Truth truth(Shape{4, 64, 8, 32, true, false, true, "F16", 32, false});
  const auto refused = [&](auto change) {
    PackedModule module = truth.packed;
    change(module);
    const Status status = CheckModule(module);
    return status.ok() ? std::string() : status.error().message;
  };
  EXPECT_NE(refused([](PackedModule& m) { m.qweight = m.qweight.first(m.qweight.size() - 4); }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.qzeros = {}; }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.scales = m.scales.first(2); }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.g_idx = m.g_idx.first(8); }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.bits = 9; }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.groups = 1; }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.in_features = int64_t{1} << 62; }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.scales_dtype = Dtype::kI32; }), "");
  EXPECT_NE(refused([](PackedModule& m) { m.zero_rule = ZeroRule::kShiftedBase, m.base_bits = 0; }), "");
  std::string wild = truth.g_idx_bytes;
  wild[3] = 1;
  EXPECT_NE(refused([&](PackedModule& m) { m.g_idx = wild; }), "");
}

}  // namespace
}  // namespace gptq_doctor
