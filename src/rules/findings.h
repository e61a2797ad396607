#ifndef GPTQ_DOCTOR_RULES_FINDINGS_H_
#define GPTQ_DOCTOR_RULES_FINDINGS_H_

// Collects what rules report and turns it into findings: one a rule, file and cause, with the tensors or modules
// concerned counted, folded into a pattern and the first of them named. Knows nothing about models; fingerprints are
// made here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gptq_doctor/diagnosis.h"

namespace gptq_doctor {

struct Rule;

// One observation of a rule. In `message`, "{names}" stands for the tensors or modules concerned: the sink replaces it
// by one name, or by a count and a pattern, once it knows how many share the cause.
struct Observation {
  std::string message;
  std::string cause;    // what folds and what the fingerprint holds beside the names; empty: folds by message
  std::string file;     // relative to the model; empty for the directory
  std::string pointer;  // JSON pointer in `file`
  std::optional<int> line, column;
  std::string value;                 // the offending value, for the fingerprint
  std::optional<Severity> severity;  // where this cause weighs less than the rule's own severity
  Confidence confidence = Confidence::kCertain;
  std::vector<std::string> evidence;
  std::optional<FixHint> fix;
  std::vector<std::string> names;  // tensors or modules; may stop at FindingSink::limit()
  int64_t count = 0;               // 0: as many as `names`, at least 1
  std::string unit = "module";     // what is counted: "module", "tensor", "file", ...
  bool across_files = false;       // the cause spans shards: `file` does not separate findings
  bool fold_names = true;          // false: numbers in the names are part of them (versions)
};

// Names shown in a finding.
inline constexpr size_t kShownNames = 20;

class FindingSink {
 public:
  // Without folding every name becomes a finding of its own.
  explicit FindingSink(bool fold) : fold_(fold) {}
  bool fold() const { return fold_; }
  // How many names a report needs to carry.
  size_t limit() const { return fold_ ? kShownNames : SIZE_MAX; }
  // The rule that reports from here on.
  void Use(const Rule& rule) { rule_ = &rule; }
  void Add(Observation report);
  // For checks shared by a family. `code` must be in the table.
  void Add(std::string_view code, Observation report);
  // Sorted by severity, code, file and natural order of names. The sink is empty afterwards.
  std::vector<Finding> Take();

 private:
  struct Pending {
    const Rule* rule = nullptr;
    Observation report;
    std::vector<std::string> patterns;  // distinct, in order of appearance
  };
  void AddOne(const Rule& rule, Observation report);
  static Finding Finish(Pending& pending);

  bool fold_;
  const Rule* rule_ = nullptr;
  std::vector<Pending> pending_;
  std::unordered_map<std::string, size_t> by_cause_;
};

// The order of findings in every output.
bool FindingLess(const Finding& left, const Finding& right);
// sha256 over the parts, each ended by NUL; the first 16 bytes as 32 hex digits.
std::string Fingerprint(const std::vector<std::string_view>& parts);
// "module" or "modules".
std::string Plural(int64_t count, std::string_view unit);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RULES_FINDINGS_H_
