// Short texts of strangers: patterns of `dynamic` and the metadata of Python packages.

#include <algorithm>
#include <regex>
#include <string>

#include "fuzz/fuzz_target.h"
#include "gptq/module_pattern.h"
#include "loaders/env_scan.h"

namespace gptq_doctor::fuzz {
namespace {

// Whether ECMAScript gives the pattern the meaning that Python gives it: words, dots, groups and repetitions.
bool MeansTheSame(std::string_view pattern, std::string_view name) {
  constexpr std::string_view kShared = "abcdefghijklmnopqrstuvwxyz0123456789_.()|*+?";
  const auto shared = [&](char c) { return kShared.find(c) != std::string_view::npos; };
  return pattern.size() <= 40 && name.size() <= 40 && std::ranges::all_of(pattern, shared) &&
         std::ranges::all_of(name, [](char c) { return c >= ' ' && c < 0x7F; }) &&
         pattern.find("(?") == std::string_view::npos;
}

}  // namespace

// A pattern, a line break, a module's name.
void Pattern(std::string_view input) {
  const std::string_view pattern = input.substr(0, input.find('\n'));
  const std::string name(input.substr(std::min(pattern.size() + 1, input.size())));
  PatternList compiled;
  compiled.Add(pattern);
  const std::optional<bool> matched = compiled.Matches(0, name);
  if (!matched) return;
  const bool matches = *matched;
  if (matches && pattern.find_first_of("$\\(") == std::string_view::npos)
    Require(compiled.Matches(0, name + ".x") != false, "what follows a match does not undo it");
  if (!MeansTheSame(pattern, name)) return;
  try {
    const std::regex theirs(std::string(pattern), std::regex::ECMAScript | std::regex_constants::__polynomial);
    Require(std::regex_search(name, theirs, std::regex_constants::match_continuous) == matches,
            "the match is that of the standard library");
  } catch (const std::regex_error&) {  // empty repetitions, which Python takes
  }
}

void Environment(std::string_view input) {
  const NameVersion read = ReadMetadata(input);
  Require(read.name.size() <= 100 && read.version.size() <= 100, "names and versions are short");
  Require((read.name + read.version).find('\n') == std::string::npos, "names and versions are of one line");
  gptq_doctor::Environment environment;
  for (const char* name : {"auto-gptq", "gptqmodel", "optimum", "torch", "transformers", "vllm"})
    environment.packages.push_back({name, read.version, "/lib/python3/site-packages"});
  const EnvironmentReport report = JudgeEnvironment(environment, nullptr);
  for (const EnvironmentProblem& problem : report.problems)
    Require(!problem.message.empty() && !problem.source.empty(), "a problem has its reason and its source");
}

}  // namespace gptq_doctor::fuzz
