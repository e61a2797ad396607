#ifndef GPTQ_DOCTOR_BASE_UTF8_H_
#define GPTQ_DOCTOR_BASE_UTF8_H_

// UTF-8, one code point at a time. Overlong forms, surrogates and values above U+10FFFF are invalid.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gptq_doctor {

struct CodePoint {
  char32_t value = 0;
  int size = 1;  // bytes taken; 1 where invalid
  bool valid = false;
};

// Neither a control nor part of a longer code point: one column on every terminal.
inline bool IsPrintableAscii(char c) { return c >= 0x20 && c < 0x7F; }

// The code point at `at` < text.size().
inline CodePoint DecodeUtf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  const int size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < static_cast<size_t>(size)) return {0xFFFD, 1, false};
  char32_t value = lead & (0x7Fu >> size);
  for (int i = 1; i < size; ++i) {
    const uint8_t next = byte(at + static_cast<size_t>(i));
    if ((next & 0xC0) != 0x80) return {0xFFFD, 1, false};
    value = value << 6 | (next & 0x3Fu);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF) return {0xFFFD, 1, false};
  return {value, size, true};
}

// C1 controls, bidi controls and marks, line separators, invisible characters: what makes a text look like another.
inline bool IsDeceptive(char32_t c) {
  return (c >= 0x80 && c <= 0x9F) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0x061C || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE007F);
}

inline void AppendUtf8(std::string& out, char32_t value) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<uint8_t>(byte)); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_UTF8_H_
