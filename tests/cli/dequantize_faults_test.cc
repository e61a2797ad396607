// Disks that fail: whichever call of dequantize goes wrong, no directory looks complete and is not, and the source
// stays.

#include <gmock/gmock.h>

#include <cerrno>

#include "cli/cli_support.h"
#include "support/fast_dir.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> Tree(const fs::path& root) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    out[fs::relative(entry.path(), root).string()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return out;
}

class FailingDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    ModelBuilder().Layers(1).Sizes(128, 256).Quant({.group_size = 64}).WithConfigs().WriteTo(Path("model"));
    source_ = Tree(Path("model"));
    ASSERT_EQ(RunTool(Arguments("whole")).exit_code, 0);
    whole_ = Tree(Path("whole"));
  }
  fs::path Path(const std::string& name) const { return temp_.path() / name; }
  std::vector<std::string> Arguments(const std::string& name) const {
    return {"dequantize", Path("model").string(), "-o", Path(name).string(), "--max-shard-size", "200KB", "--jobs",
            "1"};
  }
  RunResult RunWithFault(const std::string& call, int at, int error, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = Arguments("out");
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunTool(arguments, {{"LD_PRELOAD", GPTQ_DOCTOR_FAULT_SHIM},
                               {"ASAN_OPTIONS", "verify_asan_link_order=0"},
                               {"FAULT_CALL", call},
                               {"FAULT_AT", std::to_string(at)},
                               {"FAULT_ERRNO", std::to_string(error)}});
  }
  // Every n-th call in turn until none is left to fail; the number that failed.
  int FailEach(const std::string& call, int error, bool resume) const {
    int failed = 0;
    for (int at = 1; at < 400; at += at < 5 ? 1 : at) {
      const RunResult run =
          RunWithFault(call, at, error, resume ? std::vector<std::string>{"--resume"} : std::vector<std::string>{});
      const std::string what = call + " " + std::to_string(at) + ": " + run.err;
      const bool there = fs::exists(Path("out"));
      if (there) {
        EXPECT_EQ(Tree(Path("out")), whole_) << what;
      }
      if (run.exit_code == 0) {
        EXPECT_TRUE(there) << what;
        fs::remove_all(Path("out"));
        break;
      }
      EXPECT_EQ(run.exit_code, 3) << what;
      ++failed;
      if (!there) {
        const RunResult again = RunTool([&] {
          std::vector<std::string> arguments = Arguments("out");
          arguments.push_back("--resume");
          return arguments;
        }());
        EXPECT_EQ(again.exit_code, 0) << what << again.err;
        EXPECT_EQ(Tree(Path("out")), whole_) << what;
      }
      fs::remove_all(Path("out"));
      fs::remove_all(Path("out.gptq-doctor-partial"));
      fs::remove(Path("out.gptq-doctor-state"));
    }
    EXPECT_EQ(Tree(Path("model")), source_) << call;
    return failed;
  }

  FastDir temp_;
  std::map<std::string, std::string> source_, whole_;
};

TEST_F(FailingDisk, WritesThatFailLeaveNothingThatLooksWhole) {
  for (const char* call : {"pwrite", "fsync", "fallocate", "create", "rename", "mkdir", "chmod"}) {
    EXPECT_GT(FailEach(call, ENOSPC, false), 0) << call;
  }
  for (const char* call : {"pwrite", "fsync"}) EXPECT_GT(FailEach(call, EIO, true), 0) << call;
}

TEST_F(FailingDisk, ReadsThatFailEndTheRun) { EXPECT_GT(FailEach("pread", EIO, false), 0); }

TEST_F(FailingDisk, ShortWritesAndReadsAndInterruptedCallsAreGoneOnWith) {
  for (const auto& [call, error] : {std::pair("pwrite", 0), std::pair("pread", 0), std::pair("pwrite", EINTR),
                                    std::pair("pread", EINTR), std::pair("fsync", EINTR)}) {
    const RunResult run = RunWithFault(call, 1, error);
    EXPECT_EQ(run.exit_code, 0) << call << ": " << run.err;
    EXPECT_EQ(Tree(Path("out")), whole_) << call;
    fs::remove_all(Path("out"));
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
