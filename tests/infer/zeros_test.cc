#include <gtest/gtest.h>

#include <algorithm>

#include "infer/quantities.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

using testing::PackPlanar;
using testing::PackStream;

std::string Repeat(const std::vector<uint32_t>& words, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    for (uint32_t word : words) out.append(reinterpret_cast<const char*>(&word), 4);
  }
  return out;
}

ZeroReport Read(const std::string& bytes, int bits, int rows = 1, int pack_bits = 32, int64_t features = 0) {
  const auto row = static_cast<int64_t>(bytes.size()) / rows;
  return ReadZeros({.bytes = bytes,
                    .row_bytes = row,
                    .out_features = features > 0 ? features : row * 8 / bits,
                    .bits = bits,
                    .pack_bits = pack_bits});
}

TEST(ReadZeros, TheSymmetricConstantsOfEveryWidth) {
  for (int pack : {32, 16, 8}) {
    for (int bits : {2, 4, 8}) {
      const uint32_t middle = 1u << (bits - 1);
      const ZeroReport v1 = Read(PackStream(std::vector<uint32_t>(64, middle - 1), bits, pack), bits, 2, pack);
      EXPECT_EQ(v1.kind, ZeroKind::kSymV1) << bits << " in " << pack;
      EXPECT_EQ(v1.constant, middle - 1);
      EXPECT_EQ(Read(PackStream(std::vector<uint32_t>(64, middle), bits, pack), bits, 2, pack).kind, ZeroKind::kSymV2);
    }
  }
  EXPECT_EQ(Read(PackStream(std::vector<uint32_t>(64, 3), 3, 32), 3, 2).kind, ZeroKind::kSymV1);
  EXPECT_EQ(Read(PackStream(std::vector<uint32_t>(64, 4), 3, 32), 3, 2).kind, ZeroKind::kSymV2);
}

TEST(ReadZeros, PlanesAreSeenAtThreeBitsAndAbove) {
  for (int bits : {3, 5, 6, 7}) {
    const ZeroReport report = Read(PackPlanar(std::vector<uint32_t>(64, 1u << (bits - 1)), bits), bits);
    EXPECT_EQ(report.kind, ZeroKind::kSymV2) << bits;
    EXPECT_TRUE(report.planar) << bits;
  }
}

TEST(ReadZeros, TheWordsOfThePackersDefects) {
  const ZeroReport broken = Read(Repeat({0x00000000, 0xB6DB6DB7, 0x49249249}, 4), 3);
  EXPECT_EQ(broken.kind, ZeroKind::kSymBroken3Bit);
  const ZeroReport eight = Read(Repeat({0x6F6F6F6F}, 8), 8);
  EXPECT_EQ(eight.kind, ZeroKind::kSymShiftedBase);
  EXPECT_EQ(eight.base_bits, 4);
  const ZeroReport two = Read(Repeat({0x99999999}, 8), 2);
  EXPECT_EQ(two.kind, ZeroKind::kSymShiftedBase);
  EXPECT_EQ(two.base_bits, 4);
  // 8-bit base: 88888888 - 01010101 in a 4-bit module.
  EXPECT_EQ(Read(Repeat({0x87878787}, 8), 4).base_bits, 8);
}

TEST(ReadZeros, OneOtherFieldMakesThemVaried) {
  std::vector<uint32_t> codes(256, 7);
  codes[200] = 8;
  EXPECT_EQ(Read(PackStream(codes, 4, 32), 4, 4).kind, ZeroKind::kVaried);
}

TEST(ReadZeros, AnotherConstantIsNotSymmetric) {
  const ZeroReport report = Read(PackStream(std::vector<uint32_t>(64, 5), 4, 32), 4);
  EXPECT_EQ(report.kind, ZeroKind::kConstantOther);
  EXPECT_EQ(report.constant, 5u);
  EXPECT_TRUE(Read(std::string(64, '\0'), 4).all_zero);
}

TEST(ReadZeros, FieldsBehindTheLastOutputDoNotCount) {
  // 12 outputs of 4 bits: the second word is half padding, which the whole-word subtraction of v1 left as all ones.
  const ZeroReport report = Read(Repeat({0x77777777, 0xEEEE7777}, 3), 4, 3, 32, 12);
  EXPECT_EQ(report.kind, ZeroKind::kSymV1);
}

TEST(ReadZeros, TopFieldsAreToldApartByWhatStandsAboveThem) {
  // Zeros 8,7,0,9,8,8,6,8 as v1: the OR form, the borrow form, and the top field alone.
  const ZeroReport ored = Read(Repeat({0xFFFFFF67}, 1) + Repeat({0x76543210}, 3), 4);
  EXPECT_EQ(ored.run_fields + ored.top_fields, 6);
  EXPECT_EQ(ored.lone_fields, 0);
  const ZeroReport borrowed = Read(Repeat({0x75777F67}, 1) + Repeat({0x76543210}, 3), 4);
  EXPECT_EQ(borrowed.lone_fields, 1);
  EXPECT_EQ(borrowed.run_fields, 0);
  const ZeroReport top = Read(Repeat({0xF6543210}, 1) + Repeat({0x76543210}, 3), 4);
  EXPECT_EQ(top.top_fields, 1);
  EXPECT_EQ(top.run_fields + top.lone_fields, 0);
}

TEST(ReadZeros, PositionsGiveTheOldThreeBitConstantsAway) {
  testing::TestRandom random(5);
  std::string sound, broken;
  for (int block = 0; block < 64; ++block) {
    std::vector<uint32_t> z(32), stored(32);
    for (size_t i = 0; i < 32; ++i) {
      z[i] = static_cast<uint32_t>(std::clamp(3.5 + random.Gauss(), 1.0, 6.0));
      stored[i] = z[i] - 1;
    }
    sound += PackStream(stored, 3, 32);
    std::string words = PackStream(z, 3, 32);
    const uint32_t wrong[3] = {0x24924924, 0x92492492, 0x49249249};
    for (size_t i = 0; i < 3; ++i) {
      uint32_t word;
      words.copy(reinterpret_cast<char*>(&word), 4, i * 4);
      word -= wrong[i];
      words.replace(i * 4, 4, reinterpret_cast<const char*>(&word), 4);
    }
    broken += words;
  }
  const ZeroReport report = Read(broken, 3);
  EXPECT_EQ(report.kind, ZeroKind::kVaried);
  const ZeroReport good = Read(sound, 3), few = Read(broken.substr(0, 96), 3);
  EXPECT_EQ(JudgePositions(std::vector{&report}), PositionVerdict::kBroken3Bit);
  EXPECT_EQ(JudgePositions(std::vector{&good}), PositionVerdict::kFlat);
  EXPECT_EQ(JudgePositions(std::vector{&few}), PositionVerdict::kUnclear);
}

}  // namespace
}  // namespace gptq_doctor
