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
  bool keep = true;  // the bytes are wanted again for code windows
};
struct SamplePlan {
  std::vector<PlannedModule> modules;  // sorted by module
  uint64_t bytes = 0;
  bool complete = false;  // all qzeros and g_idx of the checkpoint
  bool keep_all = true;   // every module's bytes are kept
};
SamplePlan PlanSample(const InferInput& input, std::span<const ClassFacts> classes, const ExamineOptions& options);

struct ModuleReport {
  uint32_t module = 0;
  bool read = false;  // something of it was read
  GIdxReport g_idx;
  ZeroReport zeros;
  bool whole_zeros = false;                       // every word of qzeros was read
  std::span<const char> g_idx_bytes, zero_bytes;  // in SampleReports::kept; empty where the plan does not keep them
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
