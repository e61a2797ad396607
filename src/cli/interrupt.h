#ifndef GPTQ_DOCTOR_CLI_INTERRUPT_H_
#define GPTQ_DOCTOR_CLI_INTERRUPT_H_

#include <atomic>

namespace gptq_doctor {

// A flag that the first SIGINT or SIGTERM raises; the second ends the process as usual. Installed on first call. The
// one piece of state outside objects: a signal handler can reach nothing else.
const std::atomic<bool>* InterruptFlag();

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_INTERRUPT_H_
