// check against inspect over the same directories, measured in the same rounds: 200 models of ordinary size, and one of
// 180,000 tensors. Both read every header once; check adds the rules, so it may take at most twice as long.
//   check_bench [--quick]

#include <cstdio>
#include <cstring>

#include "measure.h"
#include "model_maker.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 5;
constexpr double kSlower = 2;   // times inspect
constexpr long kEachKib = 256;  // memory that every further model may take

std::vector<std::string> Command(const char* name, const std::vector<std::string>& models) {
  std::vector<std::string> out = {GPTQ_DOCTOR_BINARY, name, "--format", "json"};
  if (std::strcmp(name, "check") == 0) out.insert(out.end(), {"--isolated", "--exit-zero"});
  out.insert(out.end(), models.begin(), models.end());
  return out;
}

bool Compare(const char* what, const std::vector<std::string>& models) {
  std::vector<double> check, inspect, ratios;
  for (int round = 0; round < kRounds; ++round) {
    inspect.push_back(RunChild(Command("inspect", models)).milliseconds);
    check.push_back(RunChild(Command("check", models)).milliseconds);
    ratios.push_back(check.back() / inspect.back());
  }
  std::printf("%s, elapsed, medians of %d\n  %-48s %8.1f ms\n  %-48s %8.1f ms\n", what, kRounds, "inspect",
              Median(inspect), "check", Median(check));
  return PrintLimit("check : inspect", Median(ratios), kSlower, " x");
}

bool BenchMemory(const std::vector<std::string>& models) {
  const std::vector<std::string> few(models.begin(), models.begin() + static_cast<std::ptrdiff_t>(models.size() / 10));
  const long small = RunChild(Command("check", few)).peak_kib, large = RunChild(Command("check", models)).peak_kib;
  std::printf("peak memory of check: %.1f MiB for %zu models, %.1f MiB for %zu\n", static_cast<double>(small) / 1024,
              few.size(), static_cast<double>(large) / 1024, models.size());
  const double each = static_cast<double>(large - small) / static_cast<double>(models.size() - few.size());
  return PrintLimit("a further model", each, kEachKib, " KiB");
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot temporary;
  std::vector<std::string> models;
  for (int i = 0; i < (quick ? 20 : 200); ++i) {
    models.push_back((temporary.path() / ("model-" + std::to_string(i))).string());
    WriteModel(Qwen3B(), models.back());
  }
  bool good = Compare(quick ? "20 models of 1,334 tensors" : "200 models of 1,334 tensors", models);
  good = BenchMemory(models) && good;
  const std::string big = (temporary.path() / "big").string();
  WriteModel(DeepSeekR1(), big);
  good = Compare("one model of 180,491 tensors", {big}) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
