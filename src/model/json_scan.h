#ifndef GPTQ_DOCTOR_MODEL_JSON_SCAN_H_
#define GPTQ_DOCTOR_MODEL_JSON_SCAN_H_

// The inner loops of the header tokenizer. Every text they run over ends in 64 zero bytes, which stop each of them: a
// NUL is a control character to ScanString and no digit to ScanDigits.

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gptq_doctor {

// The first byte from `p` on that ends a string or needs a closer look: '"', '\\', below 0x20, or 0x80 and above.
inline const char* ScanString(const char* p) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i space = _mm_set1_epi8(0x20);
  for (;; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // Signed comparison: bytes from 0x80 on are negative and so below a space, like control characters.
    const __m128i stops = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                                       _mm_cmplt_epi8(bytes, space));
    const int mask = _mm_movemask_epi8(stops);
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
  }
#else
  constexpr uint64_t kOnes = 0x0101010101010101ull;
  constexpr uint64_t kHighs = 0x8080808080808080ull;
  for (;; p += 8) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, p, 8);
    const uint64_t quote = bytes ^ (kOnes * '"');
    const uint64_t backslash = bytes ^ (kOnes * '\\');
    // Exact in its lowest set bit, which is the only one used.
    const uint64_t stops =
        (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | ((bytes - kOnes * 0x20) & ~bytes) | bytes) &
        kHighs;
    if (stops != 0) return p + (__builtin_ctzll(stops) >> 3);
  }
#endif
}

// A number as sizes are written: plain digits, no leading zero, at most 19 of them. Null where it is anything else;
// then the generic path decides.
inline const char* ScanDigits(const char* p, uint64_t* value) {
  const char* const begin = p;
  uint64_t number = static_cast<unsigned char>(*p) - static_cast<unsigned>('0');
  if (number > 9) return nullptr;
  ++p;
  if (number == 0) {
    *value = 0;
    return p;  // a digit after it fails the comparison that follows
  }
  for (unsigned digit = 0; (digit = static_cast<unsigned char>(*p) - static_cast<unsigned>('0')) <= 9; ++p) {
    number = number * 10 + digit;
  }
  if (p - begin > 19) return nullptr;
  *value = number;
  return p;
}

template <size_t kSize>
inline bool StartsWith(const char* p, const char (&literal)[kSize]) {
  return std::memcmp(p, literal, kSize - 1) == 0;
}

inline bool IsJsonSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_JSON_SCAN_H_
