// MODEL on the command line: what it may be, and what to say where it is something else.

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>

#include "base/os_error.h"
#include "base/text.h"
#include "cli/log.h"
#include "cli/session.h"
#include "dequant/verify.h"
#include "diagnose.h"
#include "model/sniff.h"
#include "report/report.h"

namespace gptq_doctor {
namespace {

struct SplitPath {
  std::string directory, name;
};

SplitPath Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

bool IsWeightOrIndex(const std::string& name) {
  return name.ends_with(".safetensors") || name.ends_with(".index.json");
}

Error NotAModel(const std::string& path, std::string message) {
  return {.kind = ErrorKind::kNotAModel, .path = path, .message = std::move(message)};
}

// The first bytes of a file that is neither weights nor an index.
Sniffed SniffFile(const std::string& path) {
  const SplitPath split = Split(path);
  Result<std::unique_ptr<Source>> source = OpenLocalDirectory(split.directory);
  if (!source) return {};
  const Result<FileEntry> entry = (*source)->Stat(split.name);
  if (!entry || entry->kind != FileKind::kRegular) return {};
  std::array<char, 512> head{};
  ReadOutcome outcome;
  const ReadRequest request{.file = split.name, .offset = 0, .into = head};
  (*source)->ReadMany({&request, 1}, {&outcome, 1});
  return Sniff({head.data(), outcome.bytes}, static_cast<uint64_t>(std::max<int64_t>(entry->size(), 0)));
}

Error ExplainOtherFile(const std::string& path, const struct stat& info) {
  const std::string directory = ShellQuote(Split(path).directory);
  if (!S_ISREG(info.st_mode)) {
    return NotAModel(path, "neither a file nor a directory (a pipe, socket or device): give a model directory");
  }
  const std::string& name = Split(path).name;
  if (name.ends_with(".json")) {
    return NotAModel(path, "one file of a model directory: give the directory, gptq-doctor inspect " + directory);
  }
  if (name.ends_with(".onnx")) {
    return NotAModel(path, "an ONNX model, which holds no GPTQ tensors: give a directory with .safetensors files");
  }
  const Sniffed sniffed = SniffFile(path);
  switch (sniffed.kind) {
    case ContentKind::kGguf:
      return NotAModel(path,
                       "a GGUF file, which llama.cpp reads as it is and which holds no GPTQ tensors: "
                       "give a directory with .safetensors files");
    case ContentKind::kSafetensors:
      return NotAModel(path, "a safetensors file under another name: loaders look for .safetensors, rename it");
    case ContentKind::kPickle:
    case ContentKind::kZip:
      return NotAModel(path, "a pickle or zip file (" + sniffed.what +
                                 "), which is not read since it may run code: "
                                 "convert it to safetensors first");
    case ContentKind::kLfsPointer:
      return NotAModel(path, "a git-lfs pointer: run git lfs pull, then give the model directory");
    default:
      break;
  }
  const std::string what = sniffed.what.empty() ? "" : " (" + sniffed.what + ")";
  return NotAModel(path, "not a model" + what + ": give a model directory, a .safetensors file or an index.json");
}

void LogRead(const std::string& path, const Examination& exam) {
  LogInfo(path + ": " + FormatCount(exam.tensors.size()) + " tensors in " + FormatCount(exam.tensors.shards.size()) +
          " weight files, " + FormatCount(static_cast<uint64_t>(exam.quant.coverage.bytes_read)) +
          " bytes of tensor data read");
  for (const ShardHeader& shard : exam.tensors.shards) {
    LogDebug(shard.file + ": header of " + FormatCount(shard.header_bytes) + " bytes, " +
             FormatCount(shard.tensors.size()) + " tensors");
  }
}

}  // namespace

Result<OpenedModel> OpenModel(const std::string& path) {
  struct stat info {};
  const std::string name = Split(path).name;
  if (path.empty()) return Error{ErrorKind::kUsage, path, "the path of a model is empty"};
  const bool reached = stat(path.c_str(), &info) == 0;
  const int reason = reached ? 0 : errno;
  if (reached ? S_ISDIR(info.st_mode) : reason == EACCES) {
    Result<std::unique_ptr<Source>> source = OpenLocalDirectory(path);
    if (!source) return source.error();
    return OpenedModel{std::move(*source), ""};
  }
  // A link to nothing is still a name in the directory.
  if (!reached && lstat(path.c_str(), &info) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return MakeOsError(errno, "look at", path, "");
    return Error{ErrorKind::kNotFound, path, "no such file or directory"};
  }
  if (!reached && reason != ENOENT && reason != ENOTDIR && reason != ELOOP) {
    return MakeOsError(reason, "look at", path, "");
  }
  if (!IsWeightOrIndex(name)) {
    if (!reached) return Error{ErrorKind::kNotFound, path, "a link to nothing"};
    return ExplainOtherFile(path, info);
  }
  Result<std::unique_ptr<Source>> source = OpenLocalDirectory(Split(path).directory);
  if (!source) return source.error();
  return OpenedModel{std::move(*source), name};
}

Result<ReadModel> OpenAndRead(Session& session, const std::string& path, ExamineOptions options) {
  Result<OpenedModel> opened = OpenModel(path);
  if (!opened) return opened.error();
  options.only_file = opened->only_file;
  Result<std::unique_ptr<Examination>> exam = ReadExamination(*opened->source, options, session.context());
  if (!exam) {
    Error error = exam.error();
    if (error.path.empty()) error.path = path;
    return error;
  }
  if (session.options().verbose > 0) LogRead(path, **exam);
  return ReadModel{std::move(opened->source), std::move(*exam)};
}

Report ExamineAll(Session& session, const std::vector<std::string>& paths, const ExamineOptions& options, Keep keep) {
  // Several models are examined side by side, one a worker: memory is bounded by the workers, and the order is that of
  // the command line.
  std::vector<std::optional<Diagnosis>> models(paths.size());
  std::vector<std::optional<Error>> errors(paths.size());
  ThreadPool& pool = session.pool();
  const auto examine = [&](size_t i) {
    const Result<ReadModel> model = OpenAndRead(session, paths[i], options);
    if (!model) {
      errors[i] = model.error();
      return;
    }
    if (options.deep) {
      const Result<VerifyReport> verified = VerifyModel(*model->exam, {}, session.context());
      if (!verified) {
        errors[i] = verified.error();
        return;
      }
    }
    models[i] = Diagnose(*model->exam);
    models[i]->path = paths[i];
    if (keep == Keep::kVerdict) KeepVerdict(*models[i]);
  };
  if (paths.size() == 1) {
    examine(0);
  } else {
    pool.ParallelFor(paths.size(), examine);
  }
  Report report;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (models[i]) report.models.push_back(std::move(*models[i]));
    if (errors[i]) report.errors.push_back(std::move(*errors[i]));
  }
  report.exit_code = ExitCodeOf(AllErrors(report));
  return report;
}

}  // namespace gptq_doctor
