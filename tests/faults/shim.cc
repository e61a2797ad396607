// Stands between the program and the C library (LD_PRELOAD) and spoils one of its file calls: an error, a short
// transfer, the death of the process, or a file that changes at that very moment. Which one is said by the environment:
//
//   FAULT_KIND    an errno's name; short; kill; torn (half a write, then death); truncate, grow, replace, remove (the
//                 file that the call is about, before the call); link (it becomes a link to its namesake in the
//                 directory "outside" below FAULT_ROOT); swap (the directory that holds it becomes a link there)
//   FAULT_SORTS   the calls that count: l looks, r reads, w writes, c changes names or sizes, d removes, x closes
//   FAULT_CALL    where set, calls of this name only; "create" is an openat that may make a file
//   FAULT_AT      the number of the call among those, from 1; 0 spoils none
//   FAULT_STICKY  set: the calls after it fail as well
//   FAULT_ROOT    where set, only calls about files below this directory count
//   FAULT_REPORT  this file receives "CALL<tab>PATH" of the spoiled call, and the count of calls at the end
//
// Everything here is about the C library alone; nothing of the program is known or linked.

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>

namespace {

enum class Action { kGoOn, kFail, kShort, kTorn };

constexpr struct {
  const char* name;
  int error;
} kErrors[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EINTR", EINTR},   {"EACCES", EACCES},
               {"ESTALE", ESTALE}, {"EMFILE", EMFILE}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}};

std::atomic<long> calls{0};

const char* Setting(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

// The real function behind the one of this name here.
template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// Own files are reached by system calls, past the functions below.
void Report(const char* first, const char* second) {
  char line[2 * PATH_MAX];
  const int size = snprintf(line, sizeof line, "%s\t%s\n", first, second);
  const long fd = syscall(SYS_openat, AT_FDCWD, Setting("FAULT_REPORT"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd < 0) return;
  syscall(SYS_write, fd, line, static_cast<size_t>(size));
  syscall(SYS_close, fd);
}

// What a descriptor or a name below one stands for.
void PathOf(int at, const char* name, char* out, size_t room) {
  char base[PATH_MAX] = "";
  if (at >= 0 && (name == nullptr || name[0] != '/')) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    const long size = syscall(SYS_readlink, link, base, sizeof base - 1);
    base[size < 0 ? 0 : size] = '\0';
  }
  snprintf(out, room, "%s%s%s", base, base[0] != '\0' && name != nullptr ? "/" : "", name == nullptr ? "" : name);
}

void ReplaceFile(const char* path, long size) {
  char other[2 * PATH_MAX + 8];
  snprintf(other, sizeof other, "%s.other", path);
  const long fd = syscall(SYS_openat, AT_FDCWD, other, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  char block[4096];
  memset(block, 'x', sizeof block);
  for (long left = size; left > 0; left -= static_cast<long>(sizeof block)) {
    syscall(SYS_write, fd, block, left < static_cast<long>(sizeof block) ? left : static_cast<long>(sizeof block));
  }
  syscall(SYS_close, fd);
  syscall(SYS_rename, other, path);
}

// Lets a regular file change as another process would.
void Change(const char* kind, const char* path) {
  const long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
  if (fd < 0) return;
  const long size = syscall(SYS_lseek, fd, 0L, SEEK_END);
  if (strcmp(kind, "truncate") == 0) syscall(SYS_ftruncate, fd, size / 2);
  if (strcmp(kind, "grow") == 0) syscall(SYS_ftruncate, fd, size + 4096);
  if (strcmp(kind, "remove") == 0) syscall(SYS_unlink, path);
  if (strcmp(kind, "replace") == 0) ReplaceFile(path, size);
  syscall(SYS_close, fd);
}

// Puts a symbolic link out of the way of the file or directory, which is kept under another name.
void PutLink(const char* path, const char* target) {
  char kept[2 * PATH_MAX + 8];
  snprintf(kept, sizeof kept, "%s.kept", path);
  syscall(SYS_rename, path, kept);
  syscall(SYS_symlink, target, path);
}

void Redirect(const char* kind, const char* path) {
  const size_t root = strlen(Setting("FAULT_ROOT"));
  const char* last = strrchr(path, '/');
  char outside[2 * PATH_MAX], directory[2 * PATH_MAX];
  snprintf(directory, sizeof directory, "%.*s", static_cast<int>(last - path), path);
  if (strlen(directory) <= root) return;  // the root stays
  snprintf(outside, sizeof outside, "%s/outside", Setting("FAULT_ROOT"));
  if (strcmp(kind, "swap") == 0) return PutLink(directory, outside);
  strncat(outside, last, sizeof outside - strlen(outside) - 1);
  if (strcmp(last, "/.") != 0) PutLink(path, outside);
}

[[noreturn]] void Die() {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

Action Spoil(const char* path) {
  const char* kind = Setting("FAULT_KIND");
  for (const auto& row : kErrors) {
    if (strcmp(kind, row.name) != 0) continue;
    errno = row.error;
    return Action::kFail;
  }
  if (strcmp(kind, "short") == 0) return Action::kShort;
  if (strcmp(kind, "torn") == 0) return Action::kTorn;
  if (strcmp(kind, "kill") == 0) Die();
  if (strcmp(kind, "link") == 0 || strcmp(kind, "swap") == 0) {
    Redirect(kind, path);
  } else {
    Change(kind, path);
  }
  return Action::kGoOn;
}

// Counts a call about `name` below the descriptor `at`, or about `at` itself, and says what becomes of it.
Action Decide(char sort, const char* call, int at, const char* name) {
  if (strchr(Setting("FAULT_SORTS"), sort) == nullptr) return Action::kGoOn;
  if (*Setting("FAULT_CALL") != '\0' && strcmp(Setting("FAULT_CALL"), call) != 0) return Action::kGoOn;
  char path[2 * PATH_MAX];
  PathOf(at, name, path, sizeof path);
  const char* root = Setting("FAULT_ROOT");
  if (strncmp(path, root, strlen(root)) != 0) return Action::kGoOn;
  const long number = ++calls, chosen = atol(Setting("FAULT_AT"));
  if (chosen == 0 || number < chosen) return Action::kGoOn;
  if (number > chosen && *Setting("FAULT_STICKY") == '\0') return Action::kGoOn;
  if (number == chosen) Report(call, path);
  return Spoil(path);
}

bool Fails(char sort, const char* call, int at, const char* name) {
  return Decide(sort, call, at, name) == Action::kFail;
}

// A transfer of `count` bytes by `real(count)`.
template <typename Transfer>
ssize_t Move(char sort, const char* call, int fd, size_t count, const Transfer& real) {
  const Action action = Decide(sort, call, fd, nullptr);
  if (action == Action::kFail) return -1;
  const bool cut = action != Action::kGoOn && count > 1;
  const ssize_t moved = real(cut ? count / 2 : count);
  if (action == Action::kTorn) Die();
  return moved;
}

bool FailsToOpen(const char* call, int flags, int at, const char* name) {
  return (flags & O_CREAT) != 0 ? Fails('c', "create", at, name) : Fails('l', call, at, name);
}

__attribute__((destructor)) void ReportCount() {
  char number[32];
  snprintf(number, sizeof number, "%ld", calls.load());
  if (*Setting("FAULT_REPORT") != '\0') Report("calls", number);
}

}  // namespace

// The variadic third argument of open and openat.
#define MODE_AFTER(last)                      \
  mode_t mode = 0;                            \
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) { \
    va_list rest;                             \
    va_start(rest, last);                     \
    mode = va_arg(rest, mode_t);              \
    va_end(rest);                             \
  }

// What `call` returns: counts it under `sort`, about `at` and `name`, and passes it on.
#define TAKE_OVER(call, sort, at, name, failure, ...) \
  (Fails(sort, #call, at, name) ? (failure) : Real<decltype(call)>(#call)(__VA_ARGS__))

extern "C" {

int open(const char* path, int flags, ...) {
  MODE_AFTER(flags)
  return FailsToOpen("open", flags, -1, path) ? -1 : Real<decltype(open)>("open")(path, flags, mode);
}
int openat(int at, const char* path, int flags, ...) {
  MODE_AFTER(flags)
  return FailsToOpen("openat", flags, at, path) ? -1 : Real<decltype(openat)>("openat")(at, path, flags, mode);
}
DIR* opendir(const char* path) { return TAKE_OVER(opendir, 'l', -1, path, nullptr, path); }
DIR* fdopendir(int fd) { return TAKE_OVER(fdopendir, 'l', fd, nullptr, nullptr, fd); }
dirent* readdir(DIR* directory) { return TAKE_OVER(readdir, 'l', dirfd(directory), nullptr, nullptr, directory); }
int stat(const char* path, struct stat* out) noexcept { return TAKE_OVER(stat, 'l', -1, path, -1, path, out); }
int lstat(const char* path, struct stat* out) noexcept { return TAKE_OVER(lstat, 'l', -1, path, -1, path, out); }
int fstat(int fd, struct stat* out) noexcept { return TAKE_OVER(fstat, 'l', fd, nullptr, -1, fd, out); }
int fstatat(int at, const char* path, struct stat* out, int flags) noexcept {
  return TAKE_OVER(fstatat, 'l', at, path, -1, at, path, out, flags);
}
int fstatvfs(int fd, struct statvfs* out) noexcept { return TAKE_OVER(fstatvfs, 'l', fd, nullptr, -1, fd, out); }
ssize_t readlinkat(int at, const char* path, char* out, size_t room) noexcept {
  return TAKE_OVER(readlinkat, 'l', at, path, -1, at, path, out, room);
}
char* realpath(const char* path, char* out) noexcept { return TAKE_OVER(realpath, 'l', -1, path, nullptr, path, out); }
int posix_fadvise(int fd, off_t offset, off_t length, int advice) noexcept {
  return TAKE_OVER(posix_fadvise, 'l', fd, nullptr, errno, fd, offset, length, advice);
}

ssize_t read(int fd, void* out, size_t count) {
  return Move('r', "read", fd, count, [&](size_t n) { return Real<decltype(read)>("read")(fd, out, n); });
}
ssize_t pread(int fd, void* out, size_t count, off_t offset) {
  return Move('r', "pread", fd, count, [&](size_t n) { return Real<decltype(pread)>("pread")(fd, out, n, offset); });
}
ssize_t write(int fd, const void* data, size_t count) {
  return Move('w', "write", fd, count, [&](size_t n) { return Real<decltype(write)>("write")(fd, data, n); });
}
ssize_t pwrite(int fd, const void* data, size_t count, off_t offset) {
  return Move('w', "pwrite", fd, count,
              [&](size_t n) { return Real<decltype(pwrite)>("pwrite")(fd, data, n, offset); });
}

int fsync(int fd) { return TAKE_OVER(fsync, 'c', fd, nullptr, -1, fd); }
int fallocate(int fd, int mode, off_t offset, off_t length) {
  return TAKE_OVER(fallocate, 'c', fd, nullptr, -1, fd, mode, offset, length);
}
int fchmod(int fd, mode_t mode) noexcept { return TAKE_OVER(fchmod, 'c', fd, nullptr, -1, fd, mode); }
int fchown(int fd, uid_t user, gid_t group) noexcept {
  return TAKE_OVER(fchown, 'c', fd, nullptr, -1, fd, user, group);
}
int mkdir(const char* path, mode_t mode) noexcept { return TAKE_OVER(mkdir, 'c', -1, path, -1, path, mode); }
int mkdirat(int at, const char* path, mode_t mode) noexcept {
  return TAKE_OVER(mkdirat, 'c', at, path, -1, at, path, mode);
}
int renameat(int from_at, const char* from, int to_at, const char* to) noexcept {
  return TAKE_OVER(renameat, 'c', to_at, to, -1, from_at, from, to_at, to);
}
int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) noexcept {
  return TAKE_OVER(renameat2, 'c', to_at, to, -1, from_at, from, to_at, to, flags);
}
int linkat(int from_at, const char* from, int to_at, const char* to, int flags) noexcept {
  return TAKE_OVER(linkat, 'c', to_at, to, -1, from_at, from, to_at, to, flags);
}
int unlinkat(int at, const char* path, int flags) noexcept {
  return TAKE_OVER(unlinkat, 'd', at, path, -1, at, path, flags);
}
int remove(const char* path) noexcept { return TAKE_OVER(remove, 'd', -1, path, -1, path); }

int close(int fd) {
  const bool fails = Fails('x', "close", fd, nullptr);
  const int error = errno;
  const int closed = Real<decltype(close)>("close")(fd);  // Linux closes the descriptor whatever it says
  if (!fails) return closed;
  errno = error;
  return -1;
}

}  // extern "C"
