// The fuzzers' corpora, and every crash that they ever found, once more: whole, and cut off at sixteen places.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "fuzz/fuzz_target.h"

namespace gptq_doctor {
namespace {

class Replay : public ::testing::TestWithParam<fuzz::Target> {};

TEST_P(Replay, HoldsOnTheWholeCorpus) {
  const auto folder = std::filesystem::path(GPTQ_DOCTOR_TEST_DATA) / "fuzz" / GetParam().name;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    SCOPED_TRACE(entry.path().string());
    GetParam().run(content);
    for (size_t part = 0; part < 16; ++part)
      GetParam().run(std::string_view(content).substr(0, content.size() * part / 16));
    ++files;
  }
  EXPECT_GT(files, 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, ::testing::ValuesIn(fuzz::kTargets),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace gptq_doctor
