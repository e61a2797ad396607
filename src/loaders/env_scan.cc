#include "loaders/env_scan.h"

#include <algorithm>
#include <optional>

#include "base/local_names.h"
#include "base/storage.h"
#include "base/text.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kWanted[] = {
    "accelerate", "auto-gptq",    "auto-round",    "bitsandbytes", "exllamav2",    "exllamav3",
    "gptqmodel",  "kt-kernel",    "ktransformers", "lmdeploy",     "mlx-lm",       "numpy",
    "optimum",    "peft",         "safetensors",   "sglang",       "tensorrt-llm", "text-generation-server",
    "torch",      "transformers", "vllm"};
constexpr uint64_t kMaxMetadata = 1 << 20;

std::string Normalize(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    plain += lower == '_' || lower == '.' ? '-' : lower;
  }
  return plain;
}

bool IsWanted(std::string_view name) {
  return std::find(std::begin(kWanted), std::end(kWanted), name) != std::end(kWanted);
}

std::string Parent(const std::string& path) {
  const size_t slash =
      path.find_last_not_of('/') == std::string::npos ? std::string::npos : path.rfind('/', path.find_last_not_of('/'));
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsAbsent(const Error& error) { return error.kind == ErrorKind::kNotFound || error.kind == ErrorKind::kUsage; }

// The names in a directory; nullopt where there is none.
Result<std::optional<std::vector<std::string>>> NamesIn(const std::string& directory) {
  auto names = LocalNames(directory);
  if (names) return std::optional(std::move(*names));
  return IsAbsent(names.error()) ? Result(std::optional<std::vector<std::string>>()) : names.error();
}

// The package directories under a prefix, in the order in which Python searches them.
Result<std::vector<std::string>> PackageDirectories(const std::string& prefix) {
  std::vector<std::string> candidates, found;
  for (const std::string base : {"/local/lib", "/lib", "/lib64"}) {
    const auto names = NamesIn(prefix + base);
    if (!names) return names.error();
    for (const std::string& name : names->value_or(std::vector<std::string>())) {
      if (!name.starts_with("python3")) continue;
      candidates.push_back(prefix + base + "/" + name + "/site-packages");
      candidates.push_back(prefix + base + "/" + name + "/dist-packages");
    }
  }
  candidates.push_back(prefix + "/Lib/site-packages");
  for (std::string& candidate : candidates) {
    const auto names = NamesIn(candidate);
    if (!names) return names.error();
    if (names->has_value()) found.push_back(std::move(candidate));
  }
  return found;
}

Status ScanDirectory(const std::string& directory, Environment& environment) {
  const auto names = LocalNames(directory);
  if (!names) return names.error();
  std::unique_ptr<Source> source;
  for (const std::string& name : *names) {
    const bool dist = name.ends_with(".dist-info"), egg = name.ends_with(".egg-info");
    if (!dist && !egg) continue;
    const std::string_view stem = std::string_view(name).substr(0, name.rfind('.'));
    const std::string guess = Normalize(stem.substr(0, stem.find('-')));
    if (!IsWanted(guess)) continue;
    if (source == nullptr) {
      auto opened = OpenLocalDirectory(directory);
      if (!opened) return opened.error();
      source = std::move(opened).value();
    }
    Result<std::string> text = ReadWhole(*source, name + (dist ? "/METADATA" : "/PKG-INFO"), kMaxMetadata);
    if (!text && egg) text = ReadWhole(*source, name, kMaxMetadata);
    if (!text && !IsAbsent(text.error())) return text.error();
    const NameVersion read = text ? ReadMetadata(*text) : NameVersion{};
    if (read.name.empty() || read.version.empty() || !IsValidUtf8(read.version)) {
      environment.warnings.push_back(EscapeTerminal(name) + " has no readable name and version");
      continue;
    }
    const std::string plain = Normalize(read.name);
    if (!IsWanted(plain)) continue;
    if (environment.Find(plain) != nullptr) {
      environment.warnings.push_back(plain + " is installed twice; the first on the search path counts");
      continue;
    }
    environment.packages.push_back({plain, read.version, directory});
  }
  return Ok();
}

// pyvenv.cfg: the base prefix where the environment also sees the system's packages; "" otherwise.
Result<std::string> BaseOfVenv(const std::string& prefix) {
  auto source = OpenLocalDirectory(prefix);
  if (!source) return source.error();
  const auto text = ReadWhole(**source, "pyvenv.cfg", 1 << 16);
  if (!text) return IsAbsent(text.error()) ? std::string() : Result<std::string>(text.error());
  std::string home;
  bool system = false;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const auto trim = [](std::string_view part) {
      while (!part.empty() && (part.front() == ' ' || part.front() == '\r')) part.remove_prefix(1);
      while (!part.empty() && (part.back() == ' ' || part.back() == '\r')) part.remove_suffix(1);
      return std::string(part);
    };
    if (trim(line.substr(0, equals)) == "home") home = trim(line.substr(equals + 1));
    if (trim(line.substr(0, equals)) == "include-system-site-packages")
      system = trim(line.substr(equals + 1)) == "true";
  }
  return system && !home.empty() ? Parent(home) : "";
}

// The prefix of the first python3 on the search path.
std::string PrefixFromPath(std::string_view path) {
  while (!path.empty()) {
    const std::string directory(path.substr(0, path.find(':')));
    path.remove_prefix(std::min(path.size(), directory.size() + 1));
    if (directory.empty()) continue;
    const auto names = LocalNames(directory);
    if (names && std::binary_search(names->begin(), names->end(), std::string("python3"))) return Parent(directory);
  }
  return {};
}

}  // namespace

NameVersion ReadMetadata(std::string_view text) {
  NameVersion read;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) break;
    const auto value = [&](std::string_view key) {
      std::string_view rest = line.substr(key.size());
      while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
      return std::string(rest.substr(0, 100));
    };
    if (line.starts_with("Name:") && read.name.empty()) read.name = value("Name:");
    if (line.starts_with("Version:") && read.version.empty()) read.version = value("Version:");
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return read;
}

const InstalledPackage* Environment::Find(std::string_view name) const {
  for (const InstalledPackage& package : packages) {
    if (package.name == name) return &package;
  }
  return nullptr;
}

Result<Environment> ScanEnvironment(const std::string& prefix, const EnvironmentHints& hints) {
  Environment environment;
  environment.prefix = prefix;
  environment.how = "given";
  if (prefix.empty() && !hints.virtual_env.empty()) {
    environment.prefix = hints.virtual_env;
    environment.how = "VIRTUAL_ENV";
  } else if (prefix.empty() && !hints.conda_prefix.empty()) {
    environment.prefix = hints.conda_prefix;
    environment.how = "CONDA_PREFIX";
  } else if (prefix.empty()) {
    environment.prefix = PrefixFromPath(hints.path);
    environment.how = "python3 in PATH";
  }
  if (environment.prefix.empty()) {
    return Error{ErrorKind::kNotFound, "",
                 "no Python environment is active and there is no python3 in PATH; give one, --env PREFIX"};
  }
  const auto below = PackageDirectories(environment.prefix);
  if (!below) return below.error();
  std::vector<std::string> directories = *below;
  if (directories.empty() &&
      (environment.prefix.ends_with("site-packages") || environment.prefix.ends_with("dist-packages")) &&
      LocalNames(environment.prefix).ok()) {
    directories.push_back(environment.prefix);
  }
  if (directories.empty()) {
    const auto names = LocalNames(environment.prefix);
    if (!names) {
      Error error = names.error();
      error.path = environment.prefix;
      return error;
    }
    return Error{ErrorKind::kNotFound, environment.prefix,
                 "no Python environment: there is no lib/python3*/site-packages below it"};
  }
  const Result<std::string> base = BaseOfVenv(environment.prefix);
  if (!base) return base.error();
  if (!base->empty()) {
    const auto more = PackageDirectories(*base);
    if (!more) return more.error();
    directories.insert(directories.end(), more->begin(), more->end());
  }
  for (const std::string& directory : directories) {
    if (const Status scanned = ScanDirectory(directory, environment); !scanned) return scanned.error();
  }
  std::sort(environment.packages.begin(), environment.packages.end(),
            [](const InstalledPackage& a, const InstalledPackage& b) { return a.name < b.name; });
  return environment;
}

}  // namespace gptq_doctor
