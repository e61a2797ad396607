#include "rules/policy.h"

#include <algorithm>

#include "base/text.h"
#include "rules/findings.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

bool SelectsAny(const std::vector<std::string>& selectors, const Finding& finding) {
  return std::any_of(selectors.begin(), selectors.end(),
                     [&](const std::string& selector) { return Selects(selector, finding.code, finding.name); });
}

// Every module the finding is about matches. Where more are concerned than are named, the folded names must match too.
bool MatchesModules(const std::string& glob, const Finding& finding) {
  if (finding.tensors.empty()) return false;
  const bool named = std::all_of(finding.tensors.begin(), finding.tensors.end(),
                                 [&](const std::string& name) { return GlobMatch(glob, name); });
  if (!named) return false;
  if (finding.count <= static_cast<int64_t>(finding.tensors.size())) return true;
  return std::all_of(finding.tensors.begin(), finding.tensors.end(),
                     [&](const std::string& name) { return GlobMatch(glob, FoldNumbers(name)); }) &&
         finding.pattern.find(", ") == std::string::npos;
}

bool MatchesPath(const std::string& glob, const Finding& finding, std::string_view path) {
  if (GlobMatch(glob, path)) return true;
  return !finding.file.empty() && GlobMatch(glob, std::string(path) + "/" + finding.file);
}

Finding RunFinding(const char* code, const Policy& policy, const IgnoreEntry& entry, std::string message) {
  FindingSink sink(false);
  Observation report;
  report.message = std::move(message);
  report.file = policy.settings_file;
  report.line = entry.line > 0 ? std::optional(entry.line) : std::nullopt;
  report.column = report.line ? std::optional(1) : std::nullopt;
  report.cause = entry.rule + "|" + entry.path + "|" + entry.module;
  report.evidence.push_back("reason given: " + entry.reason);
  sink.Add(code, std::move(report));
  return sink.Take().front();
}

std::string Describe(const IgnoreEntry& entry) {
  std::string out = "[[ignore]] rule " + entry.rule;
  if (!entry.path.empty()) out += ", path " + entry.path;
  if (!entry.module.empty()) out += ", module " + entry.module;
  return out;
}

}  // namespace

bool Selects(std::string_view selector, std::string_view code, std::string_view name) {
  return selector == "ALL" || selector == name || (selector.starts_with("GD") && code.starts_with(selector));
}

std::string UnknownSelector(const std::vector<std::string>& selectors) {
  for (const std::string& selector : selectors) {
    const bool known = selector == "ALL" || std::any_of(RuleTable().begin(), RuleTable().end(), [&](const Rule& rule) {
                         return Selects(selector, rule.code, rule.name);
                       });
    if (known) continue;
    std::vector<std::string_view> words;
    for (const Rule& rule : RuleTable()) {
      words.push_back(rule.code);
      words.push_back(rule.name);
    }
    const std::string nearest = Nearest(selector, words);
    return "no rule '" + selector + "'" + (nearest.empty() ? "" : "; did you mean " + nearest + "?") +
           " (gptq-doctor rules lists them)";
  }
  return "";
}

std::optional<Severity> SeverityFromName(std::string_view name) {
  for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
    if (name == ToString(severity)) return severity;
  }
  return std::nullopt;
}

bool IsDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto number = [&](size_t at, size_t digits) {
    int value = 0;
    for (size_t i = at; i < at + digits; ++i) {
      if (text[i] < '0' || text[i] > '9') return -1;
      value = value * 10 + (text[i] - '0');
    }
    return value;
  };
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool PolicyRun::IsSelected(const Finding& finding) const {
  if (SelectsAny(policy_.ignore, finding)) return false;
  if (policy_.select.empty()) return true;
  return SelectsAny(policy_.select, finding) || SelectsAny(policy_.extend_select, finding);
}

bool PolicyRun::Ignored(const Finding& finding, std::string_view path, std::string& reason) {
  bool ignored = false;
  for (size_t i = 0; i < policy_.ignores.size(); ++i) {
    const IgnoreEntry& entry = policy_.ignores[i];
    if (!Selects(entry.rule, finding.code, finding.name)) continue;
    if (!entry.path.empty() && !MatchesPath(entry.path, finding, path)) continue;
    if (!entry.module.empty() && !MatchesModules(entry.module, finding)) continue;
    used_[i] = true;
    if (Expired(entry)) continue;
    if (!ignored) reason = entry.reason;
    ignored = true;
  }
  return ignored;
}

void PolicyRun::Apply(std::vector<Finding>& findings, std::string_view path) {
  std::erase_if(findings, [&](const Finding& finding) { return !IsSelected(finding); });
  for (Finding& finding : findings) {
    for (const auto& [selector, severity] : policy_.levels) {
      if (Selects(selector, finding.code, finding.name)) finding.severity = severity;
    }
    std::string reason;
    if (finding.suppressed || !Ignored(finding, path, reason)) continue;
    finding.suppressed = true;
    finding.suppression = reason;
  }
  std::stable_sort(findings.begin(), findings.end(), FindingLess);
}

std::vector<Finding> PolicyRun::Leftovers() const {
  std::vector<Finding> out;
  for (size_t i = 0; i < policy_.ignores.size(); ++i) {
    const IgnoreEntry& entry = policy_.ignores[i];
    if (Expired(entry)) {
      out.push_back(RunFinding("GD906", policy_, entry, Describe(entry) + ": expired on " + entry.expires));
    } else if (!used_[i]) {
      out.push_back(RunFinding("GD905", policy_, entry, Describe(entry) + ": matches no finding"));
    }
  }
  std::erase_if(out, [&](const Finding& finding) { return !IsSelected(finding); });
  std::stable_sort(out.begin(), out.end(), FindingLess);
  return out;
}

}  // namespace gptq_doctor
