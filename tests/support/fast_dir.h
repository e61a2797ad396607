#ifndef GPTQ_DOCTOR_TESTS_SUPPORT_FAST_DIR_H_
#define GPTQ_DOCTOR_TESTS_SUPPORT_FAST_DIR_H_

// A temporary directory in memory where the system has one, for tests that write a hundred directories: a disk's
// flushes would take most of their time.

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/model_builder.h"

namespace gptq_doctor::testing {

class FastDir {
 public:
  FastDir() {
    std::string pattern = "/dev/shm/gptq-doctor-test-XXXXXX";
    path_ = mkdtemp(pattern.data()) == nullptr ? disk_.path() : std::filesystem::path(pattern);
  }
  ~FastDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  FastDir(const FastDir&) = delete;
  FastDir& operator=(const FastDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string str() const { return path_.string(); }

 private:
  TempDir disk_;
  std::filesystem::path path_;
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_SUPPORT_FAST_DIR_H_
