// The program where the system gives little: few descriptors for many directories, closed ones, nowhere to write to, a
// strange environment, long paths.

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdlib>
#include <iterator>

#include "cli/cli_support.h"
#include "support/fast_dir.h"

namespace gptq_doctor::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class ScarcityTest : public ::testing::Test {
 protected:
  ScarcityTest() { SickModel().WriteTo(model_); }

  // `script` of sh, in which "$0" is the program and $m the model; what it prints goes to files, unless it says
  // otherwise. 128 + signal where the last program died of one.
  RunResult Shell(const std::string& script) const {
    const fs::path file = temp_.path() / "script", out = temp_.path() / "out", err = temp_.path() / "err";
    WriteFile(file, "m='" + model_.string() + "'; t='" + temp_.str() + "'\n" + script + "\n");
    const std::string command = "sh -c '. " + file.string() + "' '" GPTQ_DOCTOR_BINARY "' >" + out.string() + " 2>" +
                                err.string() + " </dev/null";
    const int status = std::system(command.c_str());
    return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            .out = Slurp(out),
            .err = Slurp(err)};
  }

  FastDir temp_;
  const fs::path model_ = temp_.path() / "model";
};

TEST_F(ScarcityTest, TwoHundredDirectoriesWithFewDescriptors) {
  for (int i = 0; i < 200; ++i) fs::copy(model_, temp_.path() / ("d" + std::to_string(i)));
  const RunResult run = Shell(R"(ulimit -n 64; exec "$0" check --isolated --jobs 4 --format json $t/d*)");
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_EQ(nlohmann::json::parse(run.out, nullptr, false)["models"].size(), 200u);
}

TEST_F(ScarcityTest, NoPlaceForTheResult) {
  for (const char* command : {"inspect $m", "rules", "--help", "--version", "inspect --help", "fix $m --format json"}) {
    for (const char* where : {" >/dev/full", " >&-"}) {
      const RunResult run = Shell(std::string("exec \"$0\" ") + command + where);
      EXPECT_EQ(run.exit_code, 3) << command << where;
      EXPECT_THAT(run.err, HasSubstr("error: standard output: ")) << command << where;
    }
  }
}

// A closed descriptor's number goes to the next file that is opened; no message may end in it.
TEST_F(ScarcityTest, ClosedDescriptorsAreNotTakenForFiles) {
  const fs::path other = temp_.path() / "other";
  fs::copy(model_, other);
  ASSERT_EQ(Shell(R"(exec "$0" fix $m --write)").exit_code, 0);
  EXPECT_EQ(Shell(R"(exec "$0" fix $t/other --write >&- 2>&- <&-)").exit_code, 3);
  for (const char* file : {"config.json", "quantize_config.json"}) EXPECT_EQ(Slurp(other / file), Slurp(model_ / file));
  EXPECT_EQ(Shell(R"(exec "$0" inspect $m <&-)").exit_code, 0);
  EXPECT_EQ(Shell(R"(exec "$0" inspect $m 2>&-)").exit_code, 0);
}

TEST_F(ScarcityTest, NoEnvironmentOrAStrangeOne) {
  const std::string plain = Shell(R"(LC_ALL=C exec "$0" inspect $m)").out;
  for (const char* words : {"env -i", "env -u HOME -u TERM LC_ALL=C", "env -u LC_ALL -u LANG -u LC_CTYPE",
                            "env LC_ALL=bogus COLUMNS=1", "env LC_ALL=C COLUMNS=-1 TERM="}) {
    const RunResult run = Shell(std::string("exec ") + words + " \"$0\" inspect $m");
    EXPECT_EQ(run.exit_code, 0) << words << run.err;
    EXPECT_EQ(run.out, plain) << words;
    EXPECT_EQ(Shell(std::string("exec ") + words + " \"$0\" check $m").exit_code, 1) << words;
  }
}

TEST_F(ScarcityTest, LongPaths) {
  std::string path = model_.string();
  while (path.size() < 5000) path += "/" + std::string(200, 'x');
  for (const std::string& name : {path, "/" + std::string(300, 'y'), std::string(100'000, 'z')}) {
    const JsonRun run = RunJson({"inspect", name});
    EXPECT_EQ(run.run.exit_code, 2) << name.size();
    EXPECT_TRUE(run.json.is_object()) << name.size();
  }
  // As deep as names can be given: 4,095 bytes.
  fs::path deep = temp_.path();
  while (deep.string().size() + 201 < 4000) deep /= std::string(200, 'd');
  SickModel().Layers(1).WriteTo(deep);
  EXPECT_EQ(RunTool({"inspect", deep.string()}).exit_code, 0);
  EXPECT_EQ(RunTool({"fix", deep.string(), "--write"}).exit_code, 0);
}

}  // namespace
}  // namespace gptq_doctor::testing
