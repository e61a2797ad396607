// SARIF 2.1.0 with what GitHub's code scanning asks for beyond the standard (GitHub documentation, "SARIF support for
// code scanning"): texts of every rule, one physical location with a full region,
// partialFingerprints.primaryLocationLineHash. Limits there: 25,000 results, of which 5,000 are kept.

#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/check_report.h"
#include "report/json_writer.h"
#include "report/rule_pages.h"

namespace gptq_doctor {
namespace {

constexpr JsonWriter::Layout kCompact = JsonWriter::Layout::kCompact;
constexpr size_t kMostResults = 25'000;

void PutText(JsonWriter& json, std::string_view key, std::string_view text) {
  json.Key(key).BeginObject(kCompact).Field("text", text).EndObject();
}

void PutRule(JsonWriter& json, const Rule& rule) {
  json.BeginObject().Field("id", rule.code).Field("name", rule.name);
  PutText(json, "shortDescription", std::string(rule.title) + ".");
  PutText(json, "fullDescription", std::string(rule.what) + " " + std::string(rule.why));
  json.Key("help").BeginObject().Field("text", std::string(rule.fix) + " " + SuppressionText(rule));
  json.Field("markdown", RulePageMarkdown(rule)).EndObject();
  json.Key("defaultConfiguration").BeginObject(kCompact).Field("level", ToString(rule.severity)).EndObject();
  json.Key("properties")
      .BeginObject(kCompact)
      .Key("tags")
      .BeginArray(kCompact)
      .Put(FamilyOf(rule))
      .EndArray()
      .EndObject();
  json.EndObject();
}

void PutLocation(JsonWriter& json, const Finding& finding, const std::string& path) {
  const int line = finding.line.value_or(1), column = finding.column.value_or(1);
  json.BeginObject().Key("physicalLocation").BeginObject();
  json.Key("artifactLocation").BeginObject(kCompact).Field("uri", UriOf(path)).EndObject();
  json.Key("region").BeginObject(kCompact).Field("startLine", line).Field("startColumn", column);
  json.Field("endLine", line).Field("endColumn", column + 1).EndObject().EndObject();
  if (!finding.tensors.empty()) {
    json.Key("logicalLocations").BeginArray();
    for (const std::string& name : finding.tensors) {
      json.BeginObject(kCompact).Field("fullyQualifiedName", EscapeTerminal(name)).Field("kind", "module").EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
}

void PutResult(JsonWriter& json, const Finding& finding, const std::string& path) {
  const std::span<const Rule> rules = RuleTable();
  const Rule* rule = FindRule(finding.code);
  json.BeginObject().Field("ruleId", finding.code);
  if (rule != nullptr) json.Field("ruleIndex", rule - rules.data());
  json.Field("level", ToString(finding.severity));
  std::string message = EscapeTerminal(finding.message, 1000);
  if (finding.fix && !finding.fix->command.empty()) message += " Fix: " + EscapeTerminal(finding.fix->command, 1000);
  PutText(json, "message", message);
  json.Key("locations").BeginArray();
  PutLocation(json, finding, path);
  json.EndArray();
  json.Key("partialFingerprints").BeginObject().Field("primaryLocationLineHash", finding.fingerprint + ":1");
  json.Field("gptqDoctor/v1", PlacedFingerprint(finding, path)).EndObject();
  if (finding.suppressed) {
    json.Key("suppressions").BeginArray().BeginObject(kCompact).Field("kind", "external");
    json.Field("justification", EscapeTerminal(finding.suppression, 1000)).EndObject().EndArray();
  }
  json.Key("properties").BeginObject().Field("confidence", ToString(finding.confidence)).Field("count", finding.count);
  json.Key("evidence").BeginArray();
  for (const std::string& line : finding.evidence) json.Put(EscapeTerminal(line, 1000));
  json.EndArray().EndObject().EndObject();
}

void PutInvocation(JsonWriter& json, const Report& report) {
  const std::vector<Error> errors = AllErrors(report);
  json.Key("invocations")
      .BeginArray()
      .BeginObject()
      .Field("executionSuccessful", errors.empty())
      .Field("exitCode", report.exit_code);
  json.Key("toolExecutionNotifications").BeginArray();
  for (const Error& error : errors) {
    json.BeginObject().Field("level", "error");
    PutText(json, "message", EscapeTerminal((error.path.empty() ? "" : error.path + ": ") + error.message, 1000));
    json.EndObject();
  }
  json.EndArray().EndObject().EndArray();
}

// One category an upload: the same tool and category twice in one workflow is refused.
std::string Category(const Report& report) {
  std::string path = report.models.size() == 1 ? report.models.front().path : std::string();
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.ends_with("/")) path.pop_back();
  return "gptq-doctor/" + (path.empty() ? "" : UriOf(path) + "/");
}

}  // namespace

std::string RenderSarif(const Report& report, const RenderOptions&) {
  JsonWriter json;
  json.BeginObject().Field("$schema", "https://json.schemastore.org/sarif-2.1.0.json").Field("version", "2.1.0");
  json.Key("runs").BeginArray().BeginObject().Key("tool").BeginObject().Key("driver").BeginObject();
  json.Field("name", "gptq-doctor").Field("version", GPTQ_DOCTOR_VERSION).Field("semanticVersion", GPTQ_DOCTOR_VERSION);
  json.Key("rules").BeginArray();
  for (const Rule& rule : RuleTable()) PutRule(json, rule);
  json.EndArray().EndObject().EndObject();
  json.Key("automationDetails").BeginObject(kCompact).Field("id", Category(report)).EndObject();
  json.Field("columnKind", "unicodeCodePoints");
  PutInvocation(json, report);
  json.Key("results").BeginArray();
  size_t results = 0;
  for (const Diagnosis& model : report.models) {
    for (const Finding& finding : model.findings) {
      if (results++ < kMostResults) PutResult(json, finding, LocationOf(model, finding));
    }
  }
  for (const Finding& finding : report.gate.run_findings) PutResult(json, finding, finding.file);
  json.EndArray().EndObject().EndArray();
  return json.EndObject().Take();
}

}  // namespace gptq_doctor
