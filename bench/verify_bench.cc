// verify against its yardsticks, measured in the same rounds with the page cache dropped before each: a plain
// sequential read of the same files, and sha256sum of them; and the command's peak memory.
//   verify_bench [--quick]

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "fill_model.h"
#include "measure.h"
#include "model_maker.h"
#include "peak_memory.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 5;

uint64_t ReadAll(const std::vector<std::string>& files) {
  std::vector<char> buffer(1 << 20);
  uint64_t total = 0;
  for (const std::string& name : files) {
    const int file = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    Require(file >= 0, "cannot read");
    for (ssize_t got = 1; got > 0; total += static_cast<uint64_t>(got)) {
      got = read(file, buffer.data(), buffer.size());
      Require(got >= 0, "cannot read");
    }
    close(file);
  }
  return total;
}

// A hash for every file, as a download leaves it; that it is another one costs nothing.
void RecordHashes(const std::filesystem::path& directory, const std::vector<std::string>& files) {
  const std::filesystem::path records = directory / ".cache/huggingface/download";
  std::filesystem::create_directories(records);
  for (const std::string& name : files) {
    const std::string file = std::filesystem::path(name).filename().string() + ".metadata";
    std::ofstream(records / file) << "0\n" << std::string(64, 'a') << "\n0\n";
  }
}

// The made codes are random, which is a finding.
std::vector<std::string> Verify(const std::filesystem::path& model) {
  return {GPTQ_DOCTOR_BINARY, "verify", model.string(), "--fail-on", "never"};
}

bool BenchSpeed(const std::filesystem::path& root, bool quick) {
  const std::filesystem::path model = root / "model";
  WriteModel(Llama(quick ? 1 : 8), model);
  FillModel(model);
  const std::vector<std::string> files = WeightFiles(model);
  std::vector<std::string> with_hashes = Verify(model), sum = {"/usr/bin/sha256sum"};
  with_hashes.push_back("--hashes");
  sum.insert(sum.end(), files.begin(), files.end());
  std::vector<double> read, verify, hash, hashing;
  uint64_t bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    DropCache(files);
    read.push_back(Milliseconds([&] { bytes = ReadAll(files); }));
    DropCache(files);
    verify.push_back(RunChild(Verify(model)).milliseconds);
    DropCache(files);
    hash.push_back(RunChild(sum).milliseconds);
    RecordHashes(model, files);
    DropCache(files);
    hashing.push_back(RunChild(with_hashes).milliseconds);
  }
  std::printf("a model of %.2f GB, page cache dropped, elapsed, medians of %d\n", static_cast<double>(bytes) / 1e9,
              kRounds);
  const std::pair<const char*, const std::vector<double>&> rows[] = {
      {"sequential read", read}, {"verify", verify}, {"sha256sum", hash}, {"verify --hashes", hashing}};
  for (const auto& [what, times] : rows) std::printf("  %-48s %8.0f ms\n", what, Median(times));
  std::filesystem::remove_all(model);
  const bool fast = PrintLimit("verify : sequential read", Median(verify) / Median(read), 2, " x");
  return PrintLimit("verify --hashes : sha256sum", Median(hashing) / Median(hash), 1.2, " x") && fast;
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot root;
  bool good = PeaksHold(root.path(), quick, [](const auto& model, const auto&) { return Verify(model); });
  good = BenchSpeed(root.path(), quick) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
