#ifndef GPTQ_DOCTOR_CLI_PROGRESS_H_
#define GPTQ_DOCTOR_CLI_PROGRESS_H_

// A status line on stderr for work that takes longer than half a second: bytes, rate, time left. Only on a terminal,
// and not with -q, in CI, or where NO_PROGRESS is set.

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/session.h"

namespace gptq_doctor {

class Progress {
 public:
  Progress(const Session& session, std::string what);
  ~Progress();  // clears the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Calls must not overlap; cheap where nothing is shown.
  void Update(uint64_t done, uint64_t total);

 private:
  std::string what_;
  bool enabled_ = false, shown_ = false;
  std::chrono::steady_clock::time_point started_, last_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_PROGRESS_H_
