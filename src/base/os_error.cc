#include "base/os_error.h"

#include <cerrno>
#include <system_error>

namespace gptq_doctor {
namespace {

struct ErrnoRow {
  int error;
  ErrorKind kind;
  const char* words;
};

constexpr ErrnoRow kErrnos[] = {
    {ENOENT, ErrorKind::kNotFound, "no such file or directory"},
    {ENOTDIR, ErrorKind::kNotFound, "a part of the path is not a directory"},
    {ENAMETOOLONG, ErrorKind::kNotFound, "the name is too long"},
    {EACCES, ErrorKind::kPermission, "permission denied"},
    {EPERM, ErrorKind::kPermission, "not permitted"},
    {EROFS, ErrorKind::kPermission, "the file system is read-only"},
    {ENOSPC, ErrorKind::kNoSpace, "no space left on the disk"},
    {EDQUOT, ErrorKind::kNoSpace, "the disk quota is used up"},
    {EFBIG, ErrorKind::kNoSpace, "the file would be larger than the file system or the limit allows"},
    {EEXIST, ErrorKind::kRefused, "it exists already"},
    {ENOTEMPTY, ErrorKind::kRefused, "the directory is not empty"},
    {EISDIR, ErrorKind::kIo, "it is a directory"},
    {ELOOP, ErrorKind::kIo, "symbolic links in a circle"},
    {EIO, ErrorKind::kIo, "input/output error of the device"},
    {ESTALE, ErrorKind::kIo, "stale file handle of a network file system"},
    {EMFILE, ErrorKind::kIo, "too many open files in this process"},
    {ENFILE, ErrorKind::kIo, "too many open files in the system"},
    {ENXIO, ErrorKind::kIo, "it is a socket or a device without a driver"},
    {ETIMEDOUT, ErrorKind::kIo, "the network file system does not answer"},
};

const ErrnoRow* FindRow(int error) {
  for (const ErrnoRow& row : kErrnos) {
    if (row.error == error) return &row;
  }
  return nullptr;
}

}  // namespace

bool IsInsideName(std::string_view name) {
  if (name.empty() || name.size() > 4096 || name.find('\0') != std::string_view::npos) return false;
  for (size_t begin = 0;;) {
    const size_t end = name.find('/', begin);
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    if (end == std::string_view::npos) return true;
    begin = end + 1;
  }
}

std::string JoinPath(std::string_view directory, std::string_view file) {
  std::string path(directory);
  if (file.empty()) return path;
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(file);
}

std::string DescribeErrno(int error) {
  if (const ErrnoRow* row = FindRow(error)) return row->words;
  return std::generic_category().message(error);
}

Error MakeOsError(int error, std::string_view doing, std::string_view directory, std::string_view file) {
  const ErrnoRow* row = FindRow(error);
  std::string message = "cannot " + std::string(doing);
  if (!file.empty()) message.append(" '").append(file).append("'");
  message.append(": ").append(DescribeErrno(error));
  return Error{row != nullptr ? row->kind : ErrorKind::kIo, JoinPath(directory, file), std::move(message)};
}

Error MakeNameError(std::string_view directory, std::string_view file) {
  return Error{ErrorKind::kRefused, std::string(directory),
               "'" + std::string(file.substr(0, 256)) + "' is not a name inside the directory and is not opened"};
}

}  // namespace gptq_doctor
