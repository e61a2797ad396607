// What the simulation of all loaders costs: `why --loader all` on a DeepSeek-R1 of 180,000 tensors, the whole process,
// against 300 ms and against `inspect` of the same files in the same rounds.

#include <cstdio>

#include "measure.h"
#include "model_maker.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 7;

bool Run() {
  const TempRoot root;
  const auto model = root.path() / "model";
  const Written written = WriteModel(DeepSeekR1(), model);
  std::vector<double> why, inspect;
  for (int round = 0; round < kRounds; ++round) {
    inspect.push_back(RunChild({GPTQ_DOCTOR_BINARY, "inspect", model.string()}).milliseconds);
    why.push_back(RunChild({GPTQ_DOCTOR_BINARY, "why", model.string(), "--loader", "all"}).milliseconds);
  }
  std::printf("%llu tensors, median of %d\n", static_cast<unsigned long long>(written.tensors), kRounds);
  const bool fast = PrintLimit("why --loader all", Median(why), 300, " ms");
  return PrintLimit("against inspect", Median(why) / Median(inspect), 2) && fast;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main() { return gptq_doctor::bench::Run() ? 0 : 1; }
