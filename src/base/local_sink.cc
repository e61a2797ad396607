#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <optional>
#include <utility>

#include "base/os_error.h"
#include "base/sink.h"
#include "base/unique_fd.h"

namespace gptq_doctor {
namespace {

// Eight characters that nobody can foresee, 40 bits.
std::string RandomSuffix() {
  std::array<unsigned char, 8> bytes{};
  for (ssize_t got = -1; got != static_cast<ssize_t>(bytes.size());) got = getrandom(bytes.data(), bytes.size(), 0);
  std::string out;
  for (const unsigned char byte : bytes) out += "abcdefghijklmnopqrstuvwxyz234567"[byte % 32];
  return out;
}

// Where a name leads: the open directory that holds it, and its last part.
struct Place {
  UniqueFd directory;
  std::string base;
};

int Look(int directory, const std::string& name, struct stat& out) {
  return Uninterrupted(fstatat, directory, name.c_str(), &out, AT_SYMLINK_NOFOLLOW);
}

// 0, or the errno of renaming without replacing anything.
int RenameNoReplace(int from_directory, const std::string& from, int to_directory, const std::string& to) {
  const char *old_name = from.c_str(), *new_name = to.c_str();
  if (Uninterrupted(renameat2, from_directory, old_name, to_directory, new_name, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // NFS and some FUSE file systems do not know the flag; a hard link never replaces either.
  if (Uninterrupted(linkat, from_directory, old_name, to_directory, new_name, 0) != 0) return errno;
  return Uninterrupted(unlinkat, from_directory, old_name, 0) == 0 ? 0 : errno;
}

// File systems without fsync for a kind of file say EINVAL.
int Flush(int fd) {
  if (Uninterrupted(fsync, fd) == 0) return 0;
  return errno == EINVAL || errno == ENOSYS ? 0 : errno;
}

class LocalSinkFile : public SinkFile {
 public:
  LocalSinkFile(std::string root, std::string name, Place place, UniqueFd file, std::string temporary, bool replace)
      : root_(std::move(root)),
        name_(std::move(name)),
        place_(std::move(place)),
        file_(std::move(file)),
        temporary_(std::move(temporary)),
        replace_(replace) {}
  ~LocalSinkFile() override {
    if (!temporary_.empty()) Uninterrupted(unlinkat, place_.directory.get(), temporary_.c_str(), 0);
  }

  // Takes the permissions that the file will have, and keeps others out until then. 0 or an errno.
  int Prepare(const SinkOptions& options, const struct stat* replaced);
  int Preallocate(uint64_t bytes);

  Status Write(std::span<const char> data) override {
    Status status = WriteAt(appended_, data);
    appended_ += data.size();
    return status;
  }
  Status WriteAt(uint64_t offset, std::span<const char> data) override;
  Status Commit() override;

 private:
  Error Fail(int error, std::string_view doing) const { return MakeOsError(error, doing, root_, name_); }
  // The temporary file was there a moment ago.
  Error FailToPublish(int error) const {
    if (error != ENOENT) return Fail(error, "write");
    return {ErrorKind::kChanged, JoinPath(root_, name_),
            "cannot write '" + name_ + "': its temporary file was removed meanwhile"};
  }
  Status Publish();

  const std::string root_, name_;
  const Place place_;
  const UniqueFd file_;
  std::string temporary_;  // empty once renamed
  const bool replace_;
  uint64_t appended_ = 0;
  uint32_t mode_ = 0;
  std::optional<std::pair<uid_t, gid_t>> owner_;
  std::mutex mutex_;  // guards failed_
  std::optional<Error> failed_;
};

int LocalSinkFile::Prepare(const SinkOptions& options, const struct stat* replaced) {
  struct stat st;
  // The file was created with 0666, so what is left of it is what the umask and default ACLs allow.
  if (Uninterrupted(fstat, file_.get(), &st) != 0) return errno;
  mode_ = st.st_mode & 0777;
  if (replaced != nullptr) {
    mode_ = replaced->st_mode & 0777;
    if (replaced->st_uid != st.st_uid || replaced->st_gid != st.st_gid) owner_ = {replaced->st_uid, replaced->st_gid};
  }
  if (options.mode != 0) mode_ = options.mode & 0777;
  return Uninterrupted(fchmod, file_.get(), 0600) == 0 ? 0 : errno;
}

int LocalSinkFile::Preallocate(uint64_t bytes) {
  if (bytes == 0) return 0;
  if (bytes > static_cast<uint64_t>(INT64_MAX)) return EFBIG;
  // Not posix_fallocate: where the file system cannot, glibc would write every block.
  if (Uninterrupted(fallocate, file_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0) return 0;
  if (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS) return errno;
  struct statvfs fs;
  const bool known = fstatvfs(file_.get(), &fs) == 0 && fs.f_blocks > 0 && fs.f_frsize > 0;
  return known && bytes / fs.f_frsize > fs.f_bavail ? ENOSPC : 0;
}

Status LocalSinkFile::WriteAt(uint64_t offset, std::span<const char> data) {
  int error = 0;
  while (!data.empty() && error == 0) {
    if (offset > static_cast<uint64_t>(INT64_MAX) - data.size()) {
      error = EFBIG;
      break;
    }
    const ssize_t put = pwrite(file_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (put > 0) {
      offset += static_cast<uint64_t>(put);
      data = data.subspan(static_cast<size_t>(put));
    } else if (put == 0) {
      error = EIO;
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0) return Ok();
  Error failure = Fail(error, "write");
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!failed_) failed_ = failure;
  return failure;
}

Status LocalSinkFile::Commit() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (failed_) return *failed_;
  }
  if (temporary_.empty()) return Error{ErrorKind::kInternal, JoinPath(root_, name_), "committed twice"};
  // The owner of a replaced file is kept where we may give files away; it is no reason to fail.
  if (owner_ && fchown(file_.get(), owner_->first, owner_->second) != 0) owner_.reset();
  if (Uninterrupted(fchmod, file_.get(), mode_) != 0) return Fail(errno, "set the permissions of");
  if (const int error = Flush(file_.get()); error != 0) return Fail(error, "write");
  if (Status status = Publish(); !status.ok()) return status;
  temporary_.clear();
  if (const int error = Flush(place_.directory.get()); error != 0) {
    if (!replace_) Uninterrupted(unlinkat, place_.directory.get(), place_.base.c_str(), 0);
    return Fail(error, "flush the directory of");
  }
  return Ok();
}

Status LocalSinkFile::Publish() {
  const int directory = place_.directory.get();
  if (!replace_) {
    const int error = RenameNoReplace(directory, temporary_, directory, place_.base);
    return error == 0 ? Ok() : Status(FailToPublish(error));
  }
  struct stat st;
  if (Look(directory, place_.base, st) == 0 && !S_ISREG(st.st_mode)) {
    return Error{ErrorKind::kRefused, JoinPath(root_, name_),
                 "'" + name_ + "' is no longer a regular file and is not replaced"};
  }
  const int renamed = Uninterrupted(renameat, directory, temporary_.c_str(), directory, place_.base.c_str());
  return renamed == 0 ? Ok() : Status(FailToPublish(errno));
}

class LocalSink : public Sink {
 public:
  LocalSink(std::string root, UniqueFd directory) : root_(std::move(root)), directory_(std::move(directory)) {}

  Result<std::unique_ptr<SinkFile>> Create(std::string_view name, const SinkOptions& options) override;
  Status Remove(std::string_view name) override;
  Status MakeDirectory(std::string_view name) override;
  Status Rename(std::string_view from, std::string_view to) override;
  int64_t FreeBytes() override;

 private:
  // Opens the directory that holds `name`, part by part, never through a symbolic link. `make`: creates what is
  // missing.
  Result<Place> Enter(std::string_view name, bool make) const;
  // A directory inside `at`.
  Result<UniqueFd> EnterPart(const UniqueFd& at, const std::string& part, std::string_view name) const;
  // What stands under the name; nullopt if nothing. Only a regular file that may be replaced is no error.
  Result<std::optional<struct stat>> LookAtTarget(const Place& place, std::string_view name, bool replace) const;
  Status FlushDirectory(const Place& place, std::string_view name) const;
  Error Refuse(std::string_view name, const char* why) const {
    return Error{ErrorKind::kRefused, JoinPath(root_, name), "'" + std::string(name) + "' " + why};
  }

  const std::string root_;
  const UniqueFd directory_;
};

Result<UniqueFd> LocalSink::EnterPart(const UniqueFd& at, const std::string& part, std::string_view name) const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd next(Uninterrupted(openat, at.get(), part.c_str(), kFlags));
  if (next.valid()) return next;
  const int error = errno;
  struct stat st;
  if (Look(at.get(), part, st) == 0 && S_ISLNK(st.st_mode)) {
    return Refuse(name, "leads through a symbolic link and is not written");
  }
  return MakeOsError(error, "open the directory of", root_, name);
}

Result<Place> LocalSink::Enter(std::string_view name, bool make) const {
  if (!IsInsideName(name)) return MakeNameError(root_, name);
  Place place;
  place.directory = UniqueFd(fcntl(directory_.get(), F_DUPFD_CLOEXEC, 0));
  if (!place.directory.valid()) return MakeOsError(errno, "open the directory of", root_, name);
  for (size_t begin = 0;;) {
    const size_t end = name.find('/', begin);
    const std::string part(name.substr(begin, end - begin));
    if (end == std::string_view::npos) {
      place.base = part;
      return place;
    }
    if (make && Uninterrupted(mkdirat, place.directory.get(), part.c_str(), 0777) != 0 && errno != EEXIST) {
      return MakeOsError(errno, "create the directory of", root_, name);
    }
    Result<UniqueFd> next = EnterPart(place.directory, part, name);
    if (!next.ok()) return next.error();
    place.directory = std::move(*next);
    begin = end + 1;
  }
}

Result<std::optional<struct stat>> LocalSink::LookAtTarget(const Place& place, std::string_view name,
                                                           bool replace) const {
  struct stat st;
  if (Look(place.directory.get(), place.base, st) != 0) {
    if (errno == ENOENT) return std::optional<struct stat>();
    return MakeOsError(errno, "write", root_, name);
  }
  if (S_ISLNK(st.st_mode)) return Refuse(name, "is a symbolic link and is not written through");
  if (!S_ISREG(st.st_mode)) return Refuse(name, "exists and is not a regular file");
  if (!replace) return Refuse(name, "exists already and is not replaced");
  return std::optional<struct stat>(st);
}

Result<std::unique_ptr<SinkFile>> LocalSink::Create(std::string_view name, const SinkOptions& options) {
  Result<Place> place = Enter(name, false);
  if (!place.ok()) return place.error();
  const Result<std::optional<struct stat>> replaced = LookAtTarget(*place, name, options.replace);
  if (!replaced.ok()) return replaced.error();
  UniqueFd file;
  std::string temporary;
  constexpr size_t kLongestBase = 200;  // leaves room for the rest within the 255 bytes of a file name
  for (int attempt = 0; attempt < 100 && !file.valid(); ++attempt) {
    temporary = "." + place->base.substr(0, kLongestBase) + ".gptq-doctor-" + RandomSuffix() + ".tmp";
    file = UniqueFd(
        openat(place->directory.get(), temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (!file.valid() && errno != EEXIST && errno != EINTR) break;
  }
  if (!file.valid()) return MakeOsError(errno, "write", root_, name);
  auto out = std::make_unique<LocalSinkFile>(root_, std::string(name), std::move(*place), std::move(file),
                                             std::move(temporary), options.replace);
  int error = out->Prepare(options, replaced->has_value() ? &**replaced : nullptr);
  if (error == 0) error = out->Preallocate(options.preallocate);
  if (error != 0) return MakeOsError(error, "write", root_, name);
  return std::unique_ptr<SinkFile>(std::move(out));
}

Status LocalSink::FlushDirectory(const Place& place, std::string_view name) const {
  const int error = Flush(place.directory.get());
  return error == 0 ? Ok() : Status(MakeOsError(error, "flush the directory of", root_, name));
}

Status LocalSink::Remove(std::string_view name) {
  const Result<Place> place = Enter(name, false);
  if (!place.ok()) return place.error();
  const int directory = place->directory.get();
  int done = Uninterrupted(unlinkat, directory, place->base.c_str(), 0);
  if (done != 0 && errno == EISDIR) done = Uninterrupted(unlinkat, directory, place->base.c_str(), AT_REMOVEDIR);
  if (done != 0) return MakeOsError(errno, "remove", root_, name);
  return FlushDirectory(*place, name);
}

Status LocalSink::MakeDirectory(std::string_view name) {
  const Result<Place> place = Enter(name, true);
  if (!place.ok()) return place.error();
  if (Uninterrupted(mkdirat, place->directory.get(), place->base.c_str(), 0777) != 0) {
    if (errno != EEXIST) return MakeOsError(errno, "create the directory", root_, name);
    const Result<UniqueFd> there = EnterPart(place->directory, place->base, name);
    return there.ok() ? Ok() : Status(Refuse(name, "exists and is not a directory of its own"));
  }
  return FlushDirectory(*place, name);
}

Status LocalSink::Rename(std::string_view from, std::string_view to) {
  const Result<Place> source = Enter(from, false);
  if (!source.ok()) return source.error();
  const Result<Place> target = Enter(to, false);
  if (!target.ok()) return target.error();
  const int error = RenameNoReplace(source->directory.get(), source->base, target->directory.get(), target->base);
  if (error != 0) return MakeOsError(error, "rename '" + std::string(from) + "' to", root_, to);
  if (Status status = FlushDirectory(*target, to); !status.ok()) return status;
  return FlushDirectory(*source, from);
}

int64_t LocalSink::FreeBytes() {
  struct statvfs fs;
  if (fstatvfs(directory_.get(), &fs) != 0 || fs.f_blocks == 0) return -1;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(fs.f_bavail, fs.f_frsize, &bytes)) return -1;
  return bytes;
}

}  // namespace

static Result<std::unique_ptr<Sink>> OpenSinkAt(int at, const char* path, const std::string& name) {
  UniqueFd fd(Uninterrupted(openat, at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) {
    return Error{ErrorKind::kNotFound, name, "does not exist, so nothing can be written there; create it first"};
  }
  if (!fd.valid()) return MakeOsError(errno, "open the directory", name, "");
  return std::unique_ptr<Sink>(std::make_unique<LocalSink>(name, std::move(fd)));
}

Result<std::unique_ptr<Sink>> OpenLocalSink(const std::string& directory) {
  if (directory.empty()) return Error{ErrorKind::kUsage, directory, "an empty path names no directory"};
  return OpenSinkAt(AT_FDCWD, directory.c_str(), directory);
}

Result<std::unique_ptr<Sink>> OpenLocalSink(const Source& source) {
  return OpenSinkAt(source.RootDescriptor(), ".", source.DisplayPath());
}

}  // namespace gptq_doctor
