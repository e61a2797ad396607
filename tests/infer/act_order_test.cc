#include <gtest/gtest.h>

#include <algorithm>

#include "infer/quantities.h"

namespace gptq_doctor {
namespace {

std::vector<char> Bytes(const std::vector<int32_t>& entries) {
  const auto* data = reinterpret_cast<const char*>(entries.data());
  return {data, data + entries.size() * 4};
}

std::vector<int32_t> Sequential(int features, int group) {
  std::vector<int32_t> out;
  for (int k = 0; k < features; ++k) out.push_back(k / group);
  return out;
}

// Every channel of a group far from the others of it.
std::vector<int32_t> Shuffled(std::vector<int32_t> entries) {
  std::vector<int32_t> out(entries.size());
  for (size_t k = 0; k < entries.size(); ++k) out[k] = entries[k * 37 % entries.size()];
  return out;
}

GIdxReport Read(const std::vector<int32_t>& entries, int64_t groups) { return ReadGIdx(Bytes(entries), 4, groups); }

TEST(ReadGIdx, SequentialGroupsTellTheirSize) {
  const GIdxReport report = Read(Sequential(352, 128), 3);
  EXPECT_EQ(report.kind, GIdxKind::kSequential);
  EXPECT_EQ(report.group_size, 128);
  EXPECT_EQ(report.uneven_groups, 0);
  EXPECT_EQ(report.empty_groups, 0);
}

TEST(ReadGIdx, ShuffledGroupsAreActOrderWithTheSameSize) {
  const GIdxReport report = Read(Shuffled(Sequential(352, 128)), 3);
  EXPECT_EQ(report.kind, GIdxKind::kActOrder);
  EXPECT_EQ(report.group_size, 128);
  EXPECT_EQ(report.uneven_groups, 0);
}

TEST(ReadGIdx, TwoGroupsWithAShortLastOneTakeTheLargerSize) {
  EXPECT_EQ(Read(Shuffled(Sequential(192, 128)), 2).group_size, 128);
}

TEST(ReadGIdx, OnlyFullGroupsInOrderAreEven) {
  EXPECT_TRUE(Read(Sequential(384, 128), 3).even);
  EXPECT_FALSE(Read(Sequential(352, 128), 3).even);            // a short last group
  EXPECT_FALSE(Read(Sequential(384, 128), 4).even);            // a group behind
  EXPECT_FALSE(Read(Shuffled(Sequential(384, 128)), 3).even);  // another order
  std::vector<int32_t> short_first = Sequential(384, 128);
  short_first.erase(short_first.begin(), short_first.begin() + 32);
  EXPECT_FALSE(Read(short_first, 3).even);
}

TEST(ReadGIdx, OneGroupIsNotActOrder) {
  EXPECT_EQ(Read(std::vector<int32_t>(64, 0), 1).kind, GIdxKind::kConstantOneGroup);
}

TEST(ReadGIdx, AllZeroWithSeveralGroupsIsAKindOfItsOwn) {
  EXPECT_EQ(Read(std::vector<int32_t>(256, 0), 2).kind, GIdxKind::kAllZero);
}

TEST(ReadGIdx, EntriesOutsideTheGroupsAreCounted) {
  std::vector<int32_t> entries = Sequential(256, 128);
  entries[3] = -1;
  entries[9] = 2;
  const GIdxReport report = Read(entries, 2);
  EXPECT_EQ(report.kind, GIdxKind::kInvalid);
  EXPECT_EQ(report.out_of_range, 2);
  EXPECT_FALSE(report.group_size.has_value());
}

TEST(ReadGIdx, UnequalGroupsAreCounted) {
  std::vector<int32_t> entries = Shuffled(Sequential(256, 64));
  for (int i = 0; i < 5; ++i) *std::ranges::find(entries, 1) = 2;
  const GIdxReport report = Read(entries, 4);
  EXPECT_EQ(report.uneven_groups, 2);
  EXPECT_FALSE(report.padded);
}

TEST(ReadGIdx, GroupsShortenedByPaddingAreExcused) {
  // 320 channels were padded to 384 and sorted; 64 of the sorted ones were cut off again.
  std::vector<int32_t> padded = Shuffled(Sequential(384, 128));
  padded.resize(320);
  const GIdxReport report = Read(padded, 3);
  EXPECT_EQ(report.kind, GIdxKind::kActOrder);
  EXPECT_TRUE(report.padded || report.uneven_groups == 0);
}

TEST(ReadGIdx, AGroupWithoutChannelsIsFound) {
  std::vector<int32_t> entries = Shuffled(Sequential(256, 64));
  std::ranges::replace(entries, 2, 1);
  const GIdxReport report = Read(entries, 4);
  EXPECT_EQ(report.empty_groups, 1);
  EXPECT_FALSE(report.padded);
}

TEST(ReadGIdx, LargerGroupsThanTheShapesAreNoPadding) {
  const GIdxReport report = Read(Sequential(512, 256), 4);
  EXPECT_EQ(report.empty_groups, 2);
  EXPECT_FALSE(report.padded);
}

TEST(ReadGIdx, EightByteEntriesAreRead) {
  std::vector<int64_t> entries;
  for (int64_t k = 0; k < 128; ++k) entries.push_back(k / 64);
  const auto* data = reinterpret_cast<const char*>(entries.data());
  EXPECT_EQ(ReadGIdx({data, entries.size() * 8}, 8, 2).group_size, 64);
}

}  // namespace
}  // namespace gptq_doctor
