#include <gtest/gtest.h>

#include "infer/quantities.h"

namespace gptq_doctor {
namespace {

struct Layer {
  int64_t features, groups;
  std::optional<int64_t> exact = std::nullopt;
};

std::vector<std::optional<int64_t>> Resolve(const std::vector<Layer>& layers, std::vector<int64_t> declared = {}) {
  std::vector<ClassFacts> classes;
  std::vector<int64_t> weights;
  std::vector<std::optional<int64_t>> exact;
  for (const Layer& layer : layers) {
    ClassFacts facts;
    facts.gptq = true;
    facts.in_features = layer.features;
    facts.groups = layer.groups;
    SetGroupInterval(facts);
    classes.push_back(facts);
    weights.push_back(layer.features * 1000);
    exact.push_back(layer.exact);
  }
  return ResolveGroupSizes({.classes = classes, .weights = weights, .exact = exact, .declared = std::move(declared)})
      .by_class;
}

using Groups = std::vector<std::optional<int64_t>>;

TEST(GroupSize, TheIntervalHoldsExactlyTheSizesThatFit) {
  for (int64_t features = 1; features < 400; ++features) {
    for (int64_t group = 1; group <= features; ++group) {
      ClassFacts facts;
      facts.in_features = features;
      facts.groups = (features + group - 1) / group;
      SetGroupInterval(facts);
      EXPECT_GE(group, facts.group_min);
      if (facts.groups > 1) {
        EXPECT_LE(group, facts.group_max);
        EXPECT_EQ((features + facts.group_max - 1) / facts.group_max, facts.groups);
        EXPECT_LT((features + facts.group_max) / (facts.group_max + 1), facts.groups);
      }
    }
  }
}

TEST(GroupSize, ThePowerOfTwoIsFoundForEveryUsualSize) {
  for (int64_t group : {16, 32, 64, 128, 256, 512, 1024}) {
    for (int64_t features = group + 1; features < 20000; features += 97) {
      EXPECT_EQ(Resolve({{features, (features + group - 1) / group}}), Groups{group}) << features;
    }
  }
}

TEST(GroupSize, OneGroupTakesTheSizeOfOthersThatCoversIt) {
  // Most weights are in groups of 32, some in 128; a column of 128 channels in one group had 128, not one group by
  // intent.
  EXPECT_EQ(Resolve({{128, 4}, {128, 4}, {384, 12}, {384, 3}, {128, 1}}), (Groups{32, 32, 32, 128, 128}));
  EXPECT_EQ(Resolve({{128, 4}, {384, 12}, {512, 1}}), (Groups{32, 32, -1}));
}

TEST(GroupSize, AnUnusualSizeIsFoundWhereModulesShareIt) {
  // 192 channels in 2 groups alone would be 128; 576 in 6 groups allow 96 to 115 only.
  EXPECT_EQ(Resolve({{192, 2}}), Groups{128});
  EXPECT_EQ(Resolve({{192, 2}, {576, 6}, {5760, 60}}), (Groups{96, 96, 96}));
}

TEST(GroupSize, AnIntervalWithoutAnyVoiceStaysUnknown) { EXPECT_EQ(Resolve({{576, 6}}), Groups{std::nullopt}); }

TEST(GroupSize, ADeclaredSizeDecidesAmongThoseThatFit) {
  EXPECT_EQ(Resolve({{576, 6}}, {100}), Groups{100});
  EXPECT_EQ(Resolve({{4096, 32}}, {64}), Groups{128});  // does not fit
}

TEST(GroupSize, GIdxOverridesTheShapes) { EXPECT_EQ(Resolve({{192, 2, 100}, {200, 2}}), (Groups{100, 100})); }

TEST(GroupSize, OneGroupEverywhereIsPerChannel) {
  EXPECT_EQ(Resolve({{4096, 1}, {11008, 1}}), (Groups{-1, -1}));
  EXPECT_EQ(Resolve({{64, 1}, {96, 1}}, {128}), (Groups{128, 128}));
  EXPECT_EQ(Resolve({{4096, 1}, {11008, 1}}, {128}), (Groups{-1, -1}));  // 128 would make 32 groups
}

TEST(GroupSize, OneGroupUnderACommonSizeFollowsIt) {
  EXPECT_EQ(Resolve({{352, 3}, {96, 1}}), (Groups{128, 128}));
  EXPECT_EQ(Resolve({{352, 3}, {256, 1}}), (Groups{128, -1}));
}

TEST(GroupSize, MixedSizesStayApart) {
  EXPECT_EQ(Resolve({{4096, 32}, {11008, 86}, {11008, 344}}), (Groups{128, 128, 32}));
}

TEST(GroupSize, PaddedFeaturesFollowTheBase) {
  // 11000 channels padded to 11264 have 88 groups of 128 where the channels need 86; 125 would fit the shapes as well.
  EXPECT_EQ(Resolve({{4096, 32}, {11000, 88}}), (Groups{128, 128}));
  // 4000 channels in 40 groups are groups of 100: nothing that padding explains.
  EXPECT_EQ(Resolve({{4096, 32}, {4000, 40}}), (Groups{128, std::nullopt}));
}

}  // namespace
}  // namespace gptq_doctor
