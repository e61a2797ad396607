// models[].memory of docs/schema/, as `memory` fills it.

#include "report/json_writer.h"
#include "report/memory_report.h"

namespace gptq_doctor {
namespace {

constexpr JsonWriter::Layout kCompact = JsonWriter::Layout::kCompact;

void PutPeak(JsonWriter& json, std::string_view key, const MemoryPeak& peak) {
  json.Key(key).BeginObject();
  json.Field("runtime", peak.runtime).Field("profile", peak.profile).Field("kernel", peak.kernel);
  json.Field("attention", peak.attention).Field("moment", peak.moment).Field("complete", peak.complete);
  json.Field("weights", peak.weights).Field("torch_peak", peak.torch_peak).Field("device_peak", peak.device_peak);
  json.Field("per_gpu", peak.per_gpu).Key("lines").BeginArray();
  for (const LedgerLine& line : peak.lines) {
    json.BeginObject(kCompact).Field("id", line.id).Field("title", line.title).Field("bytes", line.bytes);
    json.Field("per_gpu", line.per_gpu).Field("at_peak", line.at_peak).Field("formula", line.formula);
    json.Field("source", line.source).EndObject();
  }
  json.EndArray().EndObject();
}

void PutLevels(JsonWriter& json, const MemoryEstimate& e) {
  json.Key("levels").BeginArray();
  for (const MemoryLevel& level : e.levels) {
    json.BeginObject(kCompact).Field("name", level.name).Field("title", level.title).Field("weights", level.weights);
    json.Field("device_peak", level.device_peak).Field("per_gpu", level.per_gpu).Field("fit", ToString(level.fit));
    json.Field("largest_context", level.largest_context).Field("context_capped", level.context_capped).EndObject();
  }
  json.EndArray();
}

void PutGpus(JsonWriter& json, const MemoryEstimate& e) {
  json.Key("gpu").BeginArray();
  for (const GpuSpec& gpu : e.gpu) {
    json.BeginObject(kCompact).Field("name", gpu.name).Field("total", gpu.total).Field("visible", gpu.visible);
    json.Field("free", gpu.free).Field("estimated", gpu.estimated).Field("source", gpu.source).EndObject();
  }
  json.EndArray();
}

void PutLists(JsonWriter& json, const MemoryEstimate& e) {
  json.Key("observed").BeginArray();
  for (const MemoryExplanation& explanation : e.observed) {
    json.BeginObject(kCompact).Field("text", explanation.text).Field("low", explanation.low);
    json.Field("high", explanation.high).Field("score", explanation.score).EndObject();
  }
  json.EndArray().Key("shares").BeginArray();
  for (const MemoryShare& share : e.shares) {
    json.BeginObject(kCompact).Field("name", share.name).Field("count", share.count).Field("bytes", share.bytes);
    json.Field("largest", share.largest).Field("note", share.note).EndObject();
  }
  json.EndArray().Key("savings").BeginArray();
  for (const MemorySaving& saving : e.savings) {
    json.BeginObject(kCompact).Field("what", saving.what).Field("bytes", saving.bytes).EndObject();
  }
  json.EndArray();
}

}  // namespace

void PutMemoryEstimate(JsonWriter& json, const MemoryEstimate& e) {
  json.Field("context", e.context).Field("new_tokens", e.new_tokens).Field("batch", e.batch).Field("gpus", e.gpus);
  json.Field("precision", e.precision);
  PutPeak(json, "expected", e.expected);
  if (e.low) PutPeak(json, "low", *e.low);
  if (e.high) PutPeak(json, "high", *e.high);
  PutLevels(json, e);
  PutGpus(json, e);
  json.Field("usable", e.usable).Field("capacity", e.capacity).Field("fit", ToString(e.fit));
  json.Field("recommended", e.recommended).Field("reason", e.reason).Field("read_bytes", e.read_bytes);
  json.Field("host_peak", e.host_peak).Field("host_note", e.host_note).Field("left_out", e.left_out);
  PutLists(json, e);
}

}  // namespace gptq_doctor
