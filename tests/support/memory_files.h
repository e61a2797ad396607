#ifndef GPTQ_DOCTOR_TESTS_SUPPORT_MEMORY_FILES_H_
#define GPTQ_DOCTOR_TESTS_SUPPORT_MEMORY_FILES_H_

// A directory in memory that can be read and written, and that fails or dies at any chosen step: for proving that
// nothing is lost.

#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/sink.h"
#include "base/storage.h"

namespace gptq_doctor::testing {

struct Killed {};  // thrown where the process would be gone

class MemoryFiles {
 public:
  std::map<std::string, std::string> files;
  std::set<std::string> symlinks;
  int64_t fail_at = -1;  // number of the step that fails; -1: none
  bool kill = false;     // at that step throw Killed instead of returning an error
  bool after = false;    // the step takes effect first, as a rename whose directory cannot be flushed
  int64_t steps = 0;     // counted so far

  std::unique_ptr<Source> source();
  std::unique_ptr<Sink> sink();

  // One step that changes something; `effect` is what it does.
  template <typename Effect>
  Status Step(const std::string& name, const Effect& effect) {
    const bool now = steps++ == fail_at;
    if (!now || after) effect();
    if (!now) return Ok();
    if (kill) throw Killed{};
    return Error{ErrorKind::kNoSpace, name, "no space left on device"};
  }
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_SUPPORT_MEMORY_FILES_H_
