// gptq-doctor config MODEL

#include <CLI/CLI.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/session.h"
#include "diagnose.h"
#include "repair/config_edit.h"
#include "repair/generate.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

class Config : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", model_, "a model directory, .safetensors file or index.json")->required();
    app.add_option("--for", for_, "quantize_config.json (default), or config.json: its section quantization_config")
        ->check(CLI::IsMember({"quantize_config.json", "config.json"}));
    app.add_flag("--check", check_, "compare with what is there: exit 1 and the keys that differ");
    app.add_option("--assume", assume_, "KEY=VALUE for what the tensors cannot tell (repeatable)")
        ->allow_extra_args(false);
  }

  int Run(Session& session) override {
    std::vector<Assumption> assumptions;
    for (const std::string& text : assume_) {
      Result<Assumption> assumption = ParseAssumption(text);
      if (!assumption) return session.Fail(assumption.error());
      assumptions.push_back(std::move(*assumption));
    }
    Result<OpenedModel> opened = OpenModel(model_);
    if (!opened) return session.Fail(opened.error());
    ExamineOptions options = session.examine_options();
    options.only_file = opened->only_file;
    Result<std::unique_ptr<Examination>> exam = ReadExamination(*opened->source, options, session.context());
    if (!exam) return session.Fail(WithPath(exam.error()));
    Result<SettledSettings> settled = SettleSettings(**exam, assumptions);
    if (!settled) return session.Fail(WithPath(settled.error()));
    if (settled->unproved) return session.Fail(NothingProved(**exam));
    return check_ ? Check(session, **exam, *settled) : Print(session, **exam, std::move(*settled));
  }

 private:
  Error WithPath(Error error) const {
    if (error.path.empty()) error.path = model_;
    return error;
  }

  int Print(Session& session, const Examination& exam, SettledSettings settled) {
    const ConfigTarget target =
        for_ == "config.json" ? ConfigTarget::kConfigJsonSection : ConfigTarget::kQuantizeConfigJson;
    const GeneratedConfig config = GenerateConfig(exam, target, std::move(settled));
    for (const std::string& warning : config.warnings) session.Warn(warning);
    const int code = ExitCodeOf(exam.errors);
    if (!session.json()) return session.Finish(config.text + "\n", exam.errors, code);
    const auto extra = [&](JsonWriter& json) {
      json.Key("generated").BeginObject().Field("file", FileOf(target)).Field("text", config.text + "\n");
      json.Field("left_out", config.settled.open).Field("warnings", config.warnings).EndObject();
    };
    return Finish(session, exam, code, extra, "");
  }

  int Check(Session& session, const Examination& exam, const SettledSettings& settled) {
    std::vector<ConfigCheck> checks;
    for (const ConfigTarget target : {ConfigTarget::kQuantizeConfigJson, ConfigTarget::kConfigJsonSection}) {
      if (for_.empty() || for_ == FileOf(target)) checks.push_back(CheckConfig(exam, target, settled));
    }
    size_t differences = 0;
    std::string text;
    for (const ConfigCheck& check : checks) {
      differences += check.differences.size();
      for (const std::string& difference : check.differences) text += check.file + ": " + difference + "\n";
      if (check.differences.empty()) text += check.file + ": agrees with the tensors\n";
    }
    const int code = WorseExitCode(differences > 0 ? kExitFindings : kExitClean, ExitCodeOf(exam.errors));
    const auto extra = [&](JsonWriter& json) {
      json.Key("check").BeginArray();
      for (const ConfigCheck& check : checks) {
        json.BeginObject().Field("file", check.file).Field("agrees", check.differences.empty());
        json.Field("differences", check.differences).EndObject();
      }
      json.EndArray();
    };
    return Finish(session, exam, code, extra, text);
  }

  int Finish(Session& session, const Examination& exam, int code, const std::function<void(JsonWriter&)>& extra,
             const std::string& text) {
    if (!session.json()) return session.Finish(text, exam.errors, code);
    Report report;
    report.models.push_back(Diagnose(exam));
    return session.FinishJson(report, code, extra, {});
  }

  std::string model_, for_;
  bool check_ = false;
  std::vector<std::string> assume_;
};

}  // namespace

std::unique_ptr<Command> MakeConfig() { return std::make_unique<Config>(); }

}  // namespace gptq_doctor
