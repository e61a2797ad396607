#include "gptq/packing.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace gptq_doctor {
namespace {

constexpr CodeLayout kBoth[] = {CodeLayout::kContinuous, CodeLayout::kPlanar};

std::vector<uint32_t> Pack32(const std::vector<uint8_t>& codes, int bits, CodeLayout layout) {
  std::vector<uint32_t> words(static_cast<size_t>(PackedWords(static_cast<int64_t>(codes.size()), bits, 32)));
  PackRow(codes, bits, 32, layout, {reinterpret_cast<char*>(words.data()), words.size() * 4});
  return words;
}

std::vector<uint8_t> Unpack32(const std::vector<uint32_t>& words, int bits, CodeLayout layout, size_t count) {
  std::vector<uint8_t> codes(count);
  UnpackRow({reinterpret_cast<const char*>(words.data()), words.size() * 4}, bits, 32, layout, codes);
  return codes;
}

struct Published {
  int bits;
  CodeLayout layout;
  uint32_t modulo;  // codes are i mod this, i = 0..31, or a constant
  int constant;     // -1: not constant
  std::vector<uint32_t> words;
};

class PublishedWords : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedWords, PackAndUnpack) {
  const Published& p = GetParam();
  const size_t count = p.words.size() * 32 / static_cast<size_t>(p.bits);
  std::vector<uint8_t> codes(count);
  for (size_t i = 0; i < count; ++i)
    codes[i] = static_cast<uint8_t>(p.constant >= 0 ? p.constant : static_cast<int>(i % p.modulo));
  EXPECT_EQ(Pack32(codes, p.bits, p.layout), p.words);
  EXPECT_EQ(Unpack32(p.words, p.bits, p.layout, count), codes);
}

INSTANTIATE_TEST_SUITE_P(
    Continuous, PublishedWords,
    ::testing::Values(Published{4, CodeLayout::kContinuous, 8, -1, {0x76543210}},
                      Published{2, CodeLayout::kContinuous, 4, -1, {0xE4E4E4E4}},
                      Published{3, CodeLayout::kContinuous, 8, -1, {0x88FAC688, 0xC688FAC6, 0xFAC688FA}},
                      Published{3, CodeLayout::kContinuous, 1, 1, {0x49249249, 0x92492492, 0x24924924}},
                      Published{3, CodeLayout::kContinuous, 1, 3, {0xDB6DB6DB, 0xB6DB6DB6, 0x6DB6DB6D}},
                      Published{3, CodeLayout::kContinuous, 1, 4, {0x24924924, 0x49249249, 0x92492492}},
                      Published{3, CodeLayout::kContinuous, 1, 7, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}},
                      Published{2, CodeLayout::kContinuous, 1, 1, {0x55555555}},
                      Published{2, CodeLayout::kContinuous, 1, 2, {0xAAAAAAAA}},
                      Published{4, CodeLayout::kContinuous, 1, 7, {0x77777777}},
                      Published{4, CodeLayout::kContinuous, 1, 8, {0x88888888}},
                      Published{8, CodeLayout::kContinuous, 1, 127, {0x7F7F7F7F}},
                      Published{8, CodeLayout::kContinuous, 1, 128, {0x80808080}}));

INSTANTIATE_TEST_SUITE_P(
    Planar, PublishedWords,
    ::testing::Values(
        Published{3, CodeLayout::kPlanar, 8, -1, {0xE4E4E4E4, 0xE4E4E4E4, 0xF0F0F0F0}},
        Published{5, CodeLayout::kPlanar, 32, -1, {0x76543210, 0xFEDCBA98, 0x76543210, 0xFEDCBA98, 0xFFFF0000}},
        Published{6, CodeLayout::kPlanar, 32, -1, {0x76543210, 0xFEDCBA98, 0x76543210, 0xFEDCBA98, 0, 0x55555555}},
        Published{7, CodeLayout::kPlanar, 32, -1, {0x76543210, 0xFEDCBA98, 0x76543210, 0xFEDCBA98, 0, 0x55555555, 0}},
        Published{3, CodeLayout::kPlanar, 1, 4, {0, 0, 0xFFFFFFFF}},
        Published{5, CodeLayout::kPlanar, 1, 16, {0, 0, 0, 0, 0xFFFFFFFF}},
        Published{6, CodeLayout::kPlanar, 1, 32, {0, 0, 0, 0, 0xAAAAAAAA, 0xAAAAAAAA}},
        Published{7, CodeLayout::kPlanar, 1, 64, {0, 0, 0, 0, 0, 0, 0xFFFFFFFF}}));

TEST(Packing, OtherWordSizesHoldTheSymmetricZeros) {
  struct Case {
    int pack_bits, bits, code;
    std::string bytes;
  };
  const Case cases[] = {{16, 2, 1, "\x55\x55"},   {16, 2, 2, "\xAA\xAA"},   {16, 4, 7, "\x77\x77"},
                        {16, 8, 127, "\x7F\x7F"}, {16, 8, 128, "\x80\x80"}, {8, 2, 1, "\x55"},
                        {8, 4, 8, "\x88"},        {8, 8, 127, "\x7F"}};
  for (const Case& c : cases) {
    std::vector<uint8_t> codes(static_cast<size_t>(c.pack_bits / c.bits), static_cast<uint8_t>(c.code)),
        back(codes.size());
    std::string words(c.bytes.size(), '\0');
    PackRow(codes, c.bits, c.pack_bits, CodeLayout::kContinuous, words);
    EXPECT_EQ(words, c.bytes);
    UnpackRow(words, c.bits, c.pack_bits, CodeLayout::kContinuous, back);
    EXPECT_EQ(back, codes);
  }
}

TEST(Packing, WorkedExample) {
  // q[k,n] = (3k + 5n) mod 16, 4 bits, K = 32, N = 8: the first row of qweight and the zeros of its first group.
  std::vector<uint8_t> codes(32 * 8);
  for (size_t k = 0; k < 32; ++k) {
    for (size_t n = 0; n < 8; ++n) codes[k * 8 + n] = static_cast<uint8_t>((3 * k + 5 * n) % 16);
  }
  std::vector<uint32_t> words(4 * 8);
  PackColumns(codes, 32, 8, 4, 32, CodeLayout::kContinuous, {reinterpret_cast<char*>(words.data()), words.size() * 4});
  const std::vector<uint32_t> row = {0x52FC9630, 0xA741EB85, 0xFC9630DA, 0x41EB852F,
                                     0x9630DA74, 0xEB852FC9, 0x30DA741E, 0x852FC963};
  EXPECT_EQ(std::vector<uint32_t>(words.begin(), words.begin() + 8), row);
  EXPECT_EQ(Pack32({8, 7, 9, 8, 6, 8, 10, 8}, 4, CodeLayout::kContinuous), std::vector<uint32_t>{0x8A868978});
}

TEST(Packing, RoundTripsEveryWidthWordAndLayout) {
  std::mt19937 random(7);
  for (const int pack_bits : {8, 16, 32, 64}) {
    for (int bits = 2; bits <= 8; ++bits) {
      for (const CodeLayout layout : kBoth) {
        if (layout == CodeLayout::kPlanar && pack_bits != 32) continue;
        for (const int64_t count : {1, 5, 31, 32, 64, 104, 192}) {
          if (layout == CodeLayout::kPlanar && count % 32 != 0) continue;
          const int64_t columns = 3, rows = PackedWords(count, bits, pack_bits);
          std::vector<uint8_t> codes(static_cast<size_t>(count * columns)), back(codes.size());
          for (uint8_t& code : codes) code = static_cast<uint8_t>(random() & ((1u << bits) - 1));
          std::string words(static_cast<size_t>(rows * columns * pack_bits / 8), '\xEE');
          PackColumns(codes, count, columns, bits, pack_bits, layout, words);
          UnpackColumns(words, rows, columns, bits, pack_bits, layout, count, back);
          EXPECT_EQ(back, codes) << bits << " bits in words of " << pack_bits << ", " << count << " codes";
          // A row is a matrix of one column.
          std::vector<uint8_t> row(static_cast<size_t>(count)), row_back(row.size());
          for (size_t i = 0; i < row.size(); ++i) row[i] = codes[i * 3];
          std::string row_words(static_cast<size_t>(rows * pack_bits / 8), '\xEE');
          PackRow(row, bits, pack_bits, layout, row_words);
          UnpackRow(row_words, bits, pack_bits, layout, row_back);
          EXPECT_EQ(row_back, row) << bits << " bits in words of " << pack_bits << ", " << count << " codes";
        }
      }
    }
  }
}

TEST(Packing, LayoutsAgreeWherePlanesAreWhole) {
  for (const int bits : {2, 4, 8}) {
    std::vector<uint8_t> codes(64);
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i * 37 & ((1u << bits) - 1));
    EXPECT_EQ(Pack32(codes, bits, CodeLayout::kContinuous), Pack32(codes, bits, CodeLayout::kPlanar));
  }
  std::vector<uint8_t> codes(32, 5);
  EXPECT_NE(Pack32(codes, 3, CodeLayout::kContinuous), Pack32(codes, 3, CodeLayout::kPlanar));
}

TEST(Packing, CodesAreMasked) {
  EXPECT_EQ(Pack32({0xF1, 0xF2, 0, 0, 0, 0, 0, 0}, 4, CodeLayout::kContinuous), std::vector<uint32_t>{0x21});
}

TEST(Packing, WordsOfAnAxis) {
  EXPECT_EQ(PackedWords(104, 4, 32), 13);
  EXPECT_EQ(PackedWordsFloor(104, 4, 32), 12);
  EXPECT_EQ(PackedWords(4096, 3, 32), 384);
  EXPECT_EQ(PackedWordsFloor(4096, 3, 32), 384);
  EXPECT_EQ(PackedWords(128, 4, 16), 32);
  EXPECT_EQ(PackedWordsFloor(128, 4, 16), 32);
  EXPECT_EQ(PackedWords(0, 4, 32), 0);
}

}  // namespace
}  // namespace gptq_doctor
