// What each further tensor costs `inspect`, in time and in memory, from 10,000 to 1,000,000 in shards; and one file of
// 1,290,000, whose header is larger than the 100 MB that the reference reader takes.
//   scale_bench [--quick]

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "measure.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 7, kRepeats = 3;  // of three medians the best counts

std::vector<std::string> Inspect(const std::filesystem::path& directory) {
  return {GPTQ_DOCTOR_BINARY, "inspect", directory.string()};
}

bool BenchShards(const std::filesystem::path& root, const std::vector<size_t>& sizes) {
  std::vector<std::vector<std::string>> commands;
  for (const size_t tensors : sizes) {
    MakeModel(root / std::to_string(tensors), std::to_string(tensors));
    commands.push_back(Inspect(root / std::to_string(tensors)));
  }
  return PrintSlopes(sizes, RunInTurn(commands, kRounds, kRepeats), "tensors in shards");
}

void BenchOneFile(const std::filesystem::path& root) {
  MakeModel(root / "one", "1290000-one-file");
  std::vector<std::string> command = Inspect(root / "one");
  command.insert(command.end(), {"--max-header", "300000000"});
  const ChildRun run = RunInTurn({command}, kRounds, kRepeats).front();
  PrintRun("1,290,000 tensors in one file", run);
  std::printf("  %-36s %9.1f ns, %.0f bytes of peak\n", "each", run.processor_milliseconds * 1e6 / 1'290'000,
              static_cast<double>(run.peak_kib) * 1024 / 1'290'000);
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot root;
  if (quick) return BenchShards(root.path(), {10'000, 100'000}) ? 0 : 1;
  const bool good = BenchShards(root.path(), {10'000, 100'000, 300'000, 1'000'000});
  BenchOneFile(root.path());
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
