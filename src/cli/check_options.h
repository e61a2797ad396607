#ifndef GPTQ_DOCTOR_CLI_CHECK_OPTIONS_H_
#define GPTQ_DOCTOR_CLI_CHECK_OPTIONS_H_

// What `check` is told: options, the settings file above the model, and where each format goes. The command line wins
// over the settings file.

#include <optional>
#include <string>
#include <vector>

#include "gptq_doctor/result.h"
#include "rules/settings.h"

namespace CLI {
class App;
}

namespace gptq_doctor {

struct CheckOptions {
  std::vector<std::string> models;
  std::vector<std::string> select, extend_select, ignore;  // comma lists already split
  std::vector<std::string> errors, warnings, notes;        // rules whose level changes
  std::vector<std::string> loaders;
  std::vector<std::string> formats, outputs;
  std::string fail_on;
  std::string config, baseline, write_baseline;
  std::optional<double> min_compression;
  bool exit_zero = false, isolated = false, prune_baseline = false, show_suppressed = false, all_findings = false;

  void Register(CLI::App& app);
};

// Options and settings file in one.
struct CheckPlan {
  CheckSettings settings;
  std::string settings_directory;  // absolute; ignore paths are relative to it. Empty: none was found
  std::optional<Severity> fail_on;
  std::string baseline;  // path; empty: none
};
Result<CheckPlan> PlanCheck(const CheckOptions& options);

struct FormatTarget {
  std::string format;
  std::string file;  // empty: standard output
};
// Pairs --format with -o: by extension, then by order; what is left over of the formats goes to standard output.
Result<std::vector<FormatTarget>> PairFormats(const std::vector<std::string>& formats,
                                              const std::vector<std::string>& outputs);

// Lexical, '/' between parts, no trailing slash.
std::string RelativeTo(const std::string& path, const std::string& directory);
std::string AbsoluteDirectoryOf(const std::string& file);
Result<std::string> ReadLocalFile(const std::string& path, uint64_t cap);
// UTC; SOURCE_DATE_EPOCH stands for the clock where it is set.
std::string Today();

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_CHECK_OPTIONS_H_
