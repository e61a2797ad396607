#include "support/memory_files.h"

#include <algorithm>

namespace gptq_doctor::testing {
namespace {

class FilesSource : public Source {
 public:
  explicit FilesSource(MemoryFiles& files) : files_(files) {}
  const std::string& DisplayPath() const override { return path_; }
  Result<Listing> List() override {
    Listing listing;
    for (const auto& [name, content] : files_.files) listing.entries.push_back(EntryOf(name));
    return listing;
  }
  Result<FileEntry> Stat(std::string_view file) override {
    const std::string name(file);
    if (!files_.files.contains(name)) return Error{ErrorKind::kNotFound, name, "no such file"};
    return EntryOf(name);
  }
  void ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) override {
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto it = files_.files.find(std::string(requests[i].file));
      if (it == files_.files.end()) {
        outcomes[i].error = Error{ErrorKind::kNotFound, std::string(requests[i].file), "no such file"};
        continue;
      }
      const std::string& content = it->second;
      const size_t begin = std::min<size_t>(requests[i].offset, content.size());
      outcomes[i].bytes = std::min(requests[i].into.size(), content.size() - begin);
      std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(begin), outcomes[i].bytes, requests[i].into.begin());
      outcomes[i].identity = EntryOf(it->first).identity;
    }
  }

 private:
  FileEntry EntryOf(const std::string& name) const {
    FileEntry entry{.name = name, .kind = FileKind::kRegular, .symlink = files_.symlinks.contains(name)};
    if (entry.symlink) entry.link_target = "../../blobs/0123";
    entry.identity.size = static_cast<int64_t>(files_.files.at(name).size());
    return entry;
  }
  MemoryFiles& files_;
  std::string path_ = "model";
};

class FilesSinkFile : public SinkFile {
 public:
  FilesSinkFile(MemoryFiles& files, std::string name, bool replace)
      : files_(files),
        name_(std::move(name)),
        temporary_("." + name_ + ".gptq-doctor-abcdefgh.tmp"),
        replace_(replace) {
    files_.files[temporary_] = "";
  }
  ~FilesSinkFile() override {
    if (!files_.kill) files_.files.erase(temporary_);
  }
  Status Write(std::span<const char> data) override {
    return files_.Step(name_, [&] { files_.files[temporary_].append(data.data(), data.size()); });
  }
  Status WriteAt(uint64_t, std::span<const char>) override {
    return Error{ErrorKind::kInternal, name_, "not used here"};
  }
  Status Commit() override {
    if (!replace_ && files_.files.contains(name_)) return Error{ErrorKind::kRefused, name_, "exists already"};
    return files_.Step(name_, [&] {
      files_.files[name_] = files_.files[temporary_];
      files_.files.erase(temporary_);
    });
  }

 private:
  MemoryFiles& files_;
  const std::string name_, temporary_;
  const bool replace_;
};

class FilesSink : public Sink {
 public:
  explicit FilesSink(MemoryFiles& files) : files_(files) {}
  Result<std::unique_ptr<SinkFile>> Create(std::string_view view, const SinkOptions& options) override {
    const std::string name(view);
    if (files_.symlinks.contains(name)) return Error{ErrorKind::kRefused, name, "is a symbolic link"};
    if (!options.replace && files_.files.contains(name)) return Error{ErrorKind::kRefused, name, "exists already"};
    std::unique_ptr<SinkFile> file;
    const Status status =
        files_.Step(name, [&] { file = std::make_unique<FilesSinkFile>(files_, name, options.replace); });
    if (!status) return status.error();
    return file;
  }
  Status Remove(std::string_view name) override {
    return files_.Step(std::string(name), [&] { files_.files.erase(std::string(name)); });
  }
  Status MakeDirectory(std::string_view) override { return Ok(); }
  Status Rename(std::string_view from, std::string_view to) override {
    if (files_.files.contains(std::string(to))) return Error{ErrorKind::kRefused, std::string(to), "exists already"};
    return files_.Step(std::string(from), [&] {
      auto node = files_.files.extract(std::string(from));
      node.key() = std::string(to);
      files_.files.insert(std::move(node));
    });
  }
  int64_t FreeBytes() override { return -1; }

 private:
  MemoryFiles& files_;
};

}  // namespace

std::unique_ptr<Source> MemoryFiles::source() { return std::make_unique<FilesSource>(*this); }
std::unique_ptr<Sink> MemoryFiles::sink() { return std::make_unique<FilesSink>(*this); }

}  // namespace gptq_doctor::testing
