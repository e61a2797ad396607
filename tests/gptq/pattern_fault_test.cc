#include "gptq/pattern_fault.h"

#include <gtest/gtest.h>

#include <string>

#include "gptq/module_pattern.h"

namespace gptq_doctor {
namespace {

// Texts and places are those of Python 3.11's re.compile.
TEST(PatternFault, SaysWhatReSays) {
  const struct {
    const char* pattern;
    const char* what;
    size_t at;
  } cases[] = {
      {"(", "missing ), unterminated subpattern", 0},
      {"a(b", "missing ), unterminated subpattern", 1},
      {"((a)", "missing ), unterminated subpattern", 0},
      {"((a", "missing ), unterminated subpattern", 1},
      {"(?:a", "missing ), unterminated subpattern", 0},
      {"x(?=", "missing ), unterminated subpattern", 1},
      {"a)", "unbalanced parenthesis", 1},
      {"[a", "unterminated character set", 0},
      {"x[]", "unterminated character set", 1},
      {"[^]", "unterminated character set", 0},
      {"*b", "nothing to repeat", 0},
      {"(|+)", "nothing to repeat", 2},
      {"(*", "nothing to repeat", 1},
      {"a\\", "bad escape (end of pattern)", 1},
  };
  for (const auto& c : cases) {
    const auto fault = FindPatternFault(c.pattern);
    ASSERT_TRUE(fault) << c.pattern;
    EXPECT_EQ(std::string(fault->what), c.what) << c.pattern;
    EXPECT_EQ(fault->at, c.at) << c.pattern;
    EXPECT_FALSE(ModulePattern::Compile(c.pattern)) << c.pattern;
  }
}

// Some of these are more than ModulePattern can judge, and none is wrong.
TEST(PatternFault, IsSilentOnExpressions) {
  for (const char* pattern : {"",          ".*",
                              "a|b",       "(a|)",
                              "[]a]",      "[[]",
                              "[^]a]",     "\\(",
                              "\\[",       "a??",
                              "a*+",       "a{2}",
                              "(?i)a",     "(?P<n>a)(?P=n)",
                              "(?<=a)b",   "(?!x)y",
                              "(?#note)a", "{",
                              "a{,",       "^model\\.layers\\.(1[0-5])\\..*"}) {
    EXPECT_FALSE(FindPatternFault(pattern)) << pattern;
  }
}

// Dialects name these faults in words of their own, so that none is named here.
TEST(PatternFault, LeavesOpenGroupKindsToTheMatcher) {
  for (const char* pattern : {"(?P<a", "(?#", "(?", "x**", "a{2}{3}", "a?+b", "a+?*"}) {
    EXPECT_FALSE(FindPatternFault(pattern)) << pattern;
    EXPECT_FALSE(ModulePattern::Compile(pattern)) << pattern;
  }
}

TEST(PatternFault, KeysCarryASign) {
  EXPECT_EQ(PatternOfKey("+:a"), "a");
  EXPECT_EQ(PatternOfKey("-:a"), "a");
  EXPECT_EQ(PatternOfKey("a"), "a");
}

}  // namespace
}  // namespace gptq_doctor
