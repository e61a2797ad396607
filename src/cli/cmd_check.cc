// gptq-doctor check MODEL...: the gate.

#include <algorithm>

#include "base/text.h"
#include "cli/check_options.h"
#include "cli/command.h"
#include "cli/session.h"
#include "report/check_report.h"
#include "rules/baseline.h"
#include "rules/findings.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kBaselineCap = 256 << 20;  // bytes

class Check : public Command {
 public:
  void Setup(CLI::App& app) override { options_.Register(app); }

  std::vector<std::string_view> Formats() const override {
    std::vector<std::string_view> names;
    for (const Reporter& reporter : CheckReporters()) names.push_back(reporter.name);
    return names;
  }

  int Run(Session& session) override {
    if (options_.formats.empty()) options_.formats.push_back(session.options().format);
    if (options_.outputs.empty() && !session.options().output.empty())
      options_.outputs.push_back(session.options().output);
    Result<std::vector<FormatTarget>> targets = PairFormats(options_.formats, options_.outputs);
    if (!targets) return Fail(session, targets.error());
    Result<CheckPlan> plan = PlanCheck(options_);
    if (!plan) return Fail(session, plan.error());
    Result<std::vector<BaselineEntry>> known = ReadBaseline(*plan);
    if (!known) return Fail(session, known.error());

    ExamineOptions examine = session.examine_options();
    examine.all_findings = options_.all_findings;
    examine.judge_loaders = plan->settings.loaders;
    examine.min_compression = plan->settings.min_compression.value_or(examine.min_compression);
    const bool all = std::any_of(targets->begin(), targets->end(), [](const FormatTarget& target) {
      return FindCheckReporter(target.format)->needs_all;
    });
    Report report = ExamineAll(session, options_.models, examine, all ? Keep::kAll : Keep::kVerdict);
    const Status done = Judge(*plan, std::move(*known), report);
    // A file that could not be written, wherever the fault lies.
    if (!done) report.errors.push_back({ErrorKind::kIo, done.error().path, done.error().message});
    report.exit_code = ExitCode(report);
    return Write(session, *targets, report);
  }

 private:
  // Where a run cannot begin, whoever asked for JSON gets JSON.
  int Fail(Session& session, const Error& error) {
    const bool json = std::find(options_.formats.begin(), options_.formats.end(), "json") != options_.formats.end();
    const int code = ExitCodeOf(error.kind);
    Report report;
    report.errors.push_back(error);
    report.exit_code = code;
    return session.Finish(json ? RenderCheckJson(report, {}) : "", {error}, code);
  }

  Result<std::vector<BaselineEntry>> ReadBaseline(const CheckPlan& plan) const {
    if (plan.baseline.empty()) return std::vector<BaselineEntry>();
    const Result<std::string> text = ReadLocalFile(plan.baseline, kBaselineCap);
    if (!text) return text.error();
    return ParseBaseline(*text, plan.baseline);
  }

  // Selection, levels, [[ignore]] entries and the baseline, model by model; then what is left over of them.
  Status Judge(const CheckPlan& plan, std::vector<BaselineEntry> known, Report& report) {
    const Policy& policy = plan.settings.policy;
    PolicyRun run(policy);
    const std::string baseline_directory =
        AbsoluteDirectoryOf(plan.baseline.empty() ? options_.write_baseline : plan.baseline);
    for (BaselineEntry& entry : known) {  // a report names models as they were given
      if (entry.model.starts_with('/')) entry.model = RelativeTo(entry.model, baseline_directory);
    }
    BaselineRun baseline(std::move(known), plan.baseline);
    std::vector<BaselineEntry> written;
    for (Diagnosis& model : report.models) {
      const std::string place = RelativeTo(model.path, baseline_directory);
      run.Apply(model.findings, RelativeTo(model.path, plan.settings_directory));
      baseline.Apply(model.findings, place);
      for (const Finding& finding : model.findings) {
        const bool ignored = finding.suppressed && finding.suppression != "in the baseline";
        if (!ignored) written.push_back({place, finding.fingerprint, finding.code, finding.message});
      }
    }
    Gate& gate = report.gate;
    gate.fail_on = plan.fail_on;
    gate.show_suppressed = options_.show_suppressed;
    for (const Rule& rule : RuleTable()) {
      const Finding probe{.code = std::string(rule.code), .name = std::string(rule.name)};
      if (run.IsSelected(probe)) gate.rules.emplace_back(rule.code);
    }
    gate.run_findings = run.Leftovers();
    if (!options_.write_baseline.empty()) return WriteFile(options_.write_baseline, WriteBaseline(written));
    if (options_.prune_baseline) return WriteFile(plan.baseline, WriteBaseline(baseline.Pruned()));
    std::vector<Finding> stale = baseline.Stale();
    run.Apply(stale, plan.baseline);
    std::move(stale.begin(), stale.end(), std::back_inserter(gate.run_findings));
    std::stable_sort(gate.run_findings.begin(), gate.run_findings.end(), FindingLess);
    return Ok();
  }

  int ExitCode(const Report& report) const {
    const int code = ExitCodeOf(AllErrors(report));
    if (options_.exit_zero || !options_.write_baseline.empty()) return code;
    const auto fails = [&](const Finding& finding) { return Fails(finding, report.gate); };
    bool failed = std::any_of(report.gate.run_findings.begin(), report.gate.run_findings.end(), fails);
    for (const Diagnosis& model : report.models)
      failed = failed || std::any_of(model.findings.begin(), model.findings.end(), fails);
    return failed ? WorseExitCode(code, kExitFindings) : code;
  }

  // Files first: whether they could be written decides the exit code.
  int Write(Session& session, const std::vector<FormatTarget>& targets, Report& report) {
    std::vector<Error> errors = AllErrors(report);
    const FormatTarget* to_stdout = nullptr;
    for (const FormatTarget& target : targets) {
      if (target.file.empty() || target.file == "-") {
        to_stdout = &target;
        continue;
      }
      RenderOptions plain;
      plain.verbosity = session.render_options().verbosity;
      const Status written = WriteFile(target.file, FindCheckReporter(target.format)->render(report, plain));
      if (written) continue;
      errors.push_back({written.error().kind, target.file, written.error().message});
      report.exit_code = WorseExitCode(report.exit_code, kExitUnexamined);
    }
    const std::string out =
        to_stdout == nullptr ? "" : FindCheckReporter(to_stdout->format)->render(report, session.render_options());
    return session.FinishOnStdout(out, errors, report.exit_code);
  }

  CheckOptions options_;
};

}  // namespace

std::unique_ptr<Command> MakeCheck() { return std::make_unique<Check>(); }

}  // namespace gptq_doctor
