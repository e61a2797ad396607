#include "dequant/model_writer.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>

#include "base/storage.h"
#include "base/text.h"
#include "dequant/shard_plan.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;

constexpr char kStateFile[] =
    "gptq-doctor-partial.txt";  // the fingerprint of the work; removed before the directory is published

Error Refuse(const std::string& path, std::string message) { return {ErrorKind::kRefused, path, std::move(message)}; }

// Where the directory grows and where it will stand; names relative to their common parent.
struct Place {
  std::string parent, name, partial;
};

Place PlaceOf(const std::string& directory) {
  fs::path path = fs::path(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::string parent = path.parent_path().string();
  if (parent.empty()) parent = ".";
  const std::string name = path.filename().string();
  return {parent, name, name + ".gptq-doctor-partial"};
}

// One shard being written by many threads. Opened by the first piece, committed by the last.
struct ShardWork {
  const PlannedShard* plan = nullptr;
  std::unique_ptr<SinkFile> file;
  std::mutex opening;
  std::atomic<int64_t> pieces_left{0};
  bool done = false;  // by an earlier run
};

struct Task {
  size_t shard = 0, tensor = 0;
  int64_t piece = 0;
};

class Writer {
 public:
  Writer(const OutModel& model, const Place& place, const WriteOptions& options, Sink& sink)
      : model_(model),
        place_(place),
        options_(options),
        sink_(sink),
        plans_(PlanShards(model)),
        shards_(plans_.size()) {
    for (size_t s = 0; s < plans_.size(); ++s) {
      shards_[s].plan = &plans_[s];
      total_ += plans_[s].bytes;
    }
    for (const OutFile& file : model.files) total_ += std::max<uint64_t>(file.bytes, file.content.size());
  }

  Result<WrittenModel> Run() {
    if (Status ready = Prepare(); !ready) return ready.error();
    if (Status written = WriteAll(); !written) {
      for (ShardWork& shard : shards_) shard.file.reset();  // drops temporary files
      if (written.error().kind == ErrorKind::kInterrupted || !options_.resume) RemovePartial();
      return written.error();
    }
    if (Status published = Publish(); !published) return published.error();
    WrittenModel out{.bytes = total_, .weight_files = {}, .resumed_files = resumed_};
    for (const PlannedShard& plan : plans_) out.weight_files.push_back(plan.file);
    return out;
  }

 private:
  std::string Inside(const std::string& name) const { return place_.partial + "/" + name; }
  bool Cancelled() const { return options_.cancelled != nullptr && options_.cancelled->load(); }
  std::string PartialPath() const { return (fs::path(place_.parent) / place_.partial).string(); }

  Status Prepare() {
    std::error_code ignored;
    const fs::path target = fs::path(place_.parent) / place_.name;
    if (fs::symlink_status(target, ignored).type() != fs::file_type::not_found &&
        !(fs::is_directory(target, ignored) && fs::is_empty(target, ignored))) {
      return Refuse(target.string(), "exists and is not an empty directory; name another one, nothing is overwritten");
    }
    const bool left_over = fs::exists(PartialPath(), ignored);
    if (left_over && !options_.resume) {
      return Refuse(PartialPath(), "an earlier run was cut off here; continue it with --resume, or remove it");
    }
    const int64_t free = sink_.FreeBytes();
    if (left_over) {
      if (Status same = Adopt(); !same) return same;
    }
    if (free >= 0 && static_cast<uint64_t>(free) < total_ - resumed_bytes_) {
      return Error{ErrorKind::kNoSpace, place_.parent,
                   "needs " + FormatBytes(total_ - resumed_bytes_) + ", " + FormatBytes(static_cast<uint64_t>(free)) +
                       " are free; nothing was written"};
    }
    if (left_over) return Ok();
    if (Status made = sink_.MakeDirectory(place_.partial); !made) return made;
    return WriteSmall(kStateFile, model_.fingerprint + "\n");
  }

  // Takes over what an earlier run finished: files whose names and sizes are those of the plan, which were renamed only
  // after they were on disk.
  Status Adopt() {
    Result<std::unique_ptr<Source>> source = OpenLocalDirectory(PartialPath());
    if (!source) return source.error();
    const Result<std::string> state = ReadWhole(**source, kStateFile, 4096);
    if (!state || *state != model_.fingerprint + "\n") {
      return Refuse(PartialPath(), "was left by another run (other sources or options); remove it and start again");
    }
    const Result<Listing> listing = (*source)->List();
    if (!listing) return listing.error();
    for (const FileEntry& entry : listing->entries) {
      const auto plan =
          std::find_if(plans_.begin(), plans_.end(), [&](const PlannedShard& p) { return p.file == entry.name; });
      const bool whole = plan != plans_.end() && entry.kind == FileKind::kRegular && !entry.symlink &&
                         static_cast<uint64_t>(entry.size()) == plan->bytes;
      if (whole) {
        shards_[static_cast<size_t>(plan - plans_.begin())].done = true;
        resumed_bytes_ += plan->bytes;
        ++resumed_;
      } else if (entry.name != kStateFile) {
        if (Status removed = sink_.Remove(Inside(entry.name)); !removed) return removed;
      }
    }
    done_ = resumed_bytes_;
    return Ok();
  }

  Status WriteSmall(const std::string& name, std::string_view content) {
    Result<std::unique_ptr<SinkFile>> file = sink_.Create(Inside(name), {});
    if (!file) return file.error();
    if (Status written = (*file)->Write(content); !written) return written;
    return (*file)->Commit();
  }

  Status WriteAll() {
    std::vector<Task> tasks;
    for (size_t s = 0; s < shards_.size(); ++s) {
      if (shards_[s].done) continue;
      int64_t pieces = 0;
      for (size_t t = 0; t < plans_[s].tensors.size(); ++t) {
        for (int64_t piece = 0; piece < plans_[s].tensors[t]->pieces; ++piece) tasks.push_back({s, t, piece});
        pieces += plans_[s].tensors[t]->pieces;
      }
      shards_[s].pieces_left = pieces;
      if (pieces == 0) {  // a model without tensors, or with empty ones only
        if (Status opened = Open(shards_[s]); !opened) return opened;
        if (Status committed = shards_[s].file->Commit(); !committed) return committed;
      }
    }
    ParallelFor(options_.pool, tasks.size(), [&](size_t i) {
      if (failed_.load(std::memory_order_relaxed)) return;
      Status status = Cancelled() ? Status(Error{ErrorKind::kInterrupted, "", "interrupted; nothing was left behind"})
                                  : RunTask(tasks[i]);
      if (!status) Fail(status.error());
    });
    if (failed_) return first_error_;
    for (const OutFile& file : model_.files) {
      if (Status copied = WriteFile(file); !copied) return copied;
    }
    const std::string index = IndexText(plans_);
    if (!index.empty()) return WriteSmall("model.safetensors.index.json", index);
    return Ok();
  }

  Status Open(ShardWork& shard) {
    const std::scoped_lock lock(shard.opening);
    if (shard.file) return Ok();
    Result<std::unique_ptr<SinkFile>> file = sink_.Create(Inside(shard.plan->file), {.preallocate = shard.plan->bytes});
    if (!file) return file.error();
    if (Status written = (*file)->WriteAt(0, shard.plan->header); !written) return written;
    shard.file = std::move(*file);
    return Ok();
  }

  Status RunTask(const Task& task) {
    ShardWork& shard = shards_[task.shard];
    if (Status opened = Open(shard); !opened) return opened;
    const OutTensor& tensor = *shard.plan->tensors[task.tensor];
    const uint64_t base = shard.plan->offsets[task.tensor];
    const PieceWriter writer = [&](uint64_t offset, std::span<const char> bytes) -> Status {
      assert(offset + bytes.size() <= tensor.bytes);
      if (Cancelled()) return Error{ErrorKind::kInterrupted, "", "interrupted; nothing was left behind"};
      Status written = shard.file->WriteAt(base + offset, bytes);
      if (written) Progress(bytes.size());
      return written;
    };
    if (Status produced = tensor.produce(task.piece, writer); !produced) return produced;
    if (shard.pieces_left.fetch_sub(1) == 1) {
      Status committed = shard.file->Commit();
      shard.file.reset();
      return committed;
    }
    return Ok();
  }

  Status WriteFile(const OutFile& out) {
    if (!out.copy) return WriteSmall(out.name, out.content);
    const size_t slash = out.name.rfind('/');
    if (slash != std::string::npos) {
      if (Status made = sink_.MakeDirectory(Inside(out.name.substr(0, slash))); !made) return made;
    }
    Result<std::unique_ptr<SinkFile>> file = sink_.Create(Inside(out.name), {});
    if (!file) return file.error();
    if (Status copied = out.copy(**file); !copied) return copied;
    return (*file)->Commit();
  }

  Status Publish() {
    if (Status removed = sink_.Remove(Inside(kStateFile)); !removed) return removed;
    std::error_code ignored;
    if (fs::exists(fs::path(place_.parent) / place_.name, ignored)) {
      if (Status removed = sink_.Remove(place_.name); !removed) return removed;  // empty, as Prepare saw
    }
    return sink_.Rename(place_.partial, place_.name);
  }

  void RemovePartial() {
    std::error_code ignored;
    fs::remove_all(PartialPath(), ignored);
  }

  void Progress(uint64_t bytes) {
    const uint64_t done = done_.fetch_add(bytes) + bytes;
    if (!options_.progress) return;
    const std::scoped_lock lock(reporting_);
    options_.progress(done, total_);
  }

  void Fail(const Error& error) {
    const std::scoped_lock lock(reporting_);
    if (!failed_.exchange(true)) first_error_ = error;
  }

  const OutModel& model_;
  const Place& place_;
  const WriteOptions& options_;
  Sink& sink_;
  std::vector<PlannedShard> plans_;
  std::vector<ShardWork> shards_;
  uint64_t total_ = 0, resumed_bytes_ = 0;
  int64_t resumed_ = 0;
  std::atomic<uint64_t> done_{0};
  std::atomic<bool> failed_{false};
  std::mutex reporting_;
  Error first_error_;
};

}  // namespace

Result<WrittenModel> WriteModel(const OutModel& model, const std::string& directory, const WriteOptions& options) {
  const Place place = PlaceOf(directory);
  if (place.name.empty() || place.name == "." || place.name == "..") {
    return Refuse(directory, "is no name for a new directory");
  }
  Result<std::unique_ptr<Sink>> sink = OpenLocalSink(place.parent);
  if (!sink) return sink.error();
  return Writer(model, place, options, **sink).Run();
}

}  // namespace gptq_doctor
