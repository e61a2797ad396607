#ifndef GPTQ_DOCTOR_GPTQ_TENSOR_GROUPER_H_
#define GPTQ_DOCTOR_GPTQ_TENSOR_GROUPER_H_

// Finds the module of every tensor of one stretch of a model. Stretches know nothing of each other, so that several
// threads can each take one; module_drafts.cc joins what they found.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gptq/module_drafts.h"
#include "model/name_table.h"

namespace gptq_doctor {

// Suffixes that are no row of the suffix table, numbered in the order in which they appear.
class UnknownSuffixes {
 public:
  // `suffix` must outlive the set. kOverflowSuffix once the numbers have run out.
  SuffixId Intern(std::string_view suffix);
  std::span<const std::string_view> names() const { return names_; }

 private:
  // Names come from files: a hash that can be predicted would let one fill a bucket with thousands.
  struct NameHasher {
    size_t operator()(std::string_view name) const;
  };
  std::vector<std::string_view> names_;  // by SuffixId - FirstUnknownSuffix()
  std::unordered_map<std::string_view, SuffixId, NameHasher> ids_;
};

class TensorGrouper {
 public:
  // Of the tensors numbered [begin, end); `end` may be too large. Memory comes from `memory` while it has room.
  TensorGrouper(const TensorIndex& tensors, uint32_t begin, uint32_t end, const std::shared_ptr<BulkMemory>& memory);

  // Writes the number of the draft and of the form of each tensor, counted within this stretch.
  void Run(std::span<uint32_t> module_of, std::span<uint32_t> form_of);

  std::span<const ModuleDraft> drafts() const { return drafts_; }
  std::span<const uint32_t> tags() const { return tags_; }
  const FormSet& forms() const { return forms_; }
  const UnknownSuffixes& unknown_suffixes() const { return unknown_; }

 private:
  bool IsComponentOf(uint32_t module, std::string_view name, SuffixId& suffix) const;
  uint32_t FindModuleOf(std::string_view name, SuffixId& suffix);
  uint32_t FindOrAdd(std::string_view key, bool own);
  void ForgetRecent();

  const TensorIndex& tensors_;
  const uint32_t begin_, end_;
  BulkVector<ModuleDraft> drafts_;
  BulkVector<uint32_t> tags_;
  FormSet forms_;
  UnknownSuffixes unknown_;
  NameTable recent_table_;  // while Run() runs
  size_t recent_ = 0;       // drafts in it
  uint32_t guess_ = 0;      // the draft of the last tensor
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_TENSOR_GROUPER_H_
