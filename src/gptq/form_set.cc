#include "gptq/form_set.h"

#include <algorithm>
#include <utility>

namespace gptq_doctor {
namespace {

bool SameForm(const TensorRecord& a, const TensorRecord& b) {
  if (a.dtype != b.dtype || a.rank != b.rank) return false;
  if (a.rank > 2) return std::ranges::equal(a.dims(), b.dims());
  return (a.rank < 1 || a.inline_dims[0] == b.inline_dims[0]) && (a.rank < 2 || a.inline_dims[1] == b.inline_dims[1]);
}

}  // namespace

uint64_t MixHash(uint64_t state, uint64_t value) {
  state = (state ^ value) * 0x9E3779B97F4A7C15ull;  // 2^64 over the golden ratio
  return state ^ (state >> 32);
}

FormSet::FormSet() : seed_(HashName("form")), slots_(256, 0) {}

// The tensors of one module follow each other as those of the module before, so the forms that came next there are
// tried first; two, since gate_proj and up_proj have the same ones and different followers.
uint32_t FormSet::Intern(SuffixId suffix, const TensorRecord& tensor) {
  if (last_ < forms_.size()) {
    for (const uint32_t guess : forms_[last_].next) {
      if (forms_[guess].suffix == suffix && SameForm(*forms_[guess].exemplar, tensor)) return last_ = guess;
    }
  }
  const uint32_t found = Find(suffix, tensor);
  forms_[last_].next[1] = std::exchange(forms_[last_].next[0], found);
  return last_ = found;
}

uint32_t FormSet::Find(SuffixId suffix, const TensorRecord& tensor) {
  uint64_t hash = MixHash(seed_ ^ suffix, static_cast<uint64_t>(tensor.dtype) << 8 | tensor.rank);
  for (const uint64_t dim : tensor.dims()) hash = MixHash(hash, dim);
  size_t slot = hash & (slots_.size() - 1);
  for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
    const Form& form = forms_[slots_[slot] - 1];
    if (form.hash == hash && form.suffix == suffix && SameForm(*form.exemplar, tensor)) return slots_[slot] - 1;
  }
  forms_.push_back({.hash = hash, .exemplar = &tensor, .suffix = suffix});
  slots_[slot] = static_cast<uint32_t>(forms_.size());
  if (forms_.size() * 2 > slots_.size()) Rehash();
  return static_cast<uint32_t>(forms_.size() - 1);
}

void FormSet::Rehash() {
  slots_.assign(slots_.size() * 4, 0);
  for (size_t i = 0; i < forms_.size(); ++i) {
    size_t slot = forms_[i].hash & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

}  // namespace gptq_doctor
