// `check` for programs: the JSON envelope with the run's own findings, and the same as one object a line. A reader that
// misses the last line, the summary, knows that the run died.

#include "report/check_report.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

constexpr JsonWriter::Layout kCompact = JsonWriter::Layout::kCompact;

std::string FindingLine(const std::string& model, const Finding& finding) {
  JsonWriter json;
  json.BeginObject(kCompact).Field("type", "finding").Field("model", model);
  PutFindingFields(json, finding);
  return json.EndObject().Take();
}

std::string ModelLine(const Diagnosis& model) {
  const Tally tally = CountFindings(model.findings);
  JsonWriter json;
  json.BeginObject(kCompact).Field("type", "model").Field("path", model.path).Field("kind", model.kind);
  json.Field("verdict", model.verdict).Field("bytes", model.bytes.files).Key("quantization");
  if (model.quantization) {
    PutQuantization(json, *model.quantization);
  } else {
    json.Put(nullptr);
  }
  json.Field("errors", tally.errors)
      .Field("warnings", tally.warnings)
      .Field("notes", tally.notes)
      .Field("suppressed", tally.suppressed);
  return json.EndObject().Take();
}

std::string ErrorLine(const Error& error) {
  JsonWriter json;
  json.BeginObject(kCompact).Field("type", "error").Field("path", error.path).Field("kind", ToString(error.kind));
  json.Field("message", error.message).Field("retryable", error.retryable());
  return json.EndObject().Take();
}

}  // namespace

std::string RenderCheckJson(const Report& report, const RenderOptions&) {
  return RenderEnvelope(report,
                        [&](JsonWriter& json) {
                          json.Key("run_findings").BeginArray();
                          for (const Finding& finding : report.gate.run_findings) PutFinding(json, finding);
                          json.EndArray();
                        },
                        {});
}

std::string RenderNdjson(const Report& report, const RenderOptions&) {
  JsonWriter header;
  header.BeginObject(kCompact).Field("type", "header").Field("schema_version", "1.0");
  header.Key("tool")
      .BeginObject(kCompact)
      .Field("name", "gptq-doctor")
      .Field("version", GPTQ_DOCTOR_VERSION)
      .EndObject();
  std::string out = header.EndObject().Take();
  for (const Diagnosis& model : report.models) {
    out += ModelLine(model);
    for (const Finding& finding : model.findings) out += FindingLine(model.path, finding);
  }
  for (const Finding& finding : report.gate.run_findings) out += FindingLine("", finding);
  for (const Error& error : AllErrors(report)) out += ErrorLine(error);
  const Tally tally = CountFindings(report.models);
  JsonWriter summary;
  summary.BeginObject(kCompact).Field("type", "summary").Field("models", tally.models).Field("errors", tally.errors);
  summary.Field("warnings", tally.warnings).Field("notes", tally.notes).Field("suppressed", tally.suppressed);
  summary.Field("exit_code", report.exit_code);
  return out + summary.EndObject().Take();
}

}  // namespace gptq_doctor
