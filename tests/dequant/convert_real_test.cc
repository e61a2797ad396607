// Models that real packers wrote: what they mean and what they are after a conversion.

#include <gmock/gmock.h>

#include "base/sha256.h"
#include "dequant/convert_support.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;
using testing::Convert;
using testing::Converted;
using ::testing::ElementsAre;
using testing::ExamineSource;
using testing::FromFiles;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Model;
using ::testing::SizeIs;

Model Real(const std::string& name) {
  Result<std::unique_ptr<Source>> source =
      OpenLocalDirectory((fs::path(GPTQ_DOCTOR_TEST_DATA) / "real" / name / "model").string());
  EXPECT_TRUE(source.ok());
  return ExamineSource(std::move(*source), true);
}

// sha256 of the F32 weights, by name.
std::map<std::string, std::string> DenseHashes(const Model& model) {
  std::map<std::string, std::string> out;
  const Result<DequantizePlan> plan = PlanDequantize(*model.exam, {.dtype = Dtype::kF32});
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message);
  if (!plan) return out;
  for (const OutTensor& tensor : plan->model.tensors) {
    out[tensor.name] = Sha256(testing::Produced(tensor));
  }
  return out;
}

std::map<std::string, std::string> WeightFiles(const std::string& name) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::directory_iterator(fs::path(GPTQ_DOCTOR_TEST_DATA) / "real" / name / "model")) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(".safetensors") && !file.ends_with(".index.json")) continue;
    std::string& bytes = out[file];
    bytes.resize(entry.file_size());
    std::ifstream(entry.path(), std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  return out;
}

struct RealCase {
  std::string name, there, back;
};
class RealRoundTrip : public ::testing::TestWithParam<RealCase> {};

TEST_P(RealRoundTrip, IsBitExactAndMeansTheSame) {
  const auto& [name, there, back] = GetParam();
  const auto dense = DenseHashes(Real(name));
  const Converted first = Convert(Real(name), {.checkpoint_format = there});
  EXPECT_THAT(first.plan.losses, IsEmpty());
  ASSERT_TRUE(first.diagnosis.quantization);
  EXPECT_EQ(first.diagnosis.quantization->checkpoint_format, there);
  EXPECT_EQ(DenseHashes(FromFiles(first.bytes)), dense);
  const Converted second = Convert(FromFiles(first.bytes), {.checkpoint_format = back});
  EXPECT_EQ(second.diagnosis.quantization->checkpoint_format, back);
  EXPECT_EQ(DenseHashes(FromFiles(second.bytes)), dense);
  for (const auto& [file, bytes] : WeightFiles(name)) EXPECT_EQ(second.bytes.at(file), bytes) << file;
}

INSTANTIATE_TEST_SUITE_P(Packers, RealRoundTrip,
                         ::testing::Values(RealCase{"autogptq-0.0.2-opt-4b-gm1", "gptq_v2", "gptq"},
                                           RealCase{"autogptq-main-3b-g64-asym-descact", "gptq_v2", "gptq"},
                                           RealCase{"autogptq-main-4b-g128-ktail-descact", "gptq_v2", "gptq"},
                                           RealCase{"autogptq-main-4b-g32-asym-deadrows", "gptq_v2", "gptq"},
                                           RealCase{"autogptq-main-mixtral-4b-g32", "gptq_v2", "gptq"},
                                           RealCase{"autoround-0.9.7-autoround-4b-g32-asym", "gptq", "gptq_v2"},
                                           RealCase{"gptqmodel-5.8.0-8b-g64-sym-v2-moe-sharded", "gptq", "gptq_v2"},
                                           RealCase{"gptqmodel-7.3.4-dynamic-v1", "gptq_v2", "gptq"}),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::ranges::replace_if(
                               name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
                           return name;
                         });

TEST(ConvertReal, BrokenZerosAreRestored) {
  for (const auto& [name, restored] : {std::pair<std::string, size_t>{"gptqmodel-2.2.0-3b-g64-sym-v1", 14},
                                       std::pair<std::string, size_t>{"gptqmodel-2.2.0-dynamic-lmhead-sharded", 6}}) {
    const auto dense = DenseHashes(Real(name));
    for (const std::string format : {"", "gptq", "gptq_v2"}) {
      const Converted out = Convert(Real(name), {.checkpoint_format = format});
      EXPECT_THAT(out.plan.restored, SizeIs(restored)) << name;
      EXPECT_EQ(DenseHashes(FromFiles(out.bytes)), dense) << name << " as " << format;
      const Model again = FromFiles(out.bytes);
      EXPECT_FALSE(again.exam->quant.broken_3bit_zeros);
      EXPECT_EQ(again.exam->quant.shifted_base_bits, 0);
      EXPECT_EQ(out.diagnosis.quantization->checkpoint_format, format == "gptq_v2" ? "gptq_v2" : "gptq");
    }
  }
}

TEST(ConvertReal, ZeroPointsThatAWriterLostAreNotHidden) {
  const Model model = Real("autogptq-main-2b-g32-asym-underflow");
  const Result<ConvertPlan> plan = PlanConvert(*model.exam, {.checkpoint_format = "gptq_v2"}, {});
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(std::ranges::any_of(plan->losses, [](const ZeroLoss& loss) { return loss.before; }));
  EXPECT_FALSE(CheckLossless(*plan).ok());
}

TEST(ConvertReal, BorrowedZeroPointsAreWholeInV2AndHaveNoWayBack) {
  const std::string name = "gptqmodel-7.3.4-4b-g32-asym-v1-borrow";
  const Converted two = Convert(Real(name), {.checkpoint_format = "gptq_v2"});
  EXPECT_THAT(two.plan.losses, IsEmpty());
  EXPECT_THAT(two.plan.warnings, ElementsAre(HasSubstr("zero points of 0")));
  EXPECT_EQ(DenseHashes(FromFiles(two.bytes)), DenseHashes(Real(name)));
  const Converted back = Convert(FromFiles(two.bytes), {.checkpoint_format = "gptq"});
  EXPECT_FALSE(CheckLossless(back.plan).ok());
  for (const auto& [file, bytes] : WeightFiles(name)) EXPECT_EQ(back.bytes.at(file), bytes) << "with --allow-loss";
}

}  // namespace
}  // namespace gptq_doctor
