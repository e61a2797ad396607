// Codes and zero points in other words, against a packer that shares nothing with the library's.

#include "dequant/repack.h"

#include <gtest/gtest.h>

#include "dequant/convert.h"
#include "dequant/dense_support.h"
#include "dequant/zeros.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

using testing::ExamineModel;
using testing::GptqOptions;
using testing::Model;
using testing::ModelBuilder;
using testing::PackPlanar;
using testing::PackStream;
using testing::TestRandom;

std::vector<uint32_t> RandomZeros(TestRandom& random, int bits, size_t count, uint32_t least) {
  std::vector<uint32_t> out(count);
  for (uint32_t& zero : out) zero = least + static_cast<uint32_t>(random.Next() % ((1u << bits) - least));
  return out;
}

std::vector<uint32_t> LessOne(std::vector<uint32_t> zeros, int bits) {
  for (uint32_t& zero : zeros) zero = (zero - 1) & ((1u << bits) - 1);
  return zeros;
}

PackedModule Row(int bits, int pack_bits, ZeroRule rule, size_t columns) {
  PackedModule m;
  m.bits = bits;
  m.pack_bits = pack_bits;
  m.zero_rule = rule;
  m.out_features = static_cast<int64_t>(columns);
  return m;
}

std::string Repacked(const std::string& row, const PackedModule& from, const Packing& to) {
  const std::vector<char> out = RepackZeroRow(row, from, to);
  return {out.begin(), out.end()};
}

TEST(RepackZeroRow, EveryWidthAndWordThereAndBack) {
  TestRandom random(11);
  for (const int bits : {2, 3, 4, 8}) {
    for (const int pack_bits : {8, 16, 32, 64}) {
      if (bits == 3 && pack_bits != 32) continue;
      for (const size_t columns : {size_t{32}, size_t{96}, size_t{40}, size_t{5}}) {
        if (bits == 3 && columns % 32 != 0) continue;
        const std::vector<uint32_t> zeros = RandomZeros(random, bits, columns, 1);
        const std::string v1 = PackStream(LessOne(zeros, bits), bits, pack_bits),
                          v2 = PackStream(zeros, bits, pack_bits);
        const PackedModule one = Row(bits, pack_bits, ZeroRule::kPlusOne, columns),
                           two = Row(bits, pack_bits, ZeroRule::kStored, columns);
        EXPECT_EQ(Repacked(v1, one, {pack_bits, false}), v2) << bits << " bits, words of " << pack_bits;
        EXPECT_EQ(Repacked(v2, two, {pack_bits, true}), v1) << bits << " bits, words of " << pack_bits;
        EXPECT_EQ(Repacked(v1, one, {32, false}), PackStream(zeros, bits, 32)) << bits << " bits from " << pack_bits;
        EXPECT_EQ(Repacked(v2, two, {32, true}), PackStream(LessOne(zeros, bits), bits, 32));
      }
    }
  }
}

TEST(RepackZeroRow, ZeroPointsOf0ComeBack) {
  TestRandom random(12);
  for (const int bits : {2, 3, 4, 8}) {
    const std::vector<uint32_t> zeros = RandomZeros(random, bits, 64, 0);
    const std::string v2 = PackStream(zeros, bits, 32);
    const std::string v1 = Repacked(v2, Row(bits, 32, ZeroRule::kStored, 64), {32, true});
    EXPECT_EQ(Repacked(v1, Row(bits, 32, ZeroRule::kPlusOne, 64), {32, false}), v2) << bits;
  }
  // 8,7,0,9,8,8,6,8, low field first, as GPTQModel writes it.
  const std::string v1 = Repacked(std::string("\x78\x90\x88\x86", 4), Row(4, 32, ZeroRule::kStored, 8), {32, true});
  EXPECT_EQ(v1, "\x67\x7F\x77\x75");
}

TEST(RepackZeroRow, BitsOfNoColumnStay) {
  const std::string v1("\x77\x77\x3A\xFF", 4);  // five columns of 4 bits
  const std::string v2 = Repacked(v1, Row(4, 32, ZeroRule::kPlusOne, 5), {32, false});
  EXPECT_EQ(v2, std::string("\x88\x88\x3B\xFF", 4));
  EXPECT_EQ(Repacked(v2, Row(4, 32, ZeroRule::kStored, 5), {32, true}), v1);
}

TEST(RepackZeroRow, SwappedConstantsAreTakenBack) {
  const std::string broken("\0\0\0\0\xB7\x6D\xDB\xB6\x49\x92\x24\x49", 12);  // GPTQModel 2.2.0, symmetric
  const PackedModule m = Row(3, 32, ZeroRule::kBroken3Bit, 32);
  const std::vector<uint32_t> four(32, 4), three(32, 3);
  EXPECT_EQ(Repacked(broken, m, {32, false}), PackStream(four, 3, 32));
  EXPECT_EQ(Repacked(broken, m, {32, true}), PackStream(three, 3, 32));
}

TEST(RepackZeroRow, PlanesBecomeAStream) {
  TestRandom random(13);
  const std::vector<uint32_t> zeros = RandomZeros(random, 3, 64, 1);
  PackedModule m = Row(3, 32, ZeroRule::kStored, 64);
  m.layout = CodeLayout::kPlanar;
  EXPECT_EQ(Repacked(PackPlanar(zeros, 3), m, {32, false}), PackStream(zeros, 3, 32));
  EXPECT_EQ(Repacked(PackPlanar(zeros, 3), m, {32, true}), PackStream(LessOne(zeros, 3), 3, 32));
}

// A whole converted module against the same one packed so from the start: the builder draws the same codes and scales.
void ExpectSame(const GptqOptions& from, const GptqOptions& to, const ConvertOptions& options) {
  const auto build = [](const GptqOptions& quant) {
    return ModelBuilder().Layers(1).Sizes(64, 160).Quant(quant).WithConfigs();
  };
  const Model model = ExamineModel(build(from), true);
  const Result<ConvertPlan> plan = PlanConvert(*model.exam, options, {});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  const testing::TempDir temp;
  ASSERT_TRUE(WriteModel(plan->model, temp.str() + "/out", {}).ok());
  const testing::ReadDirectory out = testing::ReadBack(temp.path() / "out");
  const auto wanted = testing::BuiltTensors(build(to));
  ASSERT_EQ(out.tensors.size(), wanted.size());
  for (const auto& [name, tensor] : wanted) {
    EXPECT_EQ(out.tensors.at(name).dtype, tensor.dtype) << name;
    EXPECT_EQ(out.tensors.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(out.tensors.at(name).data, tensor.data) << name;
  }
}

TEST(Repack, EveryWordSizeTo32Bits) {
  for (const int pack_bits : {8, 16, 64}) {
    for (const int bits : {2, 4, 8}) {
      for (const bool v2 : {false, true}) {
        const GptqOptions from{.bits = bits, .group_size = 32, .v2 = v2, .pack_bits = pack_bits};
        GptqOptions to = from;
        to.pack_bits = 32;
        ExpectSame(from, to, {.pack_int32 = true});
      }
    }
  }
}

TEST(Repack, WordsAndFormatAtOnce) {
  const GptqOptions from{.bits = 4, .group_size = 32, .sym = false, .desc_act = true, .v2 = false, .pack_bits = 16};
  GptqOptions to = from;
  to.pack_bits = 32;
  to.v2 = true;
  ExpectSame(from, to, {.checkpoint_format = "gptq_v2", .pack_int32 = true});
}

TEST(Repack, ThreeBitPlanesToAStream) {
  const GptqOptions from{.bits = 3, .group_size = 32, .planar = true};
  ExpectSame(from, {.bits = 3, .group_size = 32, .v2 = true}, {.checkpoint_format = "gptq_v2"});
  ExpectSame(from, {.bits = 3, .group_size = 32}, {.checkpoint_format = "gptq"});
}

}  // namespace
}  // namespace gptq_doctor
