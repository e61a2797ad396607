// models[].verify of docs/schema/.

#include "report/json_writer.h"
#include "report/verify_report.h"

namespace gptq_doctor {
namespace {

constexpr JsonWriter::Layout kCompact = JsonWriter::Layout::kCompact;

void PutComparison(JsonWriter& json, const Comparison& c) {
  json.BeginObject().Field("relation", ToString(c.relation)).Field("relative_error", c.relative_error);
  json.Field("expected_error", c.expected_error).Field("cosine", c.cosine).Field("max_error", c.max_error);
  json.Field("step_ratio", c.step_ratio).Field("tensor", c.base_name).Field("detail", c.detail).EndObject();
}

void PutModule(JsonWriter& json, const ModuleCheck& m) {
  json.BeginObject(kCompact).Field("name", m.name).Field("bits", m.bits).Field("group_size", m.group_size);
  json.Field("in_features", m.in_features).Field("out_features", m.out_features).Field("bytes", m.bytes);
  json.Field("entropy", m.entropy).Field("codes_used", m.levels);
  json.Field("scales_not_finite", m.scales.not_finite).Field("scales_zero", m.scales.zero);
  json.Field("scales_overflow", m.scales.overflow).Field("zero_bytes", m.zero_bytes);
  json.Field("constant_outputs", m.constant_columns).Field("saturated_outputs", m.saturated_columns);
  json.Field("dead_outputs", m.dead_outputs).Field("dead_inputs", m.dead_inputs).Field("defects", m.defects);
  json.Key("against");
  m.base ? PutComparison(json, *m.base) : static_cast<void>(json.Put(nullptr));
  json.EndObject();
}

void PutBase(JsonWriter& json, const BaseReport& base) {
  json.BeginObject().Field("path", base.path).Field("compared", base.compared).Field("absent", base.absent);
  json.Field("not_compared", base.not_compared);
  json.Field("dense_equal", base.dense_equal).Field("dense_absent", base.dense_absent);
  json.Key("dense_differ").BeginArray();
  for (const DenseCheck& dense : base.dense_differ)
    json.BeginObject(kCompact).Field("name", dense.name).Field("detail", dense.detail).EndObject();
  json.EndArray().EndObject();
}

void PutVerify(JsonWriter& json, const VerifyReport& check) {
  json.Key("verify").BeginObject().Field("modules_total", check.modules_total);
  json.Field("modules_read", check.modules.size()).Field("sampled", check.sampled);
  json.Field("dense_tensors", check.dense_tensors).Field("bytes_read", check.bytes_read);
  json.Key("modules").BeginArray();
  for (const ModuleCheck& module : check.modules) PutModule(json, module);
  json.EndArray().Key("skipped").BeginArray();
  for (const SkippedModule& skipped : check.skipped)
    json.BeginObject(kCompact).Field("name", skipped.name).Field("why", skipped.why).EndObject();
  json.EndArray().Key("hashes").BeginArray();
  for (const HashCheck& hash : check.hashes) {
    json.BeginObject(kCompact).Field("file", hash.file).Field("source", hash.source).Field("expected", hash.expected);
    json.Field("found", hash.found).Field("matches", hash.matches()).EndObject();
  }
  json.EndArray().Key("against");
  check.base ? PutBase(json, *check.base) : static_cast<void>(json.Put(nullptr));
  json.EndObject();
}

}  // namespace

std::string RenderVerifyJson(const Report& report, const std::vector<VerifyReport>& checks) {
  return RenderEnvelope(report, {}, [&](JsonWriter& json, size_t model) { PutVerify(json, checks[model]); });
}

}  // namespace gptq_doctor
