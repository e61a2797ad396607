// gptq-doctor completions SHELL: the script that completes commands and options in a shell.

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/completion_words.h"
#include "cli/session.h"

namespace gptq_doctor {
namespace {

struct Shell {
  std::string_view name;
  std::string (*script)(const std::vector<CommandWords>&);
};
constexpr Shell kShells[] = {{"bash", BashCompletion}, {"zsh", ZshCompletion}, {"fish", FishCompletion}};

class Completions : public Command {
 public:
  void Setup(CLI::App& app) override {
    root_ = app.get_parent();
    std::vector<std::string> names;
    for (const Shell& shell : kShells) names.emplace_back(shell.name);
    app.add_option("SHELL", shell_, "bash, zsh or fish")->required()->check(CLI::IsMember(names));
  }

  std::vector<std::string_view> Formats() const override { return {"text"}; }

  int Run(Session& session) override {
    std::vector<CommandWords> commands = {WordsOf(*root_, "", "", {"text", "json"})};
    for (const CommandRow& row : Commands()) {
      const std::unique_ptr<Command> command = row.make();
      CLI::App app;
      app.set_help_flag("-h,--help", "print this help");
      command->Setup(app);
      commands.push_back(WordsOf(app, std::string(row.name), std::string(row.summary), command->Formats()));
    }
    const auto* shell =
        std::find_if(std::begin(kShells), std::end(kShells), [&](const Shell& s) { return s.name == shell_; });
    return session.Finish(shell->script(commands), {}, kExitClean);
  }

 private:
  const CLI::App* root_ = nullptr;
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> MakeCompletions() { return std::make_unique<Completions>(); }

}  // namespace gptq_doctor
