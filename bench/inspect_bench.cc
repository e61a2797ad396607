// `inspect` as a whole process: time from start to exit, peak memory, and what each further tensor costs.
//   inspect_bench [--quick]

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "measure.h"
#include "model_maker.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRuns = 7;

struct Figures {
  double milliseconds = 0, processor = 0;  // medians
  long peak_kib = 0;                       // largest
};

Figures RunInspect(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {GPTQ_DOCTOR_BINARY, "inspect"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<double> times, processor;
  Figures out;
  RunChild(command);  // fills the page cache
  for (int i = 0; i < kRuns; ++i) {
    const ChildRun run = RunChild(command);
    times.push_back(run.milliseconds);
    processor.push_back(run.processor_milliseconds);
    out.peak_kib = std::max(out.peak_kib, run.peak_kib);
  }
  out.milliseconds = Median(times);
  out.processor = Median(processor);
  return out;
}

void Print(const char* what, const Figures& figures) {
  std::printf("  %-36s %9.2f ms, of processors %9.2f ms, peak %6.1f MiB\n", what, figures.milliseconds,
              figures.processor, static_cast<double>(figures.peak_kib) / 1024);
}

bool BenchModels(const std::filesystem::path& root) {
  WriteModel(Qwen3B(), root / "qwen2.5-3b");
  WriteModel(DeepSeekR1(), root / "deepseek-r1");
  const Figures small = RunInspect({(root / "qwen2.5-3b").string()});
  const Figures large = RunInspect({(root / "deepseek-r1").string()});
  Print("qwen2.5-3b, 1,334 tensors", small);
  Print("deepseek-r1, 180,491 tensors", large);
  const bool memory = PrintLimit("peak of deepseek-r1", static_cast<double>(large.peak_kib) / 1024, 120, " MiB");
  return PrintLimit("cost of qwen2.5-3b", small.processor, 4, " ms of processors") && memory;
}

// Processor time between one size and the next, so that start-up drops out.
bool BenchSlope(const std::filesystem::path& root, bool quick) {
  double least = 1e300, most = 0;
  Figures last;
  uint64_t last_tensors = 0;
  for (const uint64_t tensors : {10'000, 100'000, 300'000, 1'000'000}) {
    if (quick && tensors > 100'000) break;
    const std::filesystem::path directory = root / std::to_string(tensors);
    WriteModel(OfSize(tensors), directory);
    const Figures figures = RunInspect({directory.string()});
    Print((std::to_string(tensors) + " tensors in shards").c_str(), figures);
    if (last_tensors != 0) {
      const double each = (figures.processor - last.processor) * 1e6 / static_cast<double>(tensors - last_tensors);
      std::printf("  %-36s %9.1f ns\n", "each beyond the last", each);
      least = std::min(least, each);
      most = std::max(most, each);
    }
    last = figures;
    last_tensors = tensors;
    std::filesystem::remove_all(directory);
  }
  return quick || PrintLimit("dearest : cheapest", most / least, 1.2);
}

// Its header is larger than the 100 MB that the reference reader takes.
void BenchOneFile(const std::filesystem::path& root) {
  const std::filesystem::path directory = root / "one-file";
  WriteModel(OfSize(1'290'000, true), directory);
  Print("1,290,000 tensors in one file", RunInspect({directory.string(), "--max-header", "300000000"}));
  std::filesystem::remove_all(directory);
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot root;
  bool good = BenchModels(root.path());
  good = BenchSlope(root.path(), quick) && good;
  if (!quick) BenchOneFile(root.path());
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
