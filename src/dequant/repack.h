#ifndef GPTQ_DOCTOR_DEQUANT_REPACK_H_
#define GPTQ_DOCTOR_DEQUANT_REPACK_H_

// Makers of output tensors that stay quantized: the same codes, zero points and scales in other words. Each holds a
// pointer to the Examination, which must outlive it.

#include <span>
#include <vector>

#include "dequant/module_slab.h"
#include "dequant/producers.h"

namespace gptq_doctor {

// How a module is packed in the new files, always in the continuous layout.
struct Packing {
  int pack_bits = 32;
  bool v1 = true;  // zero points less one
};

// kRefused where a tensor of the module has other dimensions than its bits, word size and groups ask for.
Status CheckPackedShapes(const ModuleLayout& layout);

OutTensor RepackedCodes(const Examination& exam, const ModuleLayout& layout, const Packing& to);
OutTensor RepackedZeros(const Examination& exam, const ModuleLayout& layout, const Packing& to);
// One row of qzeros.
std::vector<char> RepackZeroRow(std::span<const char> row, const PackedModule& from, const Packing& to);
// g_idx of a module that has none: k / group_size, all 0 for one group.
OutTensor SequentialGIdx(const ModuleLayout& layout);
// F32 or BF16 as F16, rounded once.
OutTensor HalfScales(const Examination& exam, const TensorRecord& scales);

// Calls `use` with each row of qzeros, in order; ends at its first error.
Status ForZeroRows(const Examination& exam, const ModuleLayout& layout,
                   const std::function<Status(std::span<const char> row)>& use);
// The same with the elements of a float tensor widened to F32, a million at a time.
Status ForFloats(const Examination& exam, const TensorRecord& tensor,
                 const std::function<Status(std::span<const float> values)>& use);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_REPACK_H_
