#ifndef GPTQ_DOCTOR_CLI_COMMAND_H_
#define GPTQ_DOCTOR_CLI_COMMAND_H_

// A command is one file cmd_NAME.cc and one row in commands.cc. Only the chosen command is constructed and only its
// options are registered, so that start-up does not grow with the number of commands.

#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace gptq_doctor {

class Session;

class Command {
 public:
  virtual ~Command() = default;
  // Registers options and arguments, bound to members of the command.
  virtual void Setup(CLI::App& app) = 0;
  // Returns the exit code. Everything that goes wrong is reported through the session.
  virtual int Run(Session& session) = 0;
  // Values of --format that this command knows, the default first.
  virtual std::vector<std::string_view> Formats() const { return {"text", "json"}; }
};

struct CommandRow {
  std::string_view name;
  std::string_view group;     // heading of the help under which it is listed
  std::string_view summary;   // one line of the help
  std::string_view examples;  // lines "arguments -- what it does", shown by its own help
  std::unique_ptr<Command> (*make)();
};

// In the order of the help.
std::span<const CommandRow> Commands();

std::unique_ptr<Command> MakeInspect();
std::unique_ptr<Command> MakeApply();
std::unique_ptr<Command> MakeConfig();
std::unique_ptr<Command> MakeFix();
std::unique_ptr<Command> MakeMemory();
std::unique_ptr<Command> MakeTensors();
std::unique_ptr<Command> MakeRules();
std::unique_ptr<Command> MakeExplain();
std::unique_ptr<Command> MakeCheck();
std::unique_ptr<Command> MakeDequantize();
std::unique_ptr<Command> MakeConvert();
std::unique_ptr<Command> MakeWhy();
std::unique_ptr<Command> MakeLoaders();
std::unique_ptr<Command> MakeCompletions();
std::unique_ptr<Command> MakeVerify();

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_COMMAND_H_
