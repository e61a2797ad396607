// What each further model directory costs `check` and `inspect` in one process, from 1 to 10,000.
//   directories_bench [--quick]

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "measure.h"
#include "model_maker.h"

namespace gptq_doctor::bench {
namespace {

constexpr double kDearestToCheapest = 1.2;

std::vector<std::string> Command(const char* name, const std::vector<std::string>& models, size_t count) {
  std::vector<std::string> out = {GPTQ_DOCTOR_BINARY, name, "--format", "json"};
  if (std::strcmp(name, "check") == 0) out.insert(out.end(), {"--isolated", "--exit-zero"});
  out.insert(out.end(), models.begin(), models.begin() + static_cast<std::ptrdiff_t>(count));
  return out;
}

// Between one number and the next, so that start-up drops out. Below 100 directories it is all there is to see.
bool Bench(const char* name, const std::vector<std::string>& models) {
  std::printf("%s, processor time\n", name);
  double least = 1e300, most = 0;
  ChildRun last;
  size_t last_count = 0;
  for (size_t count = 1; count <= models.size(); count *= 10) {
    const ChildRun run = MedianRun(Command(name, models, count), count > 1000 ? 3 : 11);
    PrintRun(std::to_string(count) + " directories", run);
    if (last_count != 0) {
      const auto more = static_cast<double>(count - last_count);
      const double each = (run.processor_milliseconds - last.processor_milliseconds) * 1e3 / more;
      std::printf("  %-36s %9.1f us, %.1f KiB of peak\n", "each beyond the last", each,
                  static_cast<double>(run.peak_kib - last.peak_kib) / more);
      if (count >= 100) {
        least = std::min(least, each);
        most = std::max(most, each);
      }
    }
    last = run;
    last_count = count;
  }
  return PrintLimit("dearest : cheapest", most / least, kDearestToCheapest);
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot root;
  const MadeModel tiny = Llama(1);
  std::vector<std::string> models;
  for (int i = 0; i < (quick ? 100 : 10'000); ++i) {
    models.push_back((root.path() / std::to_string(i)).string());
    WriteModel(tiny, models.back());
  }
  const bool inspect = Bench("inspect", models);
  return Bench("check", models) && inspect ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
