// verify: what the whole data show, and silence where nothing is wrong.

#include "dequant/verify.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "dequant/code_scan.h"
#include "dequant/dense_support.h"
#include "support/packer.h"
#include "support/quantizer.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kUp = "model.layers.0.mlp.up_proj";

struct Verified {
  VerifyReport report;
  std::vector<ValueDefect> defects;  // all but harmless biases
  ModuleCheck up;
};

Verified VerifyBuilt(const ModelBuilder& builder, const VerifyOptions& options = {}) {
  const Model model = ExamineModel(builder, !options.sample);
  ThreadPool pool(3);
  Result<VerifyReport> report = VerifyModel(*model.exam, options, {.pool = &pool});
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  Verified out;
  if (!report) return out;
  out.report = *report;
  out.defects = model.exam->quant.value_defects;
  for (const ModuleCheck& check : report->modules) {
    if (check.name == kUp) out.up = check;
  }
  return out;
}

// The model with one component of up_proj changed.
Verified VerifyEdited(const GptqOptions& options, const std::string& suffix,
                      const std::function<void(std::string&)>& edit) {
  ModelPair pair(options);
  for (TestTensor tensor : QuantizeMatrix(kUp, pair.weights[kUp], options)) {
    if (tensor.name == kUp + suffix) edit(tensor.data);
    pair.quantized.Tensor(tensor);
  }
  return VerifyBuilt(pair.quantized);
}

std::vector<std::pair<int, std::string>> Kinds(const Verified& verified) {
  std::vector<std::pair<int, std::string>> out;
  for (const ValueDefect& defect : verified.defects) out.emplace_back(defect.catalogue, defect.variant);
  return out;
}

TEST(Verify, AHealthyModelIsReadWholeAndIsSilent) {
  for (const GptqOptions& options :
       {GptqOptions{.bits = 4, .group_size = 32}, GptqOptions{.bits = 2, .group_size = 32, .sym = false, .v2 = true},
        GptqOptions{.bits = 3, .group_size = 32, .desc_act = true}, GptqOptions{.bits = 8, .group_size = -1},
        GptqOptions{.bits = 5, .group_size = 64, .planar = true}}) {
    const Verified verified = VerifyBuilt(ModelPair(options).quantized);
    EXPECT_THAT(Kinds(verified), IsEmpty()) << options.bits;
    EXPECT_EQ(verified.report.modules.size(), 14u);
    EXPECT_EQ(verified.report.modules_total, 14);
    EXPECT_EQ(verified.report.dense_tensors, 7);
    EXPECT_EQ(verified.up.codes, 256u * 128u);
    EXPECT_GT(verified.up.entropy, 0.5 * options.bits);
    EXPECT_LT(verified.up.entropy, options.bits - 0.05);
  }
}

TEST(Verify, SelectionAndSampleAreStated) {
  const ModelBuilder model = ModelBuilder().Layers(5).Quant({.group_size = 32}).WithConfigs();
  EXPECT_EQ(VerifyBuilt(model, {.sample = true}).report.modules.size(), 3u * 7u);
  const Verified chosen = VerifyBuilt(model, {.modules = {"*.3.mlp.*"}});
  EXPECT_EQ(chosen.report.modules.size(), 3u);
  EXPECT_EQ(chosen.report.modules_total, 35);
}

TEST(Verify, AZeroScaleCountsOnlyOverDifferentCodes) {
  const auto zero = [](size_t at) { return [at](std::string& data) { std::memset(data.data() + 2 * at, 0, 2); }; };
  const Verified used = VerifyEdited({.group_size = 32, .desc_act = true}, ".scales", zero(300));
  EXPECT_THAT(Kinds(used), ElementsAre(std::pair(5, std::string())));
  EXPECT_EQ(used.up.scales.zero_in_use, 1);
  // A dead output: every code is the zero point.
  ModelPair pair({.group_size = 32});
  Matrix matrix = pair.weights[kUp];
  for (int64_t k = 0; k < 128; ++k) matrix.values[static_cast<size_t>(5 * 128 + k)] = 0;
  for (TestTensor tensor : QuantizeMatrix(kUp, matrix, pair.options)) {
    if (tensor.name == kUp + ".scales") zero(5)(tensor.data);
    pair.quantized.Tensor(tensor);
  }
  const Verified dead = VerifyBuilt(pair.quantized);
  EXPECT_THAT(Kinds(dead), IsEmpty());
  EXPECT_EQ(dead.up.dead_outputs, 1);
  EXPECT_EQ(dead.up.scales.zero, 1);
}

TEST(Verify, DeadInputsAreCounted) {
  for (const bool sym : {true, false}) {
    for (const int bits : {3, 4}) {
      ModelPair pair({.bits = bits, .group_size = 32, .sym = sym});
      Matrix matrix = pair.weights[kUp];
      for (int64_t n = 0; n < 256; ++n) {
        for (int64_t k : {3, 64, 127}) matrix.values[static_cast<size_t>(n * 128 + k)] = 0;
      }
      pair.Replace(kUp, matrix);
      const Verified verified = VerifyBuilt(pair.quantized);
      EXPECT_EQ(verified.up.dead_inputs, 3) << bits << sym;
      EXPECT_THAT(Kinds(verified), IsEmpty());
    }
  }
}

TEST(Verify, PartsThatWereNeverFilledAreFound) {
  const Verified zero =
      VerifyEdited({.group_size = 32}, ".qweight", [](std::string& data) { std::memset(data.data() + 4096, 0, 2048); });
  EXPECT_THAT(Kinds(zero), ElementsAre(std::pair(101, std::string("zero"))));
  EXPECT_EQ(zero.up.zero_bytes, 2048);
  const Verified few =
      VerifyEdited({.group_size = 32}, ".qweight", [](std::string& data) { std::memset(data.data() + 4096, 0, 400); });
  EXPECT_THAT(Kinds(few), IsEmpty());
}

TEST(Verify, AllZeroAllEqualAndRandomAreToldApart) {
  const auto kind = [](const std::function<void(std::string&)>& edit) {
    return Kinds(VerifyEdited({.group_size = 32}, ".qweight", edit));
  };
  EXPECT_THAT(kind([](std::string& data) { data.assign(data.size(), '\0'); }),
              ElementsAre(std::pair(18, std::string("zero"))));
  EXPECT_THAT(kind([](std::string& data) { data.assign(data.size(), '\x99'); }),
              ElementsAre(std::pair(18, std::string("constant"))));
  EXPECT_THAT(kind([](std::string& data) {
                TestRandom random(3);
                for (char& byte : data) byte = static_cast<char>(random.Next());
              }),
              ElementsAre(std::pair(19, std::string())));
}

TEST(Verify, SaturatedAndConstantOutputsAreFound) {
  const auto column = [](int64_t n, uint32_t even, uint32_t odd) {
    return [=](std::string& data) {
      for (size_t row = 0; row < 16; ++row) {
        const uint32_t word = row % 2 == 0 ? even : odd;
        std::memcpy(data.data() + (row * 256 + static_cast<size_t>(n)) * 4, &word, 4);
      }
    };
  };
  const Verified saturated = VerifyEdited({.group_size = 32}, ".qweight", column(9, 0xFF00F0F0u, 0x0F0F00FFu));
  EXPECT_THAT(Kinds(saturated), ElementsAre(std::pair(104, std::string())));
  EXPECT_EQ(saturated.up.saturated_columns, 1);
  const Verified constant = VerifyEdited({.group_size = 32}, ".qweight", column(9, 0x33333333u, 0x33333333u));
  EXPECT_THAT(Kinds(constant), ElementsAre(std::pair(105, std::string())));
  // 8 is the zero point: a dead output, which is nothing to report.
  const Verified dead = VerifyEdited({.group_size = 32}, ".qweight", column(9, 0x88888888u, 0x88888888u));
  EXPECT_THAT(Kinds(dead), IsEmpty());
  EXPECT_EQ(dead.up.dead_outputs, 1);
}

TEST(Verify, The3BitLayoutIsCheckedAgainstTheOtherOne) {
  ModelPair pair({.bits = 3, .group_size = 32});
  const GptqOptions planar{.bits = 3, .group_size = 32, .planar = true};
  for (const TestTensor& tensor : QuantizeMatrix(kUp, pair.weights[kUp], planar)) {
    if (tensor.name == kUp + ".qweight") pair.quantized.Tensor(tensor);
  }
  const Verified verified = VerifyBuilt(pair.quantized);
  EXPECT_THAT(Kinds(verified), ElementsAre(std::pair(103, std::string())));
  EXPECT_GT(verified.up.entropy, *verified.up.other_entropy + 0.1);
}

TEST(Verify, NanInANormIsFound) {
  ModelBuilder model = ModelBuilder().Quant({.group_size = 32}).WithConfigs();
  TestTensor norm = DenseTensor("model.norm.weight", {128});
  norm.data[11] = '\x7E';
  const Verified verified = VerifyBuilt(model.Tensor(norm));
  EXPECT_THAT(Kinds(verified), ElementsAre(std::pair(107, std::string())));
  EXPECT_THAT(verified.defects[0].detail, HasSubstr("model.norm.weight"));
}

TEST(Verify, StopsWhenToldTo) {
  const Model model = ExamineModel(ModelBuilder().Quant({.group_size = 32}));
  const std::atomic<bool> cancelled{true};
  const Result<VerifyReport> report = VerifyModel(*model.exam, {}, {.cancelled = &cancelled});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::kInterrupted);
}

TEST(Verify, ContradictingModulesAreSkippedByName) {
  ModelBuilder model = ModelBuilder().Quant({.group_size = 32});
  model.RemoveTensor(kUp + ".scales");
  const Verified verified = VerifyBuilt(model);
  EXPECT_EQ(verified.report.modules.size(), 13u);
}

// Every width, word and layout against counts made one code at a time.
TEST(CodeCounts, EqualThoseOfTheCodesThemselves) {
  struct Case {
    int bits, pack;
    bool planar;
  };
  for (const Case& c :
       {Case{2, 32, false}, Case{4, 32, false}, Case{8, 32, false}, Case{3, 32, false}, Case{4, 16, false},
        Case{8, 8, false}, Case{2, 64, false}, Case{6, 32, true}, Case{7, 32, true}, Case{3, 32, true}}) {
    constexpr int64_t kInputs = 192, kOutputs = 11;
    TestRandom random(static_cast<uint64_t>(c.bits * 100 + c.pack));
    const uint32_t top = (1u << c.bits) - 1, zero = 1u << (c.bits - 1);
    std::vector<std::vector<uint32_t>> codes(kInputs, std::vector<uint32_t>(kOutputs));
    std::vector<uint64_t> wanted(256), ends(kOutputs);
    int64_t dead = 0;
    for (auto& row : codes) {
      const bool dead_row = random.Next() % 16 == 0;
      for (size_t n = 0; n < kOutputs; ++n) {
        row[n] = dead_row || n == 4 ? zero : static_cast<uint32_t>(random.Next()) & top;
        ++wanted[row[n]];
        ends[n] += row[n] == 0 || row[n] == top;
      }
      dead += std::ranges::all_of(row, [&](uint32_t code) { return code == zero; });
    }
    PackedModule module;
    module.bits = c.bits;
    module.pack_bits = c.pack;
    module.layout = c.planar ? CodeLayout::kPlanar : CodeLayout::kContinuous;
    module.in_features = kInputs;
    module.out_features = kOutputs;
    const CodeShape shape(module);
    const std::string packed = PackQweight(codes, c.bits, c.pack, c.planar);
    const std::vector<uint8_t> zeros(kOutputs, static_cast<uint8_t>(zero));
    const ZerosOfInput lookup = [&](int64_t) { return GroupZeros{0, zeros}; };
    // In two pieces, the second first.
    const size_t cut = shape.RowBytes() * static_cast<size_t>(shape.block_rows * 2);
    const std::span<const char> all(packed);
    CodeCounts counts = CountCodes(shape, shape.block_rows * 2, all.subspan(cut), lookup);
    counts.Add(CountCodes(shape, 0, all.first(cut), lookup));
    const std::string what = std::to_string(c.bits) + "/" + std::to_string(c.pack);
    EXPECT_TRUE(std::ranges::equal(counts.codes, wanted)) << what;
    EXPECT_TRUE(std::ranges::equal(counts.at_ends, ends)) << what;
    EXPECT_EQ(counts.dead_inputs, dead) << what;
    const auto constant = ConstantColumns(shape, counts);
    ASSERT_EQ(constant.size(), 1u) << what;
    EXPECT_EQ(constant[0], std::pair(int64_t{4}, static_cast<uint8_t>(zero)));
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
