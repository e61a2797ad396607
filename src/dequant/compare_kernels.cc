#include "dequant/compare_kernels.h"

#include <algorithm>
#include <cmath>

namespace gptq_doctor {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = 4096;  // values summed in float before they go to double

}  // namespace

void PairSums::Add(const PairSums& other) {
  ww += other.ww;
  bb += other.bb;
  wb += other.wb;
  dd += other.dd;
  largest = std::max(largest, other.largest);
}

PairSums SumPairs(const float* w, const float* b, size_t count) {
  PairSums out;
  float largest[kLanes] = {};
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(begin + kBlock, count), whole = begin + (end - begin) / kLanes * kLanes;
    float ww[kLanes] = {}, bb[kLanes] = {}, wb[kLanes] = {}, dd[kLanes] = {};
    for (size_t i = begin; i < whole; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float x = w[i + lane], y = b[i + lane], d = x - y;
        ww[lane] += x * x;
        bb[lane] += y * y;
        wb[lane] += x * y;
        dd[lane] += d * d;
        largest[lane] = std::max(largest[lane], std::fabs(d));
      }
    }
    for (size_t i = whole; i < end; ++i) {
      const float x = w[i], y = b[i], d = x - y;
      ww[0] += x * x;
      bb[0] += y * y;
      wb[0] += x * y;
      dd[0] += d * d;
      largest[0] = std::max(largest[0], std::fabs(d));
    }
    for (size_t lane = 0; lane < kLanes; ++lane)
      out.Add({.ww = ww[lane], .bb = bb[lane], .wb = wb[lane], .dd = dd[lane], .largest = largest[lane]});
  }
  return out;
}

Range RangeOf(const float* values, size_t count) {
  float low[kLanes] = {}, high[kLanes] = {};
  const size_t whole = count / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      low[lane] = std::min(low[lane], values[i + lane]);
      high[lane] = std::max(high[lane], values[i + lane]);
    }
  }
  for (size_t i = whole; i < count; ++i) {
    low[0] = std::min(low[0], values[i]);
    high[0] = std::max(high[0], values[i]);
  }
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes)};
}

}  // namespace gptq_doctor
