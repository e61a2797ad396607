#ifndef GPTQ_DOCTOR_LOADERS_SHARED_ROWS_H_
#define GPTQ_DOCTOR_LOADERS_SHARED_ROWS_H_

// Pieces that rows of several families share. Citation tags: AG AutoGPTQ/AutoGPTQ, GM ModelCloud/GPTQModel, TF
// huggingface/transformers, OP huggingface/optimum, AC huggingface/accelerate.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "loaders/profile.h"

namespace gptq_doctor {

constexpr uint32_t BitsSet(std::initializer_list<int> bits) {
  uint32_t set = 0;
  for (const int b : bits) set |= 1u << b;
  return set;
}

inline constexpr uint32_t k2348 = BitsSet({2, 3, 4, 8});

inline constexpr std::array<int64_t, 4> kMarlinGroups = {-1, 32, 64, 128};
inline constexpr std::array<int64_t, 5> kGroupsTo128 = {-1, 16, 32, 64, 128};
inline constexpr std::array<int64_t, 8> kGroupsTo1024 = {-1, 16, 32, 64, 128, 256, 512, 1024};

// What names a release. Rows of one loader are written as the difference from the row before: Next(kRowBefore, {...}),
// then the fields that changed.
struct Release {
  std::string_view version, versions;
  Version since, until;
  std::string_view title, revision, as_of;
};
constexpr Profile Next(Profile row, const Release& release) {
  row.version = release.version;
  row.versions = release.versions;
  row.since = release.since;
  row.until = release.until;
  row.title = release.title;
  row.revision = release.revision;
  row.as_of = release.as_of;
  row.brief = false;
  return row;
}

// The Marlin kernel as serving engines run GPTQ through it.
constexpr KernelRow ServingMarlin(std::string_view name, int min_sm, std::string_view source,
                                  uint8_t platforms = kCuda) {
  return {.name = name,
          .bits = BitsSet({4, 8}),
          .group_sizes = kMarlinGroups,
          .sym = Tri::kOnlyTrue,
          .min_sm = min_sm,
          .platforms = platforms,
          .zeros = Zeros::kUnused,
          .g_idx = GroupIndex::kIfDescAct,
          .source = source};
}

// What accelerate's load_checkpoint_in_model prints (AC src/accelerate/utils/modeling.py).
inline constexpr std::string_view kAccelerateShape =
    "ValueError: Trying to set a tensor of shape {stored} in \"{leaf}\" (which has shape {built}), this look "
    "incorrect.";
inline constexpr std::string_view kAccelerateShape033 =
    "ValueError: Trying to set a tensor of shape {stored} in \"{leaf}\" (which has shape {built}), this looks "
    "incorrect.";
inline constexpr std::string_view kAccelerateUnexpected =
    "ValueError: {stem} does not have a parameter or a buffer named {leaf}.";
inline constexpr std::string_view kNotUsed =
    "Some weights of the model checkpoint at {dir} were not used when initializing {Class}: {'{name}', ...}. This may "
    "or may not be an issue - make sure that the "
    "checkpoint does not have unnecessary parameters, or that the model definition correctly corresponds to the "
    "checkpoint.";

// Kernels as optimum picks them from AutoGPTQ and from GPTQModel, shared by transformers and optimum.
extern const std::array<KernelRow, 3> kAutoGptqExllamaKernels;
extern const std::array<KernelRow, 4> kOptimumGptqModelKernels;

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_SHARED_ROWS_H_
