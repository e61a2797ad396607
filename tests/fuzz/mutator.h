#ifndef GPTQ_DOCTOR_TESTS_FUZZ_MUTATOR_H_
#define GPTQ_DOCTOR_TESTS_FUZZ_MUTATOR_H_

// Changes inputs so that most of them are still read: lengths fit what they count, and JSON is also changed by whole
// numbers and members. Bytes alone would nearly always end at the first check.

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/fuzz_target.h"

namespace gptq_doctor::fuzz {

using MutateBytes = size_t (*)(uint8_t* data, size_t size, size_t max_size);

// Changes the first `size` bytes of `buffer`, which may grow to its end; returns the new size, never 0.
size_t Mutate(Form form, std::span<uint8_t> buffer, size_t size, unsigned seed, MutateBytes bytes);

}  // namespace gptq_doctor::fuzz

#endif  // GPTQ_DOCTOR_TESTS_FUZZ_MUTATOR_H_
