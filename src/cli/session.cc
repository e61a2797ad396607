#include "cli/session.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "base/sink.h"
#include "base/text.h"
#include "cli/interrupt.h"

namespace gptq_doctor {
namespace {

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool WantsColor(const std::string& option, int descriptor) {
  if (option != "auto") return option == "always";
  if (IsSet("NO_COLOR")) return false;
  if (IsSet("CLICOLOR_FORCE") || IsSet("FORCE_COLOR")) return true;
  const char* cli_color = std::getenv("CLICOLOR");
  const char* term = std::getenv("TERM");
  if (cli_color != nullptr && std::strcmp(cli_color, "0") == 0) return false;
  if (term != nullptr && std::strcmp(term, "dumb") == 0) return false;
  return isatty(descriptor) == 1;
}

// Of the character set alone: nothing else of the locale may change the output.
bool IsUtf8Terminal() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string lower(value);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return false;
}

int WidthOf(int descriptor) {
  if (isatty(descriptor) != 1) return 0;
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  int columns = 0;
  if (const char* text = std::getenv("COLUMNS")) {
    const auto [end, error] = std::from_chars(text, text + std::strlen(text), columns);
    if (error == std::errc() && *end == '\0' && columns > 0) return columns;
  }
  return 80;
}

// False with errno set. A reader that went away is no failure of ours.
bool WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno == EPIPE;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

Status WriteFile(const std::string& path, std::string_view text) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  Result<std::unique_ptr<Sink>> sink = OpenLocalSink(directory);
  if (!sink) return sink.error();
  Result<std::unique_ptr<SinkFile>> file =
      (*sink)->Create(slash == std::string::npos ? path : path.substr(slash + 1), {.replace = true});
  if (!file) return file.error();
  const Status written = (*file)->Write(std::span(text.data(), text.size()));
  return written ? (*file)->Commit() : written;
}

int ExitCodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kNotFound:
    case ErrorKind::kNotAModel:
      return kExitUsage;
    case ErrorKind::kPermission:
    case ErrorKind::kIo:
    case ErrorKind::kNoSpace:
    case ErrorKind::kChanged:
    case ErrorKind::kInterrupted:
      return kExitUnexamined;
    case ErrorKind::kRefused:
      return kExitFindings;
    case ErrorKind::kInternal:
      break;
  }
  return kExitInternal;
}

int WorseExitCode(int a, int b) {
  static constexpr int kOrder[] = {kExitClean, kExitFindings, kExitUnexamined, kExitUsage, kExitInternal};
  const auto rank = [](int code) { return std::find(std::begin(kOrder), std::end(kOrder), code); };
  return rank(a) < rank(b) ? b : a;
}

int ExitCodeOf(const std::vector<Error>& errors) {
  int code = kExitClean;
  for (const Error& error : errors) code = WorseExitCode(code, ExitCodeOf(error.kind));
  return code;
}

Session::Session(GlobalOptions options) : options_(std::move(options)) {}
Session::~Session() = default;

ThreadPool& Session::pool() {
  if (pool_ == nullptr) pool_ = std::make_unique<ThreadPool>(options_.jobs);
  return *pool_;
}

ExamineContext Session::context() { return {.pool = &pool(), .cancelled = InterruptFlag(), .progress = {}}; }

ExamineOptions Session::examine_options() const {
  return {.only_file = {}, .deep = options_.deep, .max_header = options_.max_header};
}

RenderOptions Session::render_options() const {
  const bool to_file = !options_.output.empty() && options_.output != "-";
  RenderOptions out;
  out.color = to_file ? options_.color == "always" : WantsColor(options_.color, STDOUT_FILENO);
  out.unicode = IsUtf8Terminal();
  out.width = to_file ? 0 : WidthOf(STDOUT_FILENO);
  out.verbosity = options_.quiet > 0 ? -options_.quiet : options_.verbose;
  return out;
}

void Session::PrintError(std::string_view text) const { WriteAll(STDERR_FILENO, text); }

void Session::Warn(std::string_view message) const {
  if (options_.quiet == 0) PrintError("warning: " + std::string(message) + "\n");
}

void Session::PrintErrors(const std::vector<Error>& errors) const {
  std::string lines;
  for (const Error& error : errors) {
    lines += "error: ";
    if (!error.path.empty()) lines += EscapeTerminal(error.path) + ": ";
    lines += EscapeTerminal(error.message, 1000) + "\n";
  }
  PrintError(lines);
}

int Session::FinishOnStdout(std::string_view result, const std::vector<Error>& errors, int exit_code) {
  PrintErrors(errors);
  if (WriteAll(STDOUT_FILENO, result)) return exit_code;
  PrintError(std::string("error: standard output: ") + std::strerror(errno) + "\n");
  return WorseExitCode(exit_code, kExitUnexamined);
}

int Session::FinishJson(Report& report, int exit_code, const std::function<void(JsonWriter&)>& extra,
                        const std::function<void(JsonWriter&, size_t)>& model_extra) {
  const std::vector<Error> errors = AllErrors(report);
  report.exit_code = WorseExitCode(exit_code, ExitCodeOf(errors));
  return Finish(RenderEnvelope(report, extra, model_extra), errors, report.exit_code);
}

int Session::Finish(std::string_view result, const std::vector<Error>& errors, int exit_code) {
  if (options_.output.empty() || options_.output == "-") return FinishOnStdout(result, errors, exit_code);
  PrintErrors(errors);
  const Status written = WriteFile(options_.output, result);
  if (written) return exit_code;
  PrintError("error: " + EscapeTerminal(options_.output) + ": " + EscapeTerminal(written.error().message, 1000) + "\n");
  return WorseExitCode(exit_code, kExitUnexamined);
}

int Session::Fail(const Error& error) {
  const int code = ExitCodeOf(error.kind);
  std::string envelope;
  if (json()) envelope = RenderEnvelope({.models = {}, .errors = {error}, .exit_code = code}, {}, {});
  return Finish(envelope, {error}, code);
}

}  // namespace gptq_doctor
