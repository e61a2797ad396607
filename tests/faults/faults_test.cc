// Every command under faults of the system: no crash, no wrong claim, nothing lost, nothing that a later run trips
// over. A few points of every run in the ordinary tests; with GPTQ_DOCTOR_FAULTS=all (./dev faults) every single call.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <regex>

#include "faults/command_run.h"

namespace gptq_doctor::testing {
namespace {

const std::vector<Fault> kErrors = {
    {"EIO", "lrwcdx"}, {"EIO", "lrwc", true},  {"ENOSPC", "wc"},   {"ENOSPC", "wc", true},   {"EINTR", "lrwcdx"},
    {"EACCES", "lcd"}, {"EACCES", "lc", true}, {"ESTALE", "lrwc"}, {"ESTALE", "lrwc", true}, {"short", "rw"},
};
const std::vector<Fault> kDeaths = {{"kill", "lrwcdx"}, {"torn", "w"}};
const std::vector<Fault> kChanges = {{"truncate", "lr", false, "model/"},
                                     {"grow", "lr", false, "model/"},
                                     {"replace", "lr", false, "model/"},
                                     {"remove", "lr", false, "model/"}};

std::string TestName(const ::testing::TestParamInfo<FaultCase>& row) {
  std::string name;
  for (const char c : row.param.name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  }
  return name;
}

class Faults : public ::testing::TestWithParam<FaultCase> {
 public:
  explicit Faults(bool decoy = false) : command_(GetParam(), decoy) {}
  void SetUp() override { ASSERT_EQ(command_.failure(), ""); }
  static void TearDownTestSuite() {
    const Counts& counts = CommandRun::counts;
    std::printf("faults: %ld injected, %ld without effect, %ld reported with exit 3, %ld deaths; %ld recoveries\n",
                counts.injected, counts.harmless, counts.reported, counts.killed, counts.recovered);
  }

  using Judgement = std::string (CommandRun::*)(const SpoiledRun&, const Fault&);

  // Goes through the calls of a run, or `few` of them spread evenly, and collects what is wrong.
  void Sweep(const std::vector<Fault>& faults, long few, Judgement judge) {
    for (size_t f = 0; f < faults.size(); ++f) {
      const long calls = command_.Spoil(faults[f], 0, 1).calls;
      const long step = Everything() ? 1 : std::max(1L, calls / few);
      // Faults begin at different calls, so that together they reach more of them.
      const long first = Everything() ? 1 : 1 + step * static_cast<long>(f) / static_cast<long>(faults.size());
      for (const unsigned jobs : Everything() ? std::vector<unsigned>{1, 4} : std::vector<unsigned>{1}) {
        for (long at = first; At(faults[f], at, jobs, judge); at += step) continue;
      }
    }
  }

  // False where the run makes fewer calls.
  bool At(const Fault& fault, long at, unsigned jobs, Judgement judge) {
    const SpoiledRun run = command_.Spoil(fault, at, jobs);
    if (!run.hit) return false;
    ++CommandRun::counts.injected;
    const std::string wrong = (command_.*judge)(run, fault);
    if (!wrong.empty()) ADD_FAILURE() << Describe(run, fault, at, jobs) << ": " << wrong << "\n" << run.run.err;
    return true;
  }

  static std::string Describe(const SpoiledRun& run, const Fault& fault, long at, unsigned jobs) {
    return GetParam().name + ": " + fault.kind + (fault.sticky ? " from" : " at") + " call " + std::to_string(at) +
           " of " + fault.sorts + " (" + run.call + " " + NameOf(run.path) + "), " + std::to_string(jobs) +
           " jobs, exit " + std::to_string(run.run.exit_code);
  }

  CommandRun command_;
};

TEST_P(Faults, ErrorsAreReportedAndNothingIsLost) { Sweep(kErrors, 2, &CommandRun::JudgeError); }

TEST_P(Faults, FilesThatChangeMeanwhileAreNoticed) { Sweep(kChanges, 2, &CommandRun::JudgeChange); }

TEST_P(Faults, DeathLeavesWhatCanBeContinued) { Sweep(kDeaths, command_.writes() ? 5 : 1, &CommandRun::JudgeDeath); }

INSTANTIATE_TEST_SUITE_P(Commands, Faults, ::testing::ValuesIn(FaultCases()), TestName);

std::vector<FaultCase> Writers() {
  std::vector<FaultCase> out = FaultCases();
  std::erase_if(out, [](const FaultCase& row) { return !row.writes; });
  return out;
}

class Links : public Faults {
 public:
  Links() : Faults(true) {}
};

TEST_P(Links, ThatAppearMeanwhileAreNotWrittenThrough) {
  const Fault file{.kind = "link", .sorts = "lrwcd", .inside = true},
      directory{.kind = "swap", .sorts = "lrwcd", .inside = true};
  Sweep({file, directory}, 12, &CommandRun::JudgeLink);
}

INSTANTIATE_TEST_SUITE_P(Commands, Links, ::testing::ValuesIn(Writers()), TestName);

TEST(FaultCases, HoldEveryCommand) {
  const std::string help = RunTool({"--help"}).out;
  const std::regex row("\n  ([a-z]+)   ");
  int commands = 0;
  for (std::sregex_iterator at(help.begin(), help.end(), row), end; at != end; ++at, ++commands) {
    const std::string name = (*at)[1];
    EXPECT_TRUE(std::ranges::any_of(FaultCases(), [&](const FaultCase& c) { return c.arguments.front() == name; }))
        << name;
  }
  EXPECT_GT(commands, 10);
}

// SIGKILL by the clock, as an operator or the system sends it. GPTQ_DOCTOR_FAULTS_SEED repeats a run.
class RandomDeaths : public ::testing::TestWithParam<FaultCase> {};

TEST_P(RandomDeaths, LeaveWhatCanBeContinued) {
  const char* chosen = std::getenv("GPTQ_DOCTOR_FAULTS_SEED");
  const auto seed =
      chosen == nullptr ? std::random_device()() : static_cast<unsigned>(std::strtoul(chosen, nullptr, 10));
  const int wanted = Everything() ? 250 : 5;
  CommandRun command(GetParam());
  ASSERT_EQ(command.failure(), "");
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  int deaths = 0;
  double longest = 1;  // of what the undisturbed run took, which may have been slower than most
  for (int attempt = 0; attempt < 20 * wanted && deaths < wanted; ++attempt) {
    const auto wrong = command.KillAfter(longest * unit(random));
    longest = wrong ? std::min(1.0, longest * 1.02) : longest * 0.95;
    if (!wrong) continue;
    ++deaths;
    EXPECT_EQ(*wrong, "") << GetParam().name << ", seed " << seed << ", attempt " << attempt;
  }
  std::printf("random deaths: %d of %s, seed %u\n", deaths, GetParam().name.c_str(), seed);
  EXPECT_EQ(deaths, wanted);
}

INSTANTIATE_TEST_SUITE_P(Commands, RandomDeaths, ::testing::ValuesIn(Writers()), TestName);

}  // namespace
}  // namespace gptq_doctor::testing
