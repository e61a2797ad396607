#include "faults/command_run.h"

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "repair/journal.h"

namespace gptq_doctor::testing {
namespace {

using nlohmann::json;

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

bool AdvisesUndo(const std::string& text) { return text.find("fix --undo") != std::string::npos; }

bool SaysThatItChanged(const std::string& text) {
  for (const char* words : {"changed", "no longer", "meanwhile", "vanished"}) {
    if (text.find(words) != std::string::npos) return true;
  }
  return false;
}

// The files of one directory as those of another.
Files Moved(const Files& files, const std::string& from, const std::string& to) {
  Files out;
  for (const auto& [name, content] : files) {
    if (name.starts_with(from)) out[to + name.substr(from.size())] = content;
  }
  return out;
}

std::vector<std::string> WithJson(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--format", "json"});
  return arguments;
}

}  // namespace

bool Everything() {
  const char* value = std::getenv("GPTQ_DOCTOR_FAULTS");
  return value != nullptr && std::string(value) == "all";
}

CommandRun::CommandRun(const FaultCase& row, bool decoy)
    : arguments_(row.json ? WithJson(row.arguments) : row.arguments),
      again_(row.again.empty() ? arguments_ : WithJson(row.again)) {
  Files files = row.files();
  if (decoy) files.merge(Moved(files, "model/", "outside/"));
  workspace_.Reset(files);
  for (const auto& arguments : row.first) {
    if (workspace_.Run(arguments).exit_code != 0) failure_ = "what prepares it fails";
  }
  before_ = workspace_.Read();
  const auto start = std::chrono::steady_clock::now();
  plain_ = workspace_.Run(arguments_);
  took_ = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  if (plain_.exit_code > 1) failure_ = "fails undisturbed: " + plain_.err;
  plain_codes_ = Codes(json::parse(plain_.out, nullptr, false));
  after_ = workspace_.Read();
}

SpoiledRun CommandRun::Spoil(const Fault& fault, long at, unsigned jobs) {
  workspace_.Reset(before_);
  return workspace_.RunSpoiled(arguments_, fault, at, jobs);
}

std::optional<std::string> CommandRun::KillAfter(double part) {
  workspace_.Reset(before_);
  const auto time = std::chrono::microseconds(static_cast<int64_t>(part * static_cast<double>(took_.count())));
  if (workspace_.RunKilledAfter(arguments_, time) != 128 + SIGKILL) return std::nullopt;
  ++counts.random;
  return Recover("", true);
}

std::string CommandRun::JudgeError(const SpoiledRun& spoiled, const Fault& fault) {
  const RunResult& run = spoiled.run;
  if (run.exit_code >= 128) return "died of a signal";
  const bool same = run.exit_code == plain_.exit_code && run.out == plain_.out;
  const bool on_stderr = spoiled.call == "write" && run.exit_code == plain_.exit_code;
  if (same || on_stderr) {
    ++counts.harmless;
    return WithoutTemporaries(workspace_.Read()) == after_ ? "" : "says that all is well and did something else";
  }
  ++counts.reported;
  if (run.exit_code != 3) return "neither the result nor exit 3: " + run.out.substr(0, 3000);
  if (const std::string wrong = JudgeReport(spoiled, fault); !wrong.empty()) return wrong;
  const Files now = workspace_.Read();
  if (!fault.sticky && spoiled.call != "unlinkat" && spoiled.call != "remove" && WithoutTemporaries(now) != now)
    return "left a temporary file";
  return Recover(run.err, fault.sticky);
}

std::string CommandRun::JudgeReport(const SpoiledRun& spoiled, const Fault& fault) const {
  const RunResult& run = spoiled.run;
  if (run.err.find("error: ") == std::string::npos) return "exit 3 without a message";
  if (spoiled.path.starts_with("pipe:") && spoiled.call == "write") {
    return run.err.find("standard output") != std::string::npos ? "" : "does not say that the output was cut";
  }
  if (!fault.sticky && run.err.find(NameOf(spoiled.path)) == std::string::npos) return "does not name the file";
  const json plain = json::parse(plain_.out, nullptr, false);
  if (!plain.is_object()) return "";
  const json document = json::parse(run.out, nullptr, false);
  if (!document.is_object()) return "standard output is no JSON object";
  if (document["exit_code"] != 3 || document["errors"].empty()) return "exit code or errors in JSON differ";
  for (const std::string& code : Codes(document)) {
    if (!plain_codes_.contains(code) && !code.starts_with("GD9"))
      return "claims " + code + ", which a sound reading does not";
  }
  return "";
}

std::string CommandRun::JudgeDeath(const SpoiledRun& spoiled, const Fault&) {
  if (spoiled.run.exit_code != 128 + SIGKILL) return "did not die";
  ++counts.killed;
  return Recover("", true);
}

std::string CommandRun::JudgeChange(const SpoiledRun& spoiled, const Fault& fault) {
  const RunResult& run = spoiled.run;
  if (run.exit_code >= 128) return "died of a signal";
  const std::string name = spoiled.path.substr(workspace_.path().size() + 1);
  const bool named = run.err.find(NameOf(spoiled.path)) != std::string::npos;
  if (run.exit_code == 3) {
    ++counts.reported;
    return named ? "" : "does not name the file";
  }
  ++counts.harmless;
  if (run.exit_code == plain_.exit_code && run.out == plain_.out) return "";
  if (run.exit_code == 1 && named && SaysThatItChanged(run.err)) return "";
  if (!before_.contains(name))
    return "what the run itself made was changed, and it ends with neither result nor exit 3";
  workspace_.Reset(AsChanged(before_, name, fault.kind));
  const RunResult known = workspace_.Run(arguments_);
  return known.exit_code == run.exit_code && known.out == run.out
             ? ""
             : "neither of the old nor of the new: " + run.out.substr(0, 2000);
}

std::string CommandRun::JudgeLink(const SpoiledRun& spoiled, const Fault&) {
  if (spoiled.run.exit_code >= 128) return "died of a signal";
  ++(spoiled.run.exit_code == plain_.exit_code ? counts.harmless : counts.reported);
  const std::string outside = "outside/";
  return Moved(workspace_.Read(), outside, "") == Moved(before_, outside, "") ? "" : "wrote through the link";
}

std::string CommandRun::Recover(const std::string& advice, bool may_leave_temporaries) {
  const Files now = WithoutTemporaries(workspace_.Read());
  if (now == after_) return "";
  for (const auto& [name, content] : before_) {
    if (name == "model/" + std::string(kJournalName)) continue;
    const auto at = now.find(name);
    if (at == now.end() ? after_.contains(name) : at->second != content && at->second != ContentAfter(name)) {
      return name + " is neither as before nor as after";
    }
  }
  ++counts.recovered;
  if (AdvisesUndo(advice)) {
    if (const std::string wrong = Undo(); !wrong.empty()) return wrong;
  }
  RunResult again = workspace_.Run(again_);
  if (AdvisesUndo(again.err)) {
    if (const std::string wrong = Undo(); !wrong.empty()) return wrong;
    again = workspace_.Run(again_);
  }
  const Files end = workspace_.Read();
  if (WithoutTemporaries(end) == after_) return "";
  if (again.exit_code != plain_.exit_code) return "cannot be carried to its end: " + again.err;
  if (WithoutTemporaries(end) != after_) return "carried to its end it gives something else:" + Difference(end);
  return may_leave_temporaries || WithoutTemporaries(end) == end ? "" : "temporary files stay";
}

std::string CommandRun::Undo() {
  const RunResult undo = workspace_.Run({"fix", "{w}/model", "--undo"});
  const bool needless = undo.exit_code == 1 && undo.err.find("nothing to undo") != std::string::npos;
  if (undo.exit_code != 0 && !needless) return "fix --undo fails: " + undo.err;
  return WithoutTemporaries(workspace_.Read()) == before_ ? "" : "fix --undo did not bring back what was";
}

std::string CommandRun::ContentAfter(const std::string& name) const {
  const auto at = after_.find(name);
  return at == after_.end() ? "" : at->second;
}

std::string CommandRun::Difference(const Files& now) const {
  std::string out;
  for (const auto& [name, content] : now) {
    if (!after_.contains(name)) {
      out += " +" + name;
    } else if (ContentAfter(name) != content) {
      out += " !" + name;
    }
  }
  for (const auto& [name, content] : after_) out += now.contains(name) ? "" : " -" + name;
  return out;
}

}  // namespace gptq_doctor::testing
