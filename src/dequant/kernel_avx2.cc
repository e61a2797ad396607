// Compiled with -mavx2 -mf16c (CMakeLists.txt) and called only where the processor has both. Uses no library templates,
// so that no function compiled for AVX2 can be shared with the rest of the program.

#include "dequant/kernel_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

namespace gptq_doctor {
namespace {

// Eight words of eight rows, `stride` words apart; rows past `count` read as zero.
inline void LoadTransposed(const int32_t* from, int64_t stride, int count, __m256i out[8]) {
  __m256i r[8];
  for (int i = 0; i < 8; ++i) {
    r[i] = i < count ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i * stride)) : _mm256_setzero_si256();
  }
  __m256i a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    out[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// Sixteen floats to sixteen bfloats in order, rounded to nearest even. The inputs are finite or infinite products; NaN
// stays NaN.
inline __m256i ToBfloat(__m256 low, __m256 high) {
  const __m256 parts[2] = {low, high};
  __m256i words[2];
  for (int i = 0; i < 2; ++i) {
    const __m256i bits = _mm256_castps_si256(parts[i]);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
    const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(parts[i], parts[i], _CMP_UNORD_Q));
    words[i] = _mm256_blendv_epi8(rounded, quiet, nan);
  }
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(words[0], words[1]), 0xD8);
}

inline __m256i ToHalf(__m256 low, __m256 high) {
  const __m128i a = _mm256_cvtps_ph(low, _MM_FROUND_TO_NEAREST_INT),
                b = _mm256_cvtps_ph(high, _MM_FROUND_TO_NEAREST_INT);
  return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

inline __m256i ToSixteenBits(__m256 low, __m256 high, Dtype dtype) {
  return dtype == Dtype::kF16 ? ToHalf(low, high) : ToBfloat(low, high);
}

// The sixteen values a 4-bit code can take in one group and column, as tables of low and high bytes.
struct NibbleTable {
  __m128i low, high;
};

inline NibbleTable MakeTable(float scale, uint16_t zero, Dtype dtype) {
  const __m256 s = _mm256_set1_ps(scale);
  const __m256i z = _mm256_set1_epi32(zero);
  const __m256i first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256 a = _mm256_mul_ps(s, _mm256_cvtepi32_ps(_mm256_sub_epi32(first, z)));
  const __m256 b =
      _mm256_mul_ps(s, _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_add_epi32(first, _mm256_set1_epi32(8)), z)));
  const __m256i halves = ToSixteenBits(a, b, dtype);
  const __m256i low = _mm256_and_si256(halves, _mm256_set1_epi16(0xFF)), high = _mm256_srli_epi16(halves, 8);
  const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xD8);  // 16 low bytes, 16 high bytes
  return {_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)};
}

inline void Store(char* to, __m128i value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value); }

// 32 codes of one column (16 bytes of nibbles) through its table: 64 bytes.
inline void ExpandNibbles(__m128i packed, const NibbleTable& table, char* out) {
  const __m128i mask = _mm_set1_epi8(0x0F);
  const __m128i even = _mm_and_si128(packed, mask), odd = _mm_and_si128(_mm_srli_epi16(packed, 4), mask);
  const __m128i codes[2] = {_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd)};
  for (int i = 0; i < 2; ++i) {
    const __m128i low = _mm_shuffle_epi8(table.low, codes[i]), high = _mm_shuffle_epi8(table.high, codes[i]);
    Store(out + 32 * i, _mm_unpacklo_epi8(low, high));
    Store(out + 32 * i + 16, _mm_unpackhi_epi8(low, high));
  }
}

// Eight codes (the low eight bytes) as floats: scale * (code - zero).
inline __m256 EightValues(__m128i codes, float scale, uint16_t zero) {
  const __m256i difference = _mm256_sub_epi32(_mm256_cvtepu8_epi32(codes), _mm256_set1_epi32(zero));
  return _mm256_mul_ps(_mm256_set1_ps(scale), _mm256_cvtepi32_ps(difference));
}

// Sixteen codes as bytes to `out`, as any dtype.
inline void WriteSixteen(__m128i codes, float scale, uint16_t zero, Dtype dtype, char* out) {
  const __m256 low = EightValues(codes, scale, zero), high = EightValues(_mm_srli_si128(codes, 8), scale, zero);
  if (dtype == Dtype::kF32) {
    _mm256_storeu_ps(reinterpret_cast<float*>(out), low);
    _mm256_storeu_ps(reinterpret_cast<float*>(out + 32), high);
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), ToSixteenBits(low, high, dtype));
  }
}

inline void NibblesToFloats(__m128i packed, float scale, uint16_t zero, char* out) {
  const __m128i mask = _mm_set1_epi8(0x0F);
  const __m128i even = _mm_and_si128(packed, mask), odd = _mm_and_si128(_mm_srli_epi16(packed, 4), mask);
  WriteSixteen(_mm_unpacklo_epi8(even, odd), scale, zero, Dtype::kF32, out);
  WriteSixteen(_mm_unpackhi_epi8(even, odd), scale, zero, Dtype::kF32, out + 64);
}

struct Panel {  // eight neighbouring columns
  const Avx2Job& job;
  int64_t column;
  Dtype dtype;
  int64_t width;  // bytes of an output element
  char* out;      // of the first column's row
  char* Row(int n, int64_t k) const { return out + (n * job.in_features + k) * width; }
  int64_t Cell(int64_t k, int n) const { return k / job.group_size * job.out_features + column + n; }
};

void Nibbles(const Panel& p) {
  const auto* words = reinterpret_cast<const int32_t*>(p.job.qweight);
  NibbleTable tables[8];
  int64_t table_group = -1;
  for (int64_t k = 0; k < p.job.in_features; k += 64) {
    const bool whole = k + 64 <= p.job.in_features;
    __m256i columns[8];
    LoadTransposed(words + k / 8 * p.job.out_features + p.column, p.job.out_features, whole ? 8 : 4, columns);
    for (int half = 0; half < (whole ? 2 : 1); ++half) {
      const int64_t at = k + 32 * half, group = at / p.job.group_size;
      const int64_t cell = p.Cell(at, 0);
      if (p.dtype != Dtype::kF32 && group != table_group) {
        for (int n = 0; n < 8; ++n) tables[n] = MakeTable(p.job.scales[cell + n], p.job.zeros[cell + n], p.dtype);
        table_group = group;
      }
      for (int n = 0; n < 8; ++n) {
        const __m128i packed = half == 0 ? _mm256_castsi256_si128(columns[n]) : _mm256_extracti128_si256(columns[n], 1);
        if (p.dtype == Dtype::kF32) {
          NibblesToFloats(packed, p.job.scales[cell + n], p.job.zeros[cell + n], p.Row(n, at));
        } else {
          ExpandNibbles(packed, tables[n], p.Row(n, at));
        }
      }
    }
  }
}

void Bytes(const Panel& p) {
  const auto* words = reinterpret_cast<const int32_t*>(p.job.qweight);
  for (int64_t k = 0; k < p.job.in_features; k += 32) {
    __m256i columns[8];
    LoadTransposed(words + k / 4 * p.job.out_features + p.column, p.job.out_features, 8, columns);
    const int64_t cell = p.Cell(k, 0);
    for (int n = 0; n < 8; ++n) {
      const float scale = p.job.scales[cell + n];
      const uint16_t zero = p.job.zeros[cell + n];
      WriteSixteen(_mm256_castsi256_si128(columns[n]), scale, zero, p.dtype, p.Row(n, k));
      WriteSixteen(_mm256_extracti128_si256(columns[n], 1), scale, zero, p.dtype, p.Row(n, k + 16));
    }
  }
}

}  // namespace

int64_t DequantizeRowsAvx2(const Avx2Job& job, int64_t first_row, int64_t rows, Dtype dtype, char* out) {
  const int64_t width = dtype == Dtype::kF32 ? 4 : 2;
  int64_t done = 0;
  for (; done + 8 <= rows; done += 8) {
    const Panel panel{job, first_row + done, dtype, width, out + done * job.in_features * width};
    if (job.bits == 4) {
      Nibbles(panel);
    } else {
      Bytes(panel);
    }
  }
  return done;
}

int64_t RoundFloatsAvx2(const float* values, int64_t count, Dtype dtype, char* out) {
  int64_t done = 0;
  for (; done + 16 <= count; done += 16) {
    const __m256i halves = ToSixteenBits(_mm256_loadu_ps(values + done), _mm256_loadu_ps(values + done + 8), dtype);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * done), halves);
  }
  return done;
}

}  // namespace gptq_doctor

#else

namespace gptq_doctor {
int64_t RoundFloatsAvx2(const float*, int64_t, Dtype, char*) { return 0; }
int64_t DequantizeRowsAvx2(const Avx2Job&, int64_t, int64_t, Dtype, char*) { return 0; }
}  // namespace gptq_doctor

#endif
