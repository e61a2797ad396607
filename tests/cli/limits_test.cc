// Runs in poor surroundings: few descriptors, little memory, a small stack, nothing in the environment, no way to
// write, nobody who reads.

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <cstdlib>

#include "cli/cli_support.h"

namespace gptq_doctor {
namespace {

using testing::RunResult;
using testing::TempDir;

std::string Slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A shell's script with $BIN and, as its working directory, a place that holds healthy models `m` and, of 80 shards,
// `shards`.
class Limits : public ::testing::Test {
 protected:
  Limits() {
    static const auto small = testing::HealthyModel().Build();
    static const auto large = testing::HealthyModel().Layers(12).Shards(80).Build();
    for (const auto& [name, content] : small) testing::WriteFile(place_.path() / "m" / name, content);
    for (const auto& [name, content] : large) testing::WriteFile(place_.path() / "shards" / name, content);
  }
  RunResult Shell(const std::string& script) {
    const std::string line = "cd '" + place_.str() + "' && BIN='" GPTQ_DOCTOR_BINARY "' && export BIN && { " + script +
                             "; } >out 2>err </dev/null";
    const int status = std::system(line.c_str());
    RunResult result;
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.out = Slurp(place_.path() / "out");
    result.err = Slurp(place_.path() / "err");
    return result;
  }
  void ExpectSameAsAtEase(const std::string& limit, const std::string& arguments) {
    const RunResult ease = Shell("\"$BIN\" " + arguments);
    const RunResult poor = Shell(limit + " \"$BIN\" " + arguments);
    EXPECT_EQ(ease.exit_code, 0) << ease.err;
    EXPECT_EQ(poor.exit_code, ease.exit_code) << limit << ": " << poor.err;
    EXPECT_EQ(poor.out, ease.out) << limit;
  }
  TempDir place_;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // a sanitizer reserves terabytes and has its own stacks
#else
constexpr bool kSanitized = false;
#endif

TEST_F(Limits, FewDescriptors) {
  for (const char* arguments :
       {"inspect shards --jobs 16", "tensors shards", "check shards --jobs 16", "inspect m shards"})
    ExpectSameAsAtEase("ulimit -n 64;", arguments);
  EXPECT_EQ(Shell("ulimit -n 64; \"$BIN\" dequantize shards -o dense --jobs 16").exit_code, 0);
}

TEST_F(Limits, LittleMemory) {
  const std::string limit = kSanitized ? "" : "ulimit -v 300000;";
  for (const char* arguments : {"inspect shards", "why m", "memory m", "fix m"}) ExpectSameAsAtEase(limit, arguments);
}

TEST_F(Limits, SmallStack) {
  const std::string limit = kSanitized ? "" : "ulimit -s 1024;";
  for (const char* arguments : {"inspect shards", "why m", "check shards", "config m"}) {
    ExpectSameAsAtEase(limit, arguments);
  }
  // Nesting is counted, not stacked.
  const std::string deep(1 << 20, '[');
  testing::WriteFile(place_.path() / "deep/config.json", deep);
  testing::WriteFile(place_.path() / "deep/quantize_config.json", "{\"dynamic\":" + deep);
  testing::WriteFile(place_.path() / "deep/model.safetensors.index.json", "{\"weight_map\":" + deep);
  testing::WriteFile(place_.path() / "deep/model.safetensors", std::string("\0\0\x10\0\0\0\0\0", 8) + deep);
  const RunResult run = Shell(limit + " \"$BIN\" inspect deep");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("config.json"), std::string::npos);
}

TEST_F(Limits, NothingInTheEnvironment) {
  // Marks and colours follow the locale; the result does not.
  ExpectSameAsAtEase("env -i", "inspect m --format json");
  ExpectSameAsAtEase("env -i LC_ALL=no_SUCH.locale HOME=/nonexistent", "check m --format json");
}

TEST_F(Limits, NobodyReads) {
  EXPECT_EQ(Shell("{ \"$BIN\" tensors shards; echo $? >code; } | head -n 1 >/dev/null; exit $(cat code)").exit_code, 0);
  EXPECT_EQ(Shell("\"$BIN\" inspect m >&-").exit_code, 3);
  EXPECT_EQ(Shell("\"$BIN\" inspect m 2>&-").exit_code, 0);
  EXPECT_EQ(Shell("\"$BIN\" inspect m >/dev/full").exit_code, 3);
  const RunResult closed = Shell("\"$BIN\" fix m --assume damp_percent=0.1 <&- >&- 2>&-");
  EXPECT_NE(closed.exit_code, 70);
  EXPECT_LT(closed.exit_code, 128);
}

TEST_F(Limits, ReadOnlyDirectory) {
  testing::SickModel().WriteTo(place_.path() / "sick");
  const std::filesystem::path sick = place_.path() / "sick";
  std::filesystem::permissions(place_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(sick, std::filesystem::perms(0555));
  const RunResult inspected = testing::RunToolAsNobody({"inspect", sick.string()});
  const RunResult fixed = testing::RunToolAsNobody({"fix", sick.string(), "--write"});
  std::filesystem::permissions(sick, std::filesystem::perms(0755));
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_EQ(fixed.exit_code, 3) << fixed.out << fixed.err;
  EXPECT_FALSE(std::filesystem::exists(sick / "quantize_config.json"));
}

// That the weights may not be read is no verdict about them.
TEST_F(Limits, ClosedWeights) {
  const std::filesystem::path model = place_.path() / "m";
  std::filesystem::permissions(place_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(model / "model.safetensors", std::filesystem::perms(0000));
  for (const std::string command : {"inspect", "config", "fix", "check"}) {
    const RunResult run = testing::RunToolAsNobody({command, model.string()});
    EXPECT_EQ(run.exit_code, 3) << command << ": " << run.err;
  }
  const RunResult run = testing::RunToolAsNobody({"dequantize", model.string(), "-o", (model / "dense").string()});
  EXPECT_EQ(run.exit_code, 3) << run.err;
}

}  // namespace
}  // namespace gptq_doctor
