#ifndef GPTQ_DOCTOR_DEQUANT_KERNEL_H_
#define GPTQ_DOCTOR_DEQUANT_KERNEL_H_

// Turns the packed tensors of one module into its dense matrix. Pure functions over bytes; knows no files.
//
//   W[n, k] = s[g_idx[k], n] * (q[k, n] - z[g_idx[k], n])          (GPTQModel qlinear/torch.py, AutoGPTQ
//   qlinear_cuda.py)
//
// For F16 and BF16 scales and up to 8 bits the product is exact in float32, so F32 output is exact and F16 and BF16
// output are rounded once, to nearest even.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gptq/packing.h"
#include "gptq_doctor/result.h"
#include "model/safetensors.h"

namespace gptq_doctor {

// How a stored zero field becomes the zero point (shared/README of real packers' files; gptq-format D.2).
enum class ZeroRule : uint8_t {
  kStored,       // v2 and planar: z = field
  kPlusOne,      // v1: 2, 4, 8 bits: a 1 in every field is added to the whole word; 3 bits: (field + 1) mod 8
  kBroken3Bit,   // C-2: GPTQModel before 7.0.0: the swapped constants are added back, mod 2^32
  kShiftedBase,  // C-27: GPTQModel before 7.3.2, mixed bits: the constant of `base_bits` is added to the whole word
  kFloat,        // March 2023: W = s*q - zeros, zeros are floats of the scales' shape
};

struct PackedModule {
  int bits = 4;
  int pack_bits = 32;
  CodeLayout layout = CodeLayout::kContinuous;
  ZeroRule zero_rule = ZeroRule::kPlusOne;
  int base_bits = 4;  // kShiftedBase only
  int64_t in_features = 0, out_features = 0, groups = 0;
  int64_t group_size = -1;           // used where g_idx is absent; -1: one group
  std::span<const char> qweight;     // [ceil(K*bits/P), N]
  std::span<const char> qzeros;      // [G, ceil(N*bits/P)]; kFloat: [G, N] F32
  std::span<const char> scales;      // [G, N]
  Dtype scales_dtype = Dtype::kF16;  // kF16, kBF16, kF32
  std::span<const char> g_idx;       // [K] I32, may be empty; negative entries count from the end (GPTQModel's packer)
};

// Zero points [G, N] as integers in 0..2^bits (2^bits cannot occur under the rules above).
std::vector<uint16_t> DecodeZeros(const PackedModule& module);

// The group of each input channel [K].
std::vector<uint32_t> GroupsOf(const PackedModule& module);
// Values of F16, BF16 or F32, exact.
std::vector<float> FloatsOf(std::span<const char> bytes, Dtype dtype);

// Checks every size and g_idx against each other; kRefused with the numbers where they do not agree.
Status CheckModule(const PackedModule& module);

enum class CpuPath { kAuto, kScalar };

// Rows [first_row, first_row + rows) of W, that is outputs n, as `dtype` (kF32, kF16, kBF16) into `out` [rows, K]
// row-major. A plan is made once a module and is shared by threads that work on different rows.
class DequantPlan {
 public:
  // `module` must have passed CheckModule; its spans must outlive the plan.
  explicit DequantPlan(const PackedModule& module, CpuPath path = CpuPath::kAuto);
  void Rows(int64_t first_row, int64_t rows, Dtype dtype, std::span<char> out) const;

  struct Scratch {  // of one row
    std::vector<uint8_t> codes;
    std::vector<float> floats;
    std::vector<char> table;
  };

 private:
  // Any packing and grouping.
  void RowsGeneric(int64_t first_row, int64_t rows, Dtype dtype, char* out) const;
  void Row(size_t n, Dtype dtype, Scratch& scratch, char* out) const;
  PackedModule module_;
  std::vector<float> scales_;       // [G, N]
  std::vector<uint16_t> zeros_;     // [G, N], empty for kFloat
  std::vector<float> float_zeros_;  // kFloat only
  std::vector<uint32_t> group_of_;  // [K]
  int64_t uniform_group_ = 0;       // group_of_[k] == k / uniform_group_, else 0
  bool avx2_ = false;               // the processor has it and it is wanted
  bool whole_blocks_ = false;       // the vector kernels' conditions hold
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_KERNEL_H_
