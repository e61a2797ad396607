#ifndef GPTQ_DOCTOR_REPORT_CHECK_REPORT_H_
#define GPTQ_DOCTOR_REPORT_CHECK_REPORT_H_

// The formats of `check`, one file each, and what they share: where a finding stands and how heavy it weighs. Every
// format escapes untrusted text for its own sink.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/report.h"

namespace gptq_doctor {

// The default first.
std::span<const Reporter> CheckReporters();
const Reporter* FindCheckReporter(std::string_view name);

std::string RenderCheckText(const Report& report, const RenderOptions& options);
std::string RenderCheckJson(const Report& report, const RenderOptions& options);
std::string RenderNdjson(const Report& report, const RenderOptions& options);
std::string RenderSarif(const Report& report, const RenderOptions& options);
std::string RenderJunit(const Report& report, const RenderOptions& options);
std::string RenderGithub(const Report& report, const RenderOptions& options);
std::string RenderGitlab(const Report& report, const RenderOptions& options);
std::string RenderCheckMarkdown(const Report& report, const RenderOptions& options);

// The file a finding stands in, as a path beside the model's as given; never the bare directory where a file can be
// named.
std::string LocationOf(const Diagnosis& model, const Finding& finding);
// A path as a relative URI: '/' kept, everything that is not unreserved percent-encoded, a leading "./" dropped.
std::string UriOf(std::string_view path);
// At or above --fail-on, and not suppressed.
bool Fails(const Finding& finding, const Gate& gate);
// Unsuppressed findings of the model, in order.
std::vector<const Finding*> Visible(const std::vector<Finding>& findings);
// "2 models: 1 error, 0 warnings, 3 notes, 1 suppressed".
std::string GateSummary(const Report& report);
// Unique over models and places, stable over runs.
std::string PlacedFingerprint(const Finding& finding, const std::string& location);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPORT_CHECK_REPORT_H_
