#ifndef GPTQ_DOCTOR_LOADERS_ENV_SCAN_H_
#define GPTQ_DOCTOR_LOADERS_ENV_SCAN_H_

// Which loaders a Python environment really has, from the *.dist-info and *.egg-info of its package directories. Runs
// no Python; a malformed entry is a warning. Also which of them cannot work together, as far as that is known.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/examination.h"
#include "loaders/profile.h"

namespace gptq_doctor {

struct InstalledPackage {
  std::string name;     // normalised: lower case, '-'
  std::string version;  // as spelled, "2.6.0+cu124"
  std::string place;    // package directory, as found
};

struct Environment {
  std::string prefix;
  std::string how;                         // "given", "VIRTUAL_ENV", "CONDA_PREFIX", "python3 in PATH"
  std::vector<InstalledPackage> packages;  // those that matter here, sorted by name
  std::vector<std::string> warnings;
  const InstalledPackage* Find(std::string_view name) const;
};

// "Name" and "Version" of the text of METADATA or PKG-INFO, at most 100 bytes of each; empty where there is none.
struct NameVersion {
  std::string name, version;
};
NameVersion ReadMetadata(std::string_view text);

// Variables that choose the default environment.
struct EnvironmentHints {
  std::string virtual_env, conda_prefix, path;
};

// `prefix` empty: the active environment by `hints`. Error kNotFound where there is no environment.
Result<Environment> ScanEnvironment(const std::string& prefix, const EnvironmentHints& hints);

struct EnvironmentProblem {
  bool error = false;  // else something to know
  std::string message, source;
};
struct EnvironmentReport {
  std::vector<const Profile*> rows;  // what is installed, as rows of the profiles
  std::vector<std::string> unknown;  // installed loaders of versions that no row covers
  std::vector<EnvironmentProblem> problems;
};
// `exam` may be null.
EnvironmentReport JudgeEnvironment(const Environment& environment, const Examination* exam);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_ENV_SCAN_H_
