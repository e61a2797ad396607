#include <malloc.h>

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

// Blocks that are given back are wanted again a moment later, and the system would have to zero them page by page; so
// they are kept. Nor do blocks of the heap all begin 16 bytes into a page, as mapped ones do: reading a header, which
// begins 8 bytes into its file, to such a place takes three times as long (measured on an AMD EPYC).
void KeepMemory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most it takes
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `| head` is no failure: writing returns EPIPE, and the run ends as it would have
  gptq_doctor::KeepStandardDescriptors();
  KeepMemory();
  try {
    return gptq_doctor::RunProgram(argc, argv);
  } catch (const std::bad_alloc&) {
    return ReportBug("out of memory", argc, argv);
  } catch (const std::exception& error) {
    return ReportBug(error.what(), argc, argv);
  }
}
