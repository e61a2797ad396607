// `inspect` of the large model with nothing of it in the page cache, beside reading its headers and index from one file
// to the next, the cache dropped before each. Hints to read ahead let all files load at once.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "measure.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 7;
constexpr double kSlower = 1.5;  // times plain reading: the examination is more than that

// `length` bytes of a file; of a weight file its header.
void ReadPart(const std::string& name, bool header, std::vector<char>& buffer) {
  const int file = open(name.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  Require(file >= 0 && fstat(file, &status) == 0, "cannot read");
  auto length = static_cast<uint64_t>(status.st_size);
  if (header) Require(pread(file, &length, 8, 0) == 8, "cannot read");
  buffer.resize(length);
  Require(pread(file, buffer.data(), length, header ? 8 : 0) == static_cast<ssize_t>(length), "cannot read");
  close(file);
}

bool Run() {
  const TempRoot root;
  const std::string model = (root.path() / "deepseek-r1").string(), index = model + "/model.safetensors.index.json";
  MakeModel(model, "deepseek-r1");
  const std::vector<std::string> weights = WeightFiles(model);
  std::vector<std::string> files = weights;
  files.push_back(index);
  std::vector<double> cold, warm, plain;
  std::vector<char> buffer;
  for (int round = 0; round < kRounds; ++round) {
    DropCache(files);
    plain.push_back(Milliseconds([&] {
      for (const std::string& name : weights) ReadPart(name, true, buffer);
      ReadPart(index, false, buffer);
    }));
    DropCache(files);
    cold.push_back(RunChild({GPTQ_DOCTOR_BINARY, "inspect", model}).milliseconds);
    warm.push_back(RunChild({GPTQ_DOCTOR_BINARY, "inspect", model}).milliseconds);
  }
  std::printf("elapsed, medians of %d\n  %-48s %8.1f ms\n  %-48s %8.1f ms\n  %-48s %8.1f ms\n", kRounds,
              "headers and index, file after file, cold", Median(plain), "inspect, cold", Median(cold), "inspect, warm",
              Median(warm));
  return PrintLimit("inspect : file after file", Median(cold) / Median(plain), kSlower, " x");
}

}  // namespace
}  // namespace gptq_doctor::bench

int main() { return gptq_doctor::bench::Run() ? 0 : 1; }
