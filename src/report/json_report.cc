// The JSON contract, docs/schema/gptq-doctor-1.schema.json.

#include "report/json_writer.h"
#include "report/memory_report.h"
#include "report/report.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kSchemaVersion = "1.0";
constexpr JsonWriter::Layout kCompact = JsonWriter::Layout::kCompact;

void PutFacts(JsonWriter& json, std::string_view key, const std::vector<Fact>& facts) {
  json.Key(key).BeginArray();
  for (const Fact& fact : facts) {
    json.BeginObject(kCompact).Field("source", fact.source).Field("detail", fact.detail);
    json.Field("modules", fact.modules).EndObject();
  }
  json.EndArray();
}

void PutEvidence(JsonWriter& json, const std::vector<Evidence>& evidence) {
  json.Key("evidence").BeginObject();
  for (const Evidence& item : evidence) {
    json.Key(item.key).BeginObject();
    json.Field("value", item.value).Field("confidence", ToString(item.confidence));
    PutFacts(json, "facts", item.facts);
    PutFacts(json, "dissent", item.dissent);
    json.EndObject();
  }
  json.EndObject();
}

void PutSettingsFields(JsonWriter& json, const Quantization& settings) {
  json.Field("bits", settings.bits).Field("group_size", settings.group_size).Field("sym", settings.sym);
  json.Field("desc_act", settings.desc_act).Field("checkpoint_format", settings.checkpoint_format);
  json.Field("pack_dtype", settings.pack_dtype);
}

void PutFormats(JsonWriter& json, const std::vector<FormatShare>& formats) {
  json.Key("formats").BeginArray();
  for (const FormatShare& share : formats) {
    json.BeginObject(kCompact).Field("name", share.name).Field("variant", share.variant);
    json.Field("modules", share.modules).Field("bytes", share.bytes).Field("why", share.why).EndObject();
  }
  json.EndArray();
}

void PutArchitecture(JsonWriter& json, const Architecture& a) {
  json.Key("architecture").BeginObject();
  json.Field("model_type", a.model_type).Field("architectures", a.architectures).Field("torch_dtype", a.torch_dtype);
  json.Field("hidden_size", a.hidden_size).Field("intermediate_size", a.intermediate_size);
  json.Field("num_hidden_layers", a.num_hidden_layers).Field("num_attention_heads", a.num_attention_heads);
  json.Field("num_key_value_heads", a.num_key_value_heads).Field("vocab_size", a.vocab_size);
  json.Field("tie_word_embeddings", a.tie_word_embeddings).Field("source", a.source).EndObject();
}

void PutFiles(JsonWriter& json, const std::vector<FileRow>& files) {
  int64_t present = 0;
  for (const FileRow& file : files) present += file.state == "present";
  json.Key("files").BeginObject().Field("present", present).Key("list").BeginArray();
  for (const FileRow& file : files) {
    json.BeginObject(kCompact).Field("name", file.name).Field("role", file.role).Field("state", file.state);
    json.Field("size", file.size).Field("note", file.note).EndObject();
  }
  json.EndArray().EndObject();
}

void PutBytes(JsonWriter& json, const ByteTotals& b) {
  json.Key("bytes").BeginObject();
  json.Field("files", b.files).Field("headers", b.headers).Field("tensors", b.tensors).Field("stray", b.stray);
  json.Field("quantized", b.quantized).Field("dense", b.dense).Field("dense_equivalent", b.dense_equivalent);
  json.Field("quantized_dense_equivalent", b.quantized_dense_equivalent).Field("promised", b.promised);
  json.Field("ratio", b.ratio).Field("ratio_promised", b.ratio_promised).Field("ratio_note", b.ratio_note);
  json.Field("parameters", b.parameters);
  json.EndObject();
}

void PutModuleRow(JsonWriter& json, const ModuleRow& row) {
  json.BeginObject(kCompact).Field("name", row.name).Field("bits", row.bits).Field("group_size", row.group_size);
  json.Field("sym", row.sym).Field("g_idx", row.g_idx).Field("in_features", row.in_features);
  json.Field("out_features", row.out_features).Field("files", row.files).Field("sampled", row.sampled).EndObject();
}

void PutModules(JsonWriter& json, const Diagnosis& d) {
  json.Key("modules").BeginObject().Field("quantized", d.modules_quantized).Field("dense", d.modules_dense);
  json.Field("tensors", d.tensors_total).Field("quantized_tensors", d.quantized_tensors);
  json.Key("settings").BeginArray();
  for (const ModuleGroup& group : d.settings) {
    json.BeginObject();
    PutSettingsFields(json, group.settings);
    json.Field("count", group.count).Field("patterns", group.patterns).EndObject();
  }
  json.EndArray();
  if (!d.modules.empty()) {
    json.Key("list").BeginArray();
    for (const ModuleRow& row : d.modules) PutModuleRow(json, row);
    json.EndArray();
  }
  json.EndObject();
}

void PutConfigs(JsonWriter& json, const std::vector<ConfigState>& configs) {
  json.Key("config").BeginObject();
  for (const ConfigState& config : configs) {
    json.Key(config.file).BeginObject().Field("state", config.state).Field("detail", config.detail);
    json.Field("line", config.line).Field("column", config.column).Field("quant_method", config.quant_method);
    json.Key("settings");
    if (config.settings) {
      PutQuantization(json, *config.settings);
    } else {
      json.Put(nullptr);
    }
    json.Field("keys", config.keys).Field("problems", config.problems).EndObject();
  }
  json.EndObject();
}

void PutMemory(JsonWriter& json, const MemoryBrief& memory, const MemoryEstimate* estimate) {
  json.Key("memory").BeginObject().Field("weights", memory.weights);
  json.Field("kv_bytes_per_token", memory.kv_bytes_per_token).Key("fallback").BeginArray();
  for (const FallbackCost& cost : memory.fallback) {
    json.BeginObject(kCompact)
        .Field("dtype", cost.dtype)
        .Field("bytes", cost.bytes)
        .Field("when", cost.when)
        .EndObject();
  }
  json.EndArray().Field("assumptions", estimate != nullptr ? estimate->assumptions : memory.assumptions);
  if (estimate != nullptr) PutMemoryEstimate(json, *estimate);
  json.EndObject();
}

void PutCoverage(JsonWriter& json, const Coverage& c) {
  json.Key("coverage").BeginObject(kCompact).Field("modules_read", c.modules_read).Field("modules", c.modules);
  json.Field("bytes_read", c.bytes_read).Field("complete", c.complete).EndObject();
}

void PutModel(JsonWriter& json, const Diagnosis& d, const MemoryEstimate* estimate) {
  json.Field("path", d.path).Field("kind", d.kind).Field("verdict", d.verdict).Field("missing", d.missing);
  json.Field("repair_command", d.repair_command);
  PutFormats(json, d.formats);
  PutArchitecture(json, d.architecture);
  PutFiles(json, d.files);
  PutBytes(json, d.bytes);
  json.Key("quantization");
  if (d.quantization) {
    PutQuantization(json, *d.quantization);
  } else {
    json.Put(nullptr);
  }
  PutEvidence(json, d.evidence);
  PutCoverage(json, d.coverage);
  PutModules(json, d);
  PutConfigs(json, d.configs);
  json.Key("findings").BeginArray();
  for (const Finding& finding : d.findings) PutFinding(json, finding);
  json.EndArray().Key("loaders").BeginArray();
  for (const LoaderOutcome& outcome : d.loaders) PutLoaderOutcome(json, outcome);
  json.EndArray();
  PutMemory(json, d.memory, estimate);
}

void PutErrors(JsonWriter& json, const std::vector<Error>& errors) {
  json.Key("errors").BeginArray();
  for (const Error& error : errors) {
    json.BeginObject(kCompact).Field("path", error.path).Field("kind", ToString(error.kind));
    json.Field("message", error.message).Field("retryable", error.retryable()).EndObject();
  }
  json.EndArray();
}

void PutSummary(JsonWriter& json, const std::vector<Diagnosis>& models) {
  const Tally tally = CountFindings(models);
  json.Key("summary").BeginObject(kCompact).Field("models", tally.models).Field("errors", tally.errors);
  json.Field("warnings", tally.warnings).Field("notes", tally.notes).Field("suppressed", tally.suppressed).EndObject();
}

void PutComparison(JsonWriter& json, const std::vector<Diagnosis>& models) {
  json.Key("comparison").BeginArray();
  for (const ComparisonRow& row : Compare(models)) {
    json.BeginObject(kCompact).Field("path", row.path).Field("format", row.format).Field("bits", row.bits);
    json.Field("group_size", row.group_size).Field("bytes", row.bytes);
    json.Field("ratio_to_largest", row.ratio_to_largest).Field("state", row.state).EndObject();
  }
  json.EndArray();
}

}  // namespace

void PutQuantization(JsonWriter& json, const Quantization& settings) {
  json.BeginObject();
  PutSettingsFields(json, settings);
  json.Field("lm_head", settings.lm_head).Field("static_groups", settings.static_groups);
  json.Key("dynamic").BeginObject();
  for (const DynamicRule& rule : settings.dynamic) {
    json.Key(rule.exclude ? "-:" + rule.pattern : rule.pattern).BeginObject(kCompact);
    if (rule.bits) json.Field("bits", *rule.bits);
    if (rule.group_size) json.Field("group_size", *rule.group_size);
    if (rule.sym) json.Field("sym", *rule.sym);
    if (rule.desc_act) json.Field("desc_act", *rule.desc_act);
    json.EndObject();
  }
  json.EndObject().EndObject();
}

void PutFinding(JsonWriter& json, const Finding& finding) {
  json.BeginObject();
  PutFindingFields(json, finding);
  json.EndObject();
}

void PutFindingFields(JsonWriter& json, const Finding& f) {
  json.Field("code", f.code).Field("name", f.name).Field("severity", ToString(f.severity));
  json.Field("confidence", ToString(f.confidence)).Field("message", f.message).Field("file", f.file);
  json.Field("pointer", f.pointer).Field("line", f.line).Field("column", f.column).Field("count", f.count);
  json.Field("pattern", f.pattern).Field("tensors", f.tensors).Field("evidence", f.evidence);
  json.Field("fingerprint", f.fingerprint).Field("suppressed", f.suppressed);
  if (f.suppressed) json.Field("suppression", f.suppression);
  json.Key("fix");
  if (f.fix) {
    json.BeginObject().Field("applicability", f.fix->applicability).Field("command", f.fix->command);
    json.Field("description", f.fix->description).EndObject();
  } else {
    json.Put(nullptr);
  }
}

void PutLoaderOutcome(JsonWriter& json, const LoaderOutcome& o) {
  json.BeginObject().Field("loader", o.loader).Field("version", o.version).Field("versions", o.versions);
  json.Field("backend", o.backend).Field("outcome", ToString(o.outcome)).Field("summary", o.summary);
  json.Field("message", o.message).Field("kernel", o.kernel).Field("remedy", o.remedy);
  json.Field("assumptions", o.assumptions).Key("steps").BeginArray();
  for (const LoaderStep& step : o.steps) {
    json.BeginObject(kCompact).Field("step", step.step).Field("detail", step.detail).Field("source", step.source);
    json.Field("deciding", step.deciding).EndObject();
  }
  json.EndArray().Field("rules", o.rules).EndObject();
}

std::string RenderEnvelope(const Report& report, const std::function<void(JsonWriter&)>& extra,
                           const std::function<void(JsonWriter&, size_t)>& model_extra) {
  JsonWriter json;
  json.BeginObject().Field("schema_version", kSchemaVersion);
  json.Key("tool").BeginObject(kCompact).Field("name", "gptq-doctor").Field("version", GPTQ_DOCTOR_VERSION).EndObject();
  json.Field("exit_code", report.exit_code).Key("models").BeginArray();
  for (size_t i = 0; i < report.models.size(); ++i) {
    json.BeginObject();
    PutModel(json, report.models[i], i < report.memory.size() ? report.memory[i] : nullptr);
    if (model_extra) model_extra(json, i);
    json.EndObject();
  }
  json.EndArray();
  PutErrors(json, AllErrors(report));
  PutSummary(json, report.models);
  if (report.models.size() > 1) PutComparison(json, report.models);
  if (extra) extra(json);
  return json.EndObject().Take();
}

std::string RenderJson(const Report& report, const RenderOptions&) { return RenderEnvelope(report, {}, {}); }

}  // namespace gptq_doctor
