// Preloaded into the real binary: makes one call of one kind fail, or every write short. What happens is said by
//   FAULT_CALL    pwrite, pread, fsync, fallocate, rename, create, mkdir, chmod or unlink
//   FAULT_AT      number of the failing call, from 1
//   FAULT_ERRNO   its errno; 0: it moves half of the bytes that it was asked to, and so does every later one
// A call that was to fail and did not come is no fault.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<long> calls{0};

long Number(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? 0 : atol(value);
}

enum class Fate { kAsUsual, kFails, kShort };

Fate FateOf(const char* call) {
  const char* wanted = getenv("FAULT_CALL");
  if (wanted == nullptr || strcmp(wanted, call) != 0) return Fate::kAsUsual;
  const long number = ++calls, at = Number("FAULT_AT"), error = Number("FAULT_ERRNO");
  if (error == 0) return number >= at ? Fate::kShort : Fate::kAsUsual;
  if (number != at) return Fate::kAsUsual;
  errno = static_cast<int>(error);
  return Fate::kFails;
}

bool Fails(const char* call) { return FateOf(call) == Fate::kFails; }

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

size_t Half(size_t count) { return count > 1 ? count / 2 : count; }

}  // namespace

extern "C" {

ssize_t pwrite(int file, const void* data, size_t count, off_t offset) {
  const Fate fate = FateOf("pwrite");
  if (fate == Fate::kFails) return -1;
  static auto* const real = Real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return real(file, data, fate == Fate::kShort ? Half(count) : count, offset);
}
ssize_t pwrite64(int file, const void* data, size_t count, off_t offset) { return pwrite(file, data, count, offset); }

ssize_t pread(int file, void* data, size_t count, off_t offset) {
  const Fate fate = FateOf("pread");
  if (fate == Fate::kFails) return -1;
  static auto* const real = Real<ssize_t(int, void*, size_t, off_t)>("pread");
  return real(file, data, fate == Fate::kShort ? Half(count) : count, offset);
}
ssize_t pread64(int file, void* data, size_t count, off_t offset) { return pread(file, data, count, offset); }

int fsync(int file) {
  static auto* const real = Real<int(int)>("fsync");
  return Fails("fsync") ? -1 : real(file);
}

int fallocate(int file, int mode, off_t offset, off_t length) {
  static auto* const real = Real<int(int, int, off_t, off_t)>("fallocate");
  return Fails("fallocate") ? -1 : real(file, mode, offset, length);
}
int fallocate64(int file, int mode, off_t offset, off_t length) { return fallocate(file, mode, offset, length); }

int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  static auto* const real = Real<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return Fails("rename") ? -1 : real(from_directory, from, to_directory, to, flags);
}

int mkdirat(int directory, const char* name, mode_t mode) {
  static auto* const real = Real<int(int, const char*, mode_t)>("mkdirat");
  return Fails("mkdir") ? -1 : real(directory, name, mode);
}

int fchmod(int file, mode_t mode) {
  static auto* const real = Real<int(int, mode_t)>("fchmod");
  return Fails("chmod") ? -1 : real(file, mode);
}

int unlinkat(int directory, const char* name, int flags) {
  static auto* const real = Real<int(int, const char*, int)>("unlinkat");
  return Fails("unlink") ? -1 : real(directory, name, flags);
}

int openat(int directory, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if ((flags & O_CREAT) != 0 && Fails("create")) return -1;
  static auto* const real = Real<int(int, const char*, int, ...)>("openat");
  return real(directory, name, flags, mode);
}
int openat64(int directory, const char* name, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat(directory, name, flags, mode);
}

}  // extern "C"
