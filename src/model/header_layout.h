#ifndef GPTQ_DOCTOR_MODEL_HEADER_LAYOUT_H_
#define GPTQ_DOCTOR_MODEL_HEADER_LAYOUT_H_

// How the tensors of one file lie together: repeated names, order, holes, overlaps, coverage (rules 11 and 15 of the
// reference reader), alignment, and the bytes that belong to nobody.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/defect_list.h"
#include "model/safetensors.h"

namespace gptq_doctor {

struct LayoutFacts {
  uint64_t file_size = 0;
  bool sequential = false;  // each tensor begins where the one before it ends, the first at 0
  bool misaligned = false;  // some begin() is no multiple of the dtype's width
};

// Sorts header.tensors by (begin, end), drops all but the last of equal names, sets stray_bytes.
void CheckLayout(ShardHeader& header, const LayoutFacts& facts, DefectList& defects);

// Calls `found(earlier, later)` for every two positions of `tags` whose tags agree and for which `equal` holds; each
// later one once, in ascending order, with some earlier one. Takes 2 to 4 bytes a tag.
void FindEqualNames(std::span<const uint32_t> tags, const std::function<bool(uint32_t, uint32_t)>& equal,
                    const std::function<void(uint32_t, uint32_t)>& found);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_HEADER_LAYOUT_H_
