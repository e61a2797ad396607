// GitLab code quality: an array of issues without a byte order mark (GitLab documentation, "Code Quality"). Equal
// fingerprints are shown once, so they hold the model and the place.

#include "base/text.h"
#include "report/check_report.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

const char* LevelOf(Severity severity) {
  return severity == Severity::kError ? "critical" : severity == Severity::kWarning ? "major" : "info";
}

void PutIssue(JsonWriter& json, const Finding& finding, std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  json.BeginObject()
      .Field("description", finding.code + ": " + EscapeTerminal(finding.message, 1000))
      .Field("check_name", finding.name);
  json.Field("fingerprint", PlacedFingerprint(finding, path)).Field("severity", LevelOf(finding.severity));
  json.Key("location")
      .BeginObject()
      .Field("path", EscapeTerminal(path, 1000))
      .Key("lines")
      .BeginObject(JsonWriter::Layout::kCompact);
  json.Field("begin", finding.line.value_or(1)).EndObject().EndObject().EndObject();
}

}  // namespace

std::string RenderGitlab(const Report& report, const RenderOptions&) {
  JsonWriter json;
  json.BeginArray();
  for (const Diagnosis& model : report.models) {
    for (const Finding* finding : Visible(model.findings)) PutIssue(json, *finding, LocationOf(model, *finding));
  }
  for (const Finding* finding : Visible(report.gate.run_findings)) PutIssue(json, *finding, finding->file);
  return json.EndArray().Take();
}

}  // namespace gptq_doctor
