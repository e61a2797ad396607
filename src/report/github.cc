// Annotations for GitHub workflows: "::error file=...::message" lines. About ten annotations of a kind are shown a
// step, so the findings of a rule in one model share one. No text of a model ever stands at the beginning of a line,
// where "::" would make it a command.

#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "report/check_report.h"

namespace gptq_doctor {
namespace {

const char* CommandOf(Severity severity) {
  return severity == Severity::kError ? "error" : severity == Severity::kWarning ? "warning" : "notice";
}

std::string Body(const std::vector<const Finding*>& findings) {
  std::string out;
  for (const Finding* finding : findings) {
    if (!out.empty()) out += "\n";
    out += EscapeTerminal(finding->message, 1000);
    if (finding->fix && !finding->fix->command.empty()) out += "\nfix: " + EscapeTerminal(finding->fix->command, 1000);
  }
  return out;
}

std::string Annotation(const std::vector<const Finding*>& findings, const std::string& path) {
  const Finding& first = *findings.front();
  std::string out =
      std::string("::") + CommandOf(first.severity) + " file=" + EscapeWorkflowProperty(EscapeTerminal(path, 1000));
  if (first.line) {
    const int column = first.column.value_or(1);
    out += ",line=" + std::to_string(*first.line) + ",endLine=" + std::to_string(*first.line) +
           ",col=" + std::to_string(column) + ",endColumn=" + std::to_string(column + 1);
  }
  return out + ",title=" + EscapeWorkflowProperty(first.code + " " + first.name) +
         "::" + EscapeWorkflowData(Body(findings)) + "\n";
}

// Findings are sorted by severity and code, so those of one rule and severity follow each other.
template <typename PathOf>
std::string Annotations(const std::vector<Finding>& findings, const PathOf& path_of) {
  std::string out;
  std::vector<const Finding*> group;
  const auto flush = [&] {
    if (!group.empty()) out += Annotation(group, path_of(*group.front()));
    group.clear();
  };
  for (const Finding* finding : Visible(findings)) {
    if (!group.empty() && (group.front()->code != finding->code || group.front()->severity != finding->severity))
      flush();
    group.push_back(finding);
  }
  flush();
  return out;
}

}  // namespace

std::string RenderGithub(const Report& report, const RenderOptions&) {
  std::string out;
  for (const Diagnosis& model : report.models) {
    out += Annotations(model.findings, [&](const Finding& finding) { return LocationOf(model, finding); });
  }
  out += Annotations(report.gate.run_findings, [](const Finding& finding) { return finding.file; });
  for (const Error& error : AllErrors(report)) {
    out += "::error title=not examined::" +
           EscapeWorkflowData(EscapeTerminal((error.path.empty() ? "" : error.path + ": ") + error.message, 1000)) +
           "\n";
  }
  return out + "gptq-doctor: " + GateSummary(report) + "\n";
}

}  // namespace gptq_doctor
