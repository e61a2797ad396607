#include "rules/policy.h"

#include <gtest/gtest.h>

#include "rules/baseline.h"
#include "rules/findings.h"
#include "rules/rule.h"
#include "rules/settings.h"

namespace gptq_doctor {
namespace {

Finding Make(const std::string& code, const std::string& module = "", Severity severity = Severity::kError) {
  Finding out;
  out.code = code;
  out.name = std::string(FindRule(code)->name);
  out.severity = severity;
  out.file = "model.safetensors";
  if (!module.empty()) out.tensors = {module};
  out.fingerprint = Fingerprint({code, module});
  return out;
}

std::vector<std::string> Codes(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  for (const Finding& finding : findings) out.push_back(finding.code + (finding.suppressed ? "-" : ""));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Policy, SelectsByCodePrefixNameAndAll) {
  struct Case {
    Policy policy;
    Strings left;
  };
  const Case cases[] = {
      {{}, {"GD101", "GD301", "GD503"}},
      {{.select = {"GD1"}}, {"GD101"}},
      {{.select = {"config-missing"}}, {"GD101"}},
      {{.select = {"GD1"}, .extend_select = {"GD5"}}, {"GD101", "GD503"}},
      {{.select = {"ALL"}, .ignore = {"GD3"}}, {"GD101", "GD503"}},
      {{.ignore = {"ALL"}}, {}},
  };
  for (const Case& c : cases) {
    std::vector<Finding> findings = {Make("GD101"), Make("GD301"), Make("GD503")};
    PolicyRun(c.policy).Apply(findings, "m");
    EXPECT_EQ(Codes(findings), c.left);
  }
}

TEST(Policy, ChangesLevelsAndSortsAgain) {
  Policy policy;
  policy.levels = {{"GD1", Severity::kNote}, {"GD101", Severity::kWarning}};
  std::vector<Finding> findings = {Make("GD101"), Make("GD301")};
  PolicyRun(policy).Apply(findings, "m");
  EXPECT_EQ(Codes(findings), (Strings{"GD301", "GD101"}));
  EXPECT_EQ(findings[1].severity, Severity::kWarning);
}

TEST(Policy, IgnoresByRulePathAndModule) {
  Policy policy;
  policy.today = "2026-06-01";
  policy.ignores = {{.rule = "GD309", .path = "models/gemma-*", .module = "lm_head", .reason = "known"}};
  const auto apply = [&](Finding finding, const char* path) {
    std::vector<Finding> findings = {std::move(finding)};
    PolicyRun run(policy);
    run.Apply(findings, path);
    return std::pair(findings[0].suppressed, run.Leftovers().size());
  };
  EXPECT_EQ(apply(Make("GD309", "lm_head"), "models/gemma-7b"), std::pair(true, size_t{0}));
  EXPECT_EQ(apply(Make("GD309", "lm_head"), "models/llama"), std::pair(false, size_t{1}));
  EXPECT_EQ(apply(Make("GD309", "model.lm_head"), "models/gemma-7b"), std::pair(false, size_t{1}));
  EXPECT_EQ(apply(Make("GD301", "lm_head"), "models/gemma-7b"), std::pair(false, size_t{1}));
}

TEST(Policy, AModuleGlobMustMatchEverythingTheFindingIsAbout) {
  Policy policy;
  policy.ignores = {{.rule = "GD301", .module = "model.layers.0.*", .reason = "known"}};
  Finding both = Make("GD301", "model.layers.0.q_proj");
  both.tensors.push_back("model.layers.1.q_proj");
  both.count = 2;
  std::vector<Finding> findings = {both};
  PolicyRun(policy).Apply(findings, "m");
  EXPECT_FALSE(findings[0].suppressed);
}

TEST(Policy, ExpiredEntriesHideNothingAndAreReported) {
  Policy policy;
  policy.today = "2026-06-01";
  for (const auto& [expires, hidden] : {std::pair("2026-06-01", true), std::pair("2026-05-31", false)}) {
    policy.ignores = {{.rule = "GD101", .reason = "until then", .expires = expires, .line = 7}};
    std::vector<Finding> findings = {Make("GD101")};
    PolicyRun run(policy);
    run.Apply(findings, "m");
    EXPECT_EQ(findings[0].suppressed, hidden);
    const auto leftovers = run.Leftovers();
    ASSERT_EQ(leftovers.size(), hidden ? 0u : 1u);
    if (!hidden) {
      EXPECT_EQ(leftovers[0].code, "GD906");
      EXPECT_EQ(leftovers[0].line, 7);
    }
  }
}

TEST(Policy, NamesUnknownSelectors) {
  EXPECT_EQ(UnknownSelector({"GD101", "GD5", "config-missing", "ALL"}), "");
  EXPECT_NE(UnknownSelector({"config-mising"}).find("did you mean config-missing"), std::string::npos);
  EXPECT_NE(UnknownSelector({"GD777"}), "");
}

TEST(Policy, KnowsTheCalendar) {
  for (const char* good : {"2026-12-31", "2024-02-29", "2000-02-29"}) EXPECT_TRUE(IsDate(good)) << good;
  for (const char* bad : {"2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-1-1", "26-01-01", "soon", ""})
    EXPECT_FALSE(IsDate(bad)) << bad;
}

TEST(Settings, AreRead) {
  const auto settings = ParseSettings(R"(
[check]
select = ["GD1", "GD3"]
ignore = ["GD313"]
loaders = ["vllm"]
fail-on = "warning"
min-compression = 0.9
baseline = "known.json"
[levels]
GD144 = "error"
[[ignore]]
rule = "GD309"
path = "models/*"
module = "lm_head"
reason = "known"
expires = 2027-01-31
)",
                                      "gptq-doctor.toml");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_EQ(settings->policy.select, (Strings{"GD1", "GD3"}));
  EXPECT_EQ(settings->loaders, Strings{"vllm"});
  EXPECT_EQ(settings->fail_on, "warning");
  EXPECT_EQ(settings->min_compression, 0.9);
  EXPECT_EQ(settings->baseline, "known.json");
  ASSERT_EQ(settings->policy.levels.size(), 1u);
  EXPECT_EQ(settings->policy.levels[0].second, Severity::kError);
  ASSERT_EQ(settings->policy.ignores.size(), 1u);
  EXPECT_EQ(settings->policy.ignores[0].expires, "2027-01-31");
  EXPECT_EQ(settings->policy.ignores[0].line, 11);
}

TEST(Settings, RefuseWhatTheyDoNotKnow) {
  const std::pair<const char*, const char*> cases[] = {
      {"[chek]\n", "did you mean check"},
      {"[check]\nfail_on = \"error\"\n", "did you mean fail-on"},
      {"[check]\nselect = [\"GD777\"]\n", "no rule 'GD777'"},
      {"[check]\nselect = \"GD1\"\n", "list of strings"},
      {"[check]\nfail-on = \"always\"\n", "must be error, warning, note or never"},
      {"[check]\nmin-compression = 2\n", "from 0 to 1"},
      {"[levels]\nGD101 = \"fatal\"\n", "must be \"error\""},
      {"[[ignore]]\nrule = \"GD101\"\n", "needs a reason"},
      {"[[ignore]]\nreason = \"x\"\n", "needs a rule"},
      {"[[ignore]]\nrule = \"GD101\"\nreason = \"x\"\nexpires = \"soon\"\n", "must be a date"},
      {"[[ignore]]\nrule = \"GD101\"\nreason = \"x\"\nmodul = \"y\"\n", "did you mean module"},
      {"[check\n", "line 1"},
      {"[%check]\n", "line 1, column 2: Error while parsing key: expected bare key"},
      {"[check]\nfail-on\u00e9 = \"error\"\n", "line 2, column 8: "},
      {"[check]\nbaseline = \"a\\u0000b\"\n", "line 2, column 12: 'baseline' holds a NUL byte"},
  };
  for (const auto& [text, message] : cases) {
    const auto settings = ParseSettings(text, "t.toml");
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_NE(settings.error().message.find(message), std::string::npos) << settings.error().message;
    EXPECT_EQ(settings.error().kind, ErrorKind::kUsage);
  }
}

TEST(Baseline, SuppressesWhatItListsAndReportsWhatIsGone) {
  const Finding known = Make("GD101"), fresh = Make("GD301", "x"), gone = Make("GD302", "y");
  std::vector<BaselineEntry> entries = {{"a", known.fingerprint, known.code, "m"},
                                        {"a", gone.fingerprint, gone.code, "m"},
                                        {"b", gone.fingerprint, gone.code, "m"}};
  const auto parsed = ParseBaseline(WriteBaseline(entries), "known.json");
  ASSERT_TRUE(parsed.ok());
  BaselineRun run(*parsed, "known.json");
  std::vector<Finding> findings = {known, fresh};
  run.Apply(findings, "a");
  EXPECT_EQ(Codes(findings), (Strings{"GD101-", "GD301"}));
  const auto stale = run.Stale();
  ASSERT_EQ(stale.size(), 1u);  // model b was not examined: nothing is known about its entry
  EXPECT_EQ(stale[0].code, "GD904");
  const auto pruned = run.Pruned();
  ASSERT_EQ(pruned.size(), 2u);
  EXPECT_EQ(pruned[0].model, "a");
  EXPECT_EQ(pruned[1].model, "b");
}

TEST(Baseline, KnowsReportsAndRefusesTheRest) {
  const auto json = ParseBaseline(
      R"({"models": [{"path": "m", "findings": [{"code": "GD101", "fingerprint": "f", "message": "x"}]}]})", "r.json");
  ASSERT_TRUE(json.ok());
  ASSERT_EQ(json->size(), 1u);
  EXPECT_EQ((*json)[0].model, "m");
  const auto lines = ParseBaseline(
      "{\"type\": \"header\"}\n{\"type\": \"finding\", \"model\": \"m\", \"code\": \"GD101\", \"fingerprint\": \"f\", "
      "\"message\": \"x\"}\n{\"type\": \"su",
      "r.ndjson");
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ(lines->size(), 1u);
  for (const char* bad : {"", "[]", "{}", "not json", "{\"a\": 1}\n{\"b\": 2}\n"})
    EXPECT_FALSE(ParseBaseline(bad, "x").ok()) << bad;
}

TEST(Baseline, AnEmptyOneIsGood) {
  const auto parsed = ParseBaseline(WriteBaseline({}), "known.json");
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->empty());
}

}  // namespace
}  // namespace gptq_doctor
