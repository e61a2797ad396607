#include "faults/injection.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "cli/running.h"

namespace gptq_doctor::testing {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTemporaryMark = ".gptq-doctor-";

}  // namespace

std::vector<std::string> Workspace::Fill(std::vector<std::string> arguments) const {
  for (std::string& argument : arguments) {
    if (const size_t at = argument.find("{w}"); at != std::string::npos) argument.replace(at, 3, path());
  }
  return arguments;
}

void Workspace::Reset(const Files& files) const {
  fs::remove_all(path());
  fs::create_directories(path());
  for (const auto& [name, content] : files) {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
  }
}

Files Workspace::Read() const { return Tree(path()); }

RunResult Workspace::Run(const std::vector<std::string>& arguments) const { return RunTool(Fill(arguments)); }

int Workspace::RunKilledAfter(const std::vector<std::string>& arguments, std::chrono::microseconds time) const {
  return Running(Fill(arguments)).SignalAfter(time, SIGKILL);
}

SpoiledRun Workspace::RunSpoiled(const std::vector<std::string>& arguments, const Fault& fault, long at,
                                 unsigned jobs) const {
  const fs::path report = dir_.path() / "report";
  fs::remove(report);
  std::map<std::string, std::string> environment = {{"LD_PRELOAD", GPTQ_DOCTOR_CALL_SPOILER},
                                                    {"ASAN_OPTIONS", "verify_asan_link_order=0"},
                                                    {"GPTQ_DOCTOR_JOBS", std::to_string(jobs)},
                                                    {"FAULT_KIND", fault.kind},
                                                    {"FAULT_SORTS", fault.sorts},
                                                    {"FAULT_CALL", fault.call},
                                                    {"FAULT_AT", std::to_string(at)},
                                                    {"FAULT_REPORT", report.string()}};
  // What goes on failing leaves the program's own libraries and standard streams alone.
  if (fault.sticky || fault.inside || !fault.below.empty()) environment["FAULT_ROOT"] = path(fault.below);
  if (fault.sticky) environment["FAULT_STICKY"] = "1";
  SpoiledRun out{.run = RunTool(Fill(arguments), environment), .hit = false, .call = {}, .path = {}, .calls = 0};
  std::ifstream lines(report);
  std::string first, second;
  while (std::getline(lines, first, '\t') && std::getline(lines, second)) {
    if (first == "calls") {
      out.calls = std::atol(second.c_str());
    } else {
      out.hit = true;
      out.call = first;
      out.path = second;
    }
  }
  return out;
}

Files Below(const std::string& name, const Files& files) {
  Files out;
  for (const auto& [path, content] : files) out[name + "/" + path] = content;
  return out;
}

bool IsTemporary(const std::string& path) {
  const std::string base = fs::path(path).filename().string();
  return base.starts_with('.') && base.ends_with(".tmp") && base.find(kTemporaryMark) != std::string::npos;
}

std::string NameOf(const std::string& path) {
  const fs::path normal = fs::path(path).lexically_normal();  // a directory is listed as "."
  const std::string base = (normal.has_filename() ? normal : normal.parent_path()).filename().string();
  return IsTemporary(path) ? base.substr(1, base.rfind(kTemporaryMark) - 1) : base;
}

Files AsChanged(Files files, const std::string& name, const std::string& kind) {
  std::string& content = files.at(name);
  if (kind == "truncate") content.resize(content.size() / 2);
  if (kind == "grow") content.append(4096, '\0');
  if (kind == "replace") content.assign(content.size(), 'x');
  if (kind == "remove") files.erase(name);
  return files;
}

}  // namespace gptq_doctor::testing
