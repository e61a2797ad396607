#ifndef GPTQ_DOCTOR_CLI_COMPLETION_WORDS_H_
#define GPTQ_DOCTOR_CLI_COMPLETION_WORDS_H_

// What a shell can complete, read off the same options that parse a command line, and the scripts that tell shells so.

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace gptq_doctor {

struct OptionWords {
  std::string long_name, short_name;  // without dashes; empty where there is none
  std::string help;
  bool takes_value = false;
  std::vector<std::string> values;  // the only ones it takes; empty: any, so files are offered
};

struct CommandWords {
  std::string name, summary;  // empty name: before any command
  std::vector<OptionWords> options;
};

// The options of `app`; `formats` are the values of --format.
CommandWords WordsOf(const CLI::App& app, std::string name, std::string summary,
                     const std::vector<std::string_view>& formats);

// The first row holds the global options, which every command takes as well.
std::string BashCompletion(const std::vector<CommandWords>& commands);
std::string ZshCompletion(const std::vector<CommandWords>& commands);
std::string FishCompletion(const std::vector<CommandWords>& commands);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_COMPLETION_WORDS_H_
