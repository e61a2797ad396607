#include "rules/findings.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/sha256.h"
#include "base/text.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

// A pattern of more parts than this says how many it leaves out.
constexpr size_t kShownPatterns = 6;

// A message names fewer: it must be read in one line.
constexpr size_t kMessagePatterns = 2;

std::string JoinPatterns(const std::vector<std::string>& patterns, size_t limit) {
  std::string out;
  for (size_t i = 0; i < patterns.size() && i < limit; ++i) {
    if (i > 0) out += ", ";
    out += patterns[i];
  }
  if (patterns.size() > limit) out += ", ... (" + FormatCount(patterns.size() - limit) + " more)";
  return out;
}

void AddPattern(std::vector<std::string>& patterns, std::string pattern) {
  if (std::find(patterns.begin(), patterns.end(), pattern) == patterns.end()) patterns.push_back(std::move(pattern));
}

void ReplaceNames(std::string& message, const Observation& report, const std::string& pattern) {
  constexpr std::string_view kPlace = "{names}";
  const size_t at = message.find(kPlace);
  if (at == std::string::npos) return;
  std::string names;
  if (report.count == 1 && !report.names.empty()) {
    names = report.names.front();
  } else {
    names = FormatCount(static_cast<uint64_t>(report.count)) + " " + Plural(report.count, report.unit);
    if (!pattern.empty()) names += " (" + pattern + ")";
  }
  message.replace(at, kPlace.size(), names);
}

}  // namespace

std::string Plural(int64_t count, std::string_view unit) {
  std::string out(unit);
  if (count != 1) out += 's';
  return out;
}

std::string Fingerprint(const std::vector<std::string_view>& parts) {
  std::string text;
  for (std::string_view part : parts) {
    text += part;
    text += '\0';
  }
  return Sha256(text).substr(0, 32);
}

bool FindingLess(const Finding& left, const Finding& right) {
  if (left.severity != right.severity) return left.severity < right.severity;
  if (left.code != right.code) return left.code < right.code;
  if (left.file != right.file) return NaturalLess(left.file, right.file);
  const std::string_view a = left.tensors.empty() ? std::string_view() : left.tensors.front();
  const std::string_view b = right.tensors.empty() ? std::string_view() : right.tensors.front();
  if (a != b) return NaturalLess(a, b);
  if (left.pointer != right.pointer) return left.pointer < right.pointer;
  return left.message < right.message;
}

void FindingSink::Add(Observation report) {
  assert(rule_ != nullptr);
  Add(rule_->code, std::move(report));
}

void FindingSink::Add(std::string_view code, Observation report) {
  const Rule* rule = FindRule(code);
  assert(rule != nullptr);
  if (rule == nullptr) return;
  if (fold_ || report.names.size() < 2) {
    if (report.count == 0) report.count = std::max<int64_t>(1, static_cast<int64_t>(report.names.size()));
    AddOne(*rule, std::move(report));
    return;
  }
  std::vector<std::string> names = std::move(report.names);
  for (std::string& name : names) {
    Observation one = report;
    one.names = {std::move(name)};
    one.count = 1;
    AddOne(*rule, std::move(one));
  }
}

void FindingSink::AddOne(const Rule& rule, Observation report) {
  if (fold_) {
    std::string key(rule.code);
    for (const std::string& part : {report.across_files ? std::string() : report.file, report.pointer,
                                    report.cause.empty() ? report.message : report.cause}) {
      key += '\0';
      key += part;
    }
    const auto [found, inserted] = by_cause_.emplace(std::move(key), pending_.size());
    if (!inserted) {
      Pending& old = pending_[found->second];
      old.report.count += report.count;
      for (std::string& name : report.names) {
        AddPattern(old.patterns, report.fold_names ? FoldNumbers(name) : name);
        old.report.names.push_back(std::move(name));
      }
      return;
    }
  }
  Pending fresh;
  fresh.rule = &rule;
  for (const std::string& name : report.names) AddPattern(fresh.patterns, report.fold_names ? FoldNumbers(name) : name);
  fresh.report = std::move(report);
  pending_.push_back(std::move(fresh));
}

Finding FindingSink::Finish(Pending& pending) {
  Observation& report = pending.report;
  const size_t shown = std::min<size_t>(report.names.size(), kShownNames);
  std::partial_sort(report.names.begin(), report.names.begin() + static_cast<std::ptrdiff_t>(shown), report.names.end(),
                    [](const std::string& a, const std::string& b) { return NaturalLess(a, b); });
  report.names.resize(shown);
  std::sort(pending.patterns.begin(), pending.patterns.end(),
            [](const std::string& a, const std::string& b) { return NaturalLess(a, b); });

  Finding out;
  out.code = std::string(pending.rule->code);
  out.name = std::string(pending.rule->name);
  out.severity = report.severity.value_or(pending.rule->severity);
  out.confidence = report.confidence;
  out.pattern = JoinPatterns(pending.patterns, kShownPatterns);
  ReplaceNames(report.message, report, JoinPatterns(pending.patterns, kMessagePatterns));
  // A single finding is told apart by its name, a folded one by the pattern, a key by its pointer.
  const std::string& subject = report.count == 1 && !report.names.empty() ? report.names.front() : out.pattern;
  out.fingerprint = Fingerprint({out.code, report.file, subject, report.pointer, report.cause, report.value});
  out.message = std::move(report.message);
  out.file = std::move(report.file);
  out.pointer = std::move(report.pointer);
  out.line = report.line;
  out.column = report.column;
  out.count = report.count;
  out.tensors = std::move(report.names);
  out.evidence = std::move(report.evidence);
  out.fix = std::move(report.fix);
  return out;
}

std::vector<Finding> FindingSink::Take() {
  std::vector<Finding> out;
  out.reserve(pending_.size());
  for (Pending& pending : pending_) out.push_back(Finish(pending));
  pending_.clear();
  by_cause_.clear();
  std::stable_sort(out.begin(), out.end(), FindingLess);
  return out;
}

}  // namespace gptq_doctor
