#include <gtest/gtest.h>

#include "infer/infer_support.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

using testing::DefectsOf;
using testing::Examined;
using testing::ExamineModel;
using testing::FloatBytes;
using testing::ModelBuilder;

constexpr const char* kStem = "model.layers.0.mlp.down_proj";  // 256 x 128
constexpr size_t kGroups = 4, kOutputs = 128;

std::string Scales(double value) {
  std::string out;
  for (size_t i = 0; i < kGroups * kOutputs; ++i) out += FloatBytes(value, "F16");
  return out;
}

Examined WithScales(const std::string& scales) {
  return ExamineModel(ModelBuilder()
                          .Quant({.group_size = 64})
                          .Tensor({std::string(kStem) + ".scales", "F16", {kGroups, kOutputs}, scales}));
}
Examined WithCodes(const std::string& words) {
  return ExamineModel(ModelBuilder()
                          .Layers(1)
                          .Quant({.group_size = 64})
                          .Tensor({std::string(kStem) + ".qweight", "I32", {32, kOutputs}, words}));
}

TEST(ValueChecks, ASoundModelHasNone) {
  for (int bits : {2, 3, 4, 8}) {
    EXPECT_TRUE(ExamineModel(ModelBuilder().Layers(1).Quant({.bits = bits, .group_size = 64}))->value_defects.empty())
        << bits;
    EXPECT_TRUE(ExamineModel(ModelBuilder().Layers(1).Quant({.bits = bits, .group_size = 32, .sym = false, .v2 = true}))
                    ->value_defects.empty())
        << bits;
  }
}

TEST(ValueChecks, NotFiniteScales) {
  std::string scales = Scales(0.01);
  scales[6] = '\x00', scales[7] = '\x7c';
  scales[8] = '\x01', scales[9] = '\xfe';
  const Examined model = WithScales(scales);
  ASSERT_EQ(DefectsOf(model, 4), 1);
  EXPECT_EQ(model->value_defects[0].affected, 2);
}

TEST(ValueChecks, NegativeAndSubnormalScalesAreLegal) {
  EXPECT_TRUE(WithScales(Scales(-0.01))->value_defects.empty());
  EXPECT_TRUE(WithScales(Scales(1e-5))->value_defects.empty());
}

TEST(ValueChecks, ScalesOfZero) {
  EXPECT_EQ(DefectsOf(WithScales(Scales(0)), 20, "scales"), 1);
  std::string one = Scales(0.01);
  one[0] = one[1] = '\0';
  EXPECT_EQ(DefectsOf(WithScales(one), 5), 1);
  EXPECT_EQ(DefectsOf(WithScales(one), 20), 0);
}

TEST(ValueChecks, AScaleOfZeroOverEqualCodesLosesNothing) {
  std::string scales = Scales(0.01);
  scales[0] = scales[1] = '\0';
  auto module = testing::GptqModule(kStem, 256, 128, {.group_size = 64});
  std::string words = module[0].data;
  for (size_t row = 0; row < 8; ++row)
    words.replace(row * kOutputs * 4, 4, "\x88\x88\x88\x88");  // the first group of column 0
  ModelBuilder builder;
  builder.Layers(1).Quant({.group_size = 64});
  builder.Tensor({std::string(kStem) + ".scales", "F16", {kGroups, kOutputs}, scales});
  builder.Tensor({std::string(kStem) + ".qweight", "I32", {32, kOutputs}, words});
  EXPECT_EQ(DefectsOf(ExamineModel(builder), 5), 0);
}

TEST(ValueChecks, ScalesBeyondHalfPrecision) {
  EXPECT_EQ(DefectsOf(WithScales(Scales(10000)), 6), 1);  // 8 * 10000 > 65504
  EXPECT_EQ(DefectsOf(WithScales(Scales(8000)), 6), 0);
}

TEST(ValueChecks, CodesThatWereNeverWritten) {
  EXPECT_EQ(DefectsOf(WithCodes(std::string(32 * kOutputs * 4, '\0')), 18, "zero"), 1);
  EXPECT_EQ(DefectsOf(WithCodes(std::string(32 * kOutputs * 4, '\x88')), 18, "constant"), 1);
}

TEST(ValueChecks, RandomWordsAreNoWeights) {
  testing::TestRandom random(11);
  std::string words;
  while (words.size() < 32 * kOutputs * 4) words.push_back(static_cast<char>(random.Next()));
  EXPECT_EQ(DefectsOf(WithCodes(words), 19), 1);
}

TEST(ValueChecks, ZerosThatAreAllZero) {
  const Examined model = ExamineModel(
      ModelBuilder()
          .Quant({.group_size = 64})
          .Tensor({std::string(kStem) + ".qzeros", "I32", {kGroups, 16}, std::string(kGroups * 64, '\0')}));
  EXPECT_EQ(DefectsOf(model, 20, "qzeros"), 1);
  EXPECT_EQ(model->base.sym, true);
}

TEST(ValueChecks, AGIdxOfTheWrongDtype) {
  std::string entries;
  for (int64_t k = 0; k < 256; ++k) {
    const int64_t group = k / 64;
    entries.append(reinterpret_cast<const char*>(&group), 8);
  }
  const Examined model = ExamineModel(ModelBuilder()
                                          .Layers(1)
                                          .Quant({.group_size = 64})
                                          .Tensor({std::string(kStem) + ".g_idx", "I64", {256}, entries}));
  EXPECT_EQ(DefectsOf(model, 12, "g_idx"), 1);
  EXPECT_EQ(model->base.group_size, 64);
}

// Zero points of asymmetric modules with some zeros among them, written as each packer writes them.
Examined WithUnderflow(bool borrow) {
  ModelBuilder builder;
  builder.Sizes(128, 256, 32).Quant({.group_size = 64, .sym = false});
  testing::TestRandom random(3);
  std::string words;
  for (size_t word = 0; word < kGroups * kOutputs / 8; ++word) {
    uint32_t value = 0;
    std::vector<uint32_t> zeros(8);
    for (uint32_t& z : zeros) z = random.Next() % 20 == 0 ? 0 : static_cast<uint32_t>(5 + random.Next() % 6);
    for (size_t j = 0; j < 8; ++j) {
      // Whole-word subtraction sums (z - 1) << shift; the other writer ORs it.
      const uint32_t field = (zeros[j] - 1) << (4 * j);
      value = borrow ? value + field : value | field;
    }
    words.append(reinterpret_cast<const char*>(&value), 4);
  }
  builder.Tensor({std::string(kStem) + ".qzeros", "I32", {kGroups, kOutputs / 8}, words});
  return ExamineModel(builder);
}

TEST(ValueChecks, UnderflowOfZeroPointsIsClassified) {
  EXPECT_EQ(DefectsOf(WithUnderflow(false), 1, "or"), 1);
  EXPECT_EQ(DefectsOf(WithUnderflow(true), 1, "borrow"), 1);
}

TEST(ValueChecks, TheShiftOfTheBaseBitsIsRecognised) {
  ModelBuilder builder;
  builder.Quant({.bits = 4, .group_size = 64}).Override("down_proj", {.bits = 8, .group_size = 64});
  for (const char* layer : {"0", "1"}) {
    builder.Tensor({std::string("model.layers.") + layer + ".mlp.down_proj.qzeros",
                    "I32",
                    {kGroups, 32},
                    std::string(kGroups * 128, '\x6f')});
  }
  const Examined model = ExamineModel(builder);
  EXPECT_EQ(DefectsOf(model, 27, "symmetric"), 2);
  EXPECT_EQ(model->shifted_base_bits, 4);
  EXPECT_EQ(model->base.sym, true);
  EXPECT_EQ(model->base.checkpoint_format, "gptq");
  EXPECT_TRUE(model->contradictions.empty());
}

TEST(ValueChecks, TheSameWordsWithoutABaseAreNoShift) {
  ModelBuilder builder;
  builder.Layers(1).Quant({.bits = 8, .group_size = 64});
  builder.Tensor({std::string(kStem) + ".qzeros", "I32", {kGroups, 32}, std::string(kGroups * 128, '\x6f')});
  const Examined model = ExamineModel(builder);
  EXPECT_EQ(DefectsOf(model, 27), 0);
  EXPECT_EQ(model->shifted_base_bits, 0);
}

}  // namespace
}  // namespace gptq_doctor
