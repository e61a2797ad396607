#include "report/check_report.h"

#include <algorithm>

#include "base/text.h"
#include "report/style.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

constexpr Reporter kReporters[] = {
    {.name = "text", .extension = "txt", .render = RenderCheckText, .needs_all = false},
    {.name = "json", .extension = "json", .render = RenderCheckJson},
    {.name = "ndjson", .extension = "ndjson", .render = RenderNdjson, .needs_all = false},
    {.name = "sarif", .extension = "sarif", .render = RenderSarif, .needs_all = false},
    {.name = "junit", .extension = "xml", .render = RenderJunit, .needs_all = false},
    {.name = "github", .extension = "log", .render = RenderGithub, .needs_all = false},
    {.name = "gitlab", .extension = "json", .render = RenderGitlab, .needs_all = false},
    {.name = "markdown", .extension = "md", .render = RenderCheckMarkdown, .needs_all = false},
};

bool IsUnreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~' || c == '/';
}

}  // namespace

std::span<const Reporter> CheckReporters() { return kReporters; }

const Reporter* FindCheckReporter(std::string_view name) {
  for (const Reporter& reporter : kReporters) {
    if (reporter.name == name) return &reporter;
  }
  return nullptr;
}

std::string LocationOf(const Diagnosis& model, const Finding& finding) {
  std::string path = model.path;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  // A model that is one file stands for itself.
  if (path.ends_with(".safetensors") || path.ends_with(".index.json")) return path;
  if (!finding.file.empty()) return path + "/" + finding.file;
  for (const char* wanted : {"config", "weights", "index"}) {
    for (const FileRow& row : model.files) {
      if (row.role == wanted && (row.state == "present" || row.state == "invalid")) return path + "/" + row.name;
    }
  }
  return path;
}

std::string UriOf(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  std::string out = path.starts_with("/") ? "file://" : "";
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsUnreserved(byte)) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out.empty() ? "." : out;
}

bool Fails(const Finding& finding, const Gate& gate) {
  return !finding.suppressed && gate.fail_on && finding.severity <= *gate.fail_on;
}

std::vector<const Finding*> Visible(const std::vector<Finding>& findings) {
  std::vector<const Finding*> out;
  for (const Finding& finding : findings) {
    if (!finding.suppressed) out.push_back(&finding);
  }
  return out;
}

std::string GateSummary(const Report& report) {
  Tally tally = CountFindings(report.models);
  const int64_t models = tally.models;
  const Tally own = CountFindings(report.gate.run_findings);
  tally.errors += own.errors;
  tally.warnings += own.warnings;
  tally.notes += own.notes;
  std::string out = Counted(models, "model", "models") + ": " + TallyText(tally);
  const std::vector<Error> errors = AllErrors(report);
  if (!errors.empty()) out += ", " + Counted(static_cast<int64_t>(errors.size()), "input", "inputs") + " not examined";
  return out;
}

std::string PlacedFingerprint(const Finding& finding, const std::string& location) {
  return Fingerprint({finding.fingerprint, location});
}

}  // namespace gptq_doctor
