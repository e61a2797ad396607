// Start-up: what a process that does next to nothing costs beyond one that does nothing at all.

#include <cstdio>

#include "measure.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRuns = 101;
constexpr double kVersionMilliseconds = 1.5, kTinyMilliseconds = 4;  // of processors, beyond /bin/true

bool Run() {
  const TempRoot root;
  const std::string tiny = (root.path() / "tiny").string();
  MakeModel(tiny, "tiny");
  const ChildRun nothing = MedianRun({"/bin/true"}, kRuns);
  const ChildRun version = MedianRun({GPTQ_DOCTOR_BINARY, "--version"}, kRuns);
  const ChildRun inspect = MedianRun({GPTQ_DOCTOR_BINARY, "inspect", tiny}, kRuns);
  PrintRun("/bin/true", nothing);
  PrintRun("gptq-doctor --version", version);
  PrintRun("gptq-doctor inspect, 33 tensors", inspect);
  const auto beyond = [&](const ChildRun& run) { return run.processor_milliseconds - nothing.processor_milliseconds; };
  const bool quick = PrintLimit("--version beyond /bin/true", beyond(version), kVersionMilliseconds, " ms");
  return PrintLimit("inspect beyond /bin/true", beyond(inspect), kTinyMilliseconds, " ms") && quick;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main() { return gptq_doctor::bench::Run() ? 0 : 1; }
