#ifndef GPTQ_DOCTOR_BASE_UNIQUE_FD_H_
#define GPTQ_DOCTOR_BASE_UNIQUE_FD_H_

// Owns a file descriptor. Used by the local source and sink only.

#include <unistd.h>

#include <utility>

namespace gptq_doctor {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() {
    if (fd_ >= 0) close(fd_);
  }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    UniqueFd old(std::exchange(fd_, other.release()));
    return *this;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_UNIQUE_FD_H_
