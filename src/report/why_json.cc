// The keys that `why` and `loaders` add to the common envelope.

#include <algorithm>

#include "report/json_writer.h"
#include "report/why_text.h"

namespace gptq_doctor {

void PutFallback(JsonWriter& json, const FallbackStory& story) {
  json.Key("fallback");
  if (story.costs.empty()) {
    json.Put(nullptr);
    return;
  }
  json.BeginObject()
      .Field("ignored", story.ignored)
      .Field("random", story.random)
      .Field("expected_bytes", story.expected_bytes);
  json.Key("costs").BeginArray();
  for (const FallbackCost& cost : story.costs) {
    const int64_t excess = cost.bytes - story.expected_bytes;
    json.BeginObject(JsonWriter::Layout::kCompact)
        .Field("dtype", cost.dtype)
        .Field("bytes", cost.bytes)
        .Field("excess_bytes", excess);
    json.Field("excess_percent", story.expected_bytes > 0
                                     ? 100.0 * static_cast<double>(excess) / static_cast<double>(story.expected_bytes)
                                     : 0.0);
    json.Field("when", cost.when).EndObject();
  }
  json.EndArray().Key("remedies").BeginArray();
  for (const FallbackStory::Remedy& remedy : story.remedies) {
    json.BeginObject(JsonWriter::Layout::kCompact)
        .Field("what", remedy.what)
        .Field("cost", remedy.cost)
        .Field("risk", remedy.risk)
        .EndObject();
  }
  json.EndArray().EndObject();
}

void PutSymptoms(JsonWriter& json, const std::vector<SymptomMatch>& matches, bool with_model) {
  json.Key("symptoms").BeginArray();
  for (const SymptomMatch& match : matches) {
    json.BeginObject()
        .Field("message", match.message)
        .Field("loader", match.loader)
        .Field("printed_by", match.printed_by);
    json.Field("step", match.step)
        .Field("meaning", match.meaning)
        .Field("remedy", match.remedy)
        .Field("source", match.source);
    json.Key("explains");
    if (with_model) {
      json.Put(match.verdict.explains);
    } else {
      json.Put(nullptr);
    }
    json.Field("evidence", match.verdict.evidence).EndObject();
  }
  json.EndArray();
}

void PutEnvironment(JsonWriter& json, const Environment& environment, const EnvironmentReport& report) {
  constexpr auto kCompact = JsonWriter::Layout::kCompact;
  json.Key("environment")
      .BeginObject()
      .Field("prefix", environment.prefix)
      .Field("how", environment.how)
      .Key("packages")
      .BeginArray();
  for (const InstalledPackage& package : environment.packages) {
    json.BeginObject(kCompact).Field("name", package.name).Field("version", package.version).EndObject();
  }
  json.EndArray().Key("profiles").BeginArray();
  for (const Profile* row : report.rows) {
    json.BeginObject(kCompact)
        .Field("loader", row->loader)
        .Field("version", row->version)
        .Field("versions", row->versions)
        .Field("backend", row->backend)
        .EndObject();
  }
  json.EndArray().Field("unknown", report.unknown).Key("problems").BeginArray();
  for (const EnvironmentProblem& problem : report.problems) {
    json.BeginObject(kCompact)
        .Field("severity", problem.error ? "error" : "note")
        .Field("message", problem.message)
        .Field("source", problem.source)
        .EndObject();
  }
  json.EndArray().Field("warnings", environment.warnings).EndObject();
}

void PutProfiles(JsonWriter& json, std::span<const Profile* const> rows) {
  json.Key("profiles").BeginArray();
  for (const Profile* row : rows) {
    json.BeginObject()
        .Field("loader", row->loader)
        .Field("version", row->version)
        .Field("versions", row->versions)
        .Field("backend", row->backend);
    json.Field("title", row->title)
        .Field("as_of", row->as_of)
        .Field("revision", row->revision)
        .Field("brief", row->brief);
    std::vector<std::string> sources;
    for (const std::string_view source : {row->config.source, row->method.source, row->limits.source, row->files.source,
                                          row->modules.source, row->tensors.source}) {
      if (!source.empty() && std::find(sources.begin(), sources.end(), source) == sources.end())
        sources.emplace_back(source);
    }
    json.Field("sources", sources).Key("kernels").BeginArray();
    for (const KernelRow& kernel : row->kernels) json.Put(kernel.name);
    json.EndArray().EndObject();
  }
  json.EndArray();
}

}  // namespace gptq_doctor
