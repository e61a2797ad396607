#ifndef GPTQ_DOCTOR_TESTS_FAULTS_COMMAND_RUN_H_
#define GPTQ_DOCTOR_TESTS_FAULTS_COMMAND_RUN_H_

// One command whose sound run is known: what a disturbed run of it may say and leave behind.

#include <set>
#include <string>
#include <vector>

#include "faults/cases.h"

namespace gptq_doctor::testing {

// Whether every call is gone through (GPTQ_DOCTOR_FAULTS=all, ./dev faults) or a few of every run.
bool Everything();

struct Counts {
  long injected = 0, harmless = 0, reported = 0, killed = 0, random = 0, recovered = 0;
};

// The judgements return what is wrong, "" where nothing is.
class CommandRun {
 public:
  // Runs the command undisturbed. `failure` is not empty where that fails. `decoy`: a copy of the model lies outside.
  explicit CommandRun(const FaultCase& row, bool decoy = false);
  const std::string& failure() const { return failure_; }
  bool writes() const { return after_ != before_; }

  SpoiledRun Spoil(const Fault& fault, long at, unsigned jobs);
  // Killed after a part of the time that the whole run takes; nullopt where it ended before.
  std::optional<std::string> KillAfter(double part);

  // A call that failed or moved half of the bytes.
  std::string JudgeError(const SpoiledRun& spoiled, const Fault& fault);
  std::string JudgeDeath(const SpoiledRun& spoiled, const Fault& fault);
  // A file that another process changed: what is known of it may be old, new or unknown, but not a mixture.
  std::string JudgeChange(const SpoiledRun& spoiled, const Fault& fault);
  // A symbolic link that took the place of a file or its directory: nothing is written where it leads.
  std::string JudgeLink(const SpoiledRun& spoiled, const Fault& fault);

  static inline Counts counts;

 private:
  std::string JudgeReport(const SpoiledRun& spoiled, const Fault& fault) const;
  // Every file is as before or as after the command, and the command can be carried to its end.
  std::string Recover(const std::string& advice, bool may_leave_temporaries);
  std::string Undo();
  std::string ContentAfter(const std::string& name) const;
  std::string Difference(const Files& now) const;

  Workspace workspace_;
  std::vector<std::string> arguments_, again_;
  Files before_, after_;
  RunResult plain_;
  std::chrono::microseconds took_{};
  std::set<std::string> plain_codes_;
  std::string failure_;
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_FAULTS_COMMAND_RUN_H_
