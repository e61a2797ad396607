#include "dequant/compare.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>

#include "base/thread_pool.h"
#include "dequant/compare_kernels.h"
#include "dequant/compare_match.h"
#include "dequant/declared_bits.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kSlabBudget = 2 << 20;  // packed bytes a thread
constexpr size_t kRowsBudget = 1 << 20;    // dense floats a thread
constexpr double kUnrelatedCosine = 0.25;  // 2-bit modules of real packers keep 0.55 and more
// A module is too coarse where it is farther off than rounding by this factor, and than its peers. GPTQ pushes errors
// into later channels: modules of real packers are off by 1.1 to 2.4 times the rounding error.
constexpr double kCoarseRatio = 3.5, kCoarsePeers = 1.8, kAnyRatio = 8;
// Or where its steps are so much wider than its weights need, as after quantization with fewer bits.
constexpr double kWideStep = 1.6, kWideRatio = 1.5, kWidePeers = 1.3;
constexpr size_t kMostSearched = 64;  // modules whose origin is looked for

struct ModuleSums {
  PairSums pairs;
  double rounding = 0;                // expected squared error of rounding
  double steps = 0, ideal_steps = 0;  // summed scales, stored and needed
  void Add(const ModuleSums& other) {
    pairs.Add(other.pairs);
    rounding += other.rounding;
    steps += other.steps;
    ideal_steps += other.ideal_steps;
  }
};

// What the weights of one row and group need, beside what they have.
class RowSteps {
 public:
  RowSteps(const PackedModule& m, bool sym)
      : groups_(static_cast<size_t>(m.groups)),
        columns_(static_cast<size_t>(m.out_features)),
        sym_(sym),
        top_(static_cast<float>((1 << m.bits) - 1)),
        scales_(FloatsOf(m.scales, m.scales_dtype)),
        group_of_(GroupsOf(m)),
        ranges_(groups_),
        members_(groups_, 0) {
    for (const uint32_t g : group_of_) ++members_[g];
    // Runs of channels of one group.
    for (size_t k = 0; k < group_of_.size(); ++k) {
      if (k == 0 || group_of_[k] != group_of_[k - 1]) runs_.push_back(k);
    }
    runs_.push_back(group_of_.size());
  }

  void Add(size_t column, const float* base, ModuleSums& sums) {
    std::fill(ranges_.begin(), ranges_.end(), Range{});
    for (size_t r = 0; r + 1 < runs_.size(); ++r) {
      const Range part = RangeOf(base + runs_[r], runs_[r + 1] - runs_[r]);
      Range& range = ranges_[group_of_[runs_[r]]];
      range = {std::min(range.low, part.low), std::max(range.high, part.high)};
    }
    for (size_t g = 0; g < groups_; ++g) {
      const Range range = ranges_[g];
      const float reach = sym_ ? 2 * std::max(-range.low, range.high) : range.high - range.low;
      if (reach == 0) continue;
      const double step = reach / top_, members = members_[g];
      sums.rounding += step * step / 12 * members;
      sums.ideal_steps += step * members;
      sums.steps += std::fabs(scales_[g * columns_ + column]) * members;
    }
  }

 private:
  size_t groups_, columns_;
  bool sym_;
  float top_;
  std::vector<float> scales_;
  std::vector<uint32_t> group_of_;
  std::vector<size_t> runs_;
  std::vector<Range> ranges_;
  std::vector<double> members_;
};

// One slab of one module.
struct Task {
  size_t module = 0;
  int64_t first = 0, count = 0;
};

class Comparer {
 public:
  Comparer(const Examination& exam, const std::vector<ModuleLayout>& layouts, const Examination& base, ThreadPool* pool,
           const CompareProgress& progress)
      : exam_(exam), layouts_(layouts), base_(base), pool_(pool), progress_(progress), sums_(layouts.size()) {}

  Result<std::vector<Comparison>> Run() {
    if (const std::string kind = base_.exam().kind(); kind != "dense") {
      return Error{ErrorKind::kRefused, base_.exam().source->DisplayPath(),
                   "it is " + kind + ", not dense: gptq-doctor dequantize makes a dense model of a GPTQ one"};
    }
    Find();
    ParallelFor(pool_, tasks_.size(), [&](size_t i) { RunTask(tasks_[i]); });
    if (error_) return *error_;
    Conclude();
    if (error_) return *error_;
    return std::move(out_);
  }

 private:
  void Find() {
    std::vector<std::pair<int64_t, int64_t>> shapes;
    for (const ModuleLayout& layout : layouts_) {
      weights_.push_back(base_.WeightOf(layout.stem));
      shapes.emplace_back(layout.packed.out_features, layout.packed.in_features);
    }
    base_.Orient(weights_, shapes);
    out_.resize(layouts_.size());
    for (size_t i = 0; i < layouts_.size(); ++i) {
      if (weights_[i] == nullptr) {
        out_[i].detail = "BASE has no matrix of this name";
        continue;
      }
      out_[i].base_name = std::string(weights_[i]->name());
      if (!base_.HasShape(*weights_[i], shapes[i].first, shapes[i].second)) {
        out_[i].relation = Relation::kOtherShape;
        const auto dims = weights_[i]->dims();
        out_[i].detail = "it is [" + std::to_string(shapes[i].first) + ", " + std::to_string(shapes[i].second) +
                         "], BASE's " + out_[i].base_name + " is [" + std::to_string(dims[0]) + ", " +
                         std::to_string(dims[1]) + "]";
        continue;
      }
      out_[i].relation = Relation::kClose;
      const int64_t step = SlabColumns(layouts_[i], kSlabBudget);
      for (int64_t first = 0; first < shapes[i].first; first += step)
        tasks_.push_back({i, first, std::min(step, shapes[i].first - first)});
    }
  }

  void Fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
  }

  void RunTask(const Task& task) {
    {
      const std::lock_guard lock(mutex_);
      if (error_) return;
    }
    const ModuleLayout& layout = layouts_[task.module];
    const Result<ModuleSlab> slab = ReadSlab(exam_, layout, task.first, task.count);
    if (!slab) {
      // Data that no reader can use are findings of other rules.
      if (slab.error().kind != ErrorKind::kRefused) return Fail(slab.error());
      const std::lock_guard lock(mutex_);
      out_[task.module].relation = Relation::kNotCompared;
      out_[task.module].detail = slab.error().message;
      return;
    }
    const Result<ModuleSums> sums = Compare(task, *slab);
    if (!sums) return Fail(sums.error());
    const std::lock_guard lock(mutex_);
    sums_[task.module].Add(*sums);
    if (progress_.step &&
        !progress_.step(layout.PackedBytes() * static_cast<uint64_t>(task.count) /
                        static_cast<uint64_t>(layout.packed.out_features)) &&
        !error_)
      error_ = Error{ErrorKind::kInterrupted, "", "interrupted before everything was compared"};
  }

  bool IsSymmetric(uint32_t module) const {
    const ModuleData* data = exam_.quant.DataOf(module);
    if (data == nullptr) return exam_.quant.base.sym.value_or(true);
    return data->zeros != ZeroKind::kVaried && data->zeros != ZeroKind::kConstantOther;
  }

  Result<ModuleSums> Compare(const Task& task, const ModuleSlab& slab) const {
    const auto inputs = static_cast<size_t>(slab.packed.in_features);
    const DequantPlan plan(slab.packed);
    RowSteps steps(slab.packed, IsSymmetric(layouts_[task.module].module));
    ModuleSums sums;
    const int64_t chunk = std::clamp<int64_t>(static_cast<int64_t>(kRowsBudget / inputs), 1, slab.count);
    std::vector<float> dense(static_cast<size_t>(chunk) * inputs);
    for (int64_t n = 0; n < slab.count; n += chunk) {
      const int64_t rows = std::min(chunk, slab.count - n);
      const std::span<char> bytes(reinterpret_cast<char*>(dense.data()),
                                  static_cast<size_t>(rows) * inputs * sizeof(float));
      plan.Rows(n, rows, Dtype::kF32, bytes);
      const Result<std::vector<float>> base = base_.Rows(*weights_[task.module], task.first + n, rows);
      if (!base) return base.error();
      for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
        sums.pairs.Add(SumPairs(&dense[r * inputs], &(*base)[r * inputs], inputs));
        steps.Add(static_cast<size_t>(n) + r, &(*base)[r * inputs], sums);
      }
    }
    return sums;
  }

  void Conclude() {
    std::vector<double> ratios;
    for (size_t i = 0; i < out_.size(); ++i) {
      if (out_[i].relation != Relation::kClose) continue;
      Measure(sums_[i], out_[i]);
      if (Ratio(out_[i]) > 0 && std::isfinite(Ratio(out_[i]))) ratios.push_back(Ratio(out_[i]));
    }
    std::ranges::sort(ratios);
    const double median = ratios.empty() ? 0 : ratios[ratios.size() / 2];
    const std::vector<std::string> other_bits = OtherBits(exam_, layouts_);
    size_t searched = 0;
    for (size_t i = 0; i < out_.size() && !error_; ++i) {
      if (out_[i].relation == Relation::kOtherShape) Search(i, searched);
      if (out_[i].relation == Relation::kClose) Classify(i, median, searched);
      if (out_[i].relation != Relation::kClose || other_bits[i].empty()) continue;
      out_[i].relation = Relation::kCoarse;
      out_[i].detail = other_bits[i] + "; its error is " + Short(out_[i].relative_error);
    }
  }

  static double Ratio(const Comparison& c) { return c.expected_error > 0 ? c.relative_error / c.expected_error : 0; }

  static void Measure(const ModuleSums& sums, Comparison& c) {
    const PairSums& p = sums.pairs;
    const double norm = std::sqrt(p.bb);
    c.max_error = p.largest;
    if (norm == 0) {  // nothing to be relative to
      c.relative_error = p.dd > 0 ? HUGE_VAL : 0;
      c.cosine = p.ww > 0 ? 0 : 1;
      return;
    }
    c.relative_error = std::sqrt(p.dd) / norm;
    c.expected_error = std::sqrt(sums.rounding) / norm;
    c.cosine = p.ww > 0 ? p.wb / (std::sqrt(p.ww) * norm) : 0;
    c.step_ratio = sums.ideal_steps > 0 ? sums.steps / sums.ideal_steps : 0;
  }

  void Classify(size_t i, double median, size_t& searched) {
    Comparison& c = out_[i];
    if (!std::isfinite(sums_[i].pairs.dd)) {  // NaN and infinite scales are a finding of their own
      c.relation = Relation::kNotCompared;
      c.detail = "its weights are not finite";
      return;
    }
    if (c.cosine < kUnrelatedCosine) {
      c.relation = Relation::kUnrelated;
      c.detail = "it has a cosine of " + Short(c.cosine) + " with BASE's " + c.base_name;
      return Search(i, searched);
    }
    const double ratio = Ratio(c);
    const bool coarse = ratio > kAnyRatio || (ratio > kCoarseRatio && ratio > kCoarsePeers * median);
    const bool wide = c.step_ratio > kWideStep && ratio > kWideRatio && ratio > kWidePeers * median;
    if (!coarse && !wide) return;
    c.relation = Relation::kCoarse;
    const PackedModule& m = layouts_[i].packed;
    c.detail = "its error is " + Short(c.relative_error) + " of BASE's " + c.base_name + ", where " +
               std::to_string(m.bits) + " bits in groups of " +
               std::to_string(m.group_size > 0 ? m.group_size : m.in_features) + " round off " +
               Short(c.expected_error);
    if (wide) {
      const int fits = m.bits - static_cast<int>(std::lround(std::log2(c.step_ratio)));
      c.detail += "; its steps are " + Short(c.step_ratio) + " times as wide as its weights need, as of " +
                  std::to_string(std::max(1, fits)) + " bits";
    }
  }

  // Whose it is, where it is not its own.
  void Search(size_t i, size_t& searched) {
    if (searched++ >= kMostSearched) return;
    const Result<std::optional<Match>> match = FindMatch(exam_, layouts_[i], base_);
    if (!match) {
      if (match.error().kind != ErrorKind::kRefused) error_ = match.error();
      return;
    }
    Comparison& c = out_[i];
    if (!*match) {
      if (c.relation == Relation::kUnrelated)
        c.detail += " and resembles no matrix of BASE: random numbers, or another model";
      return;
    }
    const Match& found = **match;
    c.relation = found.transposed ? Relation::kTransposed : Relation::kSwapped;
    c.detail = std::string("it matches BASE's ") + found.tensor + (found.transposed ? ", transposed" : "") +
               " (cosine " + Short(found.cosine) + " on a sample)";
    c.base_name = found.tensor;
  }

  // Three significant digits.
  static std::string Short(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
  }

  const Examination& exam_;
  const std::vector<ModuleLayout>& layouts_;
  BaseMatrices base_;
  ThreadPool* pool_;
  const CompareProgress& progress_;
  std::vector<const TensorRecord*> weights_;
  std::vector<Task> tasks_;
  std::vector<ModuleSums> sums_;
  std::vector<Comparison> out_;
  std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace

const char* ToString(Relation relation) {
  switch (relation) {
    case Relation::kClose:
      return "close";
    case Relation::kCoarse:
      return "coarse";
    case Relation::kSwapped:
      return "swapped";
    case Relation::kTransposed:
      return "transposed";
    case Relation::kUnrelated:
      return "unrelated";
    case Relation::kOtherShape:
      return "other-shape";
    case Relation::kNotCompared:
      return "not-compared";
    case Relation::kAbsent:
      return "absent";
  }
  return "";
}

Result<std::vector<Comparison>> CompareModules(const Examination& exam, const std::vector<ModuleLayout>& layouts,
                                               const Examination& base, ThreadPool* pool,
                                               const CompareProgress& progress) {
  return Comparer(exam, layouts, base, pool, progress).Run();
}

}  // namespace gptq_doctor
