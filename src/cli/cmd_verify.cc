// gptq-doctor verify MODEL... [--against BASE]

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "dequant/verify.h"
#include "diagnose.h"
#include "report/check_report.h"
#include "report/verify_report.h"
#include "rules/settings.h"

namespace gptq_doctor {
namespace {

// What numbers can mean: values, and the structure and files without which they cannot be read.
bool IsOfVerify(const Finding& finding) {
  if (finding.code.starts_with("GD4")) return true;
  return finding.severity == Severity::kError && (finding.code.starts_with("GD2") || finding.code.starts_with("GD3"));
}

class Verify : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", models_, "model directories, .safetensors files or index.json files")->required();
    app.add_option("--against", base_, "the dense model it was made from: a directory or a .safetensors file");
    app.add_flag("--hashes", options_.hashes,
                 "compare sha256 with what the hub cache, the local download or git-lfs recorded");
    app.add_flag("--sample", options_.sample, "read the first, the middle and the last module of every kind");
    app.add_option("--modules", options_.modules, "read the modules whose names match this pattern; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--fail-on", fail_on_, "exit 1 from this level on: error (default), warning, note, never")
        ->check(CLI::IsMember({"error", "warning", "note", "never"}));
    app.add_flag("--all", all_findings_, "list findings one by one instead of one a cause");
  }

  std::vector<std::string_view> Formats() const override {
    std::vector<std::string_view> names;
    for (const Reporter& reporter : CheckReporters()) names.push_back(reporter.name);
    return names;
  }

  int Run(Session& session) override {
    Report report;
    std::optional<ReadModel> base;
    if (!base_.empty()) {
      Result<ReadModel> read = OpenAndRead(session, base_, Plain(session));
      if (!read) return session.Fail(read.error());
      base = std::move(*read);
      options_.base = base->exam.get();
    }
    std::vector<VerifyReport> checks;
    for (const std::string& path : models_) {
      if (Status done = One(session, path, report, checks); !done) report.errors.push_back(done.error());
    }
    if (base) {
      const std::vector<Error>& errors = base->exam->errors;
      report.errors.insert(report.errors.end(), errors.begin(), errors.end());
    }
    Judge(report);
    return session.Finish(Render(session, report, checks), AllErrors(report), report.exit_code);
  }

 private:
  static ExamineOptions Plain(Session& session) {
    ExamineOptions options = session.examine_options();
    options.deep = false;
    options.simulate_loaders = false;
    options.estimate_memory = false;
    return options;
  }

  Status One(Session& session, const std::string& path, Report& report, std::vector<VerifyReport>& checks) const {
    ExamineOptions examine = Plain(session);
    examine.deep = !options_.sample;
    examine.all_findings = all_findings_;
    const Result<ReadModel> model = OpenAndRead(session, path, examine);
    if (!model) return model.error();
    Progress progress(session, "verify");
    ExamineContext context = session.context();
    context.progress = [&](uint64_t done, uint64_t total) { progress.Update(done, total); };
    Result<VerifyReport> check = VerifyModel(*model->exam, options_, context);
    if (!check) {
      Error error = check.error();
      if (error.path.empty()) error.path = path;
      return error;
    }
    Diagnosis diagnosis = Diagnose(*model->exam);
    diagnosis.path = path;
    std::erase_if(diagnosis.findings, [](const Finding& finding) { return !IsOfVerify(finding); });
    report.models.push_back(std::move(diagnosis));
    checks.push_back(std::move(*check));
    return Ok();
  }

  void Judge(Report& report) const {
    report.gate.fail_on = fail_on_ == "never" ? std::nullopt : SeverityFromName(fail_on_);
    report.exit_code = ExitCodeOf(AllErrors(report));
    for (const Diagnosis& model : report.models) {
      const bool failed =
          std::ranges::any_of(model.findings, [&](const Finding& finding) { return Fails(finding, report.gate); });
      if (failed) report.exit_code = WorseExitCode(report.exit_code, kExitFindings);
    }
  }

  static std::string Render(Session& session, const Report& report, const std::vector<VerifyReport>& checks) {
    const std::string& format = session.options().format;
    if (format == "text") return RenderVerifyText(report, checks, session.render_options());
    if (format == "json") return RenderVerifyJson(report, checks);
    return FindCheckReporter(format)->render(report, session.render_options());
  }

  std::vector<std::string> models_;
  std::string base_, fail_on_ = "error";
  VerifyOptions options_;
  bool all_findings_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeVerify() { return std::make_unique<Verify>(); }

}  // namespace gptq_doctor
