#ifndef GPTQ_DOCTOR_BASE_STORAGE_H_
#define GPTQ_DOCTOR_BASE_STORAGE_H_

// The only door to files that are read. Positional reads, never a mapping: a file that shrinks under us is a short
// read, not a signal. Nothing above base/ assumes that a Source is a local path. Thread-safe: List, Stat and ReadMany
// may run concurrently.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/result.h"

namespace gptq_doctor {

// What tells one state of a file from another; compared before and after reading.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  int64_t size = -1, mtime_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

enum class FileKind {
  kRegular,
  kDirectory,
  kSpecial,     // FIFO, socket, device: never opened for reading
  kDangling,    // symbolic link to nothing (a hub-cache snapshot of a partial download)
  kLoop,        // symbolic links in a circle
  kUnreadable,  // exists, may not be looked at
};

struct FileEntry {
  std::string name;  // relative to the root, '/' between parts, bytes as the file system has them
  FileKind kind = FileKind::kRegular;
  bool symlink = false;
  std::string link_target;  // as stored, for symbolic links
  FileIdentity identity;    // of the file that links lead to
  int64_t size() const { return identity.size; }
};

struct Listing {
  std::vector<FileEntry>
      entries;             // sorted bytewise by name; files and links, directories only where empty or not entered
  bool truncated = false;  // more than the cap of 200,000 entries
};

struct ReadRequest {
  std::string_view file;  // relative to the root
  uint64_t offset = 0;
  std::span<char> into;
};

struct ReadOutcome {
  size_t bytes = 0;       // less than asked for at the end of the file
  FileIdentity identity;  // of the open file, taken by the same call
  std::optional<Error> error;
};

class Source {
 public:
  virtual ~Source() = default;
  // What the user typed; used in messages only.
  virtual const std::string& DisplayPath() const = 0;
  // All files up to three directories deep, `.git` left out, `.cache/huggingface` included.
  virtual Result<Listing> List() = 0;
  // kNotFound only where it certainly does not exist; a file that may not be looked at is an error, never an entry.
  virtual Result<FileEntry> Stat(std::string_view file) = 0;
  // Fills `outcomes[i]` for `requests[i]`; requests are independent and each names its own file. Special files are
  // refused without being opened for data (O_NONBLOCK, then fstat). Short reads and EINTR are retried.
  virtual void ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) = 0;
  // Hint that a range will be read soon. Does nothing by default.
  virtual void WillNeed(std::string_view file, uint64_t offset, uint64_t length);
  // Absolute local path of the root for repair and dequant, which write; empty where there is none.
  virtual std::string LocalRoot() const { return {}; }
  // Open descriptor of the root, -1 where there is none: a path may lead elsewhere by now.
  virtual int RootDescriptor() const { return -1; }
};

// `path` names a directory. Errors: kNotFound, kPermission, kUsage (not a directory).
Result<std::unique_ptr<Source>> OpenLocalDirectory(const std::string& path);

// The in-memory twin, for tests and for library users who have the bytes.
class MemorySource : public Source {
 public:
  explicit MemorySource(std::string display_path = "memory") : display_path_(std::move(display_path)) {}
  void Add(std::string name, std::string content);
  void AddSpecial(std::string name, FileKind kind);  // an entry that cannot be read
  const std::string& DisplayPath() const override { return display_path_; }
  Result<Listing> List() override;
  Result<FileEntry> Stat(std::string_view file) override;
  void ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) override;

 private:
  struct File {
    std::string content;
    int64_t version = 0;  // stands for the modification time
  };
  Result<FileEntry> Describe(std::string_view file) const;

  std::string display_path_;
  int64_t versions_ = 0;
  std::map<std::string, File, std::less<>> files_;
  std::map<std::string, FileKind, std::less<>> specials_;
};

// Whether a listing holds the file `name`: not in `.git`, not in a hidden directory other than `.cache/huggingface`, at
// most three directories deep.
bool IsListedName(std::string_view name);

// Reads a whole small file. Error kRefused if it is larger than `cap` bytes, kChanged if it changed meanwhile.
Result<std::string> ReadWhole(Source& source, std::string_view file, uint64_t cap);
// The same where the file was looked at earlier: kChanged if it is not what it was then, or is gone.
Result<std::string> ReadWhole(Source& source, const FileEntry& seen, uint64_t cap);
// Its first `bytes`, no more than it had then.
Result<std::string> ReadBeginning(Source& source, const FileEntry& seen, uint64_t bytes);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_STORAGE_H_
