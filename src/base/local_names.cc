#include "base/local_names.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/os_error.h"

namespace gptq_doctor {
namespace {

constexpr size_t kMaxNames = 200'000;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

Result<std::vector<std::string>> LocalNames(const std::string& directory) {
  struct stat info {};
  const int looked = Uninterrupted(stat, directory.c_str(), &info);
  if (looked == 0 && !S_ISDIR(info.st_mode)) return Error{ErrorKind::kUsage, directory, "not a directory"};
  std::unique_ptr<DIR, CloseDirectory> open;
  do {
    open.reset(opendir(directory.c_str()));
  } while (open == nullptr && errno == EINTR);
  if (open == nullptr) return MakeOsError(errno, "list", directory, "");
  std::vector<std::string> names;
  while (names.size() < kMaxNames) {
    errno = 0;
    const dirent* entry = readdir(open.get());
    if (entry == nullptr && errno == EINTR) continue;
    if (entry == nullptr) {
      if (errno != 0) return MakeOsError(errno, "list", directory, "");
      break;
    }
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace gptq_doctor
