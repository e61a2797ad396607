#ifndef GPTQ_DOCTOR_RULES_BASELINE_H_
#define GPTQ_DOCTOR_RULES_BASELINE_H_

// A list of findings that are known and accepted, so that a messy collection can be gated today: what is in the list is
// suppressed, what left the model is reported as stale. Any JSON or ndjson report of `check` is a baseline too.

#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

struct BaselineEntry {
  std::string model;  // path of the model relative to the baseline's directory
  std::string fingerprint;
  std::string code, message;  // for people
};

// `name` stands in messages and in findings about the baseline.
Result<std::vector<BaselineEntry>> ParseBaseline(std::string_view text, const std::string& name);
std::string WriteBaseline(const std::vector<BaselineEntry>& entries);

class BaselineRun {
 public:
  BaselineRun(std::vector<BaselineEntry> entries, std::string name);
  // Suppresses the model's known findings; `model` is its path relative to the baseline's directory.
  void Apply(std::vector<Finding>& findings, const std::string& model);
  // Entries of models that were examined and that matched nothing: one finding a model (GD904).
  std::vector<Finding> Stale() const;
  // The entries without the stale ones.
  std::vector<BaselineEntry> Pruned() const;

 private:
  bool IsStale(size_t at) const { return !used_[at] && seen_[at]; }
  std::vector<BaselineEntry> entries_;
  std::string name_;
  std::vector<bool> used_, seen_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RULES_BASELINE_H_
