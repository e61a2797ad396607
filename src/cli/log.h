#ifndef GPTQ_DOCTOR_CLI_LOG_H_
#define GPTQ_DOCTOR_CLI_LOG_H_

// The log, on stderr, silent without -v. Kept behind two functions so that one file alone pays for spdlog.

#include <string_view>

namespace gptq_doctor {

void StartLog(int verbosity);  // 1: info, 2: debug
void LogInfo(std::string_view message);
void LogDebug(std::string_view message);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_LOG_H_
