#ifndef GPTQ_DOCTOR_GPTQ_MODULE_DRAFTS_H_
#define GPTQ_DOCTOR_GPTQ_MODULE_DRAFTS_H_

// The first half of an Inventory: which tensor belongs to which module. Knows nothing of classes and formats.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bulk_memory.h"
#include "base/dotted_name.h"
#include "gptq/form_set.h"
#include "gptq/inventory.h"

namespace gptq_doctor {

// A module while it is collected. What is not of its name is filled in by BuildInventory.
struct ModuleDraft {
  const char* key_data = nullptr;  // the stem, or the whole name of an own module
  int64_t bytes = 0;
  uint32_t key_size = 0;
  uint32_t first = 0;    // of its components
  uint32_t numbers = 0;  // where its folded numbers begin
  uint32_t class_id = 0;
  uint16_t count = 0;
  bool own = false;  // the suffix is unknown
  bool irregular = false;
  std::string_view key() const { return {key_data, key_size}; }
  std::string_view stem() const { return own ? ParentPart(key()) : key(); }
};

struct ModuleDrafts {
  explicit ModuleDrafts(const std::shared_ptr<BulkMemory>& memory)
      : drafts(BulkAllocator<ModuleDraft>(memory)),
        tags(BulkAllocator<uint32_t>(memory)),
        module_of(BulkAllocator<uint32_t>(memory)),
        form_of(BulkAllocator<uint32_t>(memory)) {}
  BulkVector<ModuleDraft> drafts;  // in the order in which their first tensors stand
  BulkVector<uint32_t> tags;       // of the drafts' keys, for NameTable
  BulkVector<uint32_t> module_of;  // draft of each tensor
  BulkVector<uint32_t> form_of;    // and its number in `forms`
  FormSet forms;
  std::vector<std::string> unknown_suffixes;  // by SuffixId - FirstUnknownSuffix()
};

// Where memory comes from while there is room; null: the heap.
struct GroupingMemory {
  std::shared_ptr<BulkMemory> result;
  std::shared_ptr<BulkMemory> on_the_way;  // nothing in it is alive when GroupTensors() returns
};
ModuleDrafts GroupTensors(const TensorIndex& tensors, ThreadPool* pool, const GroupingMemory& memory);

// 0 where the end lies before the begin.
int64_t BytesOf(const TensorRecord& tensor);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_MODULE_DRAFTS_H_
