// gptq-doctor inspect MODEL...

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/session.h"

namespace gptq_doctor {
namespace {

class Inspect : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("MODEL", models_, "model directories, .safetensors files or index.json files")->required();
    app.add_flag("--modules", list_modules_, "list every quantized module");
    app.add_flag("--all", all_findings_, "list findings one by one instead of one a cause");
  }

  std::vector<std::string_view> Formats() const override {
    std::vector<std::string_view> names;
    for (const Reporter& reporter : Reporters()) names.push_back(reporter.name);
    return names;
  }

  int Run(Session& session) override {
    ExamineOptions options = session.examine_options();
    options.list_modules = list_modules_;
    options.all_findings = all_findings_;
    const Report report = ExamineAll(session, models_, options);
    const Reporter* reporter = FindReporter(session.options().format);
    return session.Finish(reporter->render(report, session.render_options()), AllErrors(report), report.exit_code);
  }

 private:
  std::vector<std::string> models_;
  bool list_modules_ = false, all_findings_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeInspect() { return std::make_unique<Inspect>(); }

}  // namespace gptq_doctor
