#ifndef GPTQ_DOCTOR_INFER_INFER_STATE_H_
#define GPTQ_DOCTOR_INFER_INFER_STATE_H_

// What one run of inference gathers step by step (infer.cc) and puts into words at the end (assemble.cc,
// module_groups.cc).

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/code_window.h"
#include "infer/evidence.h"
#include "infer/module_reading.h"
#include "infer/quantities.h"

namespace gptq_doctor {

struct InferState {
  const InferInput& in;
  const ExamineOptions& options;
  InferredQuant q;
  std::vector<int64_t> weights;  // by class
  std::vector<Declaration> declarations;
  std::vector<ModuleReport> reports;          // sorted by module
  std::vector<std::unique_ptr<char[]>> kept;  // what the reports point into
  GroupSizeAnswer group_sizes;
  bool exact_group_size = false;   // some class has it from g_idx
  FormatAnswer asymmetric;         // of modules with varied zeros
  std::vector<Fact> layout_facts;  // planar or continuous, 3 bits
  Confidence layout_confidence = Confidence::kCertain;
  bool constant_words = false;  // symmetric zeros decide q.zero_format

  uint32_t ClassOf(uint32_t module) const { return in.inventory.modules[module].class_id; }
  const ClassFacts& FactsOf(const ModuleReport& report) const { return q.classes[ClassOf(report.module)]; }
};

// Whether a module's zeros are symmetric; empty where its data do not say.
std::optional<bool> SymOf(ZeroKind kind);

// The output head: a module outside the blocks whose last name part is one of the usual ones.
bool IsOutputHead(std::string_view pattern);

// module_groups.cc: q.base.bits and group_size from the weights; q.groups once everything else is known.
void ChooseBase(InferState& state);
void MakeGroups(InferState& state);

// assemble.cc: q.base and q.evidence, in the contract's order of keys.
void AssembleEvidence(InferState& state);
// assemble_declared.cc: for directories whose tensors are not at hand, what configs say, as assumptions.
void AssembleDeclared(InferState& state);

// writer_defects.cc: completes and sorts q.value_defects. `broken_asymmetric`: 3-bit zeros of GPTQModel before 7.0.0
// that vary.
void FinishValueDefects(InferState& state, bool broken_asymmetric);

// Up to three names and how many more: "a, b, c and 4 more".
std::string NameModules(const InferInput& input, std::span<const uint32_t> modules);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_INFER_STATE_H_
