#ifndef GPTQ_DOCTOR_TESTS_CLI_RUNNING_H_
#define GPTQ_DOCTOR_TESTS_CLI_RUNNING_H_

// Runs of commands that write a directory: what they wrote, and what signals do to them.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>
#include <thread>

#include "cli/cli_support.h"

namespace gptq_doctor::testing {

inline std::string Slurp(const std::filesystem::path& path) {
  std::string out(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(out.data(), static_cast<std::streamsize>(out.size()));
  return out;
}

inline std::map<std::string, std::string> Tree(const std::filesystem::path& root) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) out[std::filesystem::relative(entry.path(), root).string()] = Slurp(entry.path());
  }
  return out;
}

// What tests/checks/read_safetensors.py, which shares nothing with the program, makes of a directory.
inline nlohmann::json ReadIndependently(const std::filesystem::path& directory) {
  const std::filesystem::path out = directory.string() + ".read.json";
  const std::string command = "python3 '" GPTQ_DOCTOR_SOURCE_DIR "/tests/checks/read_safetensors.py' '" +
                              directory.string() + "' > '" + out.string() + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  return nlohmann::json::parse(Slurp(out), nullptr, false);
}

// A sanitizer reserves terabytes, is slow and has its own stacks. gcc has macros for it, clang features.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

// A script of sh with the program as $BIN, in `place`, which also takes what it prints.
inline RunResult RunScript(const std::filesystem::path& place, const std::string& script) {
  const std::string line = "cd '" + place.string() + "' && BIN='" GPTQ_DOCTOR_BINARY "' && export BIN && { " + script +
                           "; } >out 2>err </dev/null";
  const int status = std::system(line.c_str());
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = Slurp(place / "out"),
          .err = Slurp(place / "err")};
}

// A run of the program that can be signalled.
class Running {
 public:
  explicit Running(const std::vector<std::string>& arguments) : child_(fork()) {
    if (child_ != 0) return;
    const int null = open("/dev/null", O_RDWR);
    for (int descriptor = 0; descriptor < 3; ++descriptor) dup2(null, descriptor);
    std::vector<std::string> words = {GPTQ_DOCTOR_BINARY};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  // Signals after so long, unless the run ends before. Exit code, or 128 + signal.
  int SignalAfter(std::chrono::microseconds time, int signal) const {
    std::this_thread::sleep_for(time);
    kill(child_, signal);
    int status = 0;
    waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t child_;
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_CLI_RUNNING_H_
