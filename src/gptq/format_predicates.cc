#include "gptq/format_predicates.h"

#include <algorithm>

#include "gptq/packing.h"

namespace gptq_doctor {
namespace {

// A tensor as a matrix; a vector counts as one row.
struct Matrix {
  bool present = false;
  Dtype dtype = Dtype::kUnknown;
  int rank = 0;
  int64_t rows = 0, columns = 0;
  bool Is(Dtype wanted) const { return present && dtype == wanted; }
};

// Dimensions beyond this are nobody's weights; the bound keeps products of them in range.
constexpr uint64_t kMaxDim = uint64_t{1} << 40;

// Absent where the tensor is missing, has more than two dimensions, or none, or an absurd one.
Matrix Get(const ModuleView& module, std::string_view suffix) {
  Matrix out;
  const TensorRecord* tensor = module.Get(suffix);
  if (tensor == nullptr || tensor->rank == 0 || tensor->rank > 2) return out;
  for (const uint64_t dim : tensor->dims()) {
    if (dim > kMaxDim) return out;
  }
  out.present = true;
  out.dtype = tensor->dtype;
  out.rank = tensor->rank;
  out.rows = tensor->rank == 2 ? static_cast<int64_t>(tensor->dims()[0]) : 1;
  out.columns = static_cast<int64_t>(tensor->dims()[tensor->rank - 1]);
  return out;
}

bool IsFp8(Dtype dtype) {
  return dtype == Dtype::kF8E4M3 || dtype == Dtype::kF8E5M2 || dtype == Dtype::kF8E4M3Fnuz ||
         dtype == Dtype::kF8E5M2Fnuz;
}

bool IsWord(Dtype dtype) {
  return dtype == Dtype::kI32 || dtype == Dtype::kI16 || dtype == Dtype::kI8 || dtype == Dtype::kI64;
}

// `words` holds `count` codes of some width, packed by either allocation rule.
bool Packs(int64_t words, int64_t count, int pack_bits) {
  for (int bits = 2; bits <= 8; ++bits) {
    if (words == PackedWords(count, bits, pack_bits)) return true;
    if (words > 0 && words == PackedWordsFloor(count, bits, pack_bits)) return true;
  }
  return false;
}

}  // namespace

bool LooksGptq(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), z = Get(module, "qzeros"), s = Get(module, "scales");
  if (!q.present || !z.present || !s.present || q.rank != 2 || !IsInteger(q.dtype)) return false;
  const int pack_bits = BitsOf(q.dtype);
  if (LooksAwqGemm(module) || LooksAwqGemv(module)) return false;
  const bool one_scale_a_column = s.columns == q.columns;
  const bool zeros_packed = Packs(z.columns, q.columns, pack_bits) && (z.columns < q.columns || pack_bits == 8);
  const bool same_groups = s.rows == z.rows;
  // All shapes agree: a wrong dtype is a defect of this format, not another format.
  if (one_scale_a_column && zeros_packed && same_groups) return true;
  if (!IsWord(q.dtype) || z.dtype != q.dtype || !IsFloat(s.dtype)) return false;
  if (const Matrix g = Get(module, "g_idx"); g.present && g.rank == 1) {  // no AWQ writer stores g_idx
    return one_scale_a_column || zeros_packed || Packs(q.rows, g.columns, pack_bits);
  }
  if (one_scale_a_column) return zeros_packed || (same_groups && z.columns < q.columns);
  return zeros_packed && same_groups;
}

bool LooksGptqFloatZeros(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), z = Get(module, "zeros"), s = Get(module, "scales");
  return q.Is(Dtype::kI32) && q.rank == 2 && z.Is(Dtype::kF32) && s.Is(Dtype::kF32) && z.rows == q.columns &&
         s.rows == q.columns && z.columns == 1 && s.columns == 1;
}

bool LooksGptqWithoutZeros(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), s = Get(module, "scales");
  return q.Is(Dtype::kI32) && q.rank == 2 && s.present && IsFloat(s.dtype) && s.columns == q.columns &&
         s.rows <= q.rows * 16;  // at most one group a channel, 2-bit codes
}

bool LooksGptqIncomplete(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), z = Get(module, "qzeros"), s = Get(module, "scales");
  const Matrix g = Get(module, "g_idx");
  const bool g_idx = g.present && g.rank == 1 && IsInteger(g.dtype);
  if (q.present && !(q.Is(Dtype::kI32) && q.rank == 2)) return false;
  if (z.present && !(z.Is(Dtype::kI32) && z.rank == 2)) return false;
  if (q.present && s.present) return false;  // nothing is missing that tells formats apart
  if (q.present && z.present) {
    // AWQ's qzeros are as wide (GEMM) or as high (GEMV) as its qweight.
    return z.columns < q.columns && z.rows != q.rows && Packs(z.columns, q.columns, 32);
  }
  if (q.present) return g_idx && Packs(q.rows, g.columns, 32);
  if (z.present && s.present) return g_idx && IsFloat(s.dtype) && s.rows == z.rows && Packs(z.columns, s.columns, 32);
  return false;
}

bool LooksAwqGemm(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), z = Get(module, "qzeros"), s = Get(module, "scales");
  return q.Is(Dtype::kI32) && z.Is(Dtype::kI32) && s.present && IsFloat(s.dtype) && z.columns == q.columns &&
         s.columns == 8 * q.columns;
}

bool LooksAwqGemv(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), z = Get(module, "qzeros"), s = Get(module, "scales");
  return q.Is(Dtype::kI32) && z.Is(Dtype::kI32) && s.present && IsFloat(s.dtype) && q.rows == z.rows &&
         q.rows == s.rows && s.columns == 8 * z.columns && s.columns != q.columns;
}

bool LooksAwqGemvFast(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), z = Get(module, "qzeros"), s = Get(module, "scales");
  return q.Is(Dtype::kI16) && z.present && IsFloat(z.dtype) && s.present && IsFloat(s.dtype) && z.rows == s.rows &&
         z.columns == s.columns && s.columns == 4 * q.rows;
}

bool LooksLlmAwq(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), s = Get(module, "scales");
  return q.Is(Dtype::kI16) && s.present && IsFloat(s.dtype);
}

bool LooksAwqMarlin(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), s = Get(module, "scales");
  return q.Is(Dtype::kI32) && s.present && IsFloat(s.dtype) && q.columns == 2 * s.columns;
}

bool LooksMarlin(const ModuleView& module) {
  const Matrix b = Get(module, "B"), s = Get(module, "s");
  return b.Is(Dtype::kI32) && s.present && IsFloat(s.dtype) &&
         (b.columns == 2 * s.columns || b.columns == 4 * s.columns);
}

bool LooksMarlin24(const ModuleView& module) {
  return Get(module, "B_24").Is(Dtype::kI32) && Get(module, "B_meta").Is(Dtype::kI16);
}

bool LooksQqq(const ModuleView& module) {
  const Matrix b = Get(module, "B"), s = Get(module, "s_channel");
  return b.Is(Dtype::kI32) && s.Is(Dtype::kF32) && b.columns == 2 * s.columns;
}

bool LooksBitblas(const ModuleView& module) {
  const Matrix q = Get(module, "qweight"), s = Get(module, "scales");
  if (!q.Is(Dtype::kI8) || !s.present || !IsFloat(s.dtype) || s.rank != 2) return false;
  return s.rows == q.rows && s.columns < q.columns;  // scales [N, K/g], one row an output channel
}

bool LooksFpQuant(const ModuleView& module) {
  return Get(module, "qweight").Is(Dtype::kU8) && module.Get("scales")->dtype != Dtype::kI32;
}

bool LooksEetq(const ModuleView& module) {
  const Matrix scales = Get(module, "weight_scales");
  Matrix weight = Get(module, "weight");
  if (!weight.present) weight = Get(module, "qweight");
  return weight.Is(Dtype::kI8) && scales.present && IsFloat(scales.dtype) && scales.columns == weight.columns;
}

bool LooksGgufTensor(const ModuleView& module) {
  const Matrix q = Get(module, "qweight");
  return q.Is(Dtype::kU8) && q.rank == 2;
}

bool LooksCtPacked(const ModuleView& module) {
  const TensorRecord* scale = module.Get("weight_scale");
  return module.Get("weight_packed")->dtype == Dtype::kI32 && IsFloat(scale->dtype);
}

bool LooksCtNvfp4(const ModuleView& module) {
  return module.Get("weight_packed")->dtype == Dtype::kU8 && IsFp8(module.Get("weight_scale")->dtype);
}

bool LooksCtMxfp4(const ModuleView& module) {
  const Dtype scale = module.Get("weight_scale")->dtype;
  return module.Get("weight_packed")->dtype == Dtype::kU8 && (scale == Dtype::kU8 || scale == Dtype::kF8E8M0);
}

bool LooksInt8Scaled(const ModuleView& module) {
  return module.Get("weight")->dtype == Dtype::kI8 && IsFloat(module.Get("weight_scale")->dtype);
}

bool LooksFp8Scaled(const ModuleView& module) {
  return IsFp8(module.Get("weight")->dtype) && IsFloat(module.Get("weight_scale")->dtype);
}

bool LooksFp8Block(const ModuleView& module) { return IsFp8(module.Get("weight")->dtype); }

bool LooksModelOptNvfp4(const ModuleView& module) {
  return module.Get("weight")->dtype == Dtype::kU8 && IsFp8(module.Get("weight_scale")->dtype);
}

bool LooksBitnet(const ModuleView& module) {
  const TensorRecord* scale = module.Get("weight_scale");
  const auto dims = scale->dims();
  const bool scalar = scale->rank <= 2 && std::ranges::all_of(dims, [](uint64_t dim) { return dim == 1; });
  return module.Get("weight")->dtype == Dtype::kU8 && IsFloat(scale->dtype) && scalar;
}

bool LooksByteWeight(const ModuleView& module) { return module.Get("weight")->dtype == Dtype::kU8; }

bool LooksInt8Weight(const ModuleView& module) { return module.Get("weight")->dtype == Dtype::kI8; }

bool LooksHqq(const ModuleView& module) {
  const Dtype dtype = module.Get("W_q")->dtype;
  return IsInteger(dtype) || IsFloat(dtype);  // the packed words may be viewed as floats
}

bool LooksAqlm(const ModuleView& module) {
  const TensorRecord* codes = module.Get("codes");
  return codes->rank == 3 && IsInteger(codes->dtype) && module.Get("codebooks")->rank == 4;
}

bool LooksExl3(const ModuleView& module) {
  const TensorRecord* trellis = module.Get("trellis");
  return trellis->dtype == Dtype::kI16 && trellis->rank == 3 && trellis->dims()[2] % 16 == 0;
}

bool LooksMlxAffine(const ModuleView& module) {
  return module.Get("weight")->dtype == Dtype::kU32 && IsFloat(module.Get("scales")->dtype);
}

bool LooksMlxMx(const ModuleView& module) {
  return module.Get("weight")->dtype == Dtype::kU32 && module.Get("scales")->dtype == Dtype::kU8;
}

bool LooksGptOssMxfp4(const ModuleView& module) {
  for (const std::string_view suffix :
       {"gate_up_proj_blocks", "gate_up_proj_scales", "down_proj_blocks", "down_proj_scales"}) {
    const TensorRecord* tensor = module.Get(suffix);
    if (tensor != nullptr && tensor->dtype != Dtype::kU8) return false;
  }
  return true;
}

}  // namespace gptq_doctor
