// Mutated headers: our verdict against that of an independent slow checker.

#include <random>

#include "gtest/gtest.h"
#include "model/header_cases.h"
#include "support/slow_checker.h"

namespace gptq_doctor {
namespace {

using testing::Entry;

struct Seed {
  std::string text;
  uint64_t data;
};

std::vector<Seed> Seeds() {
  const std::string a = Entry("a.qweight", "I32", "[2,2]", 0, 16);
  const std::string b = Entry("a.scales", "F16", "[3]", 16, 22);
  const std::string zero = Entry("z", "F32", "[0]", 22, 22);
  return {
      {"{" + a + "}", 16},
      {"{" + a + "," + b + "," + zero + "}  ", 22},
      {"{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\\u00e9\"}," + a + "}", 16},
      {"{" + b + "," + a + "}", 22},
      {"{\"t\": {\"dtype\": \"I32\", \"shape\": [2, 2], \"data_offsets\": [0, 16]}, \"u\": {\"dtype\": \"U8\", "
       "\"shape\": [], \"data_offsets\": [16, 17]}}",
       17},
      {"{\"t\":{\"x\":[{\"y\":[1e3,-0.5,true]},null],\"shape\":[1,4],\"data_offsets\":[0,2],\"dtype\":\"F4\"}}", 2},
      {"{\"\\u0074\\ud83d\\ude00\":{\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3},
      {" {\n\"t\"\t:{\"dtype\":\"BOOL\",\"shape\":[3,1,1],\"data_offsets\":[0,3]}\r}", 3},
      {"{}", 0},
  };
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  std::string Mutate(std::string text) {
    static constexpr std::string_view kTokens[] = {",",
                                                   ":",
                                                   "{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   "\"",
                                                   "\\",
                                                   "0",
                                                   "1",
                                                   "-",
                                                   "16",
                                                   "1.0",
                                                   "2e0",
                                                   " ",
                                                   "\n",
                                                   "\0",
                                                   "\\u",
                                                   "t",
                                                   "null",
                                                   "true",
                                                   "I32",
                                                   "\"F16\"",
                                                   "\xC3",
                                                   "\xC3\xA9",
                                                   "\xEF\xBB\xBF",
                                                   "\f",
                                                   "[0,16]",
                                                   "{}",
                                                   "18446744073709551615",
                                                   "18446744073709551616",
                                                   "\"x\":1,",
                                                   "\"shape\":[4],",
                                                   "\"__metadata__\":null,",
                                                   "\\ud800",
                                                   "\"\":",
                                                   "1e400",
                                                   "4294967296"};
    const uint64_t count = 1 + Below(3);
    for (uint64_t i = 0; i < count; ++i) {
      const size_t at = Below(text.size() + 1);
      switch (Below(5)) {
        case 0:
          text.insert(at, kTokens[Below(std::size(kTokens))]);
          break;
        case 1:
          text.erase(at, 1 + Below(4));
          break;
        case 2:
          if (at < text.size()) text[at] = static_cast<char>(Below(256));
          break;
        case 3:
          text.insert(at, text.substr(Below(text.size() + 1), Below(30)));
          break;
        default:
          if (at < text.size() && text[at] >= '0' && text[at] <= '9') text[at] = static_cast<char>('0' + Below(10));
          break;
      }
      if (text.size() > 4000) text.resize(4000);
    }
    return text;
  }

 private:
  std::mt19937_64 random_;
};

TEST(HeaderDifferential, MutationsGetTheVerdictOfTheSlowChecker) {
  const std::vector<Seed> seeds = Seeds();
  Mutator mutator(20240901);
  int accepted = 0, refused = 0;
  for (const Seed& seed : seeds)
    ASSERT_TRUE(testing::SlowlyAccepts(testing::FileOf(seed.text, seed.data))) << seed.text;
  for (int i = 0; i < 8'000; ++i) {
    const Seed& seed = seeds[mutator.Below(seeds.size())];
    const std::string text = mutator.Mutate(seed.text);
    const uint64_t data = mutator.Below(10) == 0 ? mutator.Below(32) : seed.data;
    const std::string file =
        mutator.Below(50) == 0 ? testing::FileOf(mutator.Below(400), text, data) : testing::FileOf(text, data);
    const bool expected = testing::SlowlyAccepts(file);
    const ShardHeader header = testing::Read(file);
    ASSERT_EQ(header.accepted, expected) << "mutation " << i << ": " << text << "\n"
                                         << (header.defects.empty() ? "" : header.defects[0].detail);
    bool reason = false;
    for (const Defect& defect : header.defects) reason = reason || IsRefusal(defect.kind);
    ASSERT_EQ(reason, !header.accepted) << text;
    (expected ? accepted : refused) += 1;
  }
  // Both sides are exercised.
  EXPECT_GT(accepted, 200);
  EXPECT_GT(refused, 2'000);
}

}  // namespace
}  // namespace gptq_doctor
