// dequantize against its yardsticks, measured in the same rounds: the kernels against memcpy of the bytes they make,
// the whole command against plain large writes of the same bytes, both ending in fsync, and the command's peak memory.
//   dequantize_bench [--quick]

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "dequant/kernel.h"
#include "fill_model.h"
#include "measure.h"
#include "model_maker.h"
#include "peak_memory.h"

namespace gptq_doctor::bench {
namespace {

constexpr int kRounds = 5;

// --- Kernels ---

// A module of real sizes with random codes.
struct KernelModule {
  PackedModule packed;
  std::vector<uint32_t> qweight, qzeros, g_idx;
  std::vector<uint16_t> scales;
};

KernelModule MakeModule(int bits, bool act_order) {
  constexpr size_t kIn = 4096, kOut = 4096, kGroup = 128;
  const auto width = static_cast<size_t>(bits);
  KernelModule out;
  uint64_t state = 1;
  const auto next = [&state] { return static_cast<uint32_t>((state = state * 6364136223846793005 + 1) >> 32); };
  out.qweight.resize(kIn * width / 32 * kOut);
  for (uint32_t& word : out.qweight) word = next();
  out.qzeros.resize(kIn / kGroup * kOut * width / 32, 0x77777777);
  out.scales.resize(kIn / kGroup * kOut);
  for (uint16_t& scale : out.scales) scale = static_cast<uint16_t>(0x1800 + next() % 1024);
  out.g_idx.resize(kIn);
  for (size_t k = 0; k < kIn; ++k) out.g_idx[k] = static_cast<uint32_t>(act_order ? k * 37 % kIn / kGroup : k / kGroup);
  const auto bytes = [](const auto& values) {
    return std::span(reinterpret_cast<const char*>(values.data()), values.size() * sizeof values[0]);
  };
  out.packed = {.bits = bits,
                .in_features = kIn,
                .out_features = kOut,
                .groups = kIn / kGroup,
                .group_size = kGroup,
                .qweight = bytes(out.qweight),
                .qzeros = bytes(out.qzeros),
                .scales = bytes(out.scales),
                .g_idx = bytes(out.g_idx)};
  Require(CheckModule(out.packed).ok(), "the module is refused");
  return out;
}

bool BenchKernels() {
  struct Case {
    const char* what;
    int bits;
    bool act_order;
    Dtype dtype;
    double limit;  // 0: none
  };
  const Case cases[] = {{"4 bits, group 128, to F16 : memcpy", 4, false, Dtype::kF16, 3},
                        {"4 bits, group 128, to BF16 : memcpy", 4, false, Dtype::kBF16, 3},
                        {"4 bits, group 128, to F32 : memcpy", 4, false, Dtype::kF32, 0},
                        {"4 bits, act-order, to F16 : memcpy", 4, true, Dtype::kF16, 0},
                        {"8 bits, group 128, to F16 : memcpy", 8, false, Dtype::kF16, 0},
                        {"3 bits, group 128, to F16 : memcpy", 3, false, Dtype::kF16, 0},
                        {"2 bits, group 128, to F16 : memcpy", 2, false, Dtype::kF16, 0}};
  std::printf("kernels on [4096, 4096], one core, processor time against memcpy of the output\n");
  bool good = true;
  for (const Case& row : cases) {
    const KernelModule module = MakeModule(row.bits, row.act_order);
    const size_t bytes = size_t{4096} * 4096 * static_cast<size_t>(BitsOf(row.dtype)) / 8;
    std::vector<char> from(bytes, 'x'), copy(bytes, 'y'), made(bytes, 'z');
    std::vector<double> ratios;
    for (int round = 0; round < 2 * kRounds + 1; ++round) {
      const double plain =
          Milliseconds([&] { std::memcpy(copy.data(), from.data(), bytes); }, CLOCK_PROCESS_CPUTIME_ID);
      const double kernel =
          Milliseconds([&] { DequantPlan(module.packed).Rows(0, module.packed.out_features, row.dtype, made); },
                       CLOCK_PROCESS_CPUTIME_ID);
      Require(copy[bytes / 2] == 'x', "memcpy copied nothing");
      ratios.push_back(kernel / plain);
    }
    if (row.limit > 0) {
      good = PrintLimit(row.what, Median(ratios), row.limit, " x") && good;
    } else {
      std::printf("  %-48s %8.2f x\n", row.what, Median(ratios));
    }
  }
  return good;
}

// --- The command ---

// The weight files' bytes again, by nothing but write and fsync.
double PlainWrites(const std::filesystem::path& directory, const std::vector<uint64_t>& sizes) {
  std::filesystem::create_directories(directory);
  const std::vector<char> buffer(8 << 20, '\x5a');
  return Milliseconds([&] {
    for (size_t i = 0; i < sizes.size(); ++i) {
      const int file = open((directory / std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
      Require(file >= 0, "cannot write");
      for (uint64_t left = sizes[i]; left > 0;) {
        const ssize_t put = write(file, buffer.data(), std::min<uint64_t>(left, buffer.size()));
        Require(put > 0, "cannot write");
        left -= static_cast<uint64_t>(put);
      }
      Require(fsync(file) == 0 && close(file) == 0, "cannot flush");
    }
  });
}

std::vector<uint64_t> FileSizes(const std::filesystem::path& directory) {
  std::vector<uint64_t> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) out.push_back(entry.file_size());
  return out;
}

std::vector<std::string> Command(const std::filesystem::path& model, const std::filesystem::path& out) {
  return {GPTQ_DOCTOR_BINARY, "dequantize", model.string(), "-o", out.string()};
}

bool BenchCommand(const std::filesystem::path& root, bool quick) {
  const std::filesystem::path model = root / "model", dense = root / "dense", plain = root / "plain";
  WriteModel(Llama(quick ? 1 : 11), model);
  FillModel(model);
  std::vector<double> ratios, command, writes;
  uint64_t total = 0;
  for (int round = 0; round < kRounds; ++round) {
    command.push_back(RunChild(Command(model, dense)).milliseconds);
    const std::vector<uint64_t> sizes = FileSizes(dense);
    std::filesystem::remove_all(dense);
    writes.push_back(PlainWrites(plain, sizes));
    std::filesystem::remove_all(plain);
    total = 0;
    for (const uint64_t size : sizes) total += size;
  }
  std::printf("the command on %.2f GB of output, elapsed, medians of %d\n", static_cast<double>(total) / 1e9, kRounds);
  std::printf("  %-48s %8.0f ms\n  %-48s %8.0f ms\n", "dequantize", Median(command), "plain writes and fsync",
              Median(writes));
  std::filesystem::remove_all(model);
  return PrintLimit("dequantize : plain writes", Median(command) / Median(writes), 1.5, " x");
}

int Run(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const TempRoot root;
  bool good = PeaksHold(root.path(), quick, Command);
  good = BenchKernels() && good;
  good = BenchCommand(root.path(), quick) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gptq_doctor::bench

int main(int argc, char** argv) { return gptq_doctor::bench::Run(argc, argv); }
