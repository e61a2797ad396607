// JUnit XML: one suite a model, one test case a rule, so that passed rules count too. Servers keep one failure a case,
// so a rule's findings share it.

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "report/check_report.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

std::string Attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + EscapeXml(value) + "\"";
}

// What is shown of a finding in the log of a case.
std::string Lines(const Finding& finding) {
  std::string out = std::string(ToString(finding.severity)) + "[" + finding.code + "]: " + finding.message + "\n";
  if (!finding.file.empty()) out += "  in " + finding.file + "\n";
  for (const std::string& line : finding.evidence) out += "  " + line + "\n";
  if (finding.suppressed) out += "  suppressed: " + finding.suppression + "\n";
  if (finding.fix)
    out += "  fix: " + (finding.fix->command.empty() ? finding.fix->description : finding.fix->command) + "\n";
  return out;
}

struct Suite {
  std::string cases;
  int64_t tests = 0, failures = 0, errors = 0;
};

void AddCase(Suite& suite, const std::string& class_name, const Rule& rule, const std::vector<Finding>& findings,
             const Gate& gate) {
  std::string failed, other;
  const Finding* first = nullptr;
  int64_t count = 0;
  for (const Finding& finding : findings) {
    if (finding.code != rule.code) continue;
    if (Fails(finding, gate)) {
      if (first == nullptr) first = &finding;
      ++count;
      failed += Lines(finding);
    } else {
      other += Lines(finding);
    }
  }
  ++suite.tests;
  suite.cases += "    <testcase" + Attribute("classname", class_name) +
                 Attribute("name", std::string(rule.code) + " " + std::string(rule.name));
  if (first == nullptr && other.empty()) {
    suite.cases += "/>\n";
    return;
  }
  suite.cases += ">\n";
  if (first != nullptr) {
    ++suite.failures;
    const std::string more = count > 1 ? " (and " + std::to_string(count - 1) + " more)" : "";
    suite.cases += "      <failure" + Attribute("message", first->message + more) +
                   Attribute("type", ToString(first->severity)) + ">" + EscapeXml(failed) + "</failure>\n";
  }
  if (!other.empty()) suite.cases += "      <system-out>" + EscapeXml(other) + "</system-out>\n";
  suite.cases += "    </testcase>\n";
}

void AddErrors(Suite& suite, const std::string& class_name, const std::vector<Error>& errors) {
  for (const Error& error : errors) {
    ++suite.tests;
    ++suite.errors;
    suite.cases += "    <testcase" + Attribute("classname", class_name) +
                   Attribute("name", "examination of " + error.path) + ">\n      <error" +
                   Attribute("message", error.message) + Attribute("type", ToString(error.kind)) +
                   "/>\n    </testcase>\n";
  }
}

std::string SuiteText(const std::string& name, const Suite& suite) {
  return "  <testsuite" + Attribute("name", name) + Attribute("tests", std::to_string(suite.tests)) +
         Attribute("failures", std::to_string(suite.failures)) + Attribute("errors", std::to_string(suite.errors)) +
         ">\n" + suite.cases + "  </testsuite>\n";
}

bool IsJudged(const Rule& rule, const Gate& gate) {
  return gate.rules.empty() || std::find(gate.rules.begin(), gate.rules.end(), rule.code) != gate.rules.end();
}

}  // namespace

std::string RenderJunit(const Report& report, const RenderOptions&) {
  std::string suites;
  Suite total;
  const auto finish = [&](const std::string& name, const Suite& suite) {
    total.tests += suite.tests;
    total.failures += suite.failures;
    total.errors += suite.errors;
    suites += SuiteText(name, suite);
  };
  for (const Diagnosis& model : report.models) {
    Suite suite;
    for (const Rule& rule : RuleTable()) {
      if (IsJudged(rule, report.gate)) AddCase(suite, model.path, rule, model.findings, report.gate);
    }
    AddErrors(suite, model.path, model.errors);
    finish(model.path, suite);
  }
  if (!report.gate.run_findings.empty() || !report.errors.empty()) {
    Suite suite;
    for (const Rule& rule : RuleTable()) {
      if (rule.code.starts_with("GD9") && IsJudged(rule, report.gate))
        AddCase(suite, "run", rule, report.gate.run_findings, report.gate);
    }
    AddErrors(suite, "run", report.errors);
    finish("run", suite);
  }
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + Attribute("name", "gptq-doctor") +
         Attribute("tests", std::to_string(total.tests)) + Attribute("failures", std::to_string(total.failures)) +
         Attribute("errors", std::to_string(total.errors)) + ">\n" + suites + "</testsuites>\n";
}

}  // namespace gptq_doctor
