#include "gptq/module_pattern.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>

namespace gptq_doctor {
namespace {

struct Case {
  const char* pattern;
  const char* name;
  bool matches;
};

// Expectations are those of Python's re.match(pattern, name) is not None.
const Case kCases[] = {
    {"", "anything", true},
    {"lm_head", "lm_head", true},
    {"lm_head", "model.lm_head", false},
    {"mlp.gate", "mlp.gate_proj", true},
    {".*\\.down_proj", "model.layers.0.mlp.down_proj", true},
    {".*\\.down_proj$", "model.layers.0.mlp.down_proj_x", false},
    {"^model\\.layers\\.(0|1|27)\\.mlp$", "model.layers.27.mlp", true},
    {"^model\\.layers\\.(0|1|27)\\.mlp$", "model.layers.2.mlp", false},
    {"a|bc|d", "bcd", true},
    {"a|bc|d", "xd", false},
    {"(?:gate|up)_proj", "up_proj", true},
    {".*\\.(gate|up|)_proj", "mlp._proj", true},
    {"layers\\.\\d+\\.", "layers.12.x", true},
    {"layers\\.\\d{2}\\.", "layers.1.x", false},
    {"layers\\.\\d{1,2}\\.x", "layers.12.x", true},
    {"layers\\.\\d{3,}\\.x", "layers.12.x", false},
    {"[a-c]+x", "abcabcx", true},
    {"[^a-c]+x", "abx", false},
    {"[]a]x", "]x", true},
    {"[a-]x", "-x", true},
    {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
    {"(a|aa)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false},
    {"model\\.(?!layers\\.0\\.).*mlp", "model.layers.1.mlp", true},
    {"model\\.(?!layers\\.0\\.).*mlp", "model.layers.0.mlp", false},
    {"(?=.*mlp)model", "model.mlp", true},
    {"model.*?mlp", "model.x.mlp", true},
    {"\\bmodel\\b", "models", false},
    {"a{0}b", "b", true},
    {"(ab){2}c", "ababc", true},
    {"(ab){2}c", "abc", false},
    {"(ab)?c", "c", true},
    {"\\w+\\.\\W", "ab._", false},
    {".", "\xC3\xA4", true},
};

TEST(ModulePattern, AgreesWithReMatch) {
  for (const Case& c : kCases) {
    PatternList patterns;
    patterns.Add(c.pattern);
    EXPECT_EQ(patterns.Matches(0, c.name), c.matches) << c.pattern << " on " << c.name;
  }
}

// A few lines of a stranger's config.json, and the names of a model: seconds at most, then nothing is claimed.
TEST(PatternList, HostilePatternsAreNotJudgedToTheEnd) {
  for (const char* pattern : {"(.?.?.?){900}x", "((?!x)){900}q", "((?=(?!y)).){900}q", "(.*.*.*.*.*.*.*.*){600}z"}) {
    PatternList patterns;
    for (int i = 0; i < 50; ++i) patterns.Add(pattern);
    const std::clock_t start = std::clock();
    std::optional<bool> last = false;
    for (int module = 0; module < 5'000; ++module) {
      for (size_t i = 0; i < patterns.size(); ++i) {
        last = patterns.Matches(i, "model.layers." + std::to_string(module) + ".mlp.down_proj");
      }
    }
    EXPECT_EQ(last, std::nullopt) << pattern;
    EXPECT_LT(std::clock() - start, 10 * CLOCKS_PER_SEC) << pattern;
  }
}

// As many rules and modules as the largest mixtures of experts have: the rules name modules, and all are judged.
TEST(PatternList, AnHonestListIsJudgedToTheEnd) {
  PatternList patterns;
  for (int i = 0; i < 400; ++i)
    patterns.Add("^model\\.layers\\." + std::to_string(i) + "\\.mlp\\.experts\\.\\d+\\.up_proj$");
  patterns.Add(".*\\.down_proj");
  std::optional<bool> last;
  for (int module = 0; module < 36'000; ++module) {
    const std::string name =
        "model.layers." + std::to_string(module % 94) + ".mlp.experts." + std::to_string(module / 94) + ".down_proj";
    for (size_t i = 0; i < patterns.size(); ++i) last = patterns.Matches(i, name);
  }
  EXPECT_EQ(last, true);
}

TEST(ModulePattern, WhatIsNotSupportedDoesNotCompile) {
  for (const char* pattern : {"(", ")", "a)", "[", "[a", "*a", "a**+", "(?P<n>a)", "(a)\\1", "(?<=a)b", "(?i)a",
                              "a{3,2}", "\\", "a{9999}", "((a{900}){900}){900}", "(?=(?=(?=a)))", "[b-a]", "a++"}) {
    EXPECT_FALSE(ModulePattern::Compile(pattern)) << pattern;
  }
  EXPECT_FALSE(ModulePattern::Compile(std::string(100'000, '(')));
}

TEST(SettingsByName, FirstMatchDecides) {
  Quantization settings{.bits = 4, .group_size = 128};
  settings.dynamic = {{.pattern = ".*o_proj", .exclude = true},
                      {.pattern = ".*_proj$", .bits = 8},
                      {.pattern = ".*down_proj", .bits = 2, .group_size = 32}};
  const SettingsByName by_name(settings);
  EXPECT_TRUE(by_name.Of("a.o_proj")->excluded);
  EXPECT_EQ(by_name.Of("a.down_proj")->bits, 8);
  EXPECT_EQ(by_name.Of("a.down_proj")->group_size, 128);
  EXPECT_EQ(by_name.Of("a.down_projx")->group_size, 32);
  EXPECT_EQ(by_name.Of("lm_head")->rule, nullptr);
  EXPECT_EQ(by_name.Of("lm_head")->bits, 4);
}

TEST(SettingsByName, UnknownWherePatternsCannotBeJudged) {
  Quantization settings{.bits = 4};
  settings.dynamic = {{.pattern = "lm_head", .bits = 8}, {.pattern = "(?P<x>a)", .bits = 2}};
  const SettingsByName by_name(settings);
  EXPECT_EQ(by_name.Of("lm_head")->bits, 8);
  EXPECT_FALSE(by_name.Of("a"));
}

}  // namespace
}  // namespace gptq_doctor
