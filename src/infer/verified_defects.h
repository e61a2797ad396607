#ifndef GPTQ_DOCTOR_INFER_VERIFIED_DEFECTS_H_
#define GPTQ_DOCTOR_INFER_VERIFIED_DEFECTS_H_

// Numbers of ValueDefect::catalogue beyond the catalogue of the format: what only the whole data, a base model or a
// recorded hash can show.

#include <cstdint>

namespace gptq_doctor {

enum VerifiedDefect : int {
  kPartUnfilled = 101,  // variants "zero", "random"
  kLevelsUnused = 102,  // the codes of fewer bits in the space of more
  kWrongLayout = 103,   // 3 bits: stream and bit planes confused
  kColumnsSaturated = 104,
  kColumnsConstant = 105,
  kManyDead = 106,
  kDenseNotFinite = 107,
  kHashDiffers = 120,  // of a file: its name stands in `variant`, and `module` is kNoModule
  kBaseUnrelated = 130,
  kBaseSwapped = 131,
  kBaseTransposed = 132,
  kBaseCoarse = 133,
  kBaseOtherShape = 134,
  kBaseDenseDiffers = 135,
};
inline constexpr uint32_t kNoModule = UINT32_MAX;

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_VERIFIED_DEFECTS_H_
