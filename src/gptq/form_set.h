#ifndef GPTQ_DOCTOR_GPTQ_FORM_SET_H_
#define GPTQ_DOCTOR_GPTQ_FORM_SET_H_

// Numbers the distinct combinations of suffix, dtype and shape. A model of 180,000 tensors has some dozens, so that
// modules are compared by a few numbers instead of by their tensors.

#include <cstdint>
#include <vector>

#include "gptq/inventory.h"

namespace gptq_doctor {

uint64_t MixHash(uint64_t state, uint64_t value);

class FormSet {
 public:
  FormSet();
  // The tensor must outlive the set.
  uint32_t Intern(SuffixId suffix, const TensorRecord& tensor);
  size_t size() const { return forms_.size(); }
  SuffixId SuffixOf(uint32_t form) const { return forms_[form].suffix; }
  const TensorRecord& ExemplarOf(uint32_t form) const { return *forms_[form].exemplar; }

 private:
  struct Form {
    uint64_t hash = 0;
    const TensorRecord* exemplar = nullptr;
    SuffixId suffix = 0;
    uint32_t next[2] = {0, 0};  // what came after it last, and before that
  };
  uint32_t Find(SuffixId suffix, const TensorRecord& tensor);
  void Rehash();

  uint64_t seed_;  // shapes come from files: their hashes must not be predictable
  std::vector<Form> forms_;
  uint32_t last_ = 0;  // what Intern() answered
  std::vector<uint32_t> slots_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_FORM_SET_H_
