#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include "base/os_error.h"
#include "base/storage.h"
#include "base/unique_fd.h"

namespace gptq_doctor {
namespace {

constexpr size_t kMaxEntries = 200'000;
constexpr int kMaxDepth = 3;  // directories between the root and a file

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

FileIdentity IdentityOf(const struct stat& st) {
  return {st.st_dev, st.st_ino, st.st_size, int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec};
}

FileKind KindOf(const struct stat& st) {
  if (S_ISREG(st.st_mode)) return FileKind::kRegular;
  return S_ISDIR(st.st_mode) ? FileKind::kDirectory : FileKind::kSpecial;
}

std::string ReadLink(int directory, const char* name) {
  char target[PATH_MAX];
  const ssize_t size = Uninterrupted(readlinkat, directory, name, target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

// Fills kind, link and identity of entry; `name` is relative to `directory`. The errno of lstat, 0 if it exists.
// `is_link` < 0: not known.
int Describe(int directory, const char* name, int is_link, FileEntry& entry) {
  struct stat st;
  if (is_link < 0) {
    if (Uninterrupted(fstatat, directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) return errno;
      entry.kind = errno == ELOOP ? FileKind::kLoop : FileKind::kUnreadable;
      return 0;
    }
    is_link = S_ISLNK(st.st_mode) ? 1 : 0;
    if (is_link == 0) {
      entry.kind = KindOf(st);
      entry.identity = IdentityOf(st);
      return 0;
    }
  }
  if (is_link == 1) {
    entry.symlink = true;
    entry.link_target = ReadLink(directory, name);
  }
  if (Uninterrupted(fstatat, directory, name, &st, 0) == 0) {
    entry.kind = KindOf(st);
    entry.identity = IdentityOf(st);
  } else if (errno == ELOOP) {
    entry.kind = FileKind::kLoop;
  } else if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) {
    if (is_link == 0) return errno;
    entry.kind = FileKind::kDangling;
  } else {
    entry.kind = FileKind::kUnreadable;
  }
  return 0;
}

class LocalSource : public Source {
 public:
  LocalSource(std::string display_path, std::string root, UniqueFd directory)
      : display_path_(std::move(display_path)), root_(std::move(root)), directory_(std::move(directory)) {}

  const std::string& DisplayPath() const override { return display_path_; }
  std::string LocalRoot() const override { return root_; }
  int RootDescriptor() const override { return directory_.get(); }
  Result<Listing> List() override;
  Result<FileEntry> Stat(std::string_view file) override;
  void ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) override;
  void WillNeed(std::string_view file, uint64_t offset, uint64_t length) override;

 private:
  struct Pending {
    std::string name;  // with a trailing '/', empty for the root
    int depth = 0;
    bool cache = false;  // a `.cache`: only its `huggingface` counts
  };
  // A file open for reading; `error` where it is not.
  struct Open {
    UniqueFd fd;
    FileIdentity identity;
    std::optional<Error> error;
  };

  Open OpenFile(std::string_view file) const;
  void Read(const Open& open, const ReadRequest& request, ReadOutcome& outcome) const;
  // The errno if the directory cannot be listed.
  int ListOne(const Pending& pending, std::vector<Pending>& todo, Listing& listing, size_t& seen) const;
  void AddEntry(const Pending& pending, int directory, const dirent& found, std::vector<Pending>& todo,
                Listing& listing) const;

  const std::string display_path_;
  const std::string root_;
  const UniqueFd directory_;  // O_PATH
};

LocalSource::Open LocalSource::OpenFile(std::string_view file) const {
  Open open;
  if (!IsInsideName(file)) {
    open.error = MakeNameError(display_path_, file);
    return open;
  }
  const std::string name(file);
  const auto fail = [&](int error) {
    open.fd = UniqueFd();
    open.error = MakeOsError(error, "open", display_path_, file);
  };
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  open.fd = UniqueFd(Uninterrupted(openat, directory_.get(), name.c_str(), kFlags));
  struct stat st;
  if (!open.fd.valid() || Uninterrupted(fstat, open.fd.get(), &st) != 0) {
    fail(errno);
  } else if (S_ISDIR(st.st_mode)) {
    fail(EISDIR);
  } else if (!S_ISREG(st.st_mode)) {
    fail(ENXIO);
    open.error->message = "cannot open '" + name + "': it is not a regular file (FIFO, socket or device)";
  } else {
    open.identity = IdentityOf(st);
  }
  return open;
}

void LocalSource::Read(const Open& open, const ReadRequest& request, ReadOutcome& outcome) const {
  outcome = {};
  outcome.identity = open.identity;
  outcome.error = open.error;
  if (open.error) return;
  while (outcome.bytes < request.into.size()) {
    const uint64_t at = request.offset + outcome.bytes;
    if (at < request.offset || at > static_cast<uint64_t>(INT64_MAX)) return;
    const ssize_t got = pread(open.fd.get(), request.into.data() + outcome.bytes, request.into.size() - outcome.bytes,
                              static_cast<off_t>(at));
    if (got == 0) return;
    if (got > 0) {
      outcome.bytes += static_cast<size_t>(got);
    } else if (errno == EINVAL && at >= static_cast<uint64_t>(open.identity.size)) {
      return;  // past the largest offset of the file system
    } else if (errno != EINTR) {
      outcome.error = MakeOsError(errno, "read", display_path_, request.file);
      return;
    }
  }
}

void LocalSource::ReadMany(std::span<const ReadRequest> requests, std::span<ReadOutcome> outcomes) {
  for (size_t i = 0; i < requests.size();) {
    const Open open = OpenFile(requests[i].file);
    const std::string_view file = requests[i].file;
    for (; i < requests.size() && requests[i].file == file; ++i) Read(open, requests[i], outcomes[i]);
  }
}

void LocalSource::WillNeed(std::string_view file, uint64_t offset, uint64_t length) {
  const Open open = OpenFile(file);
  if (open.error || offset > static_cast<uint64_t>(INT64_MAX)) return;
  const uint64_t most = static_cast<uint64_t>(INT64_MAX) - offset;
  // Advice only: whatever goes wrong, the reads will say.
  (void)posix_fadvise(open.fd.get(), static_cast<off_t>(offset), static_cast<off_t>(std::min(length, most)),
                      POSIX_FADV_WILLNEED);
}

Result<FileEntry> LocalSource::Stat(std::string_view file) {
  if (!IsInsideName(file)) return MakeNameError(display_path_, file);
  FileEntry entry;
  entry.name = file;
  if (const int error = Describe(directory_.get(), entry.name.c_str(), -1, entry); error != 0) {
    return MakeOsError(error, "open", display_path_, file);
  }
  if (entry.kind == FileKind::kUnreadable) return MakeOsError(errno, "look at", display_path_, file);
  return entry;
}

void LocalSource::AddEntry(const Pending& pending, int directory, const dirent& found, std::vector<Pending>& todo,
                           Listing& listing) const {
  const std::string_view name = found.d_name;
  if (pending.cache && name != "huggingface") return;
  FileEntry entry;
  entry.name = pending.name + found.d_name;
  if (found.d_type == DT_DIR) {
    entry.kind = FileKind::kDirectory;
  } else if (Describe(directory, found.d_name,
                      found.d_type == DT_LNK       ? 1
                      : found.d_type == DT_UNKNOWN ? -1
                                                   : 0,
                      entry) != 0) {
    return;  // gone since it was listed
  }
  if (entry.kind == FileKind::kDirectory && !entry.symlink) {
    if (name == ".git") return;
    const bool cache = name == ".cache";
    if (pending.depth < kMaxDepth && (cache || !name.starts_with('.'))) {
      todo.push_back({entry.name + '/', pending.depth + 1, cache});
      return;
    }
  }
  listing.entries.push_back(std::move(entry));
}

int LocalSource::ListOne(const Pending& pending, std::vector<Pending>& todo, Listing& listing, size_t& seen) const {
  const std::string path = pending.name.empty() ? "." : pending.name.substr(0, pending.name.size() - 1);
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(Uninterrupted(openat, directory_.get(), path.c_str(), kFlags));
  if (!fd.valid()) return errno;
  const int directory = fd.get();
  const std::unique_ptr<DIR, DirCloser> dir(fdopendir(directory));
  if (!dir) return errno;
  (void)fd.release();
  bool empty = true;
  for (;;) {
    errno = 0;
    const dirent* found = readdir(dir.get());
    if (found == nullptr && errno == EINTR) continue;
    if (found == nullptr) break;
    const std::string_view name = found->d_name;
    if (name == "." || name == "..") continue;
    empty = false;
    if (++seen > kMaxEntries) {
      listing.truncated = true;
      return 0;
    }
    AddEntry(pending, directory, *found, todo, listing);
  }
  if (errno != 0) return errno;
  if (empty && !path.empty() && path != ".") {
    FileEntry entry;
    entry.name = path;
    entry.kind = FileKind::kDirectory;
    listing.entries.push_back(std::move(entry));
  }
  return 0;
}

Result<Listing> LocalSource::List() {
  Listing listing;
  std::vector<Pending> todo = {Pending{}};
  size_t seen = 0;
  while (!todo.empty() && !listing.truncated) {
    const Pending pending = std::move(todo.back());
    todo.pop_back();
    const int error = ListOne(pending, todo, listing, seen);
    if (error == 0) continue;
    if (pending.name.empty()) return MakeOsError(error, "list the directory", display_path_, "");
    FileEntry entry;
    entry.name = pending.name.substr(0, pending.name.size() - 1);
    entry.kind = FileKind::kUnreadable;
    listing.entries.push_back(std::move(entry));
  }
  std::sort(listing.entries.begin(), listing.entries.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  return listing;
}

}  // namespace

Result<std::unique_ptr<Source>> OpenLocalDirectory(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error{ErrorKind::kUsage, path, "an empty path names no directory"};
  }
  UniqueFd fd(Uninterrupted(open, path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    struct stat st;
    if (error == ENOTDIR && stat(path.c_str(), &st) == 0) {
      return Error{ErrorKind::kUsage, path, "it is a file, not a directory"};
    }
    return MakeOsError(error, "open the directory", path, "");
  }
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  return std::unique_ptr<Source>(
      std::make_unique<LocalSource>(path, real ? std::string(real.get()) : path, std::move(fd)));
}

}  // namespace gptq_doctor
