#include "dequant/verify.h"

#include <algorithm>

#include "base/sha256.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "dequant/read_range.h"
#include "dequant/verify_defects.h"
#include "dequant/verify_scan.h"
#include "infer/batch_reader.h"

namespace gptq_doctor {
namespace {

constexpr size_t kReadAhead = 8;  // pieces that the system is told of before they are read

void AddScales(const ScaleReport& from, ScaleReport& to) {
  to.read += from.read;
  to.not_finite += from.not_finite;
  to.zero += from.zero;
  to.overflow += from.overflow;
}

bool IsScannedFloat(const TensorRecord& tensor) {
  return tensor.dtype == Dtype::kF16 || tensor.dtype == Dtype::kBF16 || tensor.dtype == Dtype::kF32;
}

int64_t& CounterOf(Relation relation, BaseReport& base) {
  if (relation == Relation::kAbsent) return base.absent;
  return relation == Relation::kNotCompared ? base.not_compared : base.compared;
}

class Verification {
 public:
  Verification(Examination& exam, const VerifyOptions& options, const ExamineContext& context)
      : exam_(exam), options_(options), context_(context) {}

  Result<VerifyReport> Run() {
    Select();
    if (options_.hashes) report_.hashes = RecordedHashes(exam_, exam_.errors);
    pieces_ = PlanPieces(targets_);
    for (const ScanPiece& piece : pieces_) total_ += piece.bytes;
    for (const HashCheck& hash : report_.hashes) total_ += static_cast<uint64_t>(hash.bytes);
    if (options_.base != nullptr) total_ += BytesToCompare();
    Scan();
    if (stopped_) return Interrupted();
    if (Status zeros = ResolveZeroScales(); !zeros) return zeros.error();
    if (options_.base != nullptr) {
      if (Status compared = Compare(); !compared) return compared.error();
    }
    report_.bytes_read += done_ + static_cast<uint64_t>(exam_.quant.coverage.bytes_read);
    Cover();
    report_.sampled = options_.sample;
    RecordDefects(exam_, report_, !options_.modules.empty());
    return std::move(report_);
  }

 private:
  bool Chosen(std::string_view name) const {
    return options_.modules.empty() ||
           std::ranges::any_of(options_.modules, [&](const std::string& glob) { return GlobMatch(glob, name); });
  }

  void Select() {
    const std::vector<ModuleClass>& classes = exam_.inventory.classes;
    for (size_t id = 0; id < classes.size(); ++id) {
      const auto members = exam_.inventory.members(classes[id]);
      if (id >= exam_.quant.classes.size() || !exam_.quant.classes[id].gptq) {
        const bool dense = classes[id].format < 0 && options_.modules.empty() && !options_.sample;
        for (size_t i = 0; dense && i < members.size(); ++i) SelectDense(members[i]);
        continue;
      }
      report_.modules_total += classes[id].count;
      for (size_t i = 0; i < members.size(); ++i) {
        const bool stratum = i == 0 || i == members.size() / 2 || i + 1 == members.size();
        if ((!options_.sample || stratum) && Chosen(exam_.inventory.modules[members[i]].stem)) SelectModule(members[i]);
      }
    }
  }

  void SelectModule(uint32_t module) {
    Result<ModuleLayout> layout = LayoutOf(exam_, module);
    std::string why = layout ? WhyUnread(*layout) : layout.error().message;
    if (!why.empty()) {
      report_.skipped.push_back({std::string(exam_.inventory.modules[module].stem), std::move(why)});
      return;
    }
    targets_.push_back({.layout = std::move(*layout), .dense = nullptr, .module = module});
  }

  void SelectDense(uint32_t module) {
    for (const Component& component : exam_.inventory.components(exam_.inventory.modules[module])) {
      const TensorRecord& tensor = exam_.tensors.at(component.tensor);
      if (!IsScannedFloat(tensor) || SoundBytes(tensor) == 0 || !InFile(tensor)) continue;
      targets_.push_back({.layout = std::nullopt, .dense = &tensor, .module = module});
      ++report_.dense_tensors;
    }
  }

  bool InFile(const TensorRecord& tensor) const {
    const auto size = static_cast<uint64_t>(std::max<int64_t>(0, exam_.tensors.shard_of(tensor).identity.size));
    return exam_.tensors.file_offset(tensor) + tensor.bytes() <= size;
  }

  // Empty where all of it is there.
  std::string WhyUnread(const ModuleLayout& layout) const {
    for (const TensorRecord* tensor : {layout.qweight, layout.qzeros, layout.scales, layout.g_idx}) {
      if (tensor == nullptr) continue;
      if (SoundBytes(*tensor) == 0 || !InFile(*tensor))
        return std::string(tensor->name()) + " does not lie whole in its file";
    }
    const Dtype scales = layout.packed.scales_dtype;
    if (scales != Dtype::kF16 && scales != Dtype::kBF16 && scales != Dtype::kF32)
      return std::string("its scales are ") + ToString(scales);
    return "";
  }

  uint64_t BytesToCompare() const {
    uint64_t bytes = 0;
    for (const ScanTarget& target : targets_) bytes += target.layout ? target.layout->PackedBytes() : 0;
    return bytes;
  }

  // Hashes first: they are the longest single jobs, and the pieces of the same file follow them through the page cache.
  void Scan() {
    scans_.resize(targets_.size());
    piece_counts_.assign(targets_.size(), 0);
    for (const ScanPiece& piece : pieces_) piece_counts_[piece.target] += piece.kind == ScanPiece::Kind::kCodes;
    checks_.resize(targets_.size());
    floats_.resize(targets_.size());
    const size_t hashes = report_.hashes.size();
    ParallelFor(context_.pool, hashes + pieces_.size(), [&](size_t i) {
      if (Stopped()) return;
      i < hashes ? Hash(report_.hashes[i]) : ReadPiece(i - hashes);
    });
    for (uint32_t t = 0; t < targets_.size(); ++t) {
      if (checks_[t]) {
        checks_[t]->scales = floats_[t];
        report_.modules.push_back(std::move(*checks_[t]));
        checked_.push_back(t);
      }
      if (!targets_[t].layout && floats_[t].not_finite > 0)
        RecordBadDense(exam_, targets_[t].module, *targets_[t].dense, floats_[t].not_finite);
    }
  }

  bool Stopped() {
    if (context_.cancelled != nullptr && context_.cancelled->load(std::memory_order_relaxed)) stopped_ = true;
    return stopped_;
  }
  static Error Interrupted() { return {ErrorKind::kInterrupted, "", "interrupted before everything was read"}; }

  void Advance(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    if (context_.progress) context_.progress(std::min(done_, total_), total_);
  }

  void Fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (std::ranges::any_of(exam_.errors, [&](const Error& known) { return known.path == error.path; })) return;
    exam_.errors.push_back(error);
  }

  void Hash(HashCheck& check) {
    const Result<std::string> found = Sha256OfFile(*exam_.source, check.file, [&](uint64_t bytes) {
      Advance(bytes);
      return !Stopped();
    });
    if (found) {
      check.found = *found;
    } else if (!Stopped()) {
      Fail(found.error());
    }
  }

  ModuleScan& ScanOf(uint32_t target) {
    const std::lock_guard lock(mutex_);
    if (scans_[target] == nullptr)
      scans_[target] = std::make_unique<ModuleScan>(exam_, *targets_[target].layout, piece_counts_[target]);
    return *scans_[target];
  }

  void ReadPiece(size_t number) {
    const ScanPiece& piece = pieces_[number];
    if (number + kReadAhead < pieces_.size()) {
      const ScanPiece& ahead = pieces_[number + kReadAhead];
      exam_.source->WillNeed(exam_.tensors.shard_of(*ahead.tensor).file,
                             exam_.tensors.file_offset(*ahead.tensor) + ahead.begin, ahead.bytes);
    }
    const auto buffer = std::make_unique_for_overwrite<char[]>(piece.bytes);
    const std::span<char> data(buffer.get(), piece.bytes);
    if (Status read = ReadTensor(exam_, *piece.tensor, piece.begin, data); !read) return Fail(read.error());
    Advance(piece.bytes);
    if (piece.kind != ScanPiece::Kind::kCodes) {
      const std::optional<ModuleLayout>& layout = targets_[piece.target].layout;
      const ScaleReport floats = CountScales(data, piece.tensor->dtype, layout ? layout->packed.bits : 1);
      const std::lock_guard lock(mutex_);
      AddScales(floats, floats_[piece.target]);
      return;
    }
    ModuleScan& scan = ScanOf(piece.target);
    const Result<bool> last = scan.Add(piece, data);
    if (!last) return Fail(last.error());
    if (!*last) return;
    checks_[piece.target] = scan.Finish();
    const std::lock_guard lock(mutex_);
    scans_[piece.target].reset();
  }

  const ModuleLayout& LayoutOfCheck(size_t check) const { return *targets_[checked_[check]].layout; }

  Status ResolveZeroScales() {
    for (size_t i = 0; i < report_.modules.size(); ++i) {
      ModuleCheck& check = report_.modules[i];
      if (check.scales.zero == 0 || check.scales.zero == check.scales.read) continue;
      if (Stopped()) return Interrupted();
      const Result<int64_t> in_use = ZeroScalesInUse(exam_, LayoutOfCheck(i));
      // A g_idx that points outside is a finding of its own.
      if (!in_use && in_use.error().kind != ErrorKind::kRefused) Fail(in_use.error());
      if (in_use) check.scales.zero_in_use = *in_use;
    }
    return Ok();
  }

  Status Compare() {
    std::vector<ModuleLayout> layouts;
    for (size_t i = 0; i < report_.modules.size(); ++i) layouts.push_back(LayoutOfCheck(i));
    const CompareProgress progress{[&](uint64_t bytes) {
      Advance(bytes);
      return !Stopped();
    }};
    Result<std::vector<Comparison>> modules = CompareModules(exam_, layouts, *options_.base, context_.pool, progress);
    if (!modules) return modules.error();
    for (size_t i = 0; i < layouts.size(); ++i) report_.modules[i].base = std::move((*modules)[i]);
    const bool whole = options_.modules.empty() && !options_.sample;
    Result<BaseReport> dense = whole ? CompareDense(exam_, *options_.base, context_.pool, progress) : BaseReport{};
    if (!dense) return dense.error();
    report_.base = std::move(*dense);
    report_.base->path = options_.base->source->DisplayPath();
    if (const std::string& file = options_.base->options.only_file; !file.empty()) report_.base->path += "/" + file;
    for (const ModuleCheck& check : report_.modules) ++CounterOf(check.base->relation, *report_.base);
    return Ok();
  }

  void Cover() {
    Coverage& coverage = exam_.quant.coverage;
    coverage.modules_read = std::max<int64_t>(coverage.modules_read, static_cast<int64_t>(report_.modules.size()));
    coverage.bytes_read = static_cast<int64_t>(report_.bytes_read);
    coverage.complete = static_cast<int64_t>(report_.modules.size()) == report_.modules_total;
  }

  Examination& exam_;
  const VerifyOptions& options_;
  const ExamineContext& context_;
  VerifyReport report_;
  std::vector<ScanTarget> targets_;
  std::vector<ScanPiece> pieces_;
  std::vector<int64_t> piece_counts_;  // of codes, by target
  std::vector<ScaleReport> floats_;    // by target
  std::vector<uint32_t> checked_;      // target of each module of the report
  std::vector<std::unique_ptr<ModuleScan>> scans_;
  std::vector<std::optional<ModuleCheck>> checks_;
  std::mutex mutex_;
  std::atomic<bool> stopped_{false};
  uint64_t done_ = 0, total_ = 0;
};

}  // namespace

Result<VerifyReport> VerifyModel(Examination& exam, const VerifyOptions& options, const ExamineContext& context) {
  return Verification(exam, options, context).Run();
}

}  // namespace gptq_doctor
