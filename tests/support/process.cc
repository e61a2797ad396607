// TempDir and RunTool: the real binary as a user runs it.

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "support/model_builder.h"

namespace gptq_doctor::testing {

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gptq-doctor-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

namespace {

[[noreturn]] void ExecTool(const std::vector<std::string>& arguments,
                           const std::map<std::string, std::string>& environment, bool nobody, int out, int err) {
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(out, 1);
  dup2(err, 2);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  std::string binary = GPTQ_DOCTOR_BINARY;
  argv.push_back(binary.data());
  std::vector<std::string> copies = arguments;
  for (std::string& copy : copies) argv.push_back(copy.data());
  argv.push_back(nullptr);
  const int program = open(binary.c_str(), O_RDONLY | O_CLOEXEC);  // before the rights to reach it are dropped
  constexpr uid_t kNobody = 65534;
  if (nobody && geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) _exit(126);
  fexecve(program, argv.data(), environ);
  _exit(127);
}

// Reads both pipes to their ends, whichever speaks.
void Drain(int out, int err, RunResult& result) {
  pollfd fds[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* into[2] = {&result.out, &result.err};
  int open_ends = 2;
  char buffer[65536];
  while (open_ends > 0 && poll(fds, 2, -1) >= 0) {
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      const ssize_t got = read(fds[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        into[i]->append(buffer, static_cast<size_t>(got));
      } else {
        fds[i].fd = -1;
        --open_ends;
      }
    }
  }
}

}  // namespace

static RunResult Run(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
                     bool nobody) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) ExecTool(arguments, environment, nobody, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  RunResult result;
  Drain(out[0], err[0], result);
  close(out[0]);
  close(err[0]);
  int status = 0;
  waitpid(child, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

RunResult RunTool(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment) {
  return Run(arguments, environment, false);
}

RunResult RunToolAsNobody(const std::vector<std::string>& arguments) { return Run(arguments, {}, true); }

}  // namespace gptq_doctor::testing
