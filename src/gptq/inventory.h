#ifndef GPTQ_DOCTOR_GPTQ_INVENTORY_H_
#define GPTQ_DOCTOR_GPTQ_INVENTORY_H_

// Groups tensors into modules by their stem (the name up to the component suffix: "X" of "X.qweight"), and modules into
// classes: equal folded name, equal components with equal dtypes and shapes. A model of 45,000 modules has some 30
// classes, so everything that header facts decide is decided once a class. Linear in tensors.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bulk_memory.h"
#include "base/thread_pool.h"
#include "model/tensor_index.h"

namespace gptq_doctor {

// Interned component suffix. The known ones are rows of suffix_table.cc, in the order of this enum for the GPTQ ones;
// others get ids from kFirstUnknownSuffix up, per inventory.
using SuffixId = uint16_t;
enum KnownSuffix : SuffixId {
  kQweight,
  kQzeros,
  kScales,
  kGIdx,
  kBias,
  kWeight,
  kZeros,
  kOtherKnownSuffix,  // the first of the rest; see suffix_table.cc
};

// A tensor whose last part is no known suffix is its own module with the suffix being the last part ("*" where that is
// all digits); it never joins the module of its stem. Of tensors of equal name the first one counts.
struct Component {
  SuffixId suffix = 0;
  uint32_t tensor = 0;  // number in the TensorIndex
};

struct Module {
  std::string_view stem;  // "model.layers.0.mlp.down_proj"; "" for suffix-only names
  uint32_t class_id = 0;
  uint32_t first = 0;  // components()[first .. first+count)
  uint16_t count = 0;
};

struct ModuleClass {
  std::string
      pattern;  // folded stem, "model.layers.*.mlp.down_proj"; the folded whole name where the suffix is unknown
  uint32_t representative = 0;  // a module; all members share its suffixes, dtypes and shapes
  uint32_t first_member = 0;    // members()[first_member .. +count)
  uint32_t count = 0;
  int64_t bytes = 0;  // of all members together
  int format = -1;    // row of the fingerprint table, -1: dense or unknown
};

class Inventory {
 public:
  BulkVector<Module> modules;  // in natural name order within a class, classes in order of first appearance
  std::vector<ModuleClass> classes;
  std::span<const Component> components(const Module& module) const {
    return std::span<const Component>(components_).subspan(module.first, module.count);
  }
  std::span<const uint32_t> members(const ModuleClass& c) const {  // module numbers, natural order of their stems
    return std::span<const uint32_t>(members_).subspan(c.first_member, c.count);
  }
  // The tensor of that suffix, null where the module has none.
  const TensorRecord* Find(const TensorIndex& tensors, const Module& module, SuffixId suffix) const;
  std::string_view SuffixName(SuffixId suffix) const;
  // Module number by exact stem, modules of known suffixes before others; -1 if none. By the stem's pattern and a
  // binary search in the classes that have it.
  int64_t FindModule(std::string_view stem) const;

 private:
  friend class InventoryBuilder;
  // Its members are tensors of an unknown suffix, each a module of its own.
  bool IsOwn(const ModuleClass& c) const;
  void ListPatterns();

  BulkVector<Component> components_;
  BulkVector<uint32_t> members_;
  std::vector<std::string> unknown_suffixes_;
  std::vector<std::pair<uint64_t, uint32_t>> by_pattern_;  // hash of the folded stem, class; sorted
};

// Formats are assigned (ModuleClass::format) by format_table's DetectFormat, called here once a class. The result is
// the same with any pool and without one.
Inventory BuildInventory(const TensorIndex& tensors, ThreadPool* pool = nullptr);

// Splits a tensor name into stem and suffix ("weight.absmax" and the like stay whole). `suffix` keeps no leading dot.
struct SplitName {
  std::string_view stem, suffix;
};
SplitName SplitTensorName(std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_INVENTORY_H_
