#include "base/bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace gptq_doctor {
namespace {

// A 16-bit float format by its definition; everything is exact in double.
struct Format {
  int fraction_bits;
  int bias;
  int exponent_mask;
};
constexpr Format kHalf{10, 15, 0x1F};
constexpr Format kBfloat{7, 127, 0xFF};

double SlowToDouble(const Format& format, uint16_t bits) {
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  const int exponent = bits >> format.fraction_bits & format.exponent_mask;
  const int fraction = bits & ((1 << format.fraction_bits) - 1);
  if (exponent == format.exponent_mask) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - format.bias - format.fraction_bits);
  return sign * std::ldexp(fraction + (1 << format.fraction_bits), exponent - format.bias - format.fraction_bits);
}

// Round to nearest even, from the definition: the neighbouring multiples of the last place, ties to the even one.
uint16_t SlowFromFloat(const Format& format, float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(static_cast<double>(value));
  const auto infinity = static_cast<uint16_t>(format.exponent_mask << format.fraction_bits);
  if (magnitude == 0) return sign;
  if (std::isinf(magnitude)) return sign | infinity;
  const int least = 1 - format.bias;
  const int exponent = std::max(std::ilogb(magnitude), least);
  const double scaled = std::ldexp(magnitude, format.fraction_bits - exponent);  // in units of the last place
  double rounded = std::floor(scaled);
  const double rest = scaled - rounded;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(rounded, 2.0) == 1.0)) rounded += 1;
  // Units above the smallest normal exponent add up to the encoding: a carry moves into the exponent field.
  const uint32_t bits =
      static_cast<uint32_t>(rounded) + (static_cast<uint32_t>(exponent - least) << format.fraction_bits);
  return static_cast<uint16_t>(sign | std::min<uint32_t>(bits, infinity));
}

template <typename ToFloat, typename FromFloat>
void CheckAll(const Format& format, ToFloat to_float, FromFloat from_float) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const double expected = SlowToDouble(format, bits);
    const float value = to_float(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << i;
      ASSERT_TRUE(std::isnan(to_float(from_float(value)))) << i;
      ASSERT_EQ(from_float(value) & 0x8000, bits & 0x8000) << i;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), expected) << i;
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << i;
    ASSERT_EQ(from_float(value), bits) << i;
  }
}

// Every value of the format, every tie between neighbours, and one float step to both sides of each.
template <typename FromFloat>
void CheckRounding(const Format& format, FromFloat from_float) {
  const auto infinity = static_cast<uint32_t>(format.exponent_mask << format.fraction_bits);
  for (uint32_t i = 0; i < infinity; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const double low = SlowToDouble(format, bits);
    const double high = i + 1 == infinity ? std::ldexp(1.0, format.exponent_mask - format.bias)
                                          : SlowToDouble(format, static_cast<uint16_t>(i + 1));
    for (const double centre : {low, (low + high) / 2}) {
      const auto middle = static_cast<float>(centre);
      for (const float value : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, INFINITY)}) {
        ASSERT_EQ(from_float(value), SlowFromFloat(format, value)) << value;
        ASSERT_EQ(from_float(-value), SlowFromFloat(format, -value)) << value;
      }
    }
  }
  uint64_t state = 12345;
  for (int i = 0; i < 1'000'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const float value = std::bit_cast<float>(static_cast<uint32_t>(state >> 32));
    if (std::isnan(value)) continue;
    ASSERT_EQ(from_float(value), SlowFromFloat(format, value)) << value;
  }
}

TEST(Bytes, EveryHalfConvertsExactly) { CheckAll(kHalf, HalfToFloat, FloatToHalf); }
TEST(Bytes, EveryBfloatConvertsExactly) { CheckAll(kBfloat, BfloatToFloat, FloatToBfloat); }
TEST(Bytes, HalvesRoundOnceToNearestEven) { CheckRounding(kHalf, FloatToHalf); }
TEST(Bytes, BfloatsRoundOnceToNearestEven) { CheckRounding(kBfloat, FloatToBfloat); }

TEST(Bytes, KnownHalves) {
  EXPECT_EQ(FloatToHalf(65504.0f), 0x7BFF);
  EXPECT_EQ(FloatToHalf(65519.996f), 0x7BFF);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7C00);
  EXPECT_EQ(FloatToHalf(-1e30f), 0xFC00);
  EXPECT_EQ(FloatToHalf(0x1p-24f), 0x0001);
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0x0000);
  EXPECT_EQ(FloatToHalf(0x1.8p-24f), 0x0002);
  EXPECT_EQ(FloatToHalf(-0.0f), 0x8000);
  EXPECT_EQ(HalfToFloat(0x3C00), 1.0f);
}

TEST(Bytes, CheckedArithmetic) {
  EXPECT_EQ(CheckedMul(1u << 31, 1u << 31), uint64_t{1} << 62);
  EXPECT_EQ(CheckedMul(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(CheckedMul(UINT64_MAX, 0), 0u);
  EXPECT_EQ(CheckedAdd(UINT64_MAX, 0), UINT64_MAX);
  EXPECT_EQ(CheckedAdd(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(CeilDiv(0, 8), 0u);
  EXPECT_EQ(CeilDiv(9, 8), 2u);
  EXPECT_EQ(CeilDiv(UINT64_MAX, 2), uint64_t{1} << 63);
}

TEST(Bytes, LoadsAreLittleEndianAndUnaligned) {
  const unsigned char bytes[] = {0xFF, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(LoadLe16(bytes + 1), 0x0201);
  EXPECT_EQ(LoadLe32(bytes + 1), 0x04030201u);
  EXPECT_EQ(LoadLe64(bytes + 1), 0x0807060504030201u);
}

}  // namespace
}  // namespace gptq_doctor
