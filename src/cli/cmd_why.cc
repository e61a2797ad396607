// gptq-doctor why MODEL... [--loader NAME[@VERSION]]... [--symptom TEXT] [--env [PREFIX]]

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/text.h"
#include "cli/command.h"
#include "cli/session.h"
#include "diagnose.h"
#include "loaders/env_scan.h"
#include "loaders/simulate.h"
#include "loaders/symptom.h"
#include "repair/repairs.h"
#include "report/json_writer.h"
#include "report/text_sections.h"
#include "report/why_text.h"

namespace gptq_doctor {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// What is known of one model.
struct Answer {
  Diagnosis diagnosis;
  std::vector<SymptomMatch> symptoms;
  std::optional<EnvironmentReport> environment;
  FallbackStory fallback;
};

bool AnyFallsBack(const std::vector<LoaderOutcome>& outcomes) {
  return std::any_of(outcomes.begin(), outcomes.end(),
                     [](const LoaderOutcome& outcome) { return outcome.outcome == Outcome::kFallsBack; });
}

// The outcome that heads the matrix.
const LoaderOutcome& Worst(const std::vector<LoaderOutcome>& outcomes) {
  for (const Outcome wanted : OutcomesBySilence()) {
    const auto found = std::find_if(outcomes.begin(), outcomes.end(),
                                    [&](const LoaderOutcome& outcome) { return outcome.outcome == wanted; });
    if (found != outcomes.end()) return *found;
  }
  return outcomes.front();
}

std::string SelectorOf(const LoaderOutcome& outcome) { return outcome.loader + "@" + outcome.version; }

class Why : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", models_, "model directories; optional with --symptom or --env");
    app.add_option("--loader", options_.selectors,
                   "vllm, vllm@0.10, vllm>=0.9,<0.15 or all (comma-separated, may be repeated; default all)")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--symptom", symptom_, "the message that a loader printed, or \"garbage\" for wrong text");
    env_ =
        app.add_option(
               "--env", prefix_,
               "a Python prefix, virtual or conda environment: which loaders are installed (default: the active one)")
            ->expected(0, 1);
    app.add_option("--tp", options_.tp, "tensor-parallel size");
    app.add_option("--gpu-arch", options_.gpu_arch, "compute capability such as 8.6 or sm_86, or rocm, cpu, xpu");
    app.add_option("--dtype", options_.dtype, "float16, bfloat16 or float32, as given to the loader");
  }

  int Run(Session& session) override {
    if (const Status checked = CheckSimulateOptions(options_); !checked) return session.Fail(checked.error());
    if (models_.empty() && symptom_.empty() && env_->count() == 0) {
      return session.Fail({ErrorKind::kUsage, "", "give a MODEL, or --symptom TEXT, or --env"});
    }
    if (env_->count() > 0) {
      auto scanned = ScanEnvironment(prefix_, {Variable("VIRTUAL_ENV"), Variable("CONDA_PREFIX"), Variable("PATH")});
      if (!scanned) return session.Fail(scanned.error());
      environment_ = std::move(*scanned);
      for (const std::string& warning : environment_->warnings) session.Warn(warning);
    }
    Report report;
    std::vector<Answer> answers;
    for (const std::string& path : models_) {
      auto answer = AnswerFor(session, path);
      if (!answer) {
        report.errors.push_back(answer.error());
        continue;
      }
      answers.push_back(std::move(*answer));
    }
    for (Answer& answer : answers) report.models.push_back(answer.diagnosis);
    report.exit_code = ExitCodeOf(AllErrors(report));
    const std::string text = session.json() ? Json(report, answers) : Text(session, answers);
    return session.Finish(text, AllErrors(report), report.exit_code);
  }

 private:
  // The loaders to walk: those named, else those installed where an environment is asked about, else all.
  std::vector<LoaderOutcome> Outcomes(const Examination& exam, const std::optional<EnvironmentReport>& environment,
                                      std::vector<Error>& errors) const {
    SimulateOptions options = options_;
    options.repaired = [&] { return StateAfterRepair(exam, errors); };
    if (options.selectors.empty() && environment) return SimulateProfiles(exam, environment->rows, options);
    if (options.selectors.empty()) options.selectors = {"all"};
    return SimulateLoaders(exam, options);
  }

  Result<Answer> AnswerFor(Session& session, const std::string& path) const {
    ExamineOptions options = session.examine_options();
    options.simulate_loaders = false;
    options.estimate_memory = false;
    Result<ReadModel> model = OpenAndRead(session, path, options);
    if (!model) return model.error();
    const Examination& exam = *model->exam;
    if (!exam.options.only_file.empty())
      return Error{ErrorKind::kUsage, path, "loaders take whole models, and so does why: give its directory"};
    Answer answer;
    answer.diagnosis = Diagnose(exam);
    answer.diagnosis.path = path;
    if (environment_) answer.environment = JudgeEnvironment(*environment_, &exam);
    if (symptom_.empty() || !options_.selectors.empty())
      answer.diagnosis.loaders = Outcomes(exam, answer.environment, answer.diagnosis.errors);
    if (!symptom_.empty()) answer.symptoms = MatchSymptom(symptom_, &exam);
    if (AnyFallsBack(answer.diagnosis.loaders)) answer.fallback = TellFallback(exam);
    return answer;
  }

  std::string Json(const Report& report, const std::vector<Answer>& answers) const {
    const auto model_extra = [&](JsonWriter& json, size_t at) {
      PutFallback(json, answers[at].fallback);
      if (!symptom_.empty()) PutSymptoms(json, answers[at].symptoms, true);
      if (answers[at].environment) PutEnvironment(json, *environment_, *answers[at].environment);
    };
    const auto extra = [&](JsonWriter& json) {
      if (!models_.empty()) return;
      if (!symptom_.empty()) PutSymptoms(json, MatchSymptom(symptom_, nullptr), false);
      if (environment_) PutEnvironment(json, *environment_, JudgeEnvironment(*environment_, nullptr));
    };
    return RenderEnvelope(report, extra, model_extra);
  }

  std::string Text(Session& session, const std::vector<Answer>& answers) const {
    const Style style(session.render_options());
    std::string out;
    if (models_.empty()) {
      if (!symptom_.empty()) out += SymptomText(MatchSymptom(symptom_, nullptr), false, style);
      if (environment_)
        out +=
            (out.empty() ? "" : "\n") + EnvironmentText(*environment_, JudgeEnvironment(*environment_, nullptr), style);
      return out;
    }
    for (const Answer& answer : answers) {
      if (!out.empty()) out += "\n";
      if (answers.size() > 1) out += style.Paint(Tone::kStrong, EscapeTerminal(answer.diagnosis.path)) + "\n\n";
      out += ModelText(answer, style);
    }
    return out;
  }

  std::string ModelText(const Answer& answer, const Style& style) const {
    std::string out;
    const auto add = [&](const std::string& part) {
      if (!part.empty()) out += (out.empty() ? "" : "\n") + part;
    };
    if (!symptom_.empty()) add(SymptomText(answer.symptoms, true, style));
    if (answer.environment) add(EnvironmentText(*environment_, *answer.environment, style));
    const auto& loaders = answer.diagnosis.loaders;
    if (symptom_.empty() && loaders.empty()) {
      add("no GPTQ here, and nothing that calls itself gptq: what loaders do with " +
          EscapeTerminal(answer.diagnosis.kind) + " weights is not known\n");
    }
    const bool matrix = loaders.size() > 2;
    if (matrix) add(MatrixText(loaders, style));
    if (!matrix || style.verbosity() > 0) {
      for (const LoaderOutcome& outcome : loaders) add(WalkText(outcome, style));
    }
    add(FallbackText(answer.fallback, style));
    if (matrix && style.verbosity() == 0) {
      add(style.Paint(Tone::kDim, "the steps of one: gptq-doctor why " +
                                      ShellQuote(EscapeTerminal(answer.diagnosis.path)) + " --loader " +
                                      SelectorOf(Worst(loaders)) + "; of all: -v") +
          "\n");
    }
    return out;
  }

  std::vector<std::string> models_;
  SimulateOptions options_;
  std::string symptom_, prefix_;
  CLI::Option* env_ = nullptr;
  std::optional<Environment> environment_;
};

}  // namespace

std::unique_ptr<Command> MakeWhy() { return std::make_unique<Why>(); }

}  // namespace gptq_doctor
