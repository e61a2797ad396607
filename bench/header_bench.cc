// Reads the headers of full-size models beside two yardsticks in the same rounds: plain pread of the same bytes, and
// nlohmann-json's SAX parser with the obvious handlers. Then headers made to hurt, each in a process of its own. The
// machine's state moves all figures alike, so the limits are ratios.
//   header_bench [--quick]

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "hostile_headers.h"
#include "measure.h"
#include "model/model_dir.h"
#include "model/tensor_index.h"
#include "model_maker.h"

extern char** environ;

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 7, kRepeats = 3;  // best of 3 medians of 7
constexpr uint64_t kHostileBytes = 99'000'000;

// --- The yardsticks ---

uint64_t PlainReads(const std::string& directory, const std::vector<std::string>& files, std::vector<char>& buffer) {
  uint64_t total = 0;
  for (const std::string& name : files) {
    const int file = open((directory + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    uint64_t length = 0;
    Require(file >= 0 && fstat(file, &status) == 0 && pread(file, &length, 8, 0) == 8, "cannot read");
    if (buffer.size() < length) buffer.resize(length);
    Require(pread(file, buffer.data(), length, 8) == static_cast<ssize_t>(length), "short read");
    close(file);
    total += length;
  }
  return total;
}

// What one writes first: records in a vector, shape and offsets checked.
class SaxHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  struct Tensor {
    std::string name, dtype;
    std::vector<uint64_t> shape, offsets;
  };
  std::vector<Tensor> tensors;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return false; }
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool binary(binary_t&) override { return false; }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ == 2 && field_ == "shape") tensors.back().shape.push_back(value);
    if (depth_ == 2 && field_ == "data_offsets") tensors.back().offsets.push_back(value);
    return true;
  }
  bool string(string_t& value) override {
    if (depth_ == 2 && field_ == "dtype") tensors.back().dtype = value;
    return true;
  }
  bool start_object(std::size_t) override {
    ++depth_;
    return true;
  }
  bool key(string_t& value) override {
    if (depth_ == 1) {
      metadata_ = value == "__metadata__";
      if (!metadata_) tensors.push_back({value, {}, {}, {}});
    } else if (!metadata_) {
      field_ = value;
    }
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1) field_.clear();
    return true;
  }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  bool LayoutHolds() {
    std::sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) { return a.offsets < b.offsets; });
    uint64_t at = 0;
    for (const Tensor& tensor : tensors) {
      uint64_t bits = static_cast<uint64_t>(BitsOf(DtypeFromName(tensor.dtype)));
      for (const uint64_t dim : tensor.shape) bits *= dim;
      if (tensor.offsets.size() != 2 || tensor.offsets[0] != at || tensor.offsets[1] - at != bits / 8) return false;
      at = tensor.offsets[1];
    }
    return true;
  }

 private:
  int depth_ = 0;
  bool metadata_ = false;
  std::string field_;
};

void SaxReads(const std::string& directory, const std::vector<std::string>& files, std::vector<char>& buffer) {
  for (const std::string& name : files) {
    PlainReads(directory, {name}, buffer);
    uint64_t length = 0;
    std::ifstream(directory + "/" + name, std::ios::binary).read(reinterpret_cast<char*>(&length), 8);
    SaxHandler handler;
    Require(nlohmann::json::sax_parse(buffer.data(), buffer.data() + length, &handler) && handler.LayoutHolds(),
            "the SAX parser refuses a good header");
  }
}

// --- Models ---

struct Row {
  const char* what;
  std::function<void()> job;
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  double best = 1e300;
};

void Measure(std::vector<Row>& rows, int inner) {
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::vector<std::vector<double>> times(rows.size());
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto job = [&] {
          for (int k = 0; k < inner; ++k) rows[i].job();
        };
        times[i].push_back(Milliseconds(job, rows[i].clock) / inner);
      }
    }
    for (size_t i = 0; i < rows.size(); ++i) rows[i].best = std::min(rows[i].best, Median(times[i]));
  }
}

struct Limits {
  double ratio = 0;   // of all header checks to plain reading; 0: none
  double faster = 0;  // than nlohmann SAX
};

bool BenchModel(const char* name, const MadeModel& model, const std::filesystem::path& root, const Limits& limits) {
  const std::filesystem::path directory = root / name;
  const Written written = WriteModel(model, directory);
  const auto source = OpenLocalDirectory(directory.string());
  Require(source.ok(), "cannot open the model");
  const auto dir = ListModel(**source, "");
  Require(dir.ok() && dir->weights.size() == written.files.size(), "cannot list the model");
  std::vector<FileEntry> files;
  for (const size_t position : dir->weights) files.push_back(dir->files[position].entry);
  ThreadPool pool;
  std::vector<char> buffer(1 << 20);
  const auto check = [&](ThreadPool* threads) {
    const auto headers = ReadHeaders(**source, files, {}, threads);
    for (const ShardHeader& header : headers) Require(header.accepted, "a good header is refused");
  };
  std::vector<Row> rows = {
      {"plain reading (pread)", [&] { PlainReads(directory.string(), written.files, buffer); }},
      {"all header checks, one thread", [&] { check(nullptr); }},
      {"all header checks, pool", [&] { check(&pool); }, CLOCK_MONOTONIC},
      {"headers, index, cross-check, pool",
       [&] {
         const TensorIndex tensors = BuildTensorIndex(**source, *dir, {}, &pool);
         Require(tensors.defects.empty() && tensors.index.defects.empty() && tensors.size() == written.tensors,
                 "defects in a good model");
       },
       CLOCK_MONOTONIC},
      {"nlohmann SAX, layout checks", [&] { SaxReads(directory.string(), written.files, buffer); }},
  };
  const int inner = written.tensors < 10'000 ? 20 : 1;
  Measure(rows, inner);
  std::printf("%s: %llu tensors, %zu files, headers %.1f MB, index %.1f MB\n", name,
              static_cast<unsigned long long>(written.tensors), files.size(),
              static_cast<double>(written.header_bytes) / 1e6, static_cast<double>(written.index_bytes) / 1e6);
  for (const Row& row : rows) {
    std::printf("  %-36s %9.3f ms %7.0f ns/tensor %7.1f x plain reading\n", row.what, row.best,
                row.best * 1e6 / static_cast<double>(written.tensors), row.best / rows[0].best);
  }
  bool good = true;
  const auto print = [&](const char* what, double value, double limit, bool at_most) {
    const bool held = at_most ? value <= limit : value >= limit;
    good = good && held;
    std::printf("  %-36s %9.2f, limit %s %.0f: %s\n", what, value, at_most ? "<=" : ">=", limit,
                held ? "held" : "MISSED");
  };
  if (limits.ratio > 0) print("checks : plain reading", rows[1].best / rows[0].best, limits.ratio, true);
  if (limits.faster > 0) print("nlohmann SAX : checks", rows[4].best / rows[1].best, limits.faster, false);
  std::filesystem::remove_all(directory);
  return good;
}

// Cost of each further tensor between one size and the next, so that start-up drops out; the dearest against the
// cheapest.
bool BenchSlope(const std::filesystem::path& root, bool quick) {
  std::printf("cost per tensor: headers, index, cross-check, one thread\n");
  double least = 1e300, most = 0, last_time = 0;
  uint64_t last = 0;
  for (const uint64_t tensors : {10'000, 30'000, 100'000, 300'000, 1'000'000}) {
    if (quick && tensors > 100'000) break;
    const std::filesystem::path directory = root / std::to_string(tensors);
    WriteModel(OfSize(tensors), directory);
    const auto source = OpenLocalDirectory(directory.string());
    const auto dir = ListModel(**source, "");
    std::vector<Row> rows = {{"", [&] { BuildTensorIndex(**source, *dir, {}, nullptr); }}};
    Measure(rows, tensors < 100'000 ? 5 : 1);
    const double time = rows[0].best;
    std::printf("  %9llu tensors %9.3f ms %7.1f ns/tensor", static_cast<unsigned long long>(tensors), time,
                time * 1e6 / static_cast<double>(tensors));
    if (last != 0) {
      const double each = (time - last_time) * 1e6 / static_cast<double>(tensors - last);
      std::printf(" %7.1f ns each beyond the last", each);
      least = std::min(least, each);
      most = std::max(most, each);
    }
    std::printf("\n");
    last = tensors;
    last_time = time;
    std::filesystem::remove_all(directory);
  }
  return PrintLimit("dearest : cheapest", most / least, 1.2);
}

// --- Hostile headers ---

// The most this process had resident. getrusage() would count what stood there before exec as well.
long PeakKiB() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::atol(line.c_str() + 6);
  }
  return 0;
}

// In a process of its own, so that the peak is this file's.
int ReadOne(const std::string& directory) {
  const auto source = OpenLocalDirectory(directory);
  const auto entry = (*source)->Stat("hostile.safetensors");
  const long before = PeakKiB();
  size_t tensors = 0, defects = 0;
  bool accepted = false;
  const auto job = [&] {
    const ShardHeader header = ReadHeader(**source, *entry, {});
    tensors = header.tensors.size();
    defects = header.defects.size();
    accepted = header.accepted;
  };
  const double time = Milliseconds(job, CLOCK_PROCESS_CPUTIME_ID);
  std::printf("%f %ld %zu %zu %d\n", time, PeakKiB() - before, tensors, defects, accepted ? 1 : 0);
  return 0;
}

bool RunOne(const std::string& directory, const char* what, uint64_t bytes) {
  int ends[2] = {-1, -1};
  Require(pipe(ends) == 0, "no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::string option = "--one", path = directory, self = "/proc/self/exe";
  char* arguments[] = {self.data(), option.data(), path.data(), nullptr};
  pid_t child = -1;
  Require(posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments, environ) == 0, "cannot start a process");
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  FILE* const result = fdopen(ends[0], "r");
  double time = 0;
  long peak = 0;
  size_t tensors = 0, defects = 0;
  int accepted = 0;
  const bool read = std::fscanf(result, "%lf %ld %zu %zu %d", &time, &peak, &tensors, &defects, &accepted) == 5;
  std::fclose(result);
  int status = 0;
  waitpid(child, &status, 0);
  if (!read || status != 0) {
    std::printf("  %-26s CRASHED\n", what);
    return false;
  }
  const double each = time * 1e6 / static_cast<double>(bytes);
  const double memory = static_cast<double>(peak) * 1024 / static_cast<double>(bytes);
  const bool good = each <= 15 && memory <= 3;
  std::printf("  %-26s %8.1f ms %6.2f ns/byte %6.2f x header in memory  %9zu tensors %4zu defects %s  %s\n", what, time,
              each, memory, tensors, defects, accepted != 0 ? "accepted" : "refused ", good ? "held" : "MISSED");
  return good;
}

bool BenchHostile(const std::filesystem::path& root, bool quick) {
  const uint64_t bytes = quick ? kHostileBytes / 10 : kHostileBytes;
  std::printf("hostile headers of %.0f MB; limits 15 ns a byte and 3 times the header in memory\n",
              static_cast<double>(bytes) / 1e6);
  const std::filesystem::path directory = root / "hostile";
  std::filesystem::create_directories(directory);
  bool good = true;
  for (const HostileHeader& row : HostileHeaders()) {
    { std::ofstream(directory / "hostile.safetensors", std::ios::binary) << row.make(bytes); }
    good = RunOne(directory.string(), row.what, bytes) && good;
  }
  std::filesystem::remove_all(directory);
  return good;
}

int Run(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--one") == 0) return ReadOne(argv[2]);
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot temporary;
  const std::filesystem::path& root = temporary.path();
  bool good = BenchModel("qwen2.5-3b", Qwen3B(), root, {});
  good = BenchModel("qwen2.5-72b", Qwen72B(), root, {}) && good;
  good = BenchModel("deepseek-r1", DeepSeekR1(), root, {.ratio = 8, .faster = 10}) && good;
  good = BenchSlope(root, quick) && good;
  good = BenchHostile(root, quick) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
