#ifndef GPTQ_DOCTOR_BASE_OS_ERROR_H_
#define GPTQ_DOCTOR_BASE_OS_ERROR_H_

// Errors of the operating system in plain words, calls that a signal interrupts, and the rule for names inside a root.
// Used by the local source and sink only.

#include <cerrno>
#include <string>
#include <string_view>

#include "gptq_doctor/result.h"

namespace gptq_doctor {

// What a call that fails with -1 returns once no signal interrupts it. File systems over a network and in user space
// say EINTR for calls of any kind.
template <typename Call, typename... Arguments>
auto Uninterrupted(Call* call, Arguments... arguments) {
  auto result = call(arguments...);
  while (result == -1 && errno == EINTR) result = call(arguments...);
  return result;
}

// Whether readers and writers take `name`: relative, no empty, "." or ".." part, no NUL, at most 4096 bytes.
bool IsInsideName(std::string_view name);
// `directory` and `file` joined for messages; `file` may be empty.
std::string JoinPath(std::string_view directory, std::string_view file);

std::string DescribeErrno(int error);
// message: "cannot <doing> '<file>': <words>"; without a file: "cannot <doing>: <words>".
Error MakeOsError(int error, std::string_view doing, std::string_view directory, std::string_view file);
Error MakeNameError(std::string_view directory, std::string_view file);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_OS_ERROR_H_
