#include "cli/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/text.h"

namespace gptq_doctor {
namespace {

constexpr const char* kName = "gptq-doctor";

void Log(spdlog::level::level_enum level, std::string_view message) {
  if (const std::shared_ptr<spdlog::logger> logger = spdlog::get(kName)) {
    logger->log(level, "{}", EscapeTerminal(message, 1000));
  }
}

}  // namespace

void StartLog(int verbosity) {
  if (verbosity <= 0) return;  // the registry itself costs start-up time
  const std::shared_ptr<spdlog::logger> logger = spdlog::stderr_logger_st(kName);
  logger->set_pattern("%l: %v");
  logger->set_level(verbosity > 1 ? spdlog::level::debug : spdlog::level::info);
}

void LogInfo(std::string_view message) { Log(spdlog::level::info, message); }
void LogDebug(std::string_view message) { Log(spdlog::level::debug, message); }

}  // namespace gptq_doctor
