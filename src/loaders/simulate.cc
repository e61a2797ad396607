#include "loaders/simulate.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "loaders/families.h"
#include "loaders/stages.h"
#include "loaders/walk.h"

namespace gptq_doctor {
namespace {

// "sm_86", "8.6", "86", "rocm", "cpu", "xpu"; false where it is none of these.
bool ParseMachine(std::string_view text, Machine* machine) {
  *machine = {};
  if (text.empty()) return true;
  machine->given = true;
  if (text == "rocm" || text.starts_with("gfx")) return machine->platform = kRocm, true;
  if (text == "cpu") return machine->platform = kCpu, true;
  if (text == "xpu") return machine->platform = kXpu, true;
  if (text.starts_with("sm_")) text.remove_prefix(3);
  if (text.starts_with("sm")) text.remove_prefix(2);
  int number = 0, digits = 0;
  bool dot = false;
  for (const char c : text) {
    if (c == '.' && !dot) {
      dot = true;
      continue;
    }
    if (c < '0' || c > '9' || ++digits > 3) return false;
    number = number * 10 + (c - '0');
  }
  if (digits < 2) return false;
  machine->sm = number;
  return true;
}

// A loader that stopped before it looked for weights may have a second fault behind the first, which the user meets
// next.
void LookBehind(const Walk& walk, Stage stopped, LoaderOutcome* outcome) {
  const auto& stages = walk.profile.stages;
  const auto config = std::find(stages.begin(), stages.end(), &StageConfig);
  // Names of weight files may hang on settings, which it has not come to.
  if (std::find(stages.begin(), config, stopped) != config && config != stages.end()) return;
  const bool looks = std::find(stages.begin(), stages.end(), &StageFiles) != stages.end();
  if (outcome->outcome != Outcome::kRejects || !walk.files.empty() || !looks || outcome->rules.empty() ||
      outcome->rules.front().ends_with(".weights"))
    return;
  Walk next(walk.profile, walk.facts, walk.configs, walk.options, walk.machine);
  next.declared = walk.declared;
  if (StageFiles(next)) return;
  LoaderOutcome behind = next.Finish();
  if (behind.outcome != Outcome::kRejects) return;
  outcome->steps.push_back({"weights", "behind that: " + behind.summary, behind.steps.back().source, false});
  outcome->message += (outcome->message.empty() ? "" : "\nbehind that: ") + behind.message;
}

// `repaired`: the walk over what it would leave; null: over the directory as it is.
LoaderOutcome RunProfile(const Profile& profile, const ModelFacts& facts, const RepairedState* repaired,
                         const SimulateOptions& options, const Machine& machine) {
  Walk walk(profile, facts, repaired == nullptr ? facts.exam->configs : repaired->configs, options, machine);
  Stage stopped = nullptr;
  for (const Stage stage : profile.stages) {
    if (stage == &StageFiles && repaired != nullptr && repaired->weights) {
      walk.files = facts.exam->dir.weights;  // their names and their index are what was repaired
      continue;
    }
    stopped = stage;
    if (!stage(walk)) break;
  }
  // Packed tensors of another layout, which only some stages know.
  if (facts.foreign_modules > 0 && facts.quantized_modules == 0 && walk.method != "marlin" &&
      RankOf(walk.outcome()) > RankOf(Outcome::kUnknown)) {
    walk.Degrade(Outcome::kUnknown, "tensors",
                 "the files hold packed tensors that are not GPTQ's; what this loader makes of them is not examined",
                 profile.tensors.source);
  }
  const auto odd = std::find_if(facts.classes.begin(), facts.classes.end(),
                                [](const ClassDigest& digest) { return digest.no_width; });
  if (odd != facts.classes.end() && RankOf(walk.outcome()) > RankOf(Outcome::kUnknown)) {
    walk.Degrade(Outcome::kUnknown, "tensors",
                 "qweight of " + std::string(odd->pattern) +
                     " has a number of rows that no bits give; what this loader makes of it is not known",
                 profile.tensors.source);
  }
  LoaderOutcome outcome = walk.Finish();
  LookBehind(walk, stopped, &outcome);
  return outcome;
}

// Keeps a remedy that begins with kFixCommand only where it helps: `after` is the walk over the repaired directory,
// null where there is nothing to repair. What stands behind ", or " helps without it.
void ConfirmRemedy(const LoaderOutcome* after, LoaderOutcome* outcome) {
  const Outcome end = after == nullptr ? outcome->outcome : after->outcome;
  if (end != outcome->outcome && RankOf(end) >= RankOf(Outcome::kUnknown)) return;
  constexpr std::string_view kOr = ", or ";
  outcome->remedy.erase(0, kFixCommand.size());
  outcome->remedy.erase(0, outcome->remedy.starts_with(kOr) ? kOr.size() : 0);
  if (after == nullptr || after->summary == outcome->summary || after->steps.empty()) return;
  const LoaderStep& last = after->steps.back();
  outcome->steps.push_back(
      {"remedy", std::string(kFixCommand) + " is not enough: " + after->summary, last.source, false});
  if (outcome->remedy.empty() && !after->remedy.empty() && !after->remedy.starts_with(kFixCommand)) {
    outcome->remedy = std::string(kFixCommand) + ", then " + after->remedy;
  }
}

void ConfirmRemedies(const std::vector<const Profile*>& rows, const ModelFacts& facts, const SimulateOptions& options,
                     const Machine& machine, std::vector<LoaderOutcome>& outcomes) {
  std::optional<RepairedState> repaired;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!outcomes[i].remedy.starts_with(kFixCommand)) continue;
    if (!repaired) repaired = options.repaired();
    std::optional<LoaderOutcome> after;
    if (repaired->writes) after = RunProfile(*rows[i], facts, &*repaired, options, machine);
    ConfirmRemedy(after ? &*after : nullptr, &outcomes[i]);
  }
}

// Nothing is said about directories whose configuration names another method.
bool NamesOtherMethod(const Examination& exam) {
  bool other = false;
  for (const QuantConfigFile& file : exam.configs.files) {
    if (file.method_family == "gptq") return false;
    if (file.reading != ConfigReading::kAbsent && !file.method_family.empty()) other = true;
    if (file.reading == ConfigReading::kForeign) other = true;
  }
  return other;
}

}  // namespace

Status CheckSimulateOptions(const SimulateOptions& options) {
  Machine machine;
  if (!ParseMachine(options.gpu_arch, &machine)) {
    return Error{ErrorKind::kUsage, "",
                 "--gpu-arch takes a compute capability such as 8.6 or sm_86, or rocm, cpu, xpu, not " +
                     EscapeTerminal(options.gpu_arch)};
  }
  if (options.tp < 1 || options.tp > 1024) return Error{ErrorKind::kUsage, "", "--tp takes a number from 1 to 1024"};
  if (!options.dtype.empty() && options.dtype != "float16" && options.dtype != "bfloat16" &&
      options.dtype != "float32") {
    return Error{ErrorKind::kUsage, "",
                 "--dtype takes float16, bfloat16 or float32, not " + EscapeTerminal(options.dtype)};
  }
  const auto rows = SelectProfiles(options.selectors);
  if (!rows) return rows.error();
  return Ok();
}

std::vector<LoaderOutcome> SimulateLoaders(const Examination& exam, const SimulateOptions& options) {
  const auto rows = SelectProfiles(options.selectors);
  return rows ? SimulateProfiles(exam, *rows, options) : std::vector<LoaderOutcome>();
}

std::vector<LoaderOutcome> SimulateProfiles(const Examination& exam, const std::vector<const Profile*>& rows,
                                            const SimulateOptions& options) {
  std::vector<LoaderOutcome> outcomes;
  Machine machine;
  if (!ParseMachine(options.gpu_arch, &machine) || options.tp < 1) return outcomes;
  // One file of a model says nothing about the directory that a loader sees.
  if (!exam.options.only_file.empty()) return outcomes;
  const ModelFacts facts = DigestModel(exam);
  if (facts.quantized_modules == 0 && facts.foreign_modules > 0 && NamesOtherMethod(exam)) return outcomes;
  outcomes.reserve(rows.size());
  if (!exam.errors.empty()) {  // any stage may stand on what was not read
    const Error& error = exam.errors.front();
    for (const Profile* row : rows) {
      Walk walk(*row, facts, exam.configs, options, machine);
      walk.Degrade(Outcome::kUnknown, "files", error.path + " could not be read: " + error.message, "");
      outcomes.push_back(walk.Finish());
    }
    return outcomes;
  }
  for (const Profile* row : rows) outcomes.push_back(RunProfile(*row, facts, nullptr, options, machine));
  if (options.repaired) ConfirmRemedies(rows, facts, options, machine, outcomes);
  return outcomes;
}

}  // namespace gptq_doctor
