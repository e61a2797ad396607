#ifndef GPTQ_DOCTOR_INFER_MODULE_READING_H_
#define GPTQ_DOCTOR_INFER_MODULE_READING_H_

// Which modules' data are read, the reading, and what each module's qzeros and g_idx say on their own. All of them
// where they are small together or `deep` is asked for, else the first, the middle and the last module of every class.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "infer/quantities.h"

namespace gptq_doctor {

struct PlannedModule {
  uint32_t module = 0;
  uint64_t zero_bytes = 0;  // prefix of qzeros
  bool g_idx = false;
  bool keep = true;  // its codes are looked at
};
struct SamplePlan {
  std::vector<PlannedModule> modules;  // sorted by module
  uint64_t bytes = 0;
  bool complete = false;  // all qzeros and g_idx of the checkpoint
  bool small = true;      // few bytes in all: every module is kept, and what was just read is looked at in cache
};
SamplePlan PlanSample(const InferInput& input, std::span<const ClassFacts> classes, const ExamineOptions& options);

struct ModuleReport {
  uint32_t module = 0;
  bool read = false;  // something of it was read
  GIdxReport g_idx;
  ZeroReport zeros;
  bool whole_zeros = false;  // every word of qzeros was read
  bool kept = false;         // read, and by the plan its codes are looked at
  uint64_t zero_size = 0;    // bytes of qzeros that were read
  // In SampleReports::kept, where they are `kept` and the reports above do not say all that is in them.
  std::span<const char> g_idx_bytes, zero_bytes;
};
struct SampleReports {
  std::vector<ModuleReport> modules;  // in the order of the plan
  std::vector<std::unique_ptr<char[]>> kept;
  uint64_t bytes = 0;
};
SampleReports ReadSample(const InferInput& input, std::span<const ClassFacts> classes, const SamplePlan& plan,
                         const ExamineContext& context, std::vector<Error>& errors);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_MODULE_READING_H_
