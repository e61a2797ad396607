// Assumptions as they are typed, and declared settings held against the tensors.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "repair/generate.h"
#include "repair/repairs.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using ::testing::HasSubstr;
using testing::ModelBuilder;

// 4 bits, groups of 32, symmetric, v1.
ModelBuilder Model() { return ModelBuilder().Layers(1).Sizes(64, 128, 0, 64).Quant({.bits = 4, .group_size = 32}); }

TEST(Assumption, IsParsedStrictly) {
  EXPECT_TRUE(ParseAssumption("checkpoint_format=gptq_v2"));
  EXPECT_TRUE(ParseAssumption("damp_percent=0.01"));
  EXPECT_TRUE(ParseAssumption("group_size=-1"));
  for (const char* text :
       {"", "sym", "sym=True", "sym=1", "checkpoint_format=v1", "checkpoint_format=", "bits=4.0", "bits=x",
        "damp_percent=1", "damp_percent=0.1}", "damp_percent=.1", "group_sizes=1", "pack_dtype=int4"}) {
    EXPECT_FALSE(ParseAssumption(text)) << text;
  }
  EXPECT_THAT(ParseAssumption("chekpoint_format=gptq").error().message, HasSubstr("did you mean checkpoint_format?"));
}

TEST(Settled, JudgesDeclaredSettingsByGroupsAndBits) {
  const auto source = Model().Memory();
  const auto exam = ReadExamination(*source, {}, {});
  ASSERT_TRUE(exam);
  const auto judge = [&](int bits, int64_t group) {
    return JudgeDeclared({.bits = bits, .group_size = group}, **exam).agreement;
  };
  EXPECT_EQ(judge(4, 32), Agreement::kRight);
  EXPECT_EQ(judge(8, 32), Agreement::kWrong);
  EXPECT_EQ(judge(4, 64), Agreement::kWrong);
  EXPECT_EQ(judge(4, -1), Agreement::kWrong);
  EXPECT_EQ(judge(4, 0), Agreement::kWrong);
}

TEST(CheckConfig, NamesTheKeysThatDiffer) {
  const auto source = Model().File("quantize_config.json", "{\"bits\": 8, \"group_size\": 32, \"sym\": true}").Memory();
  const auto exam = ReadExamination(*source, {}, {});
  ASSERT_TRUE(exam);
  const auto settled = SettleSettings(**exam, {});
  ASSERT_TRUE(settled);
  const ConfigCheck check = CheckConfig(**exam, ConfigTarget::kQuantizeConfigJson, *settled);
  ASSERT_EQ(check.differences.size(), 2u);
  EXPECT_THAT(check.differences[0], HasSubstr("bits is 8, must be 4"));
  EXPECT_THAT(check.differences[1], HasSubstr("desc_act is missing"));
  EXPECT_EQ(CheckConfig(**exam, ConfigTarget::kConfigJsonSection, *settled).differences.size(), 1u);
}

}  // namespace
}  // namespace gptq_doctor
