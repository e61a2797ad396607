// gptq-doctor fix MODEL

#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "base/os_error.h"
#include "base/sink.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/plan_text.h"
#include "cli/session.h"
#include "diagnose.h"
#include "repair/apply.h"
#include "repair/repairs.h"
#include "report/json_writer.h"
#include "rules/rule.h"

namespace gptq_doctor {
namespace {

class Fix : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", model_, "a model directory")->required();
    CLI::Option* write =
        app.add_flag("--write", write_, "apply the plan; what is replaced is kept as NAME.gptq-doctor.bak");
    CLI::Option* undo = app.add_flag("--undo", undo_, "restore what the last --write changed");
    CLI::Option* check = app.add_flag("--check", check_, "exit 1 if there is anything to repair");
    CLI::Option* plan = app.add_option("--plan", plan_file_, "write the plan to this file, for gptq-doctor apply");
    app.add_option("--base", base_, "directory of the base model, whose config.json is taken over");
    CLI::Option* out = app.add_option("--out", out_, "write the changed files into this directory instead");
    app.add_option("--select", select_, "only repairs for these rules (codes or names, comma-separated)")
        ->delimiter(',');
    app.add_option("--assume", assume_, "KEY=VALUE for what the tensors cannot tell (repeatable)")
        ->allow_extra_args(false);
    undo->excludes(write, check, plan, out);
    write->excludes(check, plan, out);
    check->excludes(plan, out);
  }

  int Run(Session& session) override {
    Result<OpenedModel> opened = OpenModel(model_);
    if (!opened) return session.Fail(opened.error());
    if (!opened->only_file.empty()) {
      return session.Fail({ErrorKind::kUsage, model_, "fix works on a whole model: give its directory"});
    }
    source_ = std::move(opened->source);
    if (undo_) return Undo(session);
    FixOptions options;
    for (const std::string& word : select_) {
      const Rule* rule = FindRule(word);
      if (rule == nullptr) return session.Fail({ErrorKind::kUsage, "", UnknownRule(word)});
      options.select.emplace_back(rule->code);
    }
    for (const std::string& text : assume_) {
      Result<Assumption> assumption = ParseAssumption(text);
      if (!assumption) return session.Fail(assumption.error());
      options.assumptions.push_back(std::move(*assumption));
    }
    if (!base_.empty()) {
      Result<std::string> config = ReadBase();
      if (!config) return session.Fail(config.error());
      options.base_config = std::move(*config);
      options.base_name = base_;
    }
    Result<std::unique_ptr<Examination>> exam = ReadExamination(*source_, session.examine_options(), session.context());
    if (!exam) return session.Fail(WithPath(exam.error()));
    Result<Plan> plan = MakePlan(**exam, options);
    // What was not read may be the reason.
    if (!plan) return session.Fail(WithPath((*exam)->errors.empty() ? plan.error() : (*exam)->errors.front()));
    const Result<std::string> interrupted = InterruptedWrite(*source_);
    if (!interrupted) return session.Fail(interrupted.error());
    if (!interrupted->empty()) session.Warn(*interrupted);
    for (const std::string& warning : plan->warnings) session.Warn(warning);
    if (session.json()) report_.models.push_back(Diagnose(**exam));  // before anything is written
    return Carry(session, **exam, *plan);
  }

 private:
  Error WithPath(Error error) const {
    if (error.path.empty()) error.path = model_;
    return error;
  }

  static std::string UnknownRule(const std::string& word) {
    std::vector<std::string_view> names;
    for (const Rule& rule : RuleTable()) names.insert(names.end(), {rule.code, rule.name});
    const std::string nearest = Nearest(word, names);
    return "there is no rule '" + EscapeTerminal(word) + "'" +
           (nearest.empty() ? "; gptq-doctor rules lists them" : "; did you mean " + nearest + "?");
  }

  Result<std::string> ReadBase() const {
    constexpr uint64_t kMaxConfig = 64 << 20;  // bytes
    Result<std::unique_ptr<Source>> base = OpenLocalDirectory(base_);
    if (!base) return base.error();
    return ReadWhole(**base, "config.json", kMaxConfig);
  }

  // What is asked for with the plan.
  int Carry(Session& session, const Examination& exam, const Plan& plan) {
    const bool writes = write_ || !out_.empty() || !plan_file_.empty();
    if (!plan.empty() && writes) {
      if (!plan.open.empty()) return session.Fail({ErrorKind::kRefused, model_, NeedsAssumption(plan)});
      if (!exam.errors.empty()) {
        Error error = exam.errors[0];
        error.message += "; nothing is written while a part of the model cannot be read";
        return session.Fail(error);
      }
    }
    const int code = check_ && !plan.empty() ? kExitFindings : kExitClean;
    if (!plan_file_.empty() && !plan.empty()) {
      const Status written = WriteFile(plan_file_, PlanToJson(plan));
      if (!written) return session.Fail(written.error());
      return Finish(session, exam, plan, nullptr, "Apply it with: gptq-doctor apply " + ShellQuote(plan_file_) + "\n",
                    code);
    }
    if (!writes || (plan.empty() && !write_)) return Finish(session, exam, plan, nullptr, NextStep(plan), code);
    const Result<Applied> applied = Write(plan);
    if (!applied) return session.Fail(WithPath(applied.error()));
    if (plan.empty()) return Finish(session, exam, plan, nullptr, NextStep(plan), code);
    return Finish(session, exam, plan, &*applied, "", code);
  }

  Result<Applied> Write(const Plan& plan) {
    if (out_.empty()) {
      Result<std::unique_ptr<Sink>> sink = OpenLocalSink(*source_);
      if (!sink) return sink.error();
      return ApplyPlan(plan, *source_, **sink);
    }
    if (mkdir(out_.c_str(), 0777) != 0 && errno != EEXIST) return MakeOsError(errno, "create the directory", out_, "");
    const Result<std::unique_ptr<Source>> there = OpenLocalDirectory(out_);
    if (!there) return there.error();
    Result<std::unique_ptr<Sink>> sink = OpenLocalSink(**there);
    if (!sink) return sink.error();
    return WriteElsewhere(plan, *source_, **sink, there->get());
  }

  std::string NextStep(const Plan& plan) const {
    if (plan.empty()) return "";
    std::string command = "gptq-doctor fix " + ShellQuote(model_);
    if (!base_.empty()) command += " --base " + ShellQuote(base_);
    for (const std::string& text : assume_) command += " --assume " + ShellQuote(text);
    for (const std::string& text : select_) command += " --select " + ShellQuote(text);
    if (!plan.open.empty()) return NeedsAssumption(plan) + "\n";
    return "Nothing was written. Run again with --write to apply it: " + command + " --write\n";
  }

  int Undo(Session& session) {
    Result<std::unique_ptr<Sink>> sink = OpenLocalSink(*source_);
    if (!sink) return session.Fail(sink.error());
    const Result<Undone> undone = UndoLast(*source_, **sink);
    if (!undone) return session.Fail(WithPath(undone.error()));
    if (!session.json()) return session.Finish(UndoneText(*undone), {}, kExitClean);
    const auto extra = [&](JsonWriter& json) {
      json.Key("undone")
          .BeginObject()
          .Field("restored", undone->restored)
          .Field("deleted", undone->deleted)
          .EndObject();
    };
    return session.Finish(RenderEnvelope({}, extra, {}), {}, kExitClean);
  }

  int Finish(Session& session, const Examination& exam, const Plan& plan, const Applied* applied,
             const std::string& next, int code) {
    if (session.json()) {
      const auto extra = [&](JsonWriter& json) { PutPlan(json, plan, applied); };
      return session.FinishJson(report_, code, extra, {});
    }
    code = WorseExitCode(code, ExitCodeOf(exam.errors));
    std::string text;
    if (applied != nullptr) {
      text = AppliedText(*applied, out_);
      if (out_.empty()) text += "Undo it with: gptq-doctor fix " + ShellQuote(model_) + " --undo\n";
    } else {
      text = PlanText(plan, {.color = session.render_options().color}) + next;
    }
    return session.Finish(text, exam.errors, code);
  }

  std::string model_, plan_file_, base_, out_;
  bool write_ = false, undo_ = false, check_ = false;
  std::vector<std::string> select_, assume_;
  std::unique_ptr<Source> source_;
  Report report_;  // filled for JSON only
};

}  // namespace

std::unique_ptr<Command> MakeFix() { return std::make_unique<Fix>(); }

}  // namespace gptq_doctor
