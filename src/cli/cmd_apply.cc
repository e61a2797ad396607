// gptq-doctor apply FILE

#include <CLI/CLI.hpp>

#include "base/sink.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/plan_text.h"
#include "cli/session.h"
#include "repair/apply.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kMaxPlan = 1 << 30;  // bytes

class Apply : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("FILE", file_, "a plan that gptq-doctor fix --plan wrote")->required();
    app.add_option("--model", model_, "the model directory, where it is not the one the plan names");
  }

  int Run(Session& session) override {
    Result<Plan> plan = Load();
    if (!plan) return session.Fail(plan.error());
    const std::string model = model_.empty() ? plan->model : model_;
    Result<OpenedModel> opened = OpenModel(model);
    if (!opened) return session.Fail(opened.error());
    if (!opened->only_file.empty()) return session.Fail({ErrorKind::kUsage, model, "give a model directory"});
    Result<std::unique_ptr<Sink>> sink = OpenLocalSink(*opened->source);
    if (!sink) return session.Fail(sink.error());
    const Result<Applied> applied = ApplyPlan(*plan, *opened->source, **sink);
    if (!applied) return session.Fail(applied.error());
    if (session.json()) {
      const auto extra = [&](JsonWriter& json) { PutPlan(json, *plan, &*applied); };
      return session.Finish(RenderEnvelope({}, extra, {}), {}, kExitClean);
    }
    if (plan->empty()) return session.Finish("The plan is empty: nothing was written.\n", {}, kExitClean);
    return session.Finish(
        AppliedText(*applied, "") + "Undo it with: gptq-doctor fix " + ShellQuote(model) + " --undo\n", {}, kExitClean);
  }

 private:
  Result<Plan> Load() const {
    const size_t slash = file_.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : file_.substr(0, slash);
    Result<std::unique_ptr<Source>> source = OpenLocalDirectory(directory);
    if (!source) return source.error();
    const Result<std::string> text =
        ReadWhole(**source, slash == std::string::npos ? file_ : file_.substr(slash + 1), kMaxPlan);
    if (!text) return text.error();
    return PlanFromJson(*text, file_);
  }

  std::string file_, model_;
};

}  // namespace

std::unique_ptr<Command> MakeApply() { return std::make_unique<Apply>(); }

}  // namespace gptq_doctor
