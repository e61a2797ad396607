#ifndef GPTQ_DOCTOR_BASE_SINK_H_
#define GPTQ_DOCTOR_BASE_SINK_H_

// The only door to files that are written. A file appears under its name whole or not at all: it is written to an
// unpredictable temporary name in the same directory, flushed to disk and renamed. repair, dequant and reports with -o
// use nothing else.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/storage.h"
#include "gptq_doctor/result.h"

namespace gptq_doctor {

// One file being written. Dropped without Commit, it leaves nothing behind.
class SinkFile {
 public:
  virtual ~SinkFile() = default;
  virtual Status Write(std::span<const char> data) = 0;                     // appends
  virtual Status WriteAt(uint64_t offset, std::span<const char> data) = 0;  // thread-safe for disjoint ranges
  // fsync, rename to the final name, fsync of the directory. Fails where a write failed before.
  virtual Status Commit() = 0;
};

struct SinkOptions {
  bool replace = false;      // an existing file may be replaced; otherwise Commit refuses (kRefused), without a race
  uint32_t mode = 0;         // permissions; 0: those of the replaced file, else 0666 less the umask
  uint64_t preallocate = 0;  // bytes; fails early with kNoSpace
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual Result<std::unique_ptr<SinkFile>> Create(std::string_view name, const SinkOptions& options) = 0;
  // A file, a symbolic link itself, or an empty directory.
  virtual Status Remove(std::string_view name) = 0;
  // Missing parents too; one that exists is fine, a symbolic link to one is not.
  virtual Status MakeDirectory(std::string_view name) = 0;
  // A file or a directory; refuses where `to` exists. Both parents must exist.
  virtual Status Rename(std::string_view from, std::string_view to) = 0;
  // Free bytes for an unprivileged writer; -1 where unknown.
  virtual int64_t FreeBytes() = 0;
};

// `directory` must exist. Names are relative, '/' between parts, may not leave it (kRefused), and no part of them may
// be a symbolic link (kRefused): the blob behind a hub-cache link is named by its hash. A replaced file's owner is kept
// where that is permitted.
Result<std::unique_ptr<Sink>> OpenLocalSink(const std::string& directory);
// Into the very directory that `source` reads, wherever its path leads by now.
Result<std::unique_ptr<Sink>> OpenLocalSink(const Source& source);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_SINK_H_
