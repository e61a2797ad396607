// Family 5: loaders' outcomes, judged from a Diagnosis alone.

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "loaders/simulate.h"
#include "rules/checks.h"
#include "rules/families.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

// Whose silent failures hurt most users; the newest profile of each is judged by default.
constexpr std::string_view kJudged[] = {"transformers", "gptqmodel", "vllm", "sglang"};

// Profiles of one loader follow each other from old to new.
bool IsNewest(std::span<const LoaderOutcome> outcomes, size_t at) {
  for (size_t i = at + 1; i < outcomes.size(); ++i) {
    if (outcomes[i].loader == outcomes[at].loader && outcomes[i].version != outcomes[at].version) return false;
  }
  return true;
}

std::string_view CodeOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFallsBack:
      return "GD501";
    case Outcome::kGarbage:
      return "GD502";
    case Outcome::kRejects:
      return "GD503";
    case Outcome::kSlow:
      return "GD504";
    default:
      return "";
  }
}

Severity SeverityOf(std::span<const LoaderOutcome> outcomes, size_t at, bool limited) {
  const LoaderOutcome& outcome = outcomes[at];
  if (outcome.outcome == Outcome::kSlow) return Severity::kNote;
  if (limited) return Severity::kError;
  const bool silent = outcome.outcome == Outcome::kFallsBack || outcome.outcome == Outcome::kGarbage;
  const bool judged = std::find(std::begin(kJudged), std::end(kJudged), outcome.loader) != std::end(kJudged);
  return silent && judged && IsNewest(outcomes, at) ? Severity::kError : Severity::kNote;
}

std::string NameOf(const LoaderOutcome& outcome) {
  std::string out = outcome.loader;
  if (!outcome.version.empty()) out += " " + outcome.version;
  if (!outcome.backend.empty()) out += " (" + outcome.backend + ")";
  return out;
}

// Summaries of refusals begin with the word that the message has already.
std::string WithoutVerb(const std::string& summary) {
  constexpr std::string_view kVerb = "stops: ";
  return summary.starts_with(kVerb) ? summary.substr(kVerb.size()) : summary;
}

Observation ReportOf(const LoaderOutcome& outcome, const std::string& path) {
  Observation report;
  report.unit = "profile";
  report.fold_names = false;
  const std::string_view verb = outcome.outcome == Outcome::kFallsBack ? "falls back to dense layers"
                                : outcome.outcome == Outcome::kGarbage ? "computes garbage"
                                : outcome.outcome == Outcome::kRejects ? "refuses"
                                                                       : "takes a slow way";
  report.message = outcome.loader + " " + std::string(verb) + ": " + WithoutVerb(outcome.summary);
  report.value = ToString(outcome.outcome);
  report.names.push_back(NameOf(outcome));
  if (!outcome.message.empty()) report.evidence.push_back("the user sees: " + outcome.message);
  for (const LoaderStep& step : outcome.steps) {
    if (!step.deciding) continue;
    // The headline says already what most deciding steps say.
    const bool said = outcome.summary.find(step.detail) != std::string::npos;
    report.evidence.push_back("decided at step " + step.step + (said ? "" : ": " + step.detail) +
                              (step.source.empty() ? "" : " [" + step.source + "]"));
  }
  for (const std::string& assumption : outcome.assumptions) report.evidence.push_back("assumed: " + assumption);
  if (!outcome.remedy.empty()) {
    // Remedies name the command without the model; behind a comma there are others, or what else is to do.
    const bool ours = outcome.remedy.starts_with(kFixCommand);
    const bool whole = ours && !outcome.remedy.substr(kFixCommand.size()).starts_with(", then ");
    report.fix = FixHint{whole ? "certain" : "manual", ours ? "gptq-doctor fix " + ShellQuote(path) + " --write" : "",
                         outcome.remedy};
  }
  // Versions of a loader that fail at the same rule for the same reason are one finding.
  report.cause = outcome.loader + "\n" + ToString(outcome.outcome);
  for (const std::string& rule : outcome.rules) report.cause += "\n" + rule;
  if (outcome.rules.empty()) report.cause += "\n" + outcome.summary;
  return report;
}

}  // namespace

std::vector<Finding> LoaderFindings(std::span<const LoaderOutcome> outcomes, const std::string& path, bool limited,
                                    bool fold) {
  FindingSink sink(fold);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const std::string_view code = CodeOf(outcomes[i].outcome);
    if (code.empty()) continue;
    Observation report = ReportOf(outcomes[i], path);
    report.severity = SeverityOf(outcomes, i, limited);
    // An error must not be hidden in a fold that began with an older version's note.
    report.cause += std::string("\n") + ToString(*report.severity);
    sink.Add(code, std::move(report));
  }
  return sink.Take();
}

void CheckListing(const RuleInput& input, FindingSink& sink) {
  if (!input.exam.dir.truncated) return;
  Observation report;
  report.message = "the directory has more than 200,000 entries; the rest was not looked at";
  report.cause = "listing";
  sink.Add(std::move(report));
}

}  // namespace gptq_doctor
