// The formats of `check` over findings with hostile names: nothing of a model becomes syntax of the sink. Parsers of
// other projects judge where they are installed.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "report/check_report.h"
#include "rules/rule.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using Json = nlohmann::json;

// Everything a name may try: terminal escapes, workflow commands, markup, quotes, C1, bidi controls, invisible
// characters, invalid UTF-8, CDATA ends.
const std::string kHostile =
    "a\x1b[31m\r\n::error::pwned,x:y%0A</failure>]]><img src=x>|`*\"'&\xe2\x80\xae\xc2\x9b\xf3\xa0\x81\x81\xff\x01";

Finding HostileFinding(Severity severity, const std::string& code) {
  Finding out;
  out.code = code;
  out.name = std::string(FindRule(code)->name);
  out.severity = severity;
  out.message = kHostile + ": shapes contradict each other";
  out.file = "dir with space/" + kHostile + ".safetensors";
  out.tensors = {kHostile};
  out.pattern = kHostile;
  out.evidence = {kHostile};
  out.fingerprint = std::string(32, 'a');
  out.fix = FixHint{"certain", "gptq-doctor fix '" + kHostile + "' --write", kHostile};
  return out;
}

Report HostileReport() {
  Report report;
  Diagnosis model;
  model.path = "./models/" + kHostile;
  model.kind = "gptq";
  model.findings = {HostileFinding(Severity::kError, "GD301"), HostileFinding(Severity::kError, "GD302"),
                    HostileFinding(Severity::kWarning, "GD306"), HostileFinding(Severity::kNote, "GD313")};
  model.findings[1].line = 3;
  model.findings[1].column = 9;
  model.findings[2].suppressed = true;
  model.findings[2].suppression = kHostile;
  report.models = {model, Diagnosis{.path = "clean", .kind = "gptq"}};
  report.errors = {{ErrorKind::kPermission, kHostile, kHostile}};
  report.gate.run_findings = {HostileFinding(Severity::kWarning, "GD905")};
  report.exit_code = 3;
  return report;
}

// Runs a checker over a rendering written to a file; -1 where the checker is not installed.
int Judge(const std::string& text, const std::string& extension, const std::string& command) {
  testing::TempDir directory;
  const std::string file = (directory.path() / ("out." + extension)).string();
  std::ofstream(file, std::ios::binary) << text;
  if (std::system(("command -v " + command.substr(0, command.find(' ')) + " >/dev/null 2>&1").c_str()) != 0) return -1;
  const int code = std::system((command + " " + file + " >/dev/null 2>&1").c_str());
  return code;
}

void ExpectAccepted(int code) { EXPECT_EQ(code, 0) << (code == -1 ? "the checker is not installed" : "refused"); }

bool HasControl(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (static_cast<unsigned char>(c) < 32 && c != '\n') || c == '\x7f'; });
}

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(CheckFormats, NoneLetsControlCharactersThrough) {
  for (const Reporter& reporter : CheckReporters()) {
    const std::string text = reporter.render(HostileReport(), {});
    EXPECT_FALSE(HasControl(text)) << reporter.name;
    for (const char* deceptive : {"\xe2\x80\xae", "\xc2\x9b", "\xf3\xa0\x81\x81"}) {
      EXPECT_EQ(text.find(deceptive), std::string::npos) << reporter.name;
    }
  }
}

TEST(CheckFormats, AreDeterministic) {
  for (const Reporter& reporter : CheckReporters())
    EXPECT_EQ(reporter.render(HostileReport(), {}), reporter.render(HostileReport(), {})) << reporter.name;
}

TEST(Github, HoldsOnlyItsOwnCommands) {
  const std::vector<std::string> lines = Lines(RenderGithub(HostileReport(), {}));
  int64_t commands = 0;
  for (const std::string& line : lines) {
    if (!line.starts_with("::")) continue;
    ++commands;
    const bool known = line.starts_with("::error ") || line.starts_with("::warning ") || line.starts_with("::notice ");
    EXPECT_TRUE(known) << line;
    // Properties end at the first "::" after the command, and hold no raw comma or colon of the model.
    const std::string properties = line.substr(2, line.find("::", 2) - 2);
    EXPECT_EQ(properties.find("pwned,"), std::string::npos);
  }
  EXPECT_EQ(commands,
            5);  // two errors, a note, one of the run, one input not examined; the suppressed warning is silent
  ASSERT_FALSE(lines.empty());
  EXPECT_TRUE(lines.back().starts_with("gptq-doctor: 2 models"));
}

TEST(Github, GroupsTheFindingsOfARule) {
  Report report;
  Diagnosis model{.path = "m"};
  model.findings = {HostileFinding(Severity::kError, "GD301"), HostileFinding(Severity::kError, "GD301")};
  model.findings[0].message = "first";
  model.findings[1].message = "second";
  report.models = {model};
  const std::vector<std::string> lines = Lines(RenderGithub(report, {}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find("first%0A"), std::string::npos);
  EXPECT_NE(lines[0].find("second"), std::string::npos);
}

TEST(Gitlab, IsAnArrayWithDistinctFingerprints) {
  Report report = HostileReport();
  report.models[1].findings = report.models[0].findings;  // the same defects in another model
  const Json issues = Json::parse(RenderGitlab(report, {}));
  ASSERT_TRUE(issues.is_array());
  EXPECT_EQ(issues.size(), 7u);
  std::set<std::string> fingerprints;
  for (const Json& issue : issues) {
    for (const char* key : {"description", "check_name", "fingerprint", "severity"})
      EXPECT_TRUE(issue.at(key).is_string());
    EXPECT_GE(issue.at("location").at("lines").at("begin").get<int>(), 1);
    const std::string severity = issue.at("severity");
    EXPECT_TRUE(severity == "critical" || severity == "major" || severity == "info") << severity;
    fingerprints.insert(issue.at("fingerprint").get<std::string>() + issue.at("check_name").get<std::string>());
  }
  EXPECT_EQ(fingerprints.size(), issues.size());
}

TEST(Sarif, HasWhatTheStandardAndGithubAskFor) {
  const Json log = Json::parse(RenderSarif(HostileReport(), {}));
  EXPECT_EQ(log.at("version"), "2.1.0");
  const Json& run = log.at("runs").at(0);
  const Json& rules = run.at("tool").at("driver").at("rules");
  ASSERT_EQ(rules.size(), RuleTable().size());
  for (size_t i = 0; i < rules.size(); ++i) {
    EXPECT_EQ(rules[i].at("id"), RuleTable()[i].code);
    EXPECT_EQ(rules[i].at("name"), RuleTable()[i].name);
    for (const char* key : {"shortDescription", "fullDescription", "help"})
      EXPECT_FALSE(rules[i].at(key).at("text").get<std::string>().empty());
  }
  ASSERT_EQ(run.at("results").size(), 5u);
  for (const Json& result : run.at("results")) {
    EXPECT_EQ(rules.at(result.at("ruleIndex").get<size_t>()).at("id"), result.at("ruleId"));
    ASSERT_EQ(result.at("locations").size(), 1u);
    const Json& place = result.at("locations").at(0).at("physicalLocation");
    const std::string uri = place.at("artifactLocation").at("uri");
    for (const char c : uri)
      EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                  std::string("-._~/%").find(c) != std::string::npos)
          << uri;
    EXPECT_FALSE(uri.starts_with("./"));
    for (const char* key : {"startLine", "startColumn", "endLine", "endColumn"})
      EXPECT_GE(place.at("region").at(key).get<int>(), 1);
    EXPECT_TRUE(result.at("partialFingerprints").at("primaryLocationLineHash").get<std::string>().ends_with(":1"));
  }
  EXPECT_EQ(run.at("results").at(2).at("suppressions").at(0).at("kind"), "external");
  EXPECT_FALSE(run.at("invocations").at(0).at("executionSuccessful").get<bool>());
}

TEST(Junit, CountsWhatItHoldsAndXmllintAccepts) {
  const std::string xml = RenderJunit(HostileReport(), {});
  EXPECT_NE(xml.find("failures=\"2\""), std::string::npos);
  EXPECT_NE(xml.find("errors=\"1\""), std::string::npos);
  EXPECT_EQ(xml.find("</failure>]]>"), std::string::npos);
  ExpectAccepted(Judge(xml, "xml", "xmllint --noout"));
}

TEST(Junit, FailsFromTheLevelOfTheGate) {
  Report report = HostileReport();
  report.gate.fail_on = std::nullopt;
  EXPECT_NE(RenderJunit(report, {}).find("failures=\"0\""), std::string::npos);
  report.gate.fail_on = Severity::kNote;
  EXPECT_NE(RenderJunit(report, {}).find("failures=\"4\""), std::string::npos);
}

TEST(Ndjson, IsOneObjectALineFromHeaderToSummary) {
  const std::vector<std::string> lines = Lines(RenderNdjson(HostileReport(), {}));
  ASSERT_GE(lines.size(), 3u);
  std::vector<std::string> types;
  for (const std::string& line : lines) types.push_back(Json::parse(line).at("type"));
  EXPECT_EQ(types.front(), "header");
  EXPECT_EQ(types.back(), "summary");
  EXPECT_EQ(std::count(types.begin(), types.end(), "model"), 2);
  EXPECT_EQ(std::count(types.begin(), types.end(), "finding"), 5);
  EXPECT_EQ(std::count(types.begin(), types.end(), "error"), 1);
  EXPECT_EQ(Json::parse(lines.back()).at("exit_code"), 3);
}

TEST(Markdown, KeepsNamesOutOfItsSyntaxAndPandocAccepts) {
  const std::string text = RenderCheckMarkdown(HostileReport(), {});
  for (const std::string& line : Lines(text)) EXPECT_FALSE(line.starts_with("::")) << line;
  ExpectAccepted(Judge(text, "md", "pandoc -f gfm -t html -o /dev/null"));
  // Rendered, no name becomes an element; grep's 1 says that it read and found none.
  const int found = Judge(text, "md", "bash -c 'pandoc -f gfm -t html \"$0\" | grep -qi \"<img\"'");
  EXPECT_EQ(WEXITSTATUS(found), 1);
}

TEST(Markdown, StaysBelowTheLimitOfAJobSummary) {
  Report report;
  Diagnosis model{.path = "m"};
  for (int i = 0; i < 3000; ++i) model.findings.push_back(HostileFinding(Severity::kError, "GD301"));
  for (int i = 0; i < 4; ++i) report.models.push_back(model);
  EXPECT_LT(RenderCheckMarkdown(report, {}).size(), size_t{1} << 20);
}

TEST(Text, SaysHowManyAreSuppressedAndListsThemOnRequest) {
  Report report = HostileReport();
  const std::string text = RenderCheckText(report, {});
  EXPECT_EQ(text.find("GD306"), std::string::npos);
  EXPECT_NE(text.find("1 suppressed"), std::string::npos);
  report.gate.show_suppressed = true;
  EXPECT_NE(RenderCheckText(report, {}).find("GD306"), std::string::npos);
  EXPECT_EQ(RenderCheckText(report, {.verbosity = -2}), "");
}

TEST(Locations, NameAFileWhereThereIsOne) {
  Diagnosis model{.path = "models/a/"};
  model.files = {{.name = "config.json", .role = "config", .state = "present"}};
  EXPECT_EQ(LocationOf(model, {.file = "x.safetensors"}), "models/a/x.safetensors");
  EXPECT_EQ(LocationOf(model, {}), "models/a/config.json");
  model.path = "models/a/x.safetensors";
  EXPECT_EQ(LocationOf(model, {.file = "x.safetensors"}), "models/a/x.safetensors");
  EXPECT_EQ(UriOf("./a b/c%d"), "a%20b/c%25d");
}

}  // namespace
}  // namespace gptq_doctor
