// What several reporters say alike: counts and the comparison of models.

#include <algorithm>
#include <utility>

#include "report/report.h"

namespace gptq_doctor {

const char* ToString(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kNotFound:
      return "not-found";
    case ErrorKind::kNotAModel:
      return "not-a-model";
    case ErrorKind::kPermission:
      return "permission";
    case ErrorKind::kIo:
      return "io";
    case ErrorKind::kNoSpace:
      return "no-space";
    case ErrorKind::kChanged:
      return "changed";
    case ErrorKind::kInterrupted:
      return "interrupted";
    case ErrorKind::kRefused:
      return "refused";
    case ErrorKind::kInternal:
      break;
  }
  return "internal";
}

std::vector<Error> AllErrors(const Report& report) {
  std::vector<Error> errors = report.errors;
  for (const Diagnosis& model : report.models) errors.insert(errors.end(), model.errors.begin(), model.errors.end());
  return errors;
}

void KeepVerdict(Diagnosis& model) {
  Diagnosis kept;
  kept.path = std::move(model.path);
  kept.kind = std::move(model.kind);
  kept.verdict = std::move(model.verdict);
  kept.missing = std::move(model.missing);
  kept.repair_command = std::move(model.repair_command);
  kept.files = std::move(model.files);
  kept.bytes = std::move(model.bytes);
  kept.quantization = std::move(model.quantization);
  kept.findings = std::move(model.findings);
  kept.errors = std::move(model.errors);
  model = std::move(kept);
}

Tally CountFindings(std::span<const Finding> findings) {
  Tally tally;
  for (const Finding& finding : findings) {
    if (finding.suppressed) {
      ++tally.suppressed;
    } else if (finding.severity == Severity::kError) {
      ++tally.errors;
    } else if (finding.severity == Severity::kWarning) {
      ++tally.warnings;
    } else {
      ++tally.notes;
    }
  }
  return tally;
}

Tally CountFindings(std::span<const Diagnosis> models) {
  Tally sum{.models = static_cast<int64_t>(models.size())};
  for (const Diagnosis& model : models) {
    const Tally tally = CountFindings(model.findings);
    sum.errors += tally.errors;
    sum.warnings += tally.warnings;
    sum.notes += tally.notes;
    sum.suppressed += tally.suppressed;
  }
  return sum;
}

namespace {

std::string StateInWords(const Diagnosis& model) {
  const Tally tally = CountFindings(model.findings);
  const auto plural = [](int64_t count, const char* word) {
    return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
  };
  if (!model.errors.empty()) return "not fully examined";
  if (tally.errors > 0) return plural(tally.errors, "error");
  if (tally.warnings > 0) return plural(tally.warnings, "warning");
  return model.missing.empty() ? "ok" : "needs repair";
}

}  // namespace

std::vector<ComparisonRow> Compare(const std::vector<Diagnosis>& models) {
  int64_t largest = 0;
  for (const Diagnosis& model : models) largest = std::max(largest, model.bytes.files);
  std::vector<ComparisonRow> rows;
  for (const Diagnosis& model : models) {
    ComparisonRow row{.path = model.path, .format = model.kind, .bytes = model.bytes.files};
    if (model.quantization) {
      row.bits = model.quantization->bits;
      row.group_size = model.quantization->group_size;
    }
    if (largest > 0) row.ratio_to_largest = static_cast<double>(row.bytes) / static_cast<double>(largest);
    row.state = StateInWords(model);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace gptq_doctor
