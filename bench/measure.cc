#include "measure.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

extern char** environ;

namespace gptq_doctor::bench {

double Milliseconds(const std::function<void()>& job, clockid_t clock) {
  const auto now = [clock] {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
  };
  const double start = now();
  job();
  return now() - start;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(1);
}

bool PrintLimit(const char* what, double value, double limit, const char* unit) {
  const bool held = value <= limit;
  std::printf("  %-48s %8.2f%s, limit <= %.1f%s: %s\n", what, value, unit, limit, unit, held ? "held" : "MISSED");
  return held;
}

TempRoot::TempRoot() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gptq-doctor-bench-XXXXXX").string();
  Require(mkdtemp(pattern.data()) != nullptr, "no temporary directory");
  path_ = pattern;
}

TempRoot::~TempRoot() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

ChildRun RunChild(const std::vector<std::string>& arguments) {
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ChildRun out;
  out.milliseconds = Milliseconds([&] {
    pid_t child = -1;
    Require(posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ) == 0, "cannot start a process");
    int status = 0;
    rusage usage{};
    Require(wait4(child, &status, 0, &usage) == child && status == 0, "the program failed");
    out.peak_kib = usage.ru_maxrss;
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      out.processor_milliseconds += static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
    }
  });
  posix_spawn_file_actions_destroy(&actions);
  return out;
}

ChildRun MedianRun(const std::vector<std::string>& arguments, int runs) {
  std::vector<double> elapsed, processor;
  ChildRun out;
  RunChild(arguments);
  for (int i = 0; i < runs; ++i) {
    const ChildRun run = RunChild(arguments);
    elapsed.push_back(run.milliseconds);
    processor.push_back(run.processor_milliseconds);
    out.peak_kib = std::max(out.peak_kib, run.peak_kib);
  }
  out.milliseconds = Median(elapsed);
  out.processor_milliseconds = Median(processor);
  return out;
}

std::vector<ChildRun> RunInTurn(const std::vector<std::vector<std::string>>& commands, int rounds, int repeats) {
  std::vector<ChildRun> best(commands.size());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    std::vector<std::vector<ChildRun>> runs(commands.size());
    for (int round = 0; round < rounds; ++round) {
      for (size_t i = 0; i < commands.size(); ++i) runs[i].push_back(RunChild(commands[i]));
    }
    for (size_t i = 0; i < commands.size(); ++i) {
      const auto median = runs[i].begin() + rounds / 2;
      std::ranges::nth_element(runs[i], median, {}, &ChildRun::processor_milliseconds);
      if (repeat == 0 || median->processor_milliseconds < best[i].processor_milliseconds) best[i] = *median;
    }
  }
  return best;
}

void PrintRun(const std::string& what, const ChildRun& run) {
  std::printf("  %-36s %9.2f ms, of processors %9.2f ms, peak %6.1f MiB\n", what.c_str(), run.milliseconds,
              run.processor_milliseconds, static_cast<double>(run.peak_kib) / 1024);
}

bool PrintSlopes(const std::vector<size_t>& counts, const std::vector<ChildRun>& runs, const std::string& unit,
                 size_t from) {
  double least = 1e300, most = 0;
  int steps = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    PrintRun(std::to_string(counts[i]) + " " + unit, runs[i]);
    if (i == 0) continue;
    const auto more = static_cast<double>(counts[i] - counts[i - 1]);
    const double each = (runs[i].processor_milliseconds - runs[i - 1].processor_milliseconds) * 1e6 / more;
    std::printf("  %-36s %9.0f ns, %.0f bytes of peak\n", "each beyond the last", each,
                static_cast<double>(runs[i].peak_kib - runs[i - 1].peak_kib) * 1024 / more);
    if (counts[i] < from) continue;
    least = std::min(least, each);
    most = std::max(most, each);
    ++steps;
  }
  return steps < 2 || PrintLimit("dearest : cheapest", most / least, 1.2);
}

void MakeModel(const std::filesystem::path& directory, const std::string& kind) {
  RunChild({GPTQ_DOCTOR_MAKE_MODEL, directory.string(), kind});
}

std::vector<std::string> WeightFiles(const std::filesystem::path& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".safetensors") out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

void DropCache(const std::vector<std::string>& files) {
  for (const std::string& name : files) {
    const int file = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    Require(file >= 0 && fdatasync(file) == 0 && posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0,
            "cannot drop the page cache");
    close(file);
  }
}

}  // namespace gptq_doctor::bench
