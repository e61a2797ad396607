#include "cli/interrupt.h"

#include <csignal>

namespace gptq_doctor {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void Raise(int) { interrupted.store(true, std::memory_order_relaxed); }

}  // namespace

const std::atomic<bool>* InterruptFlag() {
  struct sigaction action {};
  action.sa_handler = Raise;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction old {};
    // Ignored signals stay ignored: nohup and background jobs rely on it.
    if (sigaction(signal, nullptr, &old) == 0 && old.sa_handler == SIG_DFL) sigaction(signal, &action, nullptr);
  }
  return &interrupted;
}

}  // namespace gptq_doctor
