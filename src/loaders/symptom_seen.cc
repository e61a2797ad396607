// A pasted text against what loaders print for the model at hand: messages that the walks compose stand in no table.

#include <algorithm>
#include <map>
#include <string>

#include "loaders/symptom.h"
#include "loaders/symptom_text.h"

namespace gptq_doctor {
namespace {

// The first line, lower case, with numbers left out of account, and quoted words where `quotes` says so.
std::string Folded(std::string_view line, bool quotes) {
  std::string folded;
  char quote = 0;
  for (const char c : NormalizeMessage(line)) {
    const bool closes = quotes && quote != 0 && c == quote;
    if (closes) quote = 0;
    if (closes || (quotes && quote != 0)) continue;
    if (c == '\'' || c == '"' || c == '`') quote = c;
    if (c < '0' || c > '9') {
      folded += c;
    } else if (!folded.ends_with('#')) {
      folded += '#';
    }
  }
  return folded;
}

// Where little is left without the quoted words ("KeyError: '...'"), they are the message.
struct Printed {
  std::string folded;
  bool quotes = true;
};

Printed FoldMessage(std::string_view message) {
  static constexpr size_t kLittle = 24;
  const std::string_view line = message.substr(0, message.find('\n'));
  Printed printed{Folded(line, true), true};
  if (printed.folded.size() < kLittle) printed = {Folded(line, false), false};
  return printed;
}

// Long messages may stand anywhere in a line; short ones ("AssertionError") must end it.
bool Pasted(std::string_view text, const Printed& printed) {
  static constexpr size_t kShort = 30;
  const std::string& message = printed.folded;
  while (!text.empty() && !message.empty()) {
    const size_t end = text.find('\n');
    const std::string line = Folded(text.substr(0, end), printed.quotes);
    const size_t at = line.rfind(message);
    const bool whole =
        at != std::string::npos && at + message.size() == line.size() && (at == 0 || line[at - 1] == ' ');
    if (whole || (at != std::string::npos && message.size() >= kShort)) return true;
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return false;
}

std::string DecidingStep(const LoaderOutcome& outcome) {
  const auto step =
      std::find_if(outcome.steps.begin(), outcome.steps.end(), [](const LoaderStep& one) { return one.deciding; });
  return step == outcome.steps.end() ? "load" : step->step;
}

}  // namespace

std::vector<SymptomMatch> MatchOutcomes(std::string_view text, const std::vector<LoaderOutcome>& outcomes) {
  std::vector<SymptomMatch> matches;
  std::map<std::string, size_t> places;  // by message
  for (const LoaderOutcome& outcome : outcomes) {
    const Printed printed = FoldMessage(outcome.message);
    if (!Pasted(text, printed)) continue;
    const auto [place, added] = places.emplace(printed.folded, matches.size());
    const std::string name = outcome.loader + " " + outcome.version;
    if (!added) {
      SymptomMatch& match = matches[place->second];
      if (match.loader != outcome.loader) match.loader = "any";
      if (match.printed_by.find(name) == std::string::npos) match.printed_by += ", " + name;
      continue;
    }
    const std::string step = DecidingStep(outcome);
    std::string source = "the walk of " + name;
    for (const LoaderStep& one : outcome.steps) {
      if (one.deciding && !one.source.empty()) source = one.source;
    }
    matches.push_back({outcome.message.substr(0, outcome.message.find('\n')),
                       outcome.loader,
                       name,
                       step,
                       outcome.summary,
                       outcome.remedy.empty() ? "gptq-doctor why MODEL --loader " + outcome.loader : outcome.remedy,
                       source,
                       {true, name + " prints it for this directory: " + outcome.summary}});
  }
  return matches;
}

}  // namespace gptq_doctor
