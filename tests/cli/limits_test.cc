// Runs in poor surroundings: few descriptors, little memory, a small stack, nothing or something strange in the
// environment, no way to write, nobody who reads, long paths.

#include <gmock/gmock.h>

#include "cli/running.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Scripts run beside the healthy models `m` and, of 80 shards, `shards`, and one without settings, `sick`.
class Limits : public ::testing::Test {
 protected:
  Limits() {
    static const auto small = HealthyModel().Build(), large = HealthyModel().Layers(12).Shards(80).Build(),
                      sick = SickModel().Build();
    for (const auto& [directory, files] : {std::pair("m", &small), {"shards", &large}, {"sick", &sick}}) {
      for (const auto& [name, content] : *files) WriteFile(place_.path() / directory / name, content);
    }
    fs::permissions(place_.path(), fs::perms(0755));
  }
  RunResult Shell(const std::string& script) const { return RunScript(place_.path(), script); }
  void ExpectSameAsAtEase(const std::string& limit, const std::string& arguments) {
    const RunResult ease = Shell("\"$BIN\" " + arguments);
    const RunResult poor = Shell(limit + " \"$BIN\" " + arguments);
    EXPECT_EQ(ease.exit_code, 0) << ease.err;
    EXPECT_EQ(poor.exit_code, ease.exit_code) << limit << ": " << poor.err;
    EXPECT_EQ(poor.out, ease.out) << limit;
  }
  TempDir place_;
};

TEST_F(Limits, FewDescriptors) {
  for (const char* arguments :
       {"inspect shards --jobs 16", "tensors shards", "check shards --jobs 16", "inspect m shards"})
    ExpectSameAsAtEase("ulimit -n 64;", arguments);
  EXPECT_EQ(Shell("ulimit -n 64; \"$BIN\" dequantize shards -o dense --jobs 16").exit_code, 0);
}

TEST_F(Limits, TwoHundredDirectoriesWithFewDescriptors) {
  for (int i = 0; i < 200; ++i) fs::copy(place_.path() / "sick", place_.path() / ("d" + std::to_string(i)));
  const RunResult run = Shell("ulimit -n 64; \"$BIN\" check --isolated --jobs 4 --format json d*");
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_EQ(nlohmann::json::parse(run.out, nullptr, false)["models"].size(), 200u);
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
  WriteFile(place_.path() / "deep/config.json", deep);
  WriteFile(place_.path() / "deep/quantize_config.json", "{\"dynamic\":" + deep);
  WriteFile(place_.path() / "deep/model.safetensors.index.json", "{\"weight_map\":" + deep);
  WriteFile(place_.path() / "deep/model.safetensors", std::string("\0\0\x10\0\0\0\0\0", 8) + deep);
  const RunResult run = Shell(limit + " \"$BIN\" inspect deep");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("config.json"), std::string::npos);
  // A key of many parts is a table in a table in a table to the TOML library.
  std::string key = "[b";
  for (int i = 0; i < 500'000; ++i) key += ".a";
  WriteFile(place_.path() / "deep.toml", key + "]\n");
  const RunResult settings = Shell(limit + " \"$BIN\" check m --config deep.toml");
  EXPECT_EQ(settings.exit_code, 2) << settings.err;
  EXPECT_NE(settings.err.find("deep.toml: line 1: more than 1,000 dots"), std::string::npos) << settings.err;
}

// Marks and colours follow the locale; the result does not.
TEST_F(Limits, NoEnvironmentOrAStrangeOne) {
  ExpectSameAsAtEase("env -i", "inspect m --format json");
  ExpectSameAsAtEase("env -i LC_ALL=no_SUCH.locale HOME=/nonexistent", "check m --format json");
  const std::string plain = Shell("LC_ALL=C \"$BIN\" inspect sick").out;
  for (const std::string words : {"env -i", "env -u HOME -u TERM LC_ALL=C", "env -u LC_ALL -u LANG -u LC_CTYPE",
                                  "env LC_ALL=bogus COLUMNS=1", "env LC_ALL=C COLUMNS=-1 TERM="}) {
    const RunResult run = Shell(words + " \"$BIN\" inspect sick");
    EXPECT_EQ(run.exit_code, 0) << words << run.err;
    EXPECT_EQ(run.out, plain) << words;
    EXPECT_EQ(Shell(words + " \"$BIN\" check sick").exit_code, 1) << words;
  }
}

TEST_F(Limits, NobodyReads) {
  EXPECT_EQ(Shell("{ \"$BIN\" tensors shards; echo $? >code; } | head -n 1 >/dev/null; exit $(cat code)").exit_code, 0);
  for (const char* closed : {"2>&-", "<&-"}) EXPECT_EQ(Shell(std::string("\"$BIN\" inspect m ") + closed).exit_code, 0);
  const RunResult closed = Shell("\"$BIN\" fix m --assume damp_percent=0.1 <&- >&- 2>&-");
  EXPECT_NE(closed.exit_code, 70);
  EXPECT_LT(closed.exit_code, 128);
}

TEST_F(Limits, NoPlaceForTheResult) {
  for (const std::string arguments :
       {"inspect m", "inspect sick", "rules", "--help", "--version", "inspect --help", "fix sick --format json"}) {
    for (const char* where : {" >/dev/full", " >&-"}) {
      const RunResult run = Shell("\"$BIN\" " + arguments + where);
      EXPECT_EQ(run.exit_code, 3) << arguments << where;
      EXPECT_THAT(run.err, HasSubstr("error: standard output: ")) << arguments << where;
    }
  }
}

// A closed descriptor's number goes to the next file that is opened; no message may end in it.
TEST_F(Limits, ClosedDescriptorsAreNotTakenForFiles) {
  const fs::path sick = place_.path() / "sick", other = place_.path() / "other";
  fs::copy(sick, other);
  ASSERT_EQ(Shell("\"$BIN\" fix sick --write").exit_code, 0);
  EXPECT_EQ(Shell("\"$BIN\" fix other --write >&- 2>&- <&-").exit_code, 3);
  for (const char* file : {"config.json", "quantize_config.json"}) EXPECT_EQ(Slurp(other / file), Slurp(sick / file));
}

TEST_F(Limits, ReadOnlyDirectory) {
  const fs::path sick = place_.path() / "sick";
  fs::permissions(sick, fs::perms(0555));
  const RunResult inspected = RunToolAsNobody({"inspect", sick.string()});
  const RunResult fixed = RunToolAsNobody({"fix", sick.string(), "--write"});
  fs::permissions(sick, fs::perms(0755));
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_EQ(fixed.exit_code, 3) << fixed.out << fixed.err;
  EXPECT_FALSE(fs::exists(sick / "quantize_config.json"));
}

// That the weights may not be read is no verdict about them.
TEST_F(Limits, ClosedWeights) {
  const fs::path model = place_.path() / "m";
  fs::permissions(model / "model.safetensors", fs::perms(0000));
  for (const std::string command : {"inspect", "config", "fix", "check", "verify", "memory", "tensors", "why"}) {
    const RunResult run = RunToolAsNobody({command, model.string()});
    EXPECT_EQ(run.exit_code, 3) << command << ": " << run.err;
  }
  for (const std::string command : {"dequantize", "convert"}) {
    const RunResult run = RunToolAsNobody({command, model.string(), "-o", (model / "new").string()});
    EXPECT_EQ(run.exit_code, 3) << command << ": " << run.err;
  }
}

TEST_F(Limits, LongPaths) {
  std::string path = (place_.path() / "sick").string();
  while (path.size() < 5000) path += "/" + std::string(200, 'x');
  for (const std::string& name : {path, "/" + std::string(300, 'y'), std::string(100'000, 'z')}) {
    const JsonRun run = RunJson({"inspect", name});
    EXPECT_EQ(run.run.exit_code, 2) << name.size();
    EXPECT_TRUE(run.json.is_object()) << name.size();
  }
  // As deep as names can be given: 4,095 bytes.
  fs::path deep = place_.path();
  while (deep.string().size() + 201 < 4000) deep /= std::string(200, 'd');
  SickModel().Layers(1).WriteTo(deep);
  EXPECT_EQ(RunTool({"inspect", deep.string()}).exit_code, 0);
  EXPECT_EQ(RunTool({"fix", deep.string(), "--write"}).exit_code, 0);
}

}  // namespace
}  // namespace gptq_doctor::testing
