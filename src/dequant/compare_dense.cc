// Tensors that were left dense, against the base's.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "dequant/base_matrices.h"
#include "dequant/compare.h"
#include "dequant/read_range.h"
#include "infer/batch_reader.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kPiece = 1 << 20;  // elements

bool IsComparedFloat(Dtype dtype) { return dtype == Dtype::kF16 || dtype == Dtype::kBF16 || dtype == Dtype::kF32; }

struct Pair {
  uint32_t module = 0;
  const TensorRecord* own = nullptr;
  const TensorRecord* base = nullptr;
  uint64_t elements = 0;
  int64_t different = 0;
  double largest = 0;
  std::string detail;
};

struct Task {
  size_t pair = 0;
  uint64_t first = 0, count = 0;  // elements
};

// The base's value as the model's dtype can hold it.
float Rounded(float value, Dtype dtype) {
  if (dtype == Dtype::kF16) return HalfToFloat(FloatToHalf(value));
  return dtype == Dtype::kBF16 ? BfloatToFloat(FloatToBfloat(value)) : value;
}

class DenseComparer {
 public:
  DenseComparer(const Examination& exam, const Examination& base, ThreadPool* pool, const CompareProgress& progress)
      : exam_(exam), base_(base), matrices_(base), pool_(pool), progress_(progress) {}

  Result<BaseReport> Run() {
    for (const Module& module : exam_.inventory.modules) {
      const bool quantized = exam_.inventory.classes[module.class_id].format >= 0;
      for (const Component& component : exam_.inventory.components(module)) {
        if (!quantized || component.suffix == kBias)
          Plan(static_cast<uint32_t>(&module - exam_.inventory.modules.data()), exam_.tensors.at(component.tensor));
      }
    }
    ParallelFor(pool_, tasks_.size(), [&](size_t i) { RunTask(tasks_[i]); });
    if (error_) return *error_;
    for (Pair& pair : pairs_) Conclude(pair);
    return std::move(report_);
  }

 private:
  void Plan(uint32_t module, const TensorRecord& own) {
    const TensorRecord* base = matrices_.Find(own.name());
    if (base == nullptr || SoundBytes(own) == 0 || SoundBytes(*base) == 0) {
      ++report_.dense_absent;
      return;
    }
    Pair pair{.module = module, .own = &own, .base = base, .detail = {}};
    const bool comparable = own.dtype == base->dtype || (IsComparedFloat(own.dtype) && IsComparedFloat(base->dtype));
    if (!std::ranges::equal(own.dims(), base->dims())) {
      pair.detail = "has another shape than BASE's";
    } else if (!comparable) {
      pair.detail = std::string("is ") + ToString(own.dtype) + " where BASE's is " + ToString(base->dtype);
    } else {
      const auto width = static_cast<uint64_t>(std::max(1, BitsOf(own.dtype) / 8));
      pair.elements = own.bytes() / width;
      for (uint64_t first = 0; first < pair.elements; first += kPiece)
        tasks_.push_back({pairs_.size(), first, std::min(kPiece, pair.elements - first)});
    }
    pairs_.push_back(std::move(pair));
  }

  Result<std::vector<char>> Read(const Examination& exam, const TensorRecord& tensor, const Task& task) const {
    const auto width = static_cast<uint64_t>(std::max(1, BitsOf(tensor.dtype) / 8));
    std::vector<char> bytes(task.count * width);
    if (Status read = ReadTensor(exam, tensor, task.first * width, bytes); !read) return read.error();
    return bytes;
  }

  void RunTask(const Task& task) {
    Pair& pair = pairs_[task.pair];
    if (failed_) return;
    const Result<std::vector<char>> own = Read(exam_, *pair.own, task);
    const Result<std::vector<char>> base = Read(base_, *pair.base, task);
    if (!own || !base) return Fail(own ? base.error() : own.error());
    if (progress_.step && !progress_.step(0))
      return Fail({ErrorKind::kInterrupted, "", "interrupted before everything was compared"});
    if (pair.own->dtype == pair.base->dtype && *own == *base) return;
    int64_t different = 0;
    double largest = 0;
    if (IsComparedFloat(pair.own->dtype)) {
      const std::vector<float> mine = FloatsOf(*own, pair.own->dtype), theirs = FloatsOf(*base, pair.base->dtype);
      for (size_t i = 0; i < mine.size(); ++i) {
        const float wanted = Rounded(theirs[i], pair.own->dtype);
        if (std::memcmp(&mine[i], &wanted, sizeof wanted) == 0 || mine[i] == wanted) continue;
        ++different;
        largest = std::max(largest, std::fabs(static_cast<double>(mine[i]) - wanted));
      }
    } else {
      for (size_t i = 0; i < own->size(); ++i) different += (*own)[i] != (*base)[i];
    }
    const std::lock_guard lock(mutex_);
    pair.different += different;
    pair.largest = std::max(pair.largest, largest);
  }

  void Conclude(const Pair& pair) {
    std::string detail = pair.detail;
    if (pair.different > 0) {
      char largest[32];
      std::snprintf(largest, sizeof largest, "%.3g", pair.largest);
      detail = "differs from BASE's in " + FormatCount(static_cast<uint64_t>(pair.different)) + " of " +
               FormatCount(pair.elements) + " values, by at most " + largest;
    }
    if (detail.empty()) {
      ++report_.dense_equal;
    } else {
      report_.dense_differ.push_back({pair.module, std::string(pair.own->name()), std::move(detail)});
    }
  }

  void Fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    failed_ = true;
  }

  const Examination& exam_;
  const Examination& base_;
  BaseMatrices matrices_;
  ThreadPool* pool_;
  const CompareProgress& progress_;
  std::vector<Pair> pairs_;
  std::vector<Task> tasks_;
  BaseReport report_;
  std::mutex mutex_;
  std::atomic<bool> failed_{false};
  std::optional<Error> error_;
};

}  // namespace

Result<BaseReport> CompareDense(const Examination& exam, const Examination& base, ThreadPool* pool,
                                const CompareProgress& progress) {
  return DenseComparer(exam, base, pool, progress).Run();
}

}  // namespace gptq_doctor
