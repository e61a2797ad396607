#ifndef GPTQ_DOCTOR_DEQUANT_MODULE_SLAB_H_
#define GPTQ_DOCTOR_DEQUANT_MODULE_SLAB_H_

// Reads one quantized module, or a range of its output columns, into memory as a PackedModule. A range of columns keeps
// memory bounded whatever the module's size; its first column is a multiple of 64, so that packed zero points start on
// a word.

#include <cstdint>
#include <string>
#include <vector>

#include "dequant/kernel.h"
#include "infer/examination.h"

namespace gptq_doctor {

// What the checkpoint's zero points mean. Where neither tensors nor a config tell v1 from v2 the answer is v1, as every
// loader reads a file without the field, and `assumed` is true.
struct ZeroReading {
  ZeroRule rule = ZeroRule::kPlusOne;
  int base_bits = 4;
  bool assumed = false;
};
ZeroReading ZeroReadingOf(const InferredQuant& quant, const ClassFacts& facts);

// Where a module lies and how it is packed; no data.
struct ModuleLayout {
  uint32_t module = 0;
  std::string stem;
  const TensorRecord* qweight = nullptr;
  const TensorRecord* qzeros = nullptr;  // `zeros` in the dialect of March 2023
  const TensorRecord* scales = nullptr;
  const TensorRecord* g_idx = nullptr;  // may be null
  const TensorRecord* bias = nullptr;   // may be null
  PackedModule packed;                  // spans empty
  bool zero_rule_assumed = false;
  uint64_t PackedBytes() const { return qweight->bytes() + qzeros->bytes() + scales->bytes(); }
};

// kRefused with the module's name where a component is missing, shapes contradict each other or channels were cut off:
// nothing is guessed.
Result<ModuleLayout> LayoutOf(const Examination& exam, uint32_t module);

// Columns [first, first + count) of a module with their bytes. Movable; `packed` points into the buffers.
struct ModuleSlab {
  int64_t first = 0, count = 0;
  PackedModule packed;
  std::vector<char> qweight, qzeros, scales, g_idx;
};

// `first` is a multiple of 64 (or 0); `count` one too unless the slab ends the module. Errors: kIo, kPermission,
// kChanged (the file is not the one whose header was read), kRefused (CheckModule).
Result<ModuleSlab> ReadSlab(const Examination& exam, const ModuleLayout& layout, int64_t first, int64_t count);

// Columns a slab may have for its packed bytes to stay within `budget`; a multiple of 64, or all of them.
int64_t SlabColumns(const ModuleLayout& layout, uint64_t budget);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_MODULE_SLAB_H_
