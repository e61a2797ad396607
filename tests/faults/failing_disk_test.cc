// A disk that fails under one kind of call at a time while dequantize writes: no directory looks complete and is not,
// the source stays, --resume goes on.

#include <gtest/gtest.h>

#include "faults/injection.h"

namespace gptq_doctor::testing {
namespace {

class FailingDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    workspace_.Reset(before_);
    ASSERT_EQ(workspace_.Run(Arguments()).exit_code, 0);
    after_ = workspace_.Read();
  }
  static std::vector<std::string> Arguments(bool resume = false) {
    std::vector<std::string> out = {"dequantize", "{w}/model", "-o", "{w}/out", "--max-shard-size", "200KB"};
    if (resume) out.push_back("--resume");
    return out;
  }
  // Every n-th call in turn until none is left to fail; the number that failed.
  int FailEach(const std::string& call, const std::string& error, bool resume) const {
    int failed = 0;
    for (int at = 1; at < 400; at += at < 5 ? 1 : at) {
      workspace_.Reset(before_);
      const SpoiledRun spoiled = workspace_.RunSpoiled(Arguments(resume), Only(call, error), at, 1);
      const std::string what = call + " " + std::to_string(at) + ": " + spoiled.run.err;
      if (!spoiled.hit) break;
      const Files now = workspace_.Read();
      if (spoiled.run.exit_code == 0) {
        EXPECT_EQ(now, after_) << what;
        continue;
      }
      EXPECT_EQ(spoiled.run.exit_code, 3) << what;
      ++failed;
      // Under its name it is whole; a note that it is may be left.
      if (std::filesystem::exists(workspace_.path("out"))) {
        for (const auto& [name, content] : after_) EXPECT_EQ(now.contains(name) ? now.at(name) : "", content) << what;
      }
      const RunResult again = workspace_.Run(Arguments(true));
      EXPECT_EQ(again.exit_code, 0) << what << again.err;
      EXPECT_EQ(workspace_.Read(), after_) << what;
    }
    return failed;
  }
  static Fault Only(const std::string& call, const std::string& kind, bool sticky = false) {
    return {.kind = kind, .sorts = "lrwcdx", .sticky = sticky, .below = "", .call = call};
  }

  const Files before_ =
      Below("model", ModelBuilder().Layers(1).Sizes(128, 256).Quant({.group_size = 64}).WithConfigs().Build());
  Workspace workspace_;
  Files after_;
};

TEST_F(FailingDisk, WritesThatFailLeaveNothingThatLooksWhole) {
  for (const char* call : {"pwrite", "fsync", "fallocate", "create", "renameat2", "mkdirat", "fchmod"}) {
    EXPECT_GT(FailEach(call, "ENOSPC", false), 0) << call;
  }
  for (const char* call : {"pwrite", "fsync"}) EXPECT_GT(FailEach(call, "EIO", true), 0) << call;
}

TEST_F(FailingDisk, ReadsThatFailEndTheRun) { EXPECT_GT(FailEach("pread", "EIO", false), 0); }

TEST_F(FailingDisk, ShortWritesAndReadsAndInterruptedCallsAreGoneOnWith) {
  for (const Fault& fault : {Only("pwrite", "short", true), Only("pread", "short", true), Only("pwrite", "EINTR"),
                             Only("pread", "EINTR"), Only("fsync", "EINTR"), Only("openat", "EINTR")}) {
    workspace_.Reset(before_);
    const SpoiledRun spoiled = workspace_.RunSpoiled(Arguments(), fault, 1, 1);
    EXPECT_TRUE(spoiled.hit) << fault.call;
    EXPECT_EQ(spoiled.run.exit_code, 0) << fault.call << ": " << spoiled.run.err;
    EXPECT_EQ(workspace_.Read(), after_) << fault.call;
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
