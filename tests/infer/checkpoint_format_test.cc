#include <gtest/gtest.h>

#include "base/bytes.h"
#include "infer/infer_support.h"
#include "infer/quantities.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

using testing::DefectsOf;
using testing::EvidenceOf;
using testing::Examined;
using testing::ExamineModel;
using testing::GptqOptions;
using testing::ModelBuilder;

ModelBuilder Asymmetric(GptqOptions options) {
  options.sym = false;
  options.group_size = 32;
  return ModelBuilder().Layers(1).Sizes(128, 128).Quant(options);
}

TEST(CheckpointFormat, TheMeanTellsAsymmetricZerosApartUpToFourBits) {
  for (int bits : {2, 3, 4}) {
    for (const bool v2 : {false, true}) {
      const Examined model = ExamineModel(Asymmetric({.bits = bits, .v2 = v2}));
      EXPECT_EQ(model->base.sym, false);
      EXPECT_EQ(model->base.checkpoint_format, v2 ? "gptq_v2" : "gptq") << bits;
      EXPECT_EQ(EvidenceOf(model, "checkpoint_format").confidence, Confidence::kInferred);
    }
  }
}

TEST(CheckpointFormat, NothingStatisticalDecidesAtEightBits) {
  for (const bool v2 : {false, true}) {
    const Examined model = ExamineModel(Asymmetric({.bits = 8, .v2 = v2}));
    EXPECT_EQ(model->base.sym, false);
    EXPECT_FALSE(model->base.checkpoint_format.has_value());
    EXPECT_EQ(model->zero_format, ZeroFormat::kUnknown);
    EXPECT_EQ(EvidenceOf(model, "checkpoint_format").confidence, Confidence::kUnknown);
  }
}

TEST(CheckpointFormat, ALabelIsAnAssumptionWhereTheTensorsCannotTell) {
  const Examined model = ExamineModel(Asymmetric({.bits = 8, .v2 = true}).WithConfigs());
  EXPECT_EQ(model->base.checkpoint_format, "gptq_v2");
  EXPECT_EQ(model->zero_format, ZeroFormat::kV2);
  EXPECT_EQ(EvidenceOf(model, "checkpoint_format").confidence, Confidence::kAssumed);
}

TEST(CheckpointFormat, AsymmetricPlanesAreTheLessRandomReading) {
  EXPECT_EQ(ExamineModel(Asymmetric({.bits = 3, .planar = true}))->base.checkpoint_format, "gptq_p");
  EXPECT_EQ(ExamineModel(Asymmetric({.bits = 3}))->layout, CodeLayout::kContinuous);
  EXPECT_EQ(ExamineModel(Asymmetric({.bits = 6, .planar = true}))->base.checkpoint_format, "gptq_p");
}

TEST(CheckpointFormat, AWrongLabelOfAsymmetricZerosIsFound) {
  ModelBuilder builder = Asymmetric({.bits = 4, .v2 = true});
  builder.File(
      "quantize_config.json",
      R"({"bits": 4, "group_size": 32, "desc_act": false, "sym": false, "quant_method": "gptq", "checkpoint_format": "gptq"})");
  const Examined model = ExamineModel(builder);
  EXPECT_EQ(model->base.checkpoint_format, "gptq_v2");
  EXPECT_EQ(DefectsOf(model, 3, "label"), 1);
}

TEST(CheckpointFormat, TheBaseSpeaksWhereWidthsAreMixed) {
  // 2-bit zeros shifted by the constant of 4 bits lie between the conventions.
  ModelBuilder builder = Asymmetric({.bits = 4});
  builder.Override("k_proj", {.bits = 2, .group_size = 32, .sym = false, .v2 = true});
  const Examined model = ExamineModel(builder);
  EXPECT_EQ(model->base.bits, 4);
  EXPECT_EQ(model->base.checkpoint_format, "gptq");
}

// --- Witnesses on windows made by hand.

CodeWindow Window(int columns, int channels, const std::vector<uint8_t>& stored) {
  CodeWindow w{.bits = 4, .columns = columns};
  for (int k = 0; k < channels; ++k) {
    w.channels.push_back(k);
    w.group.push_back(0);
  }
  w.codes.assign(static_cast<size_t>(columns * channels), 3);
  w.stored = stored;
  w.zero_rows = 1;
  w.group_whole = {true};
  return w;
}

std::vector<uint8_t> VariedZeros(int columns) {
  std::vector<uint8_t> out;
  for (int n = 0; n < columns; ++n) out.push_back(static_cast<uint8_t>(4 + n % 7));
  return out;
}

TEST(Witnesses, ADeadChannelShowsTheShift) {
  for (const int shift : {0, 1}) {
    CodeWindow w = Window(32, 8, VariedZeros(32));
    for (size_t n = 0; n < 32; ++n) w.codes[3 * 32 + n] = static_cast<uint8_t>(w.stored[n] + shift);
    const WitnessReport report = FindWitnesses(w);
    EXPECT_EQ(report.dead_v1, shift);
    EXPECT_EQ(report.dead_v2, 1 - shift);
    w.codes[3 * 32 + 17] ^= 1;  // one column that does not fit makes it an ordinary channel
    EXPECT_EQ(FindWitnesses(w).dead_v1 + FindWitnesses(w).dead_v2, 0);
  }
}

TEST(Witnesses, UnderflowedColumnsAreLeftOut) {
  std::vector<uint8_t> stored = VariedZeros(40);
  stored[5] = 15;  // z = 0 in v1
  CodeWindow w = Window(40, 8, stored);
  for (size_t n = 0; n < 40; ++n) w.codes[n] = static_cast<uint8_t>(stored[n] == 15 ? 0 : stored[n] + 1);
  EXPECT_EQ(FindWitnesses(w).dead_v1, 1);
}

TEST(Witnesses, AConstantRowUnderConstantZerosProvesNothing) {
  CodeWindow w = Window(32, 8, std::vector<uint8_t>(32, 7));
  for (size_t n = 0; n < 32; ++n) w.codes[n] = 8;
  EXPECT_EQ(FindWitnesses(w).dead_v1, 0);
}

TEST(Witnesses, AnAllZeroGroupShowsTheShift) {
  for (const int shift : {0, 1}) {
    CodeWindow w = Window(32, 16, VariedZeros(32));
    w.scales.assign(32, 0.01f);
    w.scale_rows = 1;
    w.scales[9] = HalfToFloat(0x3044);  // 2 / 15
    w.stored[9] = static_cast<uint8_t>(8 - shift);
    for (size_t k = 0; k < 16; ++k) w.codes[k * 32 + 9] = 8;
    EXPECT_EQ(FindWitnesses(w).group_v1, shift);
    EXPECT_EQ(FindWitnesses(w).group_v2, 1 - shift);
    w.codes[4 * 32 + 9] = 9;  // a genuinely large scale
    EXPECT_EQ(FindWitnesses(w).group_v1 + FindWitnesses(w).group_v2, 0);
  }
}

FormatVote Vote(double mean, int64_t count = 8192) {
  FormatVote vote;
  vote.report.sum = mean * static_cast<double>(count);
  vote.report.count = count;
  return vote;
}

TEST(Judge, TheMarginIsHeldByNearlyAllModules) {
  const auto judge = [](std::vector<double> means) {
    std::vector<FormatVote> votes;
    for (double mean : means) votes.push_back(Vote(mean));
    return JudgeAsymmetric(votes, {}).format;
  };
  EXPECT_EQ(judge({1.0, 0.98, 1.02, 0.9}), ZeroFormat::kV1);
  EXPECT_EQ(judge({0.0, 0.2, -0.1, 0.05}), ZeroFormat::kV2);
  EXPECT_EQ(judge({0.4, 0.5, 0.6}), ZeroFormat::kUnknown);
  EXPECT_EQ(judge({1.0, 1.0, 0.6, 0.5}), ZeroFormat::kUnknown);                 // two of four
  EXPECT_EQ(judge({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.0}), ZeroFormat::kUnknown);  // one says the opposite
  EXPECT_EQ(judge({2.3, 2.4}), ZeroFormat::kUnknown);                           // skewed weights, no convention
}

TEST(Judge, FewCodesDecideNothing) {
  const std::vector<FormatVote> votes = {Vote(1.0, 100)};
  EXPECT_EQ(JudgeAsymmetric(votes, {}).format, ZeroFormat::kUnknown);
}

TEST(Judge, AWitnessBeatsTheStatistics) {
  std::vector<FormatVote> votes = {Vote(1.0), Vote(1.0)};
  votes[0].report.dead_v2 = 3;
  const FormatAnswer answer = JudgeAsymmetric(votes, {});
  EXPECT_EQ(answer.format, ZeroFormat::kV2);
  EXPECT_EQ(answer.confidence, Confidence::kCertain);
  EXPECT_EQ(answer.dissent.size(), 1u);
}

TEST(Judge, WitnessesOfBothKindsSettleNothing) {
  std::vector<FormatVote> votes = {Vote(0.5), Vote(0.5)};
  votes[0].report.dead_v1 = 2;
  votes[1].report.group_v2 = 2;
  EXPECT_EQ(JudgeAsymmetric(votes, {}).format, ZeroFormat::kUnknown);
}

}  // namespace
}  // namespace gptq_doctor
