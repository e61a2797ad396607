#ifndef GPTQ_DOCTOR_RULES_POLICY_H_
#define GPTQ_DOCTOR_RULES_POLICY_H_

// What a team wants of `check`: which rules count, how heavy they weigh, which findings are known and accepted. Works
// on finished findings; reads no files.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

// One [[ignore]] entry of the settings file.
struct IgnoreEntry {
  std::string rule;  // code, beginning of codes ("GD5"), name or "ALL"
  std::string
      path;  // glob over the model's path relative to the settings file, with or without a file of it; empty: any
  std::string module;   // glob over tensors and modules; empty: any
  std::string reason;   // required
  std::string expires;  // "2026-12-31"; empty: never
  int line = 0;         // in the settings file
};

struct Policy {
  std::vector<std::string> select;  // codes, beginnings of codes, names, "ALL"; empty: ALL
  std::vector<std::string> extend_select;
  std::vector<std::string> ignore;
  std::vector<std::pair<std::string, Severity>> levels;  // later entries win
  std::vector<IgnoreEntry> ignores;
  std::string settings_file;  // where `ignores` stand, for findings about them
  std::string today;          // "2026-11-21"; entries that expired before it hide nothing
};

// True where `selector` names the rule: its code, its name, the beginning of its code, or ALL.
bool Selects(std::string_view selector, std::string_view code, std::string_view name);
// The first selector that names no rule at all, with a suggestion; empty if all do.
std::string UnknownSelector(const std::vector<std::string>& selectors);
// "error", "warning", "note".
std::optional<Severity> SeverityFromName(std::string_view name);
bool IsDate(std::string_view text);  // YYYY-MM-DD that exists in the calendar

// Applies a policy to models one after the other and remembers what its entries were good for.
class PolicyRun {
 public:
  explicit PolicyRun(const Policy& policy) : policy_(policy), used_(policy.ignores.size(), false) {}
  bool IsSelected(const Finding& finding) const;
  // Drops what is not selected, changes levels, marks what is ignored. `path` is the model's path relative to the
  // settings file.
  void Apply(std::vector<Finding>& findings, std::string_view path);
  // Entries that matched nothing or have expired, as findings of the run (GD905, GD906).
  std::vector<Finding> Leftovers() const;

 private:
  bool Ignored(const Finding& finding, std::string_view path, std::string& reason);
  bool Expired(const IgnoreEntry& entry) const { return !entry.expires.empty() && entry.expires < policy_.today; }

  const Policy& policy_;
  std::vector<bool> used_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RULES_POLICY_H_
