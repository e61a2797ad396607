#ifndef GPTQ_DOCTOR_REPORT_REPORT_H_
#define GPTQ_DOCTOR_REPORT_REPORT_H_

// Renderings of a Diagnosis: pure functions, one file an output format, one row in reporter_table.cc. They know nothing
// of how anything was found, and escape everything that came from a model for their own sink.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

class JsonWriter;
struct MemoryEstimate;

// What `check` adds to a report.
struct Gate {
  std::optional<Severity> fail_on = Severity::kError;  // empty: never
  std::vector<Finding> run_findings;                   // of the run itself: settings file, baseline
  std::vector<std::string> rules;                      // codes that were judged
  bool show_suppressed = false;
};

struct Report {
  std::vector<Diagnosis> models;
  std::vector<Error> errors;  // inputs that could not be examined; those of the models are added by the reporters
  int exit_code = 0;
  // Ledgers by position of the model, for `memory`; null or missing ones leave the three numbers of the diagnosis.
  std::vector<const MemoryEstimate*> memory = {};
  Gate gate;
};

struct RenderOptions {
  bool color = false;
  bool unicode = true;  // false: ASCII marks
  int width = 0;        // columns; 0: no limit, nothing is cut
  int verbosity = 0;    // 1: evidence of everything; -1: no summary
};

struct Reporter {
  std::string_view name;  // what --format says
  std::string_view extension;
  std::string (*render)(const Report& report, const RenderOptions& options);
  bool needs_all = true;  // of a Diagnosis; for others what KeepVerdict() keeps is enough
};

std::span<const Reporter> Reporters();
const Reporter* FindReporter(std::string_view name);

std::string RenderText(const Report& report, const RenderOptions& options);      // text_inspect.cc
std::string RenderJson(const Report& report, const RenderOptions& options);      // json_report.cc
std::string RenderMarkdown(const Report& report, const RenderOptions& options);  // markdown_report.cc

// The envelope of docs/schema/ for every command. `extra` adds a command's own keys at the end of the top object;
// `model_extra` likewise to each models[] entry, by its position. Either may be empty.
std::string RenderEnvelope(const Report& report, const std::function<void(JsonWriter&)>& extra,
                           const std::function<void(JsonWriter&, size_t)>& model_extra);
// A settings object with every key of Quantization; unknown ones are null.
void PutQuantization(JsonWriter& json, const Quantization& settings);
void PutFinding(JsonWriter& json, const Finding& finding);
void PutFindingFields(JsonWriter& json, const Finding& finding);  // into an open object
void PutLoaderOutcome(JsonWriter& json, const LoaderOutcome& outcome);
const char* ToString(ErrorKind kind);  // "not-found"

// All errors of a report: its own, then each model's.
std::vector<Error> AllErrors(const Report& report);

// Drops what a list of many models does not show: the loaders' steps, evidence and settings in detail, most of its
// memory.
void KeepVerdict(Diagnosis& model);

struct Tally {
  int64_t models = 0, errors = 0, warnings = 0, notes = 0, suppressed = 0;
};
Tally CountFindings(std::span<const Finding> findings);  // models: 0
Tally CountFindings(std::span<const Diagnosis> models);

// One line a model of the table that ends a report of several.
struct ComparisonRow {
  std::string path;
  std::string format;  // "gptq 4-bit g128"
  std::optional<int> bits;
  std::optional<int64_t> group_size;
  int64_t bytes = 0;
  double ratio_to_largest = 0;  // bytes over those of the largest model
  std::string state;            // "ok", "2 errors", ...
};
std::vector<ComparisonRow> Compare(const std::vector<Diagnosis>& models);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_REPORT_H_
