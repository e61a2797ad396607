#include "gptq/packing.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "base/bytes.h"

namespace gptq_doctor {
namespace {

// Both layouts repeat: a block of `codes` fields fills `words` words exactly, so a stream is handled block after block.
// Word size 64 and 3 bits make the largest block: 64 codes in 3 words.
struct Block {
  int codes = 0, words = 0;
};
constexpr int kMaxBlockCodes = 64;
constexpr int kMaxBlockWords = 8;

Block BlockOf(int bits, int pack_bits, CodeLayout layout) {
  if (layout == CodeLayout::kPlanar) return {.codes = 32, .words = bits};
  if (pack_bits % bits == 0) return {.codes = pack_bits / bits, .words = 1};
  return {.codes = pack_bits, .words = bits};
}

// Planes of gptq_p, low first (ModelCloud/GPTQModel f4c327a1, gptqmodel/utils/planar_packing.py).
struct Planes {
  int count;
  std::array<int, 3> width;
};
Planes PlanesOf(int bits) {
  switch (bits) {
    case 3:
      return {2, {2, 1, 0}};
    case 5:
      return {2, {4, 1, 0}};
    case 6:
      return {2, {4, 2, 0}};
    case 7:
      return {3, {4, 2, 1}};
    default:
      return {1, {bits, 0, 0}};  // 2, 4, 8: one plane, the continuous layout
  }
}

uint64_t LoadWord(const char* from, int pack_bits) {
  switch (pack_bits) {
    case 8:
      return static_cast<uint8_t>(*from);
    case 16:
      return LoadLe16(from);
    case 32:
      return LoadLe32(from);
    default:
      return LoadLe64(from);
  }
}

void StoreWord(char* to, uint64_t word, int pack_bits) { std::memcpy(to, &word, static_cast<size_t>(pack_bits / 8)); }

// Eight neighbouring fields of `width` bits to a byte each: `width` bytes of a little-endian stream hold exactly eight
// fields, whatever its words are.
class Spreader {
 public:
  explicit Spreader(int width)
      : width_(width),
        fours_((uint64_t{1} << (4 * width)) - 1),
        twos_(((uint64_t{1} << (2 * width)) - 1) * 0x0000000100000001),
        ones_(((uint64_t{1} << width) - 1) * 0x0001000100010001) {}
  uint64_t operator()(uint64_t fields) const {
    fields = (fields & fours_) | (fields >> (4 * width_) & fours_) << 32;
    fields = (fields & twos_) | (fields >> (2 * width_) & twos_) << 16;
    return (fields & ones_) | (fields >> width_ & ones_) << 8;
  }

 private:
  int width_;
  uint64_t fours_, twos_, ones_;
};

// The eight bytes at `at`, fewer where the stream ends.
uint64_t LoadEight(std::span<const char> bytes, size_t at) {
  if (at + 8 <= bytes.size()) return LoadLe64(bytes.data() + at);
  uint64_t out = 0;
  if (at < bytes.size()) std::memcpy(&out, bytes.data() + at, bytes.size() - at);
  return out;
}

// `eight(i)` gives codes i to i + 7.
template <typename Eight>
void FillByEights(std::span<uint8_t> codes, const Eight& eight) {
  const size_t whole = codes.size() / 8 * 8;
  uint8_t* to = codes.data();
  for (size_t i = 0; i < whole; i += 8) {
    const uint64_t some = eight(i);
    std::memcpy(to + i, &some, 8);
  }
  if (whole == codes.size()) return;
  const uint64_t rest = eight(whole);
  std::memcpy(to + whole, &rest, codes.size() - whole);
}

void UnpackContinuous(std::span<const char> words, int bits, std::span<uint8_t> codes) {
  const Spreader spread(bits);
  FillByEights(codes, [&](size_t i) { return spread(LoadEight(words, i / 8 * static_cast<size_t>(bits))); });
}

void UnpackPlanar(std::span<const char> words, int bits, std::span<uint8_t> codes) {
  const Planes planes = PlanesOf(bits);
  const auto block_bytes = static_cast<size_t>(bits) * 4;
  FillByEights(codes, [&](size_t i) {
    uint64_t eight = 0;
    size_t plane = i / 32 * block_bytes;
    int low = 0;
    for (int p = 0; p < planes.count; ++p) {
      const int width = planes.width[static_cast<size_t>(p)];
      eight |= Spreader(width)(LoadEight(words, plane + i % 32 / 8 * static_cast<size_t>(width))) << low;
      plane += static_cast<size_t>(width) * 4;
      low += width;
    }
    return eight;
  });
}

void EncodeBlock(const uint8_t* codes, int bits, int pack_bits, CodeLayout layout, int count, uint64_t* words) {
  std::fill_n(words, kMaxBlockWords, uint64_t{0});
  if (layout == CodeLayout::kContinuous) {
    for (int i = 0; i < count; ++i) {
      const uint64_t code = codes[i] & ((1u << bits) - 1);
      const int bit = i * bits, word = bit / pack_bits, shift = bit % pack_bits;
      words[word] |= code << shift;
      if (shift + bits > pack_bits) words[word + 1] |= code >> (pack_bits - shift);
    }
    return;
  }
  const Planes planes = PlanesOf(bits);
  int first_word = 0, low = 0;
  for (int p = 0; p < planes.count; ++p) {
    const int width = planes.width[static_cast<size_t>(p)], fields = 32 / width;
    for (int i = 0; i < count; ++i) {
      const uint64_t part = codes[i] >> low & ((1u << width) - 1);
      words[first_word + i / fields] |= part << (i % fields * width);
    }
    first_word += width;
    low += width;
  }
}

[[maybe_unused]] bool Supported(int bits, int pack_bits, CodeLayout layout) {
  const bool word = pack_bits == 8 || pack_bits == 16 || pack_bits == 32 || pack_bits == 64;
  return bits >= 2 && bits <= 8 && word && (layout == CodeLayout::kContinuous || pack_bits == 32);
}

}  // namespace

void UnpackRow(std::span<const char> words, int bits, [[maybe_unused]] int pack_bits, CodeLayout layout,
               std::span<uint8_t> codes) {
  assert(Supported(bits, pack_bits, layout));
  [[maybe_unused]] const auto count = static_cast<int64_t>(codes.size());
  assert(static_cast<int64_t>(words.size()) * 8 >= PackedWords(count, bits, pack_bits) * pack_bits);
  if (layout == CodeLayout::kContinuous) {
    UnpackContinuous(words, bits, codes);
  } else {
    UnpackPlanar(words, bits, codes);
  }
}

void UnpackColumns(std::span<const char> words, int64_t rows, int64_t columns, int bits, int pack_bits,
                   CodeLayout layout, int64_t count, std::span<uint8_t> codes) {
  assert(Supported(bits, pack_bits, layout));
  assert(static_cast<int64_t>(codes.size()) >= count * columns);
  assert(static_cast<int64_t>(words.size()) * 8 >= rows * columns * pack_bits);
  assert(PackedWords(count, bits, pack_bits) <= rows);
  const int64_t word_bytes = pack_bits / 8;
  if (pack_bits % bits == 0 && layout == CodeLayout::kContinuous) {  // a field never crosses a word: row by row
    const int64_t fields = pack_bits / bits;
    const uint64_t mask = (1u << bits) - 1;
    for (int64_t k = 0; k < count; ++k) {
      const int64_t shift = k % fields * bits;
      const char* from = words.data() + k / fields * columns * word_bytes;
      uint8_t* to = codes.data() + k * columns;
      if (pack_bits == 32) {
        for (int64_t n = 0; n < columns; ++n) to[n] = static_cast<uint8_t>(LoadLe32(from + n * 4) >> shift & mask);
      } else {
        for (int64_t n = 0; n < columns; ++n) {
          to[n] = static_cast<uint8_t>(LoadWord(from + n * word_bytes, pack_bits) >> shift & mask);
        }
      }
    }
    return;
  }
  const auto width = static_cast<size_t>(word_bytes);
  std::vector<char> stream(static_cast<size_t>(rows) * width);
  std::vector<uint8_t> column(static_cast<size_t>(count));
  for (int64_t n = 0; n < columns; ++n) {
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(&stream[static_cast<size_t>(row) * width],
                  &words[static_cast<size_t>((row * columns + n) * word_bytes)], width);
    }
    UnpackRow(stream, bits, pack_bits, layout, column);
    for (int64_t k = 0; k < count; ++k) codes[static_cast<size_t>(k * columns + n)] = column[static_cast<size_t>(k)];
  }
}

void PackRow(std::span<const uint8_t> codes, int bits, int pack_bits, CodeLayout layout, std::span<char> words) {
  PackColumns(codes, static_cast<int64_t>(codes.size()), 1, bits, pack_bits, layout, words);
}

void PackColumns(std::span<const uint8_t> codes, int64_t count, int64_t columns, int bits, int pack_bits,
                 CodeLayout layout, std::span<char> words) {
  assert(Supported(bits, pack_bits, layout));
  assert(static_cast<int64_t>(codes.size()) >= count * columns);
  const Block block = BlockOf(bits, pack_bits, layout);
  const int64_t word_bytes = pack_bits / 8;
  const int64_t rows = columns == 0 ? 0 : static_cast<int64_t>(words.size()) / (columns * word_bytes);
  assert(columns == 0 || rows >= PackedWords(count, bits, pack_bits));
  for (int64_t done = 0, row = 0; done < count; done += block.codes, row += block.words) {
    const auto some = static_cast<int>(std::min<int64_t>(block.codes, count - done));
    const auto present = static_cast<int>(std::min<int64_t>(block.words, rows - row));
    for (int64_t n = 0; n < columns; ++n) {
      uint8_t plain[kMaxBlockCodes];
      uint64_t buffer[kMaxBlockWords];
      for (int i = 0; i < some; ++i) plain[i] = codes[static_cast<size_t>((done + i) * columns + n)];
      EncodeBlock(plain, bits, pack_bits, layout, some, buffer);
      for (int i = 0; i < present; ++i) {
        StoreWord(words.data() + ((row + i) * columns + n) * word_bytes, buffer[i], pack_bits);
      }
    }
  }
}

int64_t PackedWords(int64_t count, int bits, int pack_bits) { return (count * bits + pack_bits - 1) / pack_bits; }

int64_t PackedWordsFloor(int64_t count, int bits, int pack_bits) { return count / 32 * bits * 32 / pack_bits; }

}  // namespace gptq_doctor
