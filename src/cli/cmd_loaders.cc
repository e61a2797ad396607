// gptq-doctor loaders [LOADER]...: what is known of other programs, and how old that knowledge is.

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/session.h"
#include "loaders/simulate.h"
#include "report/json_writer.h"
#include "report/why_text.h"

namespace gptq_doctor {
namespace {

class Loaders : public Command {
 public:
  void Setup(CLI::App& app) override {
    app.add_option("LOADER", selectors_, "vllm, vllm@0.10, vllm>=0.9; all where none is given");
  }

  int Run(Session& session) override {
    const auto rows = SelectProfiles(selectors_.empty() ? std::vector<std::string>{"all"} : selectors_);
    if (!rows) return session.Fail(rows.error());
    if (!session.json()) return session.Finish(ProfilesText(*rows, Style(session.render_options())), {}, kExitClean);
    const std::string text = RenderEnvelope({}, [&](JsonWriter& json) { PutProfiles(json, *rows); }, {});
    return session.Finish(text, {}, kExitClean);
  }

 private:
  std::vector<std::string> selectors_;
};

}  // namespace

std::unique_ptr<Command> MakeLoaders() { return std::make_unique<Loaders>(); }

}  // namespace gptq_doctor
