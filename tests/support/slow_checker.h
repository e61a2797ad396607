#ifndef GPTQ_DOCTOR_TESTS_SUPPORT_SLOW_CHECKER_H_
#define GPTQ_DOCTOR_TESTS_SUPPORT_SLOW_CHECKER_H_

// The rules of the reference reader and our three extra refusals once more, written without regard for speed on
// nlohmann-json with guards for what that library lets through. Shares no code with model/.

#include <string_view>

namespace gptq_doctor::testing {

// True where `file`, a whole file, is to be accepted.
bool SlowlyAccepts(std::string_view file);

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_SUPPORT_SLOW_CHECKER_H_
