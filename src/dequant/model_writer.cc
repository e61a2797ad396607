#include "dequant/model_writer.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>
#include <semaphore>

#include "base/storage.h"
#include "base/text.h"
#include "dequant/shard_plan.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;

// Pieces in the making at once: with some 40 MB each they stay below the bound on memory however many threads there
// are.
constexpr int kMostPieces = 7;

Error Refuse(const std::string& path, std::string message) { return {ErrorKind::kRefused, path, std::move(message)}; }

// Where the directory grows and where it will stand; names relative to their common parent.
struct Place {
  std::string parent, name, partial;
  std::string state;  // the fingerprint of the work; the first to come and the last to go
};

Place PlaceOf(const std::string& directory) {
  std::error_code error;
  // A link to an empty directory stands for that directory, which may lie on another disk.
  fs::path path = fs::is_directory(directory, error) ? fs::canonical(directory, error) : fs::path(directory);
  if (error) path = directory;
  path = path.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::string parent = path.parent_path().string();
  if (parent.empty()) parent = ".";
  const std::string name = path.filename().string();
  return {parent, name, name + ".gptq-doctor-partial", name + ".gptq-doctor-state"};
}

// One shard being written by many threads. Opened by the first piece, committed by the last.
struct ShardWork {
  const PlannedShard* plan = nullptr;
  std::unique_ptr<SinkFile> file;
  std::mutex opening;
  std::atomic<int64_t> pieces_left{0};
  std::atomic<uint64_t> bytes{0};  // written so far
  bool done = false;               // by an earlier run
};

// Held while a piece is made.
class Turn {
 public:
  explicit Turn(std::counting_semaphore<kMostPieces>& turns) : turns_(turns) { turns_.acquire(); }
  ~Turn() { turns_.release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::counting_semaphore<kMostPieces>& turns_;
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
    if (!published_) {
      if (Status written = WriteAll(); !written) {
        for (ShardWork& shard : shards_) shard.file.reset();  // drops temporary files
        if (written.error().kind == ErrorKind::kInterrupted || !options_.resume) RemovePartial();
        return written.error();
      }
      if (Status published = Publish(); !published) return published.error();
    }
    if (Status removed = sink_.Remove(place_.state); !removed) return removed.error();
    WrittenModel out{.bytes = total_, .weight_files = {}, .resumed_files = resumed_};
    for (const PlannedShard& plan : plans_) out.weight_files.push_back(plan.file);
    return out;
  }

 private:
  std::string Inside(const std::string& name) const { return place_.partial + "/" + name; }
  bool Cancelled() const { return options_.cancelled != nullptr && options_.cancelled->load(); }
  std::string PathOf(const std::string& name) const { return (fs::path(place_.parent) / name).string(); }

  Status Prepare() {
    std::error_code ignored, failed;
    const fs::path target = PathOf(place_.name), partial = PathOf(place_.partial);
    const bool left_over = fs::exists(partial, ignored);
    const fs::file_type there = fs::symlink_status(target, failed).type();
    if (there == fs::file_type::none)
      return Error{ErrorKind::kIo, target.string(), "cannot be looked at: " + failed.message()};
    if (there != fs::file_type::not_found && !(fs::is_directory(target, ignored) && fs::is_empty(target, ignored))) {
      published_ = options_.resume && !left_over && StateIsOurs();  // cut off after the last but one step
      if (published_) return Ok();
      return Refuse(target.string(), "exists and is not an empty directory; name another one, nothing is overwritten");
    }
    if (left_over && !options_.resume) {
      return Refuse(partial.string(), "an earlier run was cut off here; continue it with --resume, or remove it");
    }
    if (left_over) {
      if (Status same = Adopt(); !same) return same;
    }
    const int64_t free = sink_.FreeBytes();
    if (free >= 0 && static_cast<uint64_t>(free) < total_ - resumed_bytes_) {
      return Error{ErrorKind::kNoSpace, place_.parent,
                   "needs " + FormatBytes(total_ - resumed_bytes_) + ", " + FormatBytes(static_cast<uint64_t>(free)) +
                       " are free; nothing was written"};
    }
    if (left_over) return Ok();
    Status made = WriteSmall(place_.state, model_.fingerprint + "\n", true);
    if (made) made = sink_.MakeDirectory(place_.partial);
    if (!made) RemovePartial();
    return made;
  }

  bool StateIsOurs() const {
    const Result<std::unique_ptr<Source>> source = OpenLocalDirectory(place_.parent);
    if (!source) return false;
    const Result<std::string> state = ReadWhole(**source, place_.state, 4096);
    return state && *state == model_.fingerprint + "\n";
  }

  // Takes over what an earlier run finished: files whose names and sizes are those of the plan, which were renamed only
  // after they were on disk.
  Status Adopt() {
    if (!StateIsOurs()) {
      return Refuse(PathOf(place_.partial),
                    "was left by another run (other sources or options); remove it and start again");
    }
    const Result<std::unique_ptr<Source>> source = OpenLocalDirectory(PathOf(place_.partial));
    if (!source) return source.error();
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
      } else if (Status removed = sink_.Remove(Inside(entry.name)); !removed) {
        return removed;
      }
    }
    done_ = resumed_bytes_;
    return Ok();
  }

  Status WriteSmall(const std::string& name, std::string_view content, bool replace) {
    Result<std::unique_ptr<SinkFile>> file = sink_.Create(name, {.replace = replace});
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
        if (Status committed = CommitShard(shards_[s]); !committed) return committed;
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
      Progress(std::max<uint64_t>(file.bytes, file.content.size()));
    }
    const std::string index = IndexText(model_, plans_);
    if (!index.empty()) return WriteSmall(Inside(model_.index_name), index, false);
    return Ok();
  }

  Status Open(ShardWork& shard) {
    const std::scoped_lock lock(shard.opening);
    if (shard.file) return Ok();
    Result<std::unique_ptr<SinkFile>> file = Create(shard.plan->file, shard.plan->bytes);
    if (!file) return file.error();
    if (Status written = (*file)->WriteAt(0, shard.plan->header); !written) return written;
    shard.file = std::move(*file);
    Progress(shard.plan->header.size());
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
      if (written) {
        shard.bytes += bytes.size();
        Progress(bytes.size());
      }
      return written;
    };
    const Turn turn(in_the_making_);
    if (Status produced = tensor.produce(task.piece, writer); !produced) return produced;
    return shard.pieces_left.fetch_sub(1) == 1 ? CommitShard(shard) : Ok();
  }

  static Status CommitShard(ShardWork& shard) {
    if (shard.plan->header.size() + shard.bytes != shard.plan->bytes) {
      return Error{ErrorKind::kInternal, shard.plan->file, "a tensor was made with another size than was planned"};
    }
    Status committed = shard.file->Commit();
    shard.file.reset();
    return committed;
  }

  // A file of the new directory, with the folders that lead to it.
  Result<std::unique_ptr<SinkFile>> Create(const std::string& name, uint64_t preallocate) {
    const size_t slash = name.rfind('/');
    if (slash != std::string::npos) {
      if (Status made = sink_.MakeDirectory(Inside(name.substr(0, slash))); !made) return made.error();
    }
    return sink_.Create(Inside(name), {.preallocate = preallocate});
  }

  Status WriteFile(const OutFile& out) {
    Result<std::unique_ptr<SinkFile>> file = Create(out.name, 0);
    if (!file) return file.error();
    if (Status copied = out.copy ? out.copy(**file) : (*file)->Write(out.content); !copied) return copied;
    return (*file)->Commit();
  }

  Status Publish() {
    std::error_code ignored;
    if (fs::exists(PathOf(place_.name), ignored)) {
      if (Status removed = sink_.Remove(place_.name); !removed) return removed;  // empty, as Prepare saw
    }
    return sink_.Rename(place_.partial, place_.name);
  }

  void RemovePartial() {
    std::error_code ignored;
    fs::remove_all(PathOf(place_.partial), ignored);
    // What could not be removed stays recognisable, so that --resume goes on with it.
    if (!fs::exists(PathOf(place_.partial), ignored) && !ignored) fs::remove(PathOf(place_.state), ignored);
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
  bool published_ = false;
  std::counting_semaphore<kMostPieces> in_the_making_{kMostPieces};
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
  if (options.sink != nullptr) return Writer(model, place, options, *options.sink).Run();
  Result<std::unique_ptr<Sink>> sink = OpenLocalSink(place.parent);
  if (!sink) return sink.error();
  return Writer(model, place, options, **sink).Run();
}

}  // namespace gptq_doctor
