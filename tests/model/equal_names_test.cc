// Repeated names are found among tags alike, in one piece and in many, against counting them in a map.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "model/header_layout.h"

namespace gptq_doctor {
namespace {

using Pair = std::pair<uint32_t, uint32_t>;

// `names` stand for names and tags are made of them; several names share a tag.
std::vector<uint32_t> LaterOnes(const std::vector<uint32_t>& names, uint32_t distinct_tags) {
  std::vector<uint32_t> tags;
  for (const uint32_t name : names) tags.push_back(name % distinct_tags * 2654435761u);
  std::vector<uint32_t> later;
  FindEqualNames(
      tags, [&](uint32_t a, uint32_t b) { return names[a] == names[b]; },
      [&](uint32_t earlier, uint32_t again) {
        EXPECT_LT(earlier, again);
        EXPECT_EQ(names[earlier], names[again]);
        later.push_back(again);
      });
  std::ranges::sort(later);
  return later;
}

std::vector<uint32_t> Expected(const std::vector<uint32_t>& names) {
  std::map<uint32_t, int> seen;
  std::vector<uint32_t> later;
  for (uint32_t i = 0; i < names.size(); ++i) {
    if (seen[names[i]]++ > 0) later.push_back(i);
  }
  return later;
}

TEST(EqualNames, AreFoundOnceEach) {
  std::mt19937 random(7);
  for (const size_t count : {0u, 1u, 2u, 63u, 2'000u, 16'384u, 16'385u, 90'000u}) {
    for (const uint32_t range : {3u, 1'000u, 100'000u, 4'000'000'000u}) {
      std::vector<uint32_t> names(count);
      // Few equal names of many, or many of few: tags of wide ranges are the names, of narrow ones three names share
      // one.
      for (uint32_t& name : names) name = static_cast<uint32_t>(random() % range);
      if (count / std::max(range, 1u) > 100) names.resize(std::min<size_t>(count, 2'000));
      EXPECT_EQ(LaterOnes(names, range > 1'000 ? ~uint32_t{0} : range / 3 + 1), Expected(names))
          << count << " " << range;
    }
  }
}

TEST(EqualNames, OfDistinctNamesNoneIsFound) {
  std::vector<uint32_t> names(200'000);
  for (uint32_t i = 0; i < names.size(); ++i) names[i] = i;
  EXPECT_TRUE(LaterOnes(names, ~uint32_t{0}).empty());
}

}  // namespace
}  // namespace gptq_doctor
