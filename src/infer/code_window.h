#ifndef GPTQ_DOCTOR_INFER_CODE_WINDOW_H_
#define GPTQ_DOCTOR_INFER_CODE_WINDOW_H_

// A few rows of qweight and scales of the sampled modules, unpacked beside the zeros that belong to them. Small modules
// are read whole.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "infer/module_reading.h"
#include "infer/quantities.h"

namespace gptq_doctor {

struct ScaleReport {
  int64_t read = 0;
  int64_t not_finite = 0;
  int64_t zero = 0;
  int64_t overflow = 0;     // the largest possible weight of the group does not fit F16
  int64_t zero_in_use = 0;  // zero scales whose codes differ from each other: what they stood for is lost
};

// Of scales in F16, BF16 or F32; `zero_in_use` is left 0, since it takes codes.
ScaleReport CountScales(std::span<const char> bytes, Dtype dtype, int bits);

struct ModuleWindow {
  uint32_t module = 0;
  CodeWindow window;
  bool whole = false;                 // all of qweight
  bool constant_words = false;        // every word read is the same
  bool zero_words = false;            // and that is 0
  std::vector<uint8_t> planar_codes;  // 3 bits: the same words read as bit planes
  ScaleReport scales;
};

struct WindowRequest {
  std::span<const ModuleReport* const> modules;  // that are `kept`
  uint64_t budget = 0;                           // bytes in all
  int slabs = 2;                                 // pieces of a module that is not read whole
};
// Calls `visit` once a module, in order. Returns the bytes read.
uint64_t ReadWindows(const InferInput& input, std::span<const ClassFacts> classes, const WindowRequest& request,
                     const ExamineContext& context, std::vector<Error>& errors,
                     const std::function<void(const ModuleWindow&)>& visit);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_CODE_WINDOW_H_
