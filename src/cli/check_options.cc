#include "cli/check_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "base/os_error.h"
#include "base/storage.h"
#include "base/text.h"
#include "cli/number_options.h"
#include "loaders/simulate.h"
#include "report/check_report.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSettingsCap = 1 << 20;  // bytes

Error Usage(std::string message) { return {ErrorKind::kUsage, "", std::move(message)}; }

// An error where the system does not say: a settings file that is there must not be passed over.
Result<bool> Exists(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error && status.type() == fs::file_type::none && error.value() != EACCES) {
    return MakeOsError(error.value(), "look for", path.parent_path().string(), path.filename().string());
  }
  return status.type() == fs::file_type::regular;
}

// The nearest settings file at or above the model; empty if there is none.
Result<std::string> FindSettings(const std::string& model) {
  std::error_code error;
  fs::path directory = fs::absolute(model, error).lexically_normal();
  if (error) return std::string();
  for (;;) {
    for (const char* name : {"gptq-doctor.toml", ".gptq-doctor.toml"}) {
      const Result<bool> found = Exists(directory / name);
      if (!found) return found.error();
      if (*found) return (directory / name).string();
    }
    if (!directory.has_relative_path()) break;
    directory = directory.parent_path();
  }
  const char* home = std::getenv("XDG_CONFIG_HOME");
  const char* user = std::getenv("HOME");
  fs::path config;
  if (home != nullptr && *home != '\0') {
    config = fs::path(home) / "gptq-doctor" / "gptq-doctor.toml";
  } else if (user != nullptr && *user != '\0') {
    config = fs::path(user) / ".config" / "gptq-doctor" / "gptq-doctor.toml";
  }
  if (config.empty()) return std::string();
  const Result<bool> found = Exists(config);
  if (!found) return found.error();
  return *found ? config.string() : std::string();
}

// The one settings file of the run.
Result<std::string> ChooseSettings(const CheckOptions& options) {
  if (options.isolated) return std::string();
  if (!options.config.empty()) return options.config;
  std::string chosen;
  for (const std::string& model : options.models) {
    const Result<std::string> found = FindSettings(model);
    if (!found) return found;
    if (found->empty() || *found == chosen) continue;
    if (!chosen.empty())
      return Usage("the models have different settings files, " + chosen + " and " + *found +
                   ": check them apart, or choose one with --config");
    chosen = *found;
  }
  return chosen;
}

// Messages and locations name the file as near as possible to how a repository sees it.
std::string DisplayName(const std::string& path) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error) return path;
  const std::string relative = fs::path(path).lexically_relative(here).string();
  return relative.empty() || relative.starts_with("..") ? path : relative;
}

void Append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

Status CheckSelectors(const CheckOptions& options) {
  for (const auto* list :
       {&options.select, &options.extend_select, &options.ignore, &options.errors, &options.warnings, &options.notes}) {
    const std::string unknown = UnknownSelector(*list);
    if (!unknown.empty()) return Usage(unknown);
  }
  return Ok();
}

Status Merge(const CheckOptions& options, CheckPlan& plan) {
  CheckSettings& settings = plan.settings;
  if (!options.select.empty()) settings.policy.select = options.select;
  Append(settings.policy.extend_select, options.extend_select);
  Append(settings.policy.ignore, options.ignore);
  const auto level = [&](const std::vector<std::string>& selectors, Severity severity) {
    for (const std::string& selector : selectors) settings.policy.levels.emplace_back(selector, severity);
  };
  level(options.notes, Severity::kNote);
  level(options.warnings, Severity::kWarning);
  level(options.errors, Severity::kError);
  if (!options.loaders.empty()) settings.loaders = options.loaders;
  if (options.min_compression) settings.min_compression = options.min_compression;
  if (!settings.loaders.empty()) {
    const auto selected = SelectProfiles(settings.loaders);
    if (!selected) return selected.error();
  }
  const std::string fail_on = !options.fail_on.empty() ? options.fail_on : settings.fail_on.value_or("error");
  plan.fail_on = fail_on == "never" ? std::nullopt : SeverityFromName(fail_on);
  if (!options.baseline.empty()) {
    plan.baseline = options.baseline;
  } else if (settings.baseline) {
    plan.baseline = (fs::path(plan.settings_directory) / *settings.baseline).string();
  }
  settings.policy.today = Today();
  return Ok();
}

}  // namespace

void CheckOptions::Register(CLI::App& app) {
  app.add_option("MODEL", models, "model directories, .safetensors files or index.json files")->required();
  const auto list = [&](const char* name, std::vector<std::string>& into, const char* help) {
    app.add_option(name, into, help)->delimiter(',')->allow_extra_args(false);
  };
  list("--select", select, "rules that count: codes, beginnings of codes (GD5), names, ALL");
  list("--extend-select", extend_select, "rules that count too");
  list("--ignore", ignore, "rules that do not count");
  list("--error", errors, "rules whose findings are errors");
  list("--warning", warnings, "rules whose findings are warnings");
  list("--note", notes, "rules whose findings are notes");
  list("--loader", loaders, "judge these loaders only, as NAME or NAME@VERSION; every failure of theirs is an error");
  app.add_option("--fail-on", fail_on, "exit 1 from this level on: error (default), warning, note, never")
      ->check(CLI::IsMember({"error", "warning", "note", "never"}));
  app.add_flag("--exit-zero", exit_zero, "exit 0 in spite of findings");
  app.add_option("--min-compression", min_compression, "least ratio, as a part of what the settings promise (0.8)")
      ->check(NumberIn(0, 1));
  app.add_option("--config", config, "the settings file, instead of the nearest gptq-doctor.toml");
  app.add_flag("--isolated", isolated, "read no settings file");
  app.add_option("--baseline", baseline, "findings in this file are known: they are suppressed");
  app.add_option("--write-baseline", write_baseline, "write the findings of this run as a baseline");
  app.add_flag("--prune-baseline", prune_baseline, "drop entries of the baseline that match nothing any more");
  app.add_flag("--show-suppressed", show_suppressed, "list suppressed findings too");
  app.add_flag("--all", all_findings, "list findings one by one instead of one a cause");
  app.add_option("--format", formats, "text, json, ndjson, sarif, junit, github, gitlab, markdown; several in one run")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("-o,--output", outputs, "write a format to this file, paired by extension and order")
      ->allow_extra_args(false);
}

Result<CheckPlan> PlanCheck(const CheckOptions& options) {
  const Status selectors = CheckSelectors(options);
  if (!selectors) return selectors.error();
  CheckPlan plan;
  const Result<std::string> file = ChooseSettings(options);
  if (!file) return file.error();
  if (!file->empty()) {
    const Result<std::string> text = ReadLocalFile(*file, kSettingsCap);
    if (!text) return text.error();
    Result<CheckSettings> settings = ParseSettings(*text, DisplayName(*file));
    if (!settings) return settings.error();
    plan.settings = std::move(*settings);
    plan.settings_directory = AbsoluteDirectoryOf(*file);
  }
  const Status merged = Merge(options, plan);
  if (!merged) return merged.error();
  if (options.prune_baseline && plan.baseline.empty())
    return Usage("--prune-baseline needs a baseline: --baseline FILE");
  return plan;
}

Result<std::vector<FormatTarget>> PairFormats(const std::vector<std::string>& formats,
                                              const std::vector<std::string>& outputs) {
  std::vector<FormatTarget> targets;
  for (const std::string& format : formats) {
    if (FindCheckReporter(format) == nullptr) {
      std::vector<std::string_view> names;
      for (const Reporter& reporter : CheckReporters()) names.push_back(reporter.name);
      const std::string nearest = Nearest(format, names);
      return Usage("check has no format '" + format + "'" + (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
    }
    targets.push_back({format, ""});
  }
  std::vector<bool> given(targets.size(), false);
  std::vector<std::string> rest;
  for (const std::string& output : outputs) {
    bool paired = false;
    for (size_t i = 0; i < targets.size() && !paired && outputs.size() != targets.size(); ++i) {
      const std::string extension = "." + std::string(FindCheckReporter(targets[i].format)->extension);
      if (given[i] || !output.ends_with(extension)) continue;
      targets[i].file = output;
      given[i] = paired = true;
    }
    if (!paired) rest.push_back(output);
  }
  for (size_t i = 0, next = 0; i < targets.size() && next < rest.size(); ++i) {
    if (given[i]) continue;
    targets[i].file = rest[next++];
    given[i] = true;
  }
  if (outputs.size() > targets.size()) return Usage("more -o than --format: name a format for every file");
  const auto to_stdout = [](const FormatTarget& target) { return target.file.empty() || target.file == "-"; };
  if (std::count_if(targets.begin(), targets.end(), to_stdout) > 1)
    return Usage("only one format can go to standard output: give the others a file with -o");
  return targets;
}

std::string RelativeTo(const std::string& path, const std::string& directory) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error) return path;
  std::string out = directory.empty() ? absolute.string() : absolute.lexically_relative(directory).string();
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

std::string AbsoluteDirectoryOf(const std::string& file) {
  std::error_code error;
  const fs::path absolute = fs::absolute(file, error).lexically_normal();
  return error ? std::string() : absolute.parent_path().string();
}

Result<std::string> ReadLocalFile(const std::string& path, uint64_t cap) {
  const fs::path file(path);
  const std::string directory = file.has_parent_path() ? file.parent_path().string() : ".";
  Result<std::unique_ptr<Source>> source = OpenLocalDirectory(directory);
  Result<std::string> text =
      source ? ReadWhole(**source, file.filename().string(), cap) : Result<std::string>(source.error());
  if (text) return text;
  Error error = text.error();
  error.path = path;
  // The file is named on the command line or by the settings: what is wrong with it is a matter of usage.
  if (error.kind == ErrorKind::kRefused) error.kind = ErrorKind::kUsage;
  return error;
}

std::string Today() {
  using std::chrono::system_clock;
  std::chrono::sys_seconds now = std::chrono::floor<std::chrono::seconds>(system_clock::now());
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH")) {
    char* end = nullptr;
    const long long seconds = std::strtoll(epoch, &end, 10);
    if (end != epoch && *end == '\0' && seconds >= 0 && seconds < 253402300800LL)
      now = std::chrono::sys_seconds(std::chrono::seconds(seconds));
  }
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(now));
  const auto pad = [](unsigned value, size_t width) {
    std::string digits = std::to_string(value);
    return std::string(width > digits.size() ? width - digits.size() : 0, '0') + digits;
  };
  return pad(static_cast<unsigned>(static_cast<int>(day.year())), 4) + "-" +
         pad(static_cast<unsigned>(day.month()), 2) + "-" + pad(static_cast<unsigned>(day.day()), 2);
}

}  // namespace gptq_doctor
