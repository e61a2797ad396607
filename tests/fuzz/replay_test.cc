// The fuzzers' corpora, and every crash that they ever found, once more: whole, cut off at sixteen places, and changed
// at random as the fuzzers change them, though without looking for new ways through the code. The same inputs every
// time.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "fuzz/mutator.h"

namespace gptq_doctor {
namespace {

std::vector<std::string> Corpus(const char* target) {
  std::vector<std::string> inputs;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(GPTQ_DOCTOR_TEST_DATA) / "fuzz" / target)) {
    std::ifstream in(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  std::ranges::sort(inputs);  // directories list in any order
  return inputs;
}

// Sets, inserts or removes a few bytes. The library's own changes belong to clang.
size_t MutateBytes(uint8_t* data, size_t size, size_t max_size) {
  static std::minstd_rand random(1);
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) {
    const size_t at = size == 0 ? 0 : random() % size;
    const auto byte = static_cast<uint8_t>(random() % 3 == 0 ? 0xFF : random() % 256);
    const size_t way = size == 0 ? 1 : random() % 3;
    if (way == 0) {
      data[at] = byte;
    } else if (way == 1 && size < max_size) {
      std::memmove(data + at + 1, data + at, size - at);
      data[at] = byte;
      ++size;
    } else if (way == 2 && size > 1) {
      std::memmove(data + at, data + at + 1, size - at - 1);
      --size;
    }
  }
  return size;
}

class Replay : public ::testing::TestWithParam<fuzz::Target> {};

TEST_P(Replay, HoldsOnTheWholeCorpus) {
  const std::vector<std::string> corpus = Corpus(GetParam().name);
  EXPECT_FALSE(corpus.empty());
  for (const std::string& content : corpus) {
    GetParam().run(content);
    for (size_t part = 0; part < 16; ++part)
      GetParam().run(std::string_view(content).substr(0, content.size() * part / 16));
  }
}

TEST_P(Replay, HoldsOnChangedInputs) {
  // A whole model takes a hundred times as long as a text.
  const unsigned runs = GetParam().form == fuzz::Form::kRecords ? 300 : 6000;
  const std::vector<std::string> corpus = Corpus(GetParam().name);
  std::vector<uint8_t> buffer(16 << 10);
  for (unsigned run = 0; run < runs; ++run) {
    const std::string& seed = corpus[run % corpus.size()];
    size_t size = std::min(seed.size(), buffer.size());
    std::copy_n(seed.begin(), size, buffer.begin());
    for (unsigned step = 0; step <= run % 3; ++step)
      size = fuzz::Mutate(GetParam().form, buffer, size, run * 3 + step, MutateBytes);
    GetParam().run({reinterpret_cast<const char*>(buffer.data()), size});
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, ::testing::ValuesIn(fuzz::kTargets),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace gptq_doctor
