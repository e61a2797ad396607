// `check` as Markdown for a job summary, which takes 1 MiB a step: the verdicts first, then the findings, long lists
// folded away.

#include <string>

#include "base/text.h"
#include "report/check_report.h"

namespace gptq_doctor {
namespace {

constexpr size_t kMost = 1'000'000;  // bytes; GitHub refuses a summary above 1 MiB
constexpr size_t kUnfolded = 10;     // findings of a model that are shown without a click

std::string State(const Diagnosis& model) {
  const Tally tally = CountFindings(model.findings);
  if (!model.errors.empty()) return "not examined";
  if (tally.errors > 0) return "failed";
  return tally.warnings > 0 ? "warnings" : "ok";
}

std::string VerdictTable(const Report& report) {
  std::string out = "| model | state | errors | warnings | notes | suppressed |\n|---|---|---|---|---|---|\n";
  for (const Diagnosis& model : report.models) {
    const Tally tally = CountFindings(model.findings);
    out += "| " + MarkdownCode(model.path) + " | " + State(model) + " | " + std::to_string(tally.errors) + " | " +
           std::to_string(tally.warnings) + " | " + std::to_string(tally.notes) + " | " +
           std::to_string(tally.suppressed) + " |\n";
  }
  return out;
}

std::string Item(const Finding& finding) {
  std::string out = "- **" + std::string(ToString(finding.severity)) + "** " + finding.code + " (" + finding.name +
                    "): " + EscapeMarkdown(finding.message);
  if (!finding.file.empty()) out += " in " + MarkdownCode(finding.file);
  if (finding.suppressed) out += ", suppressed: " + EscapeMarkdown(finding.suppression);
  out += "\n";
  if (finding.fix && !finding.fix->command.empty()) out += "  - fix: " + MarkdownCode(finding.fix->command) + "\n";
  return out;
}

std::string Items(const std::vector<Finding>& findings, const Gate& gate) {
  std::string out;
  size_t shown = 0;
  for (const Finding& finding : findings) {
    if (finding.suppressed && !gate.show_suppressed) continue;
    if (shown++ == kUnfolded) out += "\n<details><summary>more findings</summary>\n\n";
    out += Item(finding);
  }
  if (shown > kUnfolded) out += "\n</details>\n";
  return out;
}

}  // namespace

std::string RenderCheckMarkdown(const Report& report, const RenderOptions&) {
  std::string out = "# gptq-doctor check\n\n" + GateSummary(report) + ".\n";
  if (!report.models.empty()) out += "\n" + VerdictTable(report);
  const auto add = [&](const std::string& title, const std::string& items) {
    if (items.empty()) return;
    const std::string section = "\n## " + title + "\n\n" + items;
    if (out.size() + section.size() <= kMost) {
      out += section;
    } else if (!out.ends_with("left out.\n")) {
      out += "\nMore findings are in the other formats and are left out.\n";
    }
  };
  for (const Diagnosis& model : report.models) add(MarkdownCode(model.path), Items(model.findings, report.gate));
  add("The run", Items(report.gate.run_findings, report.gate));
  std::string errors;
  for (const Error& error : AllErrors(report))
    errors += "- " + MarkdownCode(error.path) + ": " + EscapeMarkdown(error.message) + "\n";
  add("Not examined", errors);
  return out;
}

}  // namespace gptq_doctor
