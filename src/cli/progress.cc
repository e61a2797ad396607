#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"

namespace gptq_doctor {

using std::chrono::duration;
using std::chrono::steady_clock;

Progress::Progress(const Session& session, std::string what)
    : what_(std::move(what)), started_(steady_clock::now()), last_(started_) {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  enabled_ = isatty(STDERR_FILENO) != 0 && session.options().quiet == 0 && !set("CI") && !set("NO_PROGRESS");
}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::Update(uint64_t done, uint64_t total) {
  if (!enabled_) return;
  const auto now = steady_clock::now();
  const double elapsed = duration<double>(now - started_).count();
  if (elapsed < 0.5 || duration<double>(now - last_).count() < 0.1) return;
  last_ = now;
  shown_ = true;
  const double rate = static_cast<double>(done) / elapsed;
  const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0;
  constexpr int kWidth = 24;
  const int filled =
      total == 0 ? kWidth : static_cast<int>(static_cast<double>(done) / static_cast<double>(total) * kWidth);
  fmt::print(stderr, "\r\x1b[K{} [{}{}] {} of {}, {}/s, {:.0f} s left", what_,
             std::string(static_cast<size_t>(filled), '#'), std::string(static_cast<size_t>(kWidth - filled), '.'),
             FormatBytes(done), FormatBytes(total), FormatBytes(static_cast<uint64_t>(rate)), left);
}

}  // namespace gptq_doctor
