#ifndef GPTQ_DOCTOR_RESULT_H_
#define GPTQ_DOCTOR_RESULT_H_

// How the library says that it cannot work. A sick model is never an Error: it is the subject, and what is wrong
// with it is reported as data (Finding, Defect). An Error means that a path does not exist, cannot be read or written,
// or that the request makes no sense.

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace gptq_doctor {

// Closed set; ExitCodeOf() in cli/ maps each to the documented exit code.
enum class ErrorKind {
  kUsage,        // the request itself is wrong (2)
  kNotFound,     // no such path (2)
  kNotAModel,    // the path exists and nothing there looks like a model (2)
  kPermission,   // exists, may not be read or written (3)
  kIo,           // EIO, short read, stale handle (3)
  kNoSpace,      // disk full, quota (3)
  kChanged,      // the file changed while it was read (3)
  kInterrupted,  // SIGINT, cancellation, deadline (3)
  kRefused,      // because of what the model is: a contradiction, a target that exists (1)
  kInternal,     // our bug (70)
};

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string path;     // as the user gave it, joined with the file inside; may be empty
  std::string message;  // what is wrong and what to do, one or two sentences, no trailing newline
  bool retryable() const {
    return kind == ErrorKind::kIo || kind == ErrorKind::kChanged || kind == ErrorKind::kInterrupted;
  }
};

// A T or an Error. Access to the absent side is a bug and asserts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const Error& error() const {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};
using Status = Result<Unit>;
inline Status Ok() { return Unit{}; }

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_RESULT_H_
