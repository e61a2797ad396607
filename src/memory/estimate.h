#ifndef GPTQ_DOCTOR_MEMORY_ESTIMATE_H_
#define GPTQ_DOCTOR_MEMORY_ESTIMATE_H_

// Answers a MemoryQuery about one model. Pure functions of a described model; the description comes from an
// examination or is written by hand.

#include "gptq_doctor/diagnosis.h"
#include "gptq_doctor/memory.h"
#include "infer/examination.h"
#include "memory/arch_facts.h"
#include "memory/ledger.h"
#include "memory/weight_table.h"

namespace gptq_doctor {

struct MemoryModel {
  WeightTable weights;
  ArchFacts arch;
  bool quantized = false;  // some matrices are stored as codes
  bool gptq = false;
};
MemoryModel DescribeMemory(const Examination& exam);

// Errors (kUsage) where the query names a runtime, a kernel or a type that is not known.
Result<MemoryEstimate> EstimateMemory(const MemoryModel& model, const MemoryQuery& query);

// The three numbers that `inspect` shows. Linear in classes.
MemoryBrief BriefMemory(const Examination& exam);
MemoryBrief BriefMemory(const MemoryModel& model);

// What explains a measured size, best first (observed.cc).
std::vector<MemoryExplanation> Explain(const MemoryModel& model, int64_t observed, int64_t context);

// Where the bytes go (breakdown.cc). `by`: "tensor", "layer", "kind".
std::vector<MemoryShare> SharesByKind(const MemoryModel& model);
std::vector<MemoryShare> SharesByTensor(const Examination& exam, const MemoryModel& model, size_t most);
std::vector<MemoryShare> SharesByLayer(const Examination& exam);
std::vector<MemorySaving> Savings(const MemoryModel& model);

// Parts of the answer (recommend.cc).
struct PeakMaker {  // everything a peak depends on but the weights and the context
  const MemoryModel& model;
  RuntimeRow runtime;
  RunShape run;
  MemoryPeak At(const PricedWeights& weights, int64_t context) const;
};
std::optional<int64_t> UsableBytes(const MemoryQuery& query);
Fit JudgeFit(const PeakMaker& maker, const PricedWeights& weights, int64_t usable);
// Tokens of context that fit, at most `cap`; 0 where not one does.
int64_t LargestContext(const PeakMaker& maker, const PricedWeights& weights, int64_t usable, int64_t cap);
void Recommend(const MemoryModel& model, MemoryEstimate& estimate);

struct LevelInfo {
  std::string_view name, title;
  Precision precision;
};
// As-is first; "fallback" only for quantized models.
std::vector<LevelInfo> LevelsOf(const MemoryModel& model);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_ESTIMATE_H_
