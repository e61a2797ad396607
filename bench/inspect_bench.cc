// `inspect` as a whole process on two models: time from start to exit, and peak memory.

#include "measure.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRuns = 21;
constexpr double kSmallMilliseconds = 4;  // of processors
constexpr double kLargeMib = 120;

bool Run() {
  const TempRoot root;
  const std::string small = (root.path() / "qwen2.5-3b").string(), large = (root.path() / "deepseek-r1").string();
  MakeModel(small, "3b");
  MakeModel(large, "deepseek-r1");
  const ChildRun of_small = MedianRun({GPTQ_DOCTOR_BINARY, "inspect", small}, kRuns);
  const ChildRun of_large = MedianRun({GPTQ_DOCTOR_BINARY, "inspect", large}, kRuns);
  PrintRun("qwen2.5-3b, 1,334 tensors", of_small);
  PrintRun("deepseek-r1, 180,491 tensors", of_large);
  const bool quick =
      PrintLimit("cost of qwen2.5-3b", of_small.processor_milliseconds, kSmallMilliseconds, " ms of processors");
  return PrintLimit("peak of deepseek-r1", static_cast<double>(of_large.peak_kib) / 1024, kLargeMib, " MiB") && quick;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main() { return gptq_doctor::bench::Run() ? 0 : 1; }
