#ifndef GPTQ_DOCTOR_TESTS_FAULTS_INJECTION_H_
#define GPTQ_DOCTOR_TESTS_FAULTS_INJECTION_H_

// Runs of the real binary in which one file call is spoiled by shim.cc, on a directory that is known byte for byte.

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "support/fast_dir.h"
#include "support/model_builder.h"

namespace gptq_doctor::testing {

using Files = std::map<std::string, std::string>;  // content by path below a directory

// What goes wrong. `sorts` are the letters of shim.cc: calls of other sorts are not counted.
struct Fault {
  std::string kind, sorts;
  bool sticky = false;     // and every such call afterwards, standard output and error apart
  std::string below = "";  // calls about files below this part of the workspace only
  std::string call = "";   // calls of this name only
  bool inside = false;     // calls about files of the workspace only
};

struct SpoiledRun {
  RunResult run;
  bool hit = false;        // false: the run makes fewer calls
  std::string call, path;  // the spoiled one
  long calls = 0;          // of the fault's sorts; 0 where the process did not end by itself
};

// A directory below which everything happens; made anew for every run.
class Workspace {
 public:
  std::string path(const std::string& name = "") const {
    return (dir_.path() / "work").string() + (name.empty() ? "" : "/" + name);
  }
  // "{w}" in arguments stands for the workspace.
  std::vector<std::string> Fill(std::vector<std::string> arguments) const;
  void Reset(const Files& files) const;
  Files Read() const;
  RunResult Run(const std::vector<std::string>& arguments) const;
  // The `at`-th call of the fault's sorts is spoiled; 0: none, calls are counted.
  SpoiledRun RunSpoiled(const std::vector<std::string>& arguments, const Fault& fault, long at, unsigned jobs) const;
  // Killed after so long; exit code, or 128 + SIGKILL.
  int RunKilledAfter(const std::vector<std::string>& arguments, std::chrono::microseconds time) const;

 private:
  FastDir dir_;
};

Files Below(const std::string& name, const Files& files);  // with "NAME/" before each path
bool IsTemporary(const std::string& path);                 // of the program's sink
std::string NameOf(const std::string& path);               // the last part; of a temporary that of its target
// What a fault of the kinds truncate, grow, replace and remove makes of `name`.
Files AsChanged(Files files, const std::string& name, const std::string& kind);

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_FAULTS_INJECTION_H_
