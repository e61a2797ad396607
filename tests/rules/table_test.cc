// The table of rules, its pages in docs/rules/ and the rows that point into it agree.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "report/rule_pages.h"
#include "rules/families.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::filesystem::path DocsDirectory() { return std::filesystem::path(GPTQ_DOCTOR_SOURCE_DIR) / "docs" / "rules"; }

TEST(RuleTable, CodesAreUniqueSortedAndOfTheDocumentedForm) {
  std::string last;
  std::set<std::string_view> names;
  for (const Rule& rule : RuleTable()) {
    EXPECT_LT(last, rule.code);
    last = rule.code;
    ASSERT_EQ(rule.code.size(), 5u) << rule.code;
    EXPECT_TRUE(rule.code.starts_with("GD"));
    EXPECT_FALSE(FamilyOf(rule).empty()) << rule.code;
    EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
    EXPECT_EQ(rule.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string_view::npos)
        << rule.name;
  }
}

TEST(RuleTable, EveryRowIsComplete) {
  for (const Rule& rule : RuleTable()) {
    for (const std::string_view text : {rule.title, rule.what, rule.why, rule.evidence, rule.fix, rule.since}) {
      EXPECT_FALSE(text.empty()) << rule.code;
    }
    EXPECT_NE(rule.title.back(), '.') << rule.code;
    for (const std::string_view text : {rule.what, rule.why, rule.evidence, rule.fix}) {
      const char last = text.empty() ? ' ' : text.back();
      EXPECT_TRUE(last == '.' || last == ')' || last == '"') << rule.code << ": " << text;
    }
  }
}

TEST(RuleTable, IsFoundByCodeAndByName) {
  ASSERT_NE(FindRule("GD101"), nullptr);
  EXPECT_EQ(FindRule("GD101"), FindRule("config-missing"));
  EXPECT_EQ(FindRule("GD100"), nullptr);
  EXPECT_EQ(FindRule(""), nullptr);
}

TEST(DefectTable, PointsToRules) {
  for (const DefectRow& row : DefectTable()) EXPECT_NE(FindRule(row.code), nullptr) << row.headline;
}

// `./dev docs` writes them.
TEST(RulePages, AreThoseOfTheTable) {
  std::set<std::string> expected = {"README.md"};
  for (const Rule& rule : RuleTable()) {
    const std::string name = std::string(rule.code) + ".md";
    expected.insert(name);
    EXPECT_EQ(ReadFile(DocsDirectory() / name), RulePageMarkdown(rule)) << "stale page " << name << ": run ./dev docs";
  }
  EXPECT_EQ(ReadFile(DocsDirectory() / "README.md"), RuleListMarkdown(RuleTable()));
  std::set<std::string> present;
  for (const auto& entry : std::filesystem::directory_iterator(DocsDirectory()))
    present.insert(entry.path().filename().string());
  EXPECT_EQ(present, expected);
}

}  // namespace
}  // namespace gptq_doctor
