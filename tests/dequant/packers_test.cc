// Models that real packers wrote, against what the packers' own readers make of them: sha256 of the F32 bytes of
// X.weight, [out_features, in_features], computed by running those readers (tests/data/dequant/packers_sha256.json
// names them).

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "base/thread_pool.h"
#include "dequant/dense_support.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;
using testing::Model;

nlohmann::json Expected() {
  std::ifstream in(fs::path(GPTQ_DOCTOR_TEST_DATA) / "dequant" / "packers_sha256.json");
  return nlohmann::json::parse(in);
}

class RealPackers : public ::testing::TestWithParam<std::string> {};

TEST_P(RealPackers, DequantizeToTheBytesOfThePackersReader) {
  const fs::path directory = fs::path(GPTQ_DOCTOR_TEST_DATA) / "real" / GetParam() / "model";
  Result<std::unique_ptr<Source>> source = OpenLocalDirectory(directory.string());
  ASSERT_TRUE(source.ok());
  const Model model = testing::ExamineSource(std::move(*source));
  const Result<DequantizePlan> plan = PlanDequantize(*model.exam, {.dtype = Dtype::kF32});
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  size_t compared = 0;
  const nlohmann::json expected = Expected()[GetParam()]["tensors"];
  for (const OutTensor& tensor : plan->model.tensors) {
    if (!expected.contains(tensor.name)) continue;
    EXPECT_EQ(nlohmann::json(tensor.shape), expected[tensor.name]["shape"]);
    EXPECT_EQ(Sha256(testing::Produced(tensor)), expected[tensor.name]["sha256"]) << tensor.name;
    ++compared;
  }
  EXPECT_EQ(compared, expected.size());
}

std::vector<std::string> Names() {
  std::vector<std::string> out;
  const nlohmann::json expected = Expected();
  for (const auto& [name, entry] : expected.items()) out.push_back(name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Packers, RealPackers, ::testing::ValuesIn(Names()), [](const auto& test) {
  std::string name = test.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace gptq_doctor
