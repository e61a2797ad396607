#include "model/sizes.h"

#include "base/bytes.h"

namespace gptq_doctor {
namespace {

int64_t DivideUp(int64_t a, int64_t b) { return b <= 0 ? 0 : a / b + (a % b != 0 ? 1 : 0); }

// Rows of words that `values` codes of `bits` take. 3-bit codes run across the borders of 32-bit words, so the total is
// rounded once, not a word at a time.
int64_t PackedRows(int64_t values, int bits, int pack_bits) { return DivideUp(SaturatingMul(values, bits), pack_bits); }

}  // namespace

int64_t GroupsOf(int64_t in_features, int64_t group_size) {
  if (in_features <= 0) return 0;
  return group_size <= 0 ? 1 : DivideUp(in_features, group_size);
}

int64_t QuantizedBytes(const ModuleShape& shape) {
  if (shape.in_features <= 0 || shape.out_features <= 0 || shape.bits <= 0 || shape.pack_bits <= 0) return 0;
  const int64_t groups = GroupsOf(shape.in_features, shape.group_size);
  const int word = shape.pack_bits / 8;
  const int64_t qweight = SaturatingMul(
      SaturatingMul(PackedRows(shape.in_features, shape.bits, shape.pack_bits), shape.out_features), word);
  const int64_t qzeros =
      SaturatingMul(SaturatingMul(groups, PackedRows(shape.out_features, shape.bits, shape.pack_bits)), word);
  const int64_t scales = SaturatingMul(SaturatingMul(groups, shape.out_features), shape.scale_bytes);
  int64_t total = SaturatingAdd(SaturatingAdd(qweight, qzeros), scales);
  if (shape.g_idx) total = SaturatingAdd(total, SaturatingMul(shape.in_features, 4));
  if (shape.bias) total = SaturatingAdd(total, SaturatingMul(shape.out_features, shape.scale_bytes));
  return total;
}

int64_t DenseBytes(int64_t in_features, int64_t out_features, int bytes_per_element) {
  if (in_features <= 0 || out_features <= 0 || bytes_per_element <= 0) return 0;
  return SaturatingMul(SaturatingMul(in_features, out_features), bytes_per_element);
}

}  // namespace gptq_doctor
