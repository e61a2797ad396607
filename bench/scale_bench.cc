// What each further tensor costs `inspect`, in time and in memory, from 10,000 to 1,000,000 in shards; and one file of
// 1,290,000, whose header is larger than the 100 MB that the reference reader takes.
//   scale_bench [--quick]

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "measure.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRuns = 11;
constexpr double kDearestToCheapest = 1.2;

// Runs `inspect` on a model of that kind, which is removed again.
ChildRun Measure(const std::filesystem::path& root, const std::string& kind, std::vector<std::string> options = {}) {
  const std::filesystem::path directory = root / kind;
  MakeModel(directory, kind);
  std::vector<std::string> command = {GPTQ_DOCTOR_BINARY, "inspect", directory.string()};
  command.insert(command.end(), options.begin(), options.end());
  const ChildRun run = MedianRun(command, kRuns);
  std::filesystem::remove_all(directory);
  return run;
}

// Between one size and the next, so that start-up drops out.
bool BenchShards(const std::filesystem::path& root, bool quick) {
  double least = 1e300, most = 0;
  ChildRun last;
  uint64_t last_tensors = 0;
  for (const uint64_t tensors : {10'000, 100'000, 300'000, 1'000'000}) {
    if (quick && tensors > 100'000) break;
    const ChildRun run = Measure(root, std::to_string(tensors));
    PrintRun(std::to_string(tensors) + " tensors in shards", run);
    if (last_tensors != 0) {
      const auto more = static_cast<double>(tensors - last_tensors);
      const double each = (run.processor_milliseconds - last.processor_milliseconds) * 1e6 / more;
      std::printf("  %-36s %9.1f ns, %.0f bytes of peak\n", "each beyond the last", each,
                  static_cast<double>(run.peak_kib - last.peak_kib) * 1024 / more);
      least = std::min(least, each);
      most = std::max(most, each);
    }
    last = run;
    last_tensors = tensors;
  }
  return quick || PrintLimit("dearest : cheapest", most / least, kDearestToCheapest);
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot root;
  const bool good = BenchShards(root.path(), quick);
  if (!quick) {
    const ChildRun run = Measure(root.path(), "1290000-one-file", {"--max-header", "300000000"});
    PrintRun("1,290,000 tensors in one file", run);
    std::printf("  %-36s %9.1f ns, %.0f bytes of peak\n", "each", run.processor_milliseconds * 1e6 / 1'290'000,
                static_cast<double>(run.peak_kib) * 1024 / 1'290'000);
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
