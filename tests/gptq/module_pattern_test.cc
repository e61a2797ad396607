#include "gptq/module_pattern.h"

#include <gtest/gtest.h>

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
    const auto pattern = ModulePattern::Compile(c.pattern);
    ASSERT_TRUE(pattern) << c.pattern;
    EXPECT_EQ(pattern->Matches(c.name), c.matches) << c.pattern << " on " << c.name;
  }
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
  EXPECT_TRUE(by_name.complete());
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
  EXPECT_FALSE(by_name.complete());
  EXPECT_EQ(by_name.Of("lm_head")->bits, 8);
  EXPECT_FALSE(by_name.Of("a"));
}

}  // namespace
}  // namespace gptq_doctor
