#include "rules/baseline.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/json.h"
#include "base/text.h"
#include "rules/findings.h"

namespace gptq_doctor {
namespace {

std::string TextOf(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.Find(key);
  const std::string* text = value == nullptr ? nullptr : value->AsString();
  return text == nullptr ? std::string() : *text;
}

void AddFinding(const JsonValue& finding, const std::string& model, std::vector<BaselineEntry>& out) {
  BaselineEntry entry{model, TextOf(finding, "fingerprint"), TextOf(finding, "code"), TextOf(finding, "message")};
  if (!entry.fingerprint.empty()) out.push_back(std::move(entry));
}

// True where the object is one of the forms that hold findings.
bool AddObject(const JsonValue& object, std::vector<BaselineEntry>& out) {
  if (const JsonValue* baseline = object.Find("baseline")) {
    for (const JsonValue& entry : baseline->items) AddFinding(entry, TextOf(entry, "model"), out);
    return true;
  }
  if (const JsonValue* models = object.Find("models")) {
    for (const JsonValue& model : models->items) {
      const JsonValue* findings = model.Find("findings");
      if (findings == nullptr) continue;
      for (const JsonValue& finding : findings->items) AddFinding(finding, TextOf(model, "path"), out);
    }
    return true;
  }
  const std::string type = TextOf(object, "type");
  if (type == "finding") AddFinding(object, TextOf(object, "model"), out);
  return !type.empty();
}

Error NotABaseline(const std::string& name) {
  return {ErrorKind::kUsage, name,
          "not a baseline: give a file that --write-baseline wrote, or a json or ndjson report of check"};
}

}  // namespace

Result<std::vector<BaselineEntry>> ParseBaseline(std::string_view text, const std::string& name) {
  std::vector<BaselineEntry> out;
  const JsonDocument document = ParseJson(text);
  if (document.valid && document.root && document.root->IsObject() && AddObject(*document.root, out)) return out;
  out.clear();
  // ndjson: one object a line; a torn last line is dropped.
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty()) continue;
    const JsonDocument one = ParseJson(line);
    const bool good = one.valid && one.root && one.root->IsObject() && AddObject(*one.root, out);
    if (!good && at < text.size()) return NotABaseline(name);
    any = any || good;
  }
  if (!any) return NotABaseline(name);
  return out;
}

std::string WriteBaseline(const std::vector<BaselineEntry>& entries) {
  std::vector<const BaselineEntry*> sorted;
  for (const BaselineEntry& entry : entries) sorted.push_back(&entry);
  std::stable_sort(sorted.begin(), sorted.end(), [](const BaselineEntry* a, const BaselineEntry* b) {
    return std::tie(a->model, a->code, a->fingerprint) < std::tie(b->model, b->code, b->fingerprint);
  });
  std::string out = "{\n  \"schema_version\": \"1.0\",\n  \"baseline\": [";
  const char* separator = "\n";
  for (const BaselineEntry* entry : sorted) {
    out += separator;
    out += "    {\"model\": " + JsonQuote(entry->model) + ", \"code\": " + JsonQuote(entry->code) +
           ", \"fingerprint\": " + JsonQuote(entry->fingerprint) + ", \"message\": " + JsonQuote(entry->message) + "}";
    separator = ",\n";
  }
  return out + (entries.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

BaselineRun::BaselineRun(std::vector<BaselineEntry> entries, std::string name)
    : entries_(std::move(entries)),
      name_(std::move(name)),
      used_(entries_.size(), false),
      seen_(entries_.size(), false) {}

void BaselineRun::Apply(std::vector<Finding>& findings, const std::string& model) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].model != model) continue;
    seen_[i] = true;
    for (Finding& finding : findings) {
      if (finding.fingerprint != entries_[i].fingerprint) continue;
      used_[i] = true;
      if (finding.suppressed) continue;
      finding.suppressed = true;
      finding.suppression = "in the baseline";
    }
  }
}

std::vector<Finding> BaselineRun::Stale() const {
  std::map<std::string, std::vector<const BaselineEntry*>> by_model;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (IsStale(i)) by_model[entries_[i].model].push_back(&entries_[i]);
  }
  FindingSink sink(true);
  for (const auto& [model, entries] : by_model) {
    Observation report;
    report.file = name_;
    report.cause = model;
    report.message = FormatCount(entries.size()) + (entries.size() == 1 ? " entry" : " entries") +
                     " of the baseline for " + model + (entries.size() == 1 ? " matches" : " match") +
                     " nothing any more";
    for (const BaselineEntry* entry : entries) {
      if (report.evidence.size() < kShownNames) report.evidence.push_back(entry->code + ": " + entry->message);
    }
    sink.Add("GD904", std::move(report));
  }
  return sink.Take();
}

std::vector<BaselineEntry> BaselineRun::Pruned() const {
  std::vector<BaselineEntry> out;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!IsStale(i)) out.push_back(entries_[i]);
  }
  return out;
}

}  // namespace gptq_doctor
