// verify --against: exactly the damaged module is named, and what became of it.

#include <gmock/gmock.h>

#include <algorithm>

#include "dequant/dense_support.h"
#include "dequant/verify.h"
#include "support/quantizer.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kQ0 = "model.layers.0.self_attn.q_proj", kQ1 = "model.layers.1.self_attn.q_proj",
                  kUp1 = "model.layers.1.mlp.up_proj", kDown0 = "model.layers.0.mlp.down_proj";

struct Compared {
  std::map<std::string, Comparison> odd;  // all but the close ones
  BaseReport base;
};

Compared CompareAll(const ModelBuilder& quantized, const ModelBuilder& base) {
  const Model model = ExamineModel(quantized, true), dense = ExamineModel(base);
  VerifyOptions options;
  options.base = dense.exam.get();
  Result<VerifyReport> report = VerifyModel(*model.exam, options, {});
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  Compared out;
  if (!report) return out;
  EXPECT_EQ(report->modules.size(), 14u);
  for (const ModuleCheck& check : report->modules) {
    if (check.base->relation != Relation::kClose) out.odd[check.name] = *check.base;
  }
  out.base = *report->base;
  return out;
}

std::vector<std::string> Names(const Compared& compared) {
  std::vector<std::string> out;
  for (const auto& [name, comparison] : compared.odd) out.push_back(name + " " + ToString(comparison.relation));
  return out;
}

class CompareWith : public ::testing::TestWithParam<GptqOptions> {};

TEST_P(CompareWith, AHealthyModelIsCloseEverywhere) {
  const ModelPair pair(GetParam());
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), IsEmpty());
  EXPECT_EQ(compared.base.compared, 14);
  EXPECT_EQ(compared.base.absent, 0);
}

TEST_P(CompareWith, NoiseIsUnrelated) {
  ModelPair pair(GetParam());
  pair.Replace(kUp1, RandomMatrix("noise", 256, 128));
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), ::testing::ElementsAre(kUp1 + " unrelated"));
  EXPECT_THAT(compared.odd.at(kUp1).detail, HasSubstr("resembles no matrix of BASE"));
}

TEST_P(CompareWith, WeightsThatAreNotFiniteAreNotCompared) {
  ModelPair pair(GetParam());
  Matrix matrix = pair.weights[kUp1];
  matrix.values[5] = 1e30;  // its scale is infinite in F16
  pair.Replace(kUp1, matrix);
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), ::testing::ElementsAre(kUp1 + " not-compared"));
  EXPECT_EQ(compared.base.compared, 13);
  EXPECT_EQ(compared.base.not_compared, 1);
  EXPECT_EQ(compared.base.absent, 0);
}

TEST_P(CompareWith, SwappedModulesNameEachOther) {
  ModelPair pair(GetParam());
  pair.Replace(kQ0, pair.weights[kQ1]);
  pair.Replace(kQ1, pair.weights[kQ0]);
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), ::testing::ElementsAre(kQ0 + " swapped", kQ1 + " swapped"));
  EXPECT_EQ(compared.odd.at(kQ0).base_name, kQ1 + ".weight");
  EXPECT_EQ(compared.odd.at(kQ1).base_name, kQ0 + ".weight");
}

TEST_P(CompareWith, ATransposedSquareModuleIsRecognised) {
  ModelPair pair(GetParam());
  pair.Replace(kQ0, Transposed(pair.weights[kQ0]));
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), ::testing::ElementsAre(kQ0 + " transposed"));
  EXPECT_EQ(compared.odd.at(kQ0).base_name, kQ0 + ".weight");
}

TEST_P(CompareWith, ATransposedModuleOfAnotherShapeIsRecognised) {
  ModelPair pair(GetParam());
  pair.Replace(kUp1, Transposed(pair.weights[kUp1]));
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), ::testing::ElementsAre(kUp1 + " transposed"));
  EXPECT_EQ(compared.odd.at(kUp1).base_name, kUp1 + ".weight");
}

INSTANTIATE_TEST_SUITE_P(Settings, CompareWith,
                         ::testing::Values(GptqOptions{.bits = 4, .group_size = 32},
                                           GptqOptions{.bits = 4, .group_size = 64, .sym = false, .desc_act = true},
                                           GptqOptions{.bits = 2, .group_size = 32},
                                           GptqOptions{.bits = 3, .group_size = 32, .sym = false},
                                           GptqOptions{.bits = 8, .group_size = -1},
                                           GptqOptions{.bits = 6, .group_size = 32, .planar = true}));

// The weights of 3 bits in the space of 4: the levels of the one, the shape of the other.
Matrix Coarsened(const Matrix& matrix, int64_t group, int levels) {
  Matrix out = matrix;
  for (int64_t n = 0; n < matrix.outputs; ++n) {
    for (int64_t g = 0; g * group < matrix.inputs; ++g) {
      double most = 0;
      for (int64_t k = g * group; k < (g + 1) * group; ++k) most = std::max(most, std::abs(matrix.at(n, k)));
      const double step = 2 * most / levels;
      for (int64_t k = g * group; k < (g + 1) * group; ++k) {
        double& value = out.values[static_cast<size_t>(n * matrix.inputs + k)];
        value = std::round(value / step) * step;
      }
    }
  }
  return out;
}

TEST(CompareBits, FewerBitsInTheSpaceOfMoreAreCoarse) {
  ModelPair pair({.bits = 4, .group_size = 32});
  pair.Replace(kDown0, Coarsened(pair.weights[kDown0], 32, 3));
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), ::testing::ElementsAre(kDown0 + " coarse"));
}

TEST(CompareBits, AModuleOfFewerBitsThanTheConfigSaysIsNamed) {
  ModelPair pair({.bits = 4, .group_size = 32});
  pair.Replace(kDown0, pair.weights[kDown0], {.bits = 3, .group_size = 32});
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(Names(compared), ::testing::ElementsAre(kDown0 + " coarse"));
  EXPECT_THAT(compared.odd.at(kDown0).detail, HasSubstr("3 bits where the configuration says 4"));
}

TEST(CompareDense, EqualValuesInAnotherDtypeAreEqual) {
  ModelPair pair({.bits = 4, .group_size = 32});
  pair.base.Tensor(DenseTensor("model.norm.weight", {128}, "F32"));
  const Compared compared = CompareAll(pair.quantized, pair.base);
  EXPECT_THAT(compared.base.dense_differ, IsEmpty());
  EXPECT_EQ(compared.base.dense_equal, 7);
}

TEST(CompareDense, OneChangedValueIsSeen) {
  ModelPair pair({.bits = 4, .group_size = 32});
  TestTensor norm = DenseTensor("model.norm.weight", {128});
  norm.data[7] = static_cast<char>(norm.data[7] ^ 0x40);
  pair.quantized.Tensor(norm);
  const Compared compared = CompareAll(pair.quantized, pair.base);
  ASSERT_EQ(compared.base.dense_differ.size(), 1u);
  EXPECT_EQ(compared.base.dense_differ[0].name, "model.norm.weight");
  EXPECT_THAT(compared.base.dense_differ[0].detail, HasSubstr("1 of 128 values"));
}

TEST(CompareBase, AQuantizedBaseIsRefused) {
  const ModelPair pair({.bits = 4, .group_size = 32});
  const Model model = ExamineModel(pair.quantized, true), other = ExamineModel(pair.quantized);
  VerifyOptions options;
  options.base = other.exam.get();
  const Result<VerifyReport> report = VerifyModel(*model.exam, options, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::kRefused);
}

}  // namespace
}  // namespace gptq_doctor::testing
