#ifndef GPTQ_DOCTOR_CLI_SESSION_H_
#define GPTQ_DOCTOR_CLI_SESSION_H_

// One run of the program: the options every command shares, the streams, and the worker threads. stdout carries the
// result alone and is written once; everything else goes to stderr.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/storage.h"
#include "base/thread_pool.h"
#include "gptq_doctor/doctor.h"
#include "infer/examination.h"
#include "report/report.h"

namespace gptq_doctor {

struct GlobalOptions {
  std::string color = "auto";  // auto, always, never
  std::string format;          // empty: the command's default
  std::string output;          // empty or "-": stdout
  int verbose = 0;
  int quiet = 0;
  unsigned jobs = 0;  // 0: as many as there are processors
  uint64_t max_header = 100'000'000;
  bool deep = false;
};

// The documented exit codes.
constexpr int kExitClean = 0, kExitFindings = 1, kExitUsage = 2, kExitUnexamined = 3, kExitInternal = 70;
int ExitCodeOf(ErrorKind kind);
// The one that wins: 70, then 2 > 3 > 1 > 0.
int WorseExitCode(int a, int b);
int ExitCodeOf(const std::vector<Error>& errors);

class Session {
 public:
  explicit Session(GlobalOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const GlobalOptions& options() const { return options_; }
  bool json() const { return options_.format == "json"; }
  ThreadPool& pool();
  // For Examine(): the shared pool, and a flag that SIGINT and SIGTERM raise.
  ExamineContext context();
  // What the global options say; commands set the rest.
  ExamineOptions examine_options() const;
  // For the result's stream: a terminal's width and colours, or plain text without limits.
  RenderOptions render_options() const;

  // Writes the result to stdout or to --output, and the errors to stderr as "error: ..." lines. Returns the exit code:
  // `exit_code`, or worse where the result could not be written. Call once.
  int Finish(std::string_view result, const std::vector<Error>& errors, int exit_code);
  // The same with the envelope of `report`, whose exit code becomes `exit_code` or that of what could not be read.
  int FinishJson(Report& report, int exit_code, const std::function<void(JsonWriter&)>& extra,
                 const std::function<void(JsonWriter&, size_t)>& model_extra);
  // The same to stdout, whatever --output says: for commands that pair formats with files themselves.
  int FinishOnStdout(std::string_view result, const std::vector<Error>& errors, int exit_code);
  // "warning: ..." on stderr, unless -q.
  void Warn(std::string_view message) const;
  // A command that can give no result: a JSON envelope with this error alone where JSON was asked for.
  int Fail(const Error& error);

 private:
  void PrintError(std::string_view text) const;
  void PrintErrors(const std::vector<Error>& errors) const;
  GlobalOptions options_;
  std::unique_ptr<ThreadPool> pool_;
};

// A whole file or nothing, replacing what is there; for results that the user names.
Status WriteFile(const std::string& path, std::string_view text);

// MODEL as the user gives it: a directory, a .safetensors file or an index. Says what to do where it is anything else.
struct OpenedModel {
  std::unique_ptr<Source> source;
  std::string only_file;
};
Result<OpenedModel> OpenModel(const std::string& path);
// A model that was read; the source outlives the examination.
struct ReadModel {
  std::unique_ptr<Source> source;
  std::unique_ptr<Examination> exam;
};
Result<ReadModel> OpenAndRead(Session& session, const std::string& path, ExamineOptions options);
// What is kept of each model until all are examined: most of a Diagnosis is what the loaders do and why.
enum class Keep { kAll, kVerdict };
// Examines each; one bad path hides nothing. Sets the report's exit code from the errors alone.
Report ExamineAll(Session& session, const std::vector<std::string>& paths, const ExamineOptions& options,
                  Keep keep = Keep::kAll);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_SESSION_H_
