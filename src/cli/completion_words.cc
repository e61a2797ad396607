#include "cli/completion_words.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"

namespace gptq_doctor {
namespace {

// "TEXT:{auto,always,never}" is how the parser describes a closed set.
std::vector<std::string> ClosedSet(const std::string& type) {
  const size_t open = type.find('{'), close = type.rfind('}');
  std::vector<std::string> values;
  if (open == std::string::npos || close == std::string::npos) return values;
  for (size_t at = open + 1; at < close;) {
    const size_t comma = std::min(type.find(',', at), close);
    values.push_back(type.substr(at, comma - at));
    at = comma + 1;
  }
  return values;
}

std::string Joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

std::string OptionList(const CommandWords& command) {
  std::vector<std::string> words;
  for (const OptionWords& option : command.options) {
    if (!option.long_name.empty()) words.push_back("--" + option.long_name);
  }
  return Joined(words);
}

std::string Names(const std::vector<CommandWords>& commands, const char* between = " ") {
  std::vector<std::string> names;
  for (const CommandWords& command : commands) {
    if (!command.name.empty()) names.push_back(command.name);
  }
  return Joined(names, between);
}

// A word inside single quotes of a zsh specification: brackets and colons end parts of it.
std::string ZshText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out;
}

std::string ZshSpec(const OptionWords& option) {
  std::string value;
  if (option.takes_value && option.values.empty()) value = ":value:_files";
  if (option.takes_value && !option.values.empty()) value = ":value:(" + Joined(option.values) + ")";
  std::string out;
  const std::string tail = "[" + ZshText(option.help) + "]" + value + "'";
  if (!option.long_name.empty()) out += " \\\n      '--" + option.long_name + tail;
  if (!option.short_name.empty()) out += " \\\n      '-" + option.short_name + tail;
  return out;
}

void AddFish(std::string& out, const CommandWords& command) {
  const std::string when = command.name.empty() ? "" : " -n '__fish_seen_subcommand_from " + command.name + "'";
  for (const OptionWords& option : command.options) {
    out += "complete -c gptq-doctor" + when;
    if (!option.long_name.empty()) out += " -l " + option.long_name;
    if (!option.short_name.empty()) out += " -s " + option.short_name;
    if (option.takes_value && option.values.empty()) out += " -rF";
    if (!option.values.empty()) out += " -xa " + ShellQuote(Joined(option.values));
    out += " -d " + ShellQuote(option.help) + "\n";
  }
}

}  // namespace

CommandWords WordsOf(const CLI::App& app, std::string name, std::string summary,
                     const std::vector<std::string_view>& formats) {
  CommandWords command{.name = std::move(name), .summary = std::move(summary), .options = {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) continue;
    OptionWords words;
    if (!option->get_lnames().empty()) words.long_name = option->get_lnames().front();
    if (!option->get_snames().empty()) words.short_name = option->get_snames().front();
    words.help = option->get_description();
    words.takes_value = option->get_items_expected_max() > 0;
    words.values = ClosedSet(option->get_type_name());
    if (words.long_name == "format") words.values.assign(formats.begin(), formats.end());
    command.options.push_back(std::move(words));
  }
  const auto is_format = [](const OptionWords& option) { return option.long_name == "format"; };
  if (std::none_of(command.options.begin(), command.options.end(), is_format)) {
    command.options.push_back({.long_name = "format",
                               .short_name = "",
                               .help = "how to write the result",
                               .takes_value = true,
                               .values = {formats.begin(), formats.end()}});
  }
  return command;
}

std::string BashCompletion(const std::vector<CommandWords>& commands) {
  std::string out =
      "# bash completion for gptq-doctor\n"
      "_gptq_doctor() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command='' options='' i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n      " +
      Names(commands, "|") +
      ") command=${COMP_WORDS[i]}; break ;;\n"
      "    esac\n"
      "  done\n"
      "  case $command:$before in\n";
  for (auto command = commands.rbegin(); command != commands.rend(); ++command) {  // "*" last: the first match counts
    for (const OptionWords& option : command->options) {
      if (option.values.empty()) continue;
      const std::string scope = command->name.empty() ? "*" : command->name;
      out += fmt::format("    {}:--{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n", scope,
                         option.long_name, Joined(option.values));
    }
  }
  out += "  esac\n  case $command in\n";
  for (const CommandWords& command : commands) {
    out += fmt::format("    '{}') options='{}' ;;\n", command.name, OptionList(command));
  }
  return out +
         "  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$options " +
         OptionList(commands.front()) +
         "\" -- \"$word\"))\n"
         "  elif [[ -z $command ]]; then\n"
         "    COMPREPLY=($(compgen -W '" +
         Names(commands) +
         "' -- \"$word\"))\n"
         "  fi\n"
         "}\n"
         "complete -o default -F _gptq_doctor gptq-doctor\n";
}

std::string ZshCompletion(const std::vector<CommandWords>& commands) {
  std::string out =
      "#compdef gptq-doctor\n"
      "_gptq_doctor() {\n"
      "  local curcontext=$curcontext state line\n"
      "  local -a commands=(\n";
  for (const CommandWords& command : commands) {
    if (!command.name.empty()) out += "    '" + command.name + ":" + ZshText(command.summary) + "'\n";
  }
  std::string global;
  for (const OptionWords& option : commands.front().options) global += ZshSpec(option);
  out += "  )\n  _arguments -C" + global +
         " \\\n      '1:command:->command' '*::argument:->argument'\n"
         "  if [[ $state == command ]]; then _describe command commands; return; fi\n"
         "  case $line[1] in\n";
  for (const CommandWords& command : commands) {
    if (command.name.empty()) continue;
    out += "    " + command.name + ") _arguments";
    for (const OptionWords& option : command.options) out += ZshSpec(option);
    out += " \\\n      '*:file:_files' ;;\n";
  }
  return out +
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _gptq_doctor ]]; then _gptq_doctor \"$@\"; else compdef _gptq_doctor gptq-doctor; "
         "fi\n";
}

std::string FishCompletion(const std::vector<CommandWords>& commands) {
  std::string out = "# fish completion for gptq-doctor\n";
  const std::string none = " -n 'not __fish_seen_subcommand_from " + Names(commands) + "'";
  for (const CommandWords& command : commands) {
    if (!command.name.empty()) {
      out += "complete -c gptq-doctor -f" + none + " -a " + command.name + " -d " + ShellQuote(command.summary) + "\n";
    }
    AddFish(out, command);
  }
  return out;
}

}  // namespace gptq_doctor
