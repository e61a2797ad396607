// `check` as text: findings in the manner of rustc, model by model, and one line at the end.

#include "base/text.h"
#include "report/check_report.h"
#include "report/style.h"

namespace gptq_doctor {
namespace {

// Notes are said in one line; -v tells why.
Finding Shortened(const Finding& finding, const Style& style) {
  Finding out = finding;
  if (finding.severity != Severity::kNote || style.verbosity() > 0) return out;
  out.evidence.clear();
  return out;
}

std::string ModelPart(const Diagnosis& model, const Gate& gate, const Style& style) {
  std::string findings;
  for (const Finding& finding : model.findings) {
    if (finding.suppressed && !gate.show_suppressed) continue;
    if (!findings.empty()) findings += "\n";
    findings += FindingText(Shortened(finding, style), style);
    if (finding.suppressed)
      findings += "   =  suppressed: " + style.Wrap(EscapeTerminal(finding.suppression, 300), 18) + "\n";
  }
  if (findings.empty()) return "";
  return style.Paint(Tone::kStrong, EscapeTerminal(model.path, 1000)) + "\n" + findings;
}

}  // namespace

std::string RenderCheckText(const Report& report, const RenderOptions& options) {
  if (options.verbosity <= -2) return "";
  const Style style(options);
  std::string out;
  for (const Diagnosis& model : report.models) {
    const std::string part = ModelPart(model, report.gate, style);
    if (!part.empty() && !out.empty()) out += "\n";
    out += part;
  }
  for (const Finding& finding : report.gate.run_findings) {
    if (!out.empty()) out += "\n";
    out += FindingText(finding, style);
  }
  if (options.verbosity < 0) return out;
  if (!out.empty()) out += "\n";
  return out + GateSummary(report) + "\n";
}

}  // namespace gptq_doctor
