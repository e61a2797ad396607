// Completion scripts, asked by the shells themselves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_support.h"
#include "support/fast_dir.h"

namespace gptq_doctor::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What `script` prints when a shell runs it with the completions of that shell in the file $1 ($argv[1] in fish).
std::string Ask(const std::string& shell, const std::string& script) {
  const FastDir dir;
  const RunResult tool = RunTool({"completions", shell});
  EXPECT_EQ(tool.exit_code, 0) << tool.err;
  const std::string completions = dir.str() + "/completions", question = dir.str() + "/question";
  WriteFile(completions, tool.out);
  WriteFile(question, script);
  FILE* pipe = popen(("HOME=" + dir.str() + " " + shell + " " + question + " " + completions).c_str(), "r");
  std::string out;
  char buffer[4096];
  while (pipe != nullptr && fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
  EXPECT_EQ(pipe == nullptr ? -1 : pclose(pipe), 0);
  return out;
}

std::string AskBash(const std::string& words) {
  return Ask("bash", "source \"$1\"; COMP_WORDS=(" + words +
                         "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _gptq_doctor; echo \"${COMPREPLY[*]}\"");
}

TEST(Completions, BashOffersCommandsOptionsAndClosedSets) {
  EXPECT_EQ(AskBash("gptq-doctor insp"), "inspect\n");
  EXPECT_EQ(AskBash("gptq-doctor dequantize --dtype b"), "bf16\n");
  EXPECT_THAT(AskBash("gptq-doctor check --format ''"), HasSubstr("sarif"));
  EXPECT_THAT(AskBash("gptq-doctor why --format ''"), Not(HasSubstr("sarif")));
  EXPECT_EQ(AskBash("gptq-doctor fix --un"), "--undo\n");
  EXPECT_EQ(AskBash("gptq-doctor fix --col"), "--color\n");
}

TEST(Completions, FishOffersCommandsOptionsAndClosedSets) {
  const auto ask = [](const std::string& line) { return Ask("fish", "source $argv[1]; complete -C '" + line + "'"); };
  EXPECT_THAT(ask("gptq-doctor insp"), HasSubstr("inspect\tsay what a model is"));
  EXPECT_THAT(ask("gptq-doctor dequantize --dtype b"), HasSubstr("bf16"));
  EXPECT_THAT(ask("gptq-doctor fix --un"), HasSubstr("--undo"));
}

TEST(Completions, ZshTakesTheScript) {
  EXPECT_EQ(Ask("zsh", "autoload -Uz compinit; compinit -D; source $1; print $_comps[gptq-doctor]"), "_gptq_doctor\n");
}

TEST(Completions, NoOtherShell) {
  const RunResult run = RunTool({"completions", "tcsh"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("zsh"));
}

}  // namespace
}  // namespace gptq_doctor::testing
