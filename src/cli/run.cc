// The command line as a whole: global options, help, suggestions, dispatch.

#include "cli/run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/text.h"
#include "cli/command.h"
#include "cli/log.h"
#include "cli/number_options.h"
#include "cli/session.h"

namespace gptq_doctor {
namespace {

constexpr const char* kDescription =
    "gptq-doctor says what a quantized model directory really is, what is wrong with it, and what repairs it.\n"
    "\n"
    "  gptq-doctor inspect MODEL        what it is, with evidence\n"
    "  gptq-doctor fix MODEL --write    write the configuration that is missing";

void AddGlobalOptions(CLI::App& app, GlobalOptions& options) {
  app.add_option("--format", options.format, "how to write the result: text, json, ...")->envname("GPTQ_DOCTOR_FORMAT");
  app.add_option("-o,--output", options.output, "write the result to this file instead of standard output")
      ->envname("GPTQ_DOCTOR_OUTPUT");
  app.add_option("--color", options.color, "colours: auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->envname("GPTQ_DOCTOR_COLOR");
  app.add_option("--jobs", options.jobs, "threads; 0 stands for one a processor")->envname("GPTQ_DOCTOR_JOBS");
  app.add_option("--max-header", options.max_header, "largest safetensors header to read, in bytes")
      ->check(WholeNumber())
      ->envname("GPTQ_DOCTOR_MAX_HEADER");
  app.add_flag(
         "--deep", options.deep,
         "read all data instead of a sample: of every module its small tensors; inspect and check read every byte, as "
         "verify does")
      ->envname("GPTQ_DOCTOR_DEEP");
  app.add_flag("-v,--verbose", options.verbose, "more evidence; twice: every step")->envname("GPTQ_DOCTOR_VERBOSE");
  app.add_flag("-q,--quiet", options.quiet, "no summary; twice: the exit code alone")->envname("GPTQ_DOCTOR_QUIET");
}

// What the help of one command ends with.
std::string Footer(const CommandRow& row) {
  std::string text = "Examples:\n";
  for (size_t at = 0; at < row.examples.size();) {
    const size_t end = std::min(row.examples.find('\n', at), row.examples.size());
    text += "  gptq-doctor " + std::string(row.examples.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return text + "\nOptions of every command (--format, -o, --color, --jobs, -v, -q, ...): gptq-doctor --help";
}

Error Usage(std::string message) { return {.kind = ErrorKind::kUsage, .path = "", .message = std::move(message)}; }

std::string Suggestion(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string nearest = Nearest(word, candidates);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

std::string UnknownCommand(const std::string& word) {
  std::vector<std::string_view> names;
  for (const CommandRow& row : Commands()) names.push_back(row.name);
  struct stat info {};
  if (stat(word.c_str(), &info) == 0) {
    return "'" + word + "' is a path, not a command: gptq-doctor inspect " + ShellQuote(word);
  }
  return "no command '" + word + "'" + Suggestion(word, names) + " (gptq-doctor --help lists them)";
}

std::string UnknownOption(const std::string& word, const CLI::App& app, const CLI::App* sub) {
  std::vector<std::string> owned;
  for (const CLI::App* level : {&app, sub}) {
    if (level == nullptr) continue;
    for (const CLI::Option* option : level->get_options()) {
      for (const std::string& name : option->get_lnames()) owned.push_back("--" + name);
    }
  }
  const std::vector<std::string_view> names(owned.begin(), owned.end());
  return "no option " + word + Suggestion(word.substr(0, word.find('=')), names);
}

// What could not be parsed, in our words where we know better than the parser.
std::string Explain(const CLI::ParseError& error, const CLI::App& app) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const CLI::App* sub = chosen.empty() ? nullptr : chosen.front();
  const std::vector<std::string> rest = app.remaining(true);
  for (const std::string& word : rest) {
    if (word.size() > 1 && word[0] == '-') return UnknownOption(word, app, sub);
  }
  if (sub == nullptr && !rest.empty()) return UnknownCommand(rest.front());
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && sub != nullptr) {
    return std::string(error.what()) + " (gptq-doctor " + sub->get_name() + " --help)";
  }
  return error.what();
}

// Empty where the format is known; sets the default.
std::string CheckFormat(const Command& command, const std::string& name, GlobalOptions& options) {
  const std::vector<std::string_view> formats = command.Formats();
  if (options.format.empty()) options.format = std::string(formats.front());
  std::string known;
  for (const std::string_view format : formats) {
    if (format == options.format) return "";
    known += (known.empty() ? "" : ", ") + std::string(format);
  }
  return name + " has no format '" + options.format + "'" + Suggestion(options.format, formats) + " (" + known + ")";
}

int FailUsage(std::string message, bool json) {
  GlobalOptions options;
  if (json) options.format = "json";
  Session session(std::move(options));
  return session.Fail(Usage(std::move(message)));
}

struct Program {
  CLI::App app{kDescription, "gptq-doctor"};
  GlobalOptions options;
  std::unique_ptr<Command> command;

  Program() {
    app.set_help_flag("-h,--help", "print this help");
    app.set_version_flag("--version", "gptq-doctor " GPTQ_DOCTOR_VERSION);
    app.footer(
        "\ngptq-doctor COMMAND --help says more about a command. Exit codes: 0 clean, 1 findings or refused, 2 could "
        "not\n"
        "start, 3 something could not be read or written, 70 internal error.");
    AddGlobalOptions(app, options);
    app.fallthrough();
    for (const CommandRow& row : Commands()) {
      CLI::App* sub = app.add_subcommand(std::string(row.name), std::string(row.summary));
      sub->group(std::string(row.group));
      sub->set_help_flag("-h,--help", "print this help");
      sub->footer(Footer(row));
      sub->preparse_callback([this, sub, &row](size_t) {
        command = row.make();
        command->Setup(*sub);
      });
    }
    app.require_subcommand(0, 1);
  }
};

}  // namespace

bool AsksForJson(int argc, const char* const* argv) {
  const char* variable = std::getenv("GPTQ_DOCTOR_FORMAT");
  bool json = variable != nullptr && std::strcmp(variable, "json") == 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with("--format=")) json = word == "--format=json";
    if (word == "--format" && i + 1 < argc) json = std::strcmp(argv[i + 1], "json") == 0;
  }
  return json;
}

void KeepStandardDescriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is this one. Writing to it still fails, as it should.
    if (open("/dev/null", O_RDONLY) < 0) return;
  }
}

int RunProgram(int argc, const char* const* argv) {
  Program program;
  const bool json = AsksForJson(argc, argv);
  try {
    program.app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    std::ostringstream text;
    program.app.exit(success, text, text);
    return Session({}).Finish(text.str(), {}, kExitClean);
  } catch (const CLI::ParseError& error) {
    return FailUsage(Explain(error, program.app), json);
  }
  if (program.command == nullptr) {
    if (!json) {
      Session session(program.options);
      session.Finish(program.app.help(), {}, kExitUsage);
      return kExitUsage;
    }
    return FailUsage("no command given", json);
  }
  const std::string name = program.app.get_subcommands().front()->get_name();
  const std::string problem = CheckFormat(*program.command, name, program.options);
  if (!problem.empty()) return FailUsage(problem, json);
  StartLog(program.options.verbose);
  Session session(program.options);
  return program.command->Run(session);
}

}  // namespace gptq_doctor
