// Every command under faults of the system: no crash, no wrong claim, nothing lost, nothing that a later run trips
// over. A few points of every run in the ordinary tests; with GPTQ_DOCTOR_FAULTS=all (./dev faults) every single call.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "faults/cases.h"
#include "repair/journal.h"

namespace gptq_doctor::testing {
namespace {

using nlohmann::json;

bool Everything() {
  const char* value = std::getenv("GPTQ_DOCTOR_FAULTS");
  return value != nullptr && std::string(value) == "all";
}

const std::vector<Fault> kErrors = {
    {"EIO", "lrwcdx"}, {"EIO", "lrwc", true},  {"ENOSPC", "wc"},   {"ENOSPC", "wc", true},   {"EINTR", "lrwcdx"},
    {"EACCES", "lcd"}, {"EACCES", "lc", true}, {"ESTALE", "lrwc"}, {"ESTALE", "lrwc", true}, {"short", "rw"},
};
const std::vector<Fault> kDeaths = {{"kill", "lrwcdx"}, {"torn", "w"}};
const std::vector<Fault> kChanges = {{"truncate", "lr", false, "model/"},
                                     {"grow", "lr", false, "model/"},
                                     {"replace", "lr", false, "model/"},
                                     {"remove", "lr", false, "model/"}};

struct Counts {
  long injected = 0, harmless = 0, reported = 0, killed = 0, recovered = 0;
};

std::set<std::string> Codes(const json& document) {
  std::set<std::string> out;
  if (!document.is_object() || !document.contains("models")) return out;
  for (const json& model : document["models"]) {
    for (const json& finding : model["findings"]) out.insert(finding["code"]);
  }
  return out;
}

Files WithoutTemporaries(Files files) {
  std::erase_if(files, [](const auto& file) { return IsTemporary(file.first); });
  return files;
}

class Faults : public ::testing::TestWithParam<FaultCase> {
 public:
  void SetUp() override {
    arguments_ = GetParam().arguments;
    arguments_.insert(arguments_.end(), {"--format", "json"});
    again_ = GetParam().again.empty() ? GetParam().arguments : GetParam().again;
    again_.insert(again_.end(), {"--format", "json"});
    workspace_.Reset(GetParam().files());
    for (const auto& arguments : GetParam().first) ASSERT_EQ(workspace_.Run(arguments).exit_code, 0);
    before_ = workspace_.Read();
    plain_ = workspace_.Run(arguments_);
    ASSERT_LT(plain_.exit_code, 2) << plain_.err;
    plain_codes_ = Codes(json::parse(plain_.out, nullptr, false));
    after_ = workspace_.Read();
  }
  static void TearDownTestSuite() {
    std::printf("faults: %ld injected, %ld without effect, %ld reported with exit 3, %ld deaths; %ld recoveries\n",
                counts_.injected, counts_.harmless, counts_.reported, counts_.killed, counts_.recovered);
  }

  using Judgement = std::string (Faults::*)(const SpoiledRun&, const Fault&);

  // Goes through the calls of a run, or `few` of them spread evenly, and collects what is wrong.
  void Sweep(const std::vector<Fault>& faults, long few, Judgement judge) {
    for (size_t f = 0; f < faults.size(); ++f) {
      const long calls = Spoil(faults[f], 0, 1).calls;
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
    const SpoiledRun run = Spoil(fault, at, jobs);
    if (!run.hit) return false;
    ++counts_.injected;
    const std::string wrong = (this->*judge)(run, fault);
    if (!wrong.empty()) ADD_FAILURE() << Describe(run, fault, at, jobs) << ": " << wrong << "\n" << run.run.err;
    return true;
  }

  static std::string Describe(const SpoiledRun& run, const Fault& fault, long at, unsigned jobs) {
    return GetParam().name + ": " + fault.kind + (fault.sticky ? " from" : " at") + " call " + std::to_string(at) +
           " of " + fault.sorts + " (" + run.call + " " + NameOf(run.path) + "), " + std::to_string(jobs) +
           " jobs, exit " + std::to_string(run.run.exit_code);
  }

  SpoiledRun Spoil(const Fault& fault, long at, unsigned jobs) {
    workspace_.Reset(before_);
    return workspace_.RunSpoiled(arguments_, fault, at, jobs);
  }

  std::string JudgeError(const SpoiledRun& spoiled, const Fault& fault) {
    const RunResult& run = spoiled.run;
    if (run.exit_code >= 128) return "died of a signal";
    const bool same = run.exit_code == plain_.exit_code && run.out == plain_.out;
    const bool on_stderr = spoiled.call == "write" && run.exit_code == plain_.exit_code;
    if (same || on_stderr) {
      ++counts_.harmless;
      return WithoutTemporaries(workspace_.Read()) == after_ ? "" : "says that all is well and did something else";
    }
    ++counts_.reported;
    if (run.exit_code != 3) return "neither the result nor exit 3: " + run.out.substr(0, 3000);
    if (const std::string wrong = JudgeReport(spoiled, fault); !wrong.empty()) return wrong;
    const Files now = workspace_.Read();
    if (!fault.sticky && spoiled.call != "unlinkat" && WithoutTemporaries(now) != now) return "left a temporary file";
    return Recover(run.err, fault.sticky);
  }

  // A report of something that could not be read or written.
  std::string JudgeReport(const SpoiledRun& spoiled, const Fault& fault) {
    const RunResult& run = spoiled.run;
    if (run.err.find("error: ") == std::string::npos) return "exit 3 without a message";
    if (spoiled.path.starts_with("pipe:") && spoiled.call == "write") {
      return run.err.find("standard output") != std::string::npos ? "" : "does not say that the output was cut";
    }
    if (!fault.sticky && run.err.find(NameOf(spoiled.path)) == std::string::npos) return "does not name the file";
    if (plain_.out.empty()) return "";
    const json document = json::parse(run.out, nullptr, false);
    if (!document.is_object()) return "standard output is no JSON object";
    if (document["exit_code"] != 3 || document["errors"].empty()) return "exit code or errors in JSON differ";
    for (const std::string& code : Codes(document)) {
      if (!plain_codes_.contains(code) && !code.starts_with("GD9"))
        return "claims " + code + ", which a sound reading does not";
    }
    return "";
  }

  std::string JudgeDeath(const SpoiledRun& spoiled, const Fault&) {
    if (spoiled.run.exit_code != 128 + SIGKILL) return "did not die";
    ++counts_.killed;
    return Recover("", true);
  }

  // What is known of the file may be old, new or unknown, but not a mixture.
  std::string JudgeChange(const SpoiledRun& spoiled, const Fault& fault) {
    const RunResult& run = spoiled.run;
    if (run.exit_code >= 128) return "died of a signal";
    if (run.exit_code == 3) {
      ++counts_.reported;
      return run.err.find(NameOf(spoiled.path)) == std::string::npos ? "does not name the file" : "";
    }
    ++counts_.harmless;
    if (run.exit_code == plain_.exit_code && run.out == plain_.out) return "";
    const bool refuses = run.exit_code == 1 && run.err.find(NameOf(spoiled.path)) != std::string::npos;
    if (refuses && run.err.find("changed") != std::string::npos) return "";
    const Files changed = workspace_.Read();
    Files files = before_;
    const std::string name = spoiled.path.substr(workspace_.path().size() + 1);
    files.erase(name);
    if (changed.contains(name)) files[name] = changed.at(name);
    workspace_.Reset(files);
    const RunResult known = workspace_.Run(arguments_);
    return known.exit_code == run.exit_code && known.out == run.out
               ? ""
               : fault.kind + ": neither of the old nor of the new: " + run.out.substr(0, 2000);
  }

  // Every file is as before or as after the command, and the command can be carried to its end.
  std::string Recover(const std::string& advice, bool may_leave_temporaries) {
    const Files now = WithoutTemporaries(workspace_.Read());
    if (now == after_) return "";
    for (const auto& [name, content] : before_) {
      if (name == "model/" + std::string(kJournalName)) continue;
      const auto at = now.find(name);
      if (at == now.end() ? after_.contains(name) : at->second != content && at->second != ContentAfter(name)) {
        return name + " is neither as before nor as after";
      }
    }
    ++counts_.recovered;
    if (AdvisesUndo(advice)) {
      if (const std::string wrong = Undo(); !wrong.empty()) return wrong;
    }
    RunResult again = workspace_.Run(again_);
    if (AdvisesUndo(again.err)) {
      if (const std::string wrong = Undo(); !wrong.empty()) return wrong;
      again = workspace_.Run(again_);
    }
    if (WithoutTemporaries(workspace_.Read()) == after_) return "";
    if (again.exit_code != plain_.exit_code) return "cannot be carried to its end: " + again.err;
    const Files end = workspace_.Read();
    if (WithoutTemporaries(end) != after_) return "carried to its end it gives something else:" + Difference(end);
    return may_leave_temporaries || WithoutTemporaries(end) == end ? "" : "temporary files stay";
  }

  static bool AdvisesUndo(const std::string& text) { return text.find("fix --undo") != std::string::npos; }
  std::string Undo() {
    const RunResult undo = workspace_.Run({"fix", "{w}/model", "--undo"});
    const bool needless = undo.exit_code == 1 && undo.err.find("nothing to undo") != std::string::npos;
    if (undo.exit_code != 0 && !needless) return "fix --undo fails: " + undo.err;
    return WithoutTemporaries(workspace_.Read()) == before_ ? "" : "fix --undo did not bring back what was";
  }

  std::string ContentAfter(const std::string& name) const {
    const auto at = after_.find(name);
    return at == after_.end() ? "" : at->second;
  }
  std::string Difference(const Files& now) const {
    std::string out;
    for (const auto& [name, content] : now) {
      if (!after_.contains(name))
        out += " +" + name;
      else if (ContentAfter(name) != content)
        out += " !" + name;
    }
    for (const auto& [name, content] : after_) out += now.contains(name) ? "" : " -" + name;
    return out;
  }

  Workspace workspace_;
  std::vector<std::string> arguments_, again_;
  Files before_, after_;
  RunResult plain_;
  std::set<std::string> plain_codes_;
  static inline Counts counts_;
};

TEST_P(Faults, ErrorsAreReportedAndNothingIsLost) { Sweep(kErrors, 2, &Faults::JudgeError); }

TEST_P(Faults, FilesThatChangeMeanwhileAreNoticed) { Sweep(kChanges, 2, &Faults::JudgeChange); }

TEST_P(Faults, DeathLeavesWhatCanBeContinued) { Sweep(kDeaths, after_ == before_ ? 1 : 5, &Faults::JudgeDeath); }

INSTANTIATE_TEST_SUITE_P(Commands, Faults, ::testing::ValuesIn(FaultCases()), [](const auto& row) {
  std::string name;
  for (const char c : row.param.name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  }
  return name;
});

}  // namespace
}  // namespace gptq_doctor::testing
