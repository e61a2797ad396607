#ifndef GPTQ_DOCTOR_BENCH_MEASURE_H_
#define GPTQ_DOCTOR_BENCH_MEASURE_H_

// What the benchmarks measure with. The machine's state moves all figures alike, so limits are ratios of what was
// measured in the same rounds.

#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace gptq_doctor::bench {

// Elapsed time, or the processor time of this process: the two agree for one thread on an idle machine, and on a busy
// one the latter still compares.
double Milliseconds(const std::function<void()>& job, clockid_t clock = CLOCK_MONOTONIC);
double Median(std::vector<double> values);
// Ends the program with `what` where something that a benchmark relies on does not hold.
void Require(bool good, const char* what);
// "  what  value, limit <= 3: held", and whether it is.
bool PrintLimit(const char* what, double value, double limit, const char* unit = "");

// A directory under the system's temporary one, removed with the object.
class TempRoot {
 public:
  TempRoot();
  ~TempRoot();
  TempRoot(const TempRoot&) = delete;
  TempRoot& operator=(const TempRoot&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A run of a program, standard output left out. The peak counts what this process had resident as well.
struct ChildRun {
  double milliseconds = 0;  // elapsed
  double processor_milliseconds = 0;
  long peak_kib = 0;
};
// Ends the benchmark where the program fails.
ChildRun RunChild(const std::vector<std::string>& arguments);
// Medians of `runs` runs after one that fills the page cache, and the highest peak.
ChildRun MedianRun(const std::vector<std::string>& arguments, int runs);
// Of each command the median run by processor time; of `repeats` such medians the least. Rounds go through all
// commands, so that the machine's state moves all of them alike.
std::vector<ChildRun> RunInTurn(const std::vector<std::vector<std::string>>& commands, int rounds, int repeats);
void PrintRun(const std::string& what, const ChildRun& run);
// The runs, of `counts` of `unit` each, and what every further one costs between one run and the next, so that start-up
// drops out. Whether the dearest is within 1.2 times the cheapest; steps to fewer than `from` do not count.
bool PrintSlopes(const std::vector<size_t>& counts, const std::vector<ChildRun>& runs, const std::string& unit,
                 size_t from = 0);

// Makes a model of that kind in a process of its own, so that its memory is not this one's: see make_model.cc.
void MakeModel(const std::filesystem::path& directory, const std::string& kind);
std::vector<std::string> WeightFiles(const std::filesystem::path& directory);  // sorted
// Takes the files out of the page cache, as far as they have reached the disk.
void DropCache(const std::vector<std::string>& files);

}  // namespace gptq_doctor::bench

#endif  // GPTQ_DOCTOR_BENCH_MEASURE_H_
