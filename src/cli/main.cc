#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "base/text.h"
#include "cli/run.h"
#include "cli/session.h"

namespace {

// The one place where exceptions end.
int ReportBug(const char* what, int argc, const char* const* argv) {
  using gptq_doctor::ShellQuote;
  std::string line;
  for (int i = 0; i < argc; ++i) line += (i == 0 ? "" : " ") + gptq_doctor::EscapeTerminal(ShellQuote(argv[i]));
  const std::string message = std::string("internal error: ") + what + "; gptq-doctor " GPTQ_DOCTOR_VERSION;
  gptq_doctor::GlobalOptions options;
  if (gptq_doctor::AsksForJson(argc, argv)) options.format = "json";
  gptq_doctor::Session session(options);
  session.Fail({.kind = gptq_doctor::ErrorKind::kInternal, .path = "", .message = message});
  std::fprintf(stderr, "this is a bug in gptq-doctor: please report it with the command line\n  %s\n", line.c_str());
  return gptq_doctor::kExitInternal;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `| head` is no failure: writing returns EPIPE, and the run ends as it would have
  gptq_doctor::KeepStandardDescriptors();
  try {
    return gptq_doctor::RunProgram(argc, argv);
  } catch (const std::bad_alloc&) {
    return ReportBug("out of memory", argc, argv);
  } catch (const std::exception& error) {
    return ReportBug(error.what(), argc, argv);
  }
}
