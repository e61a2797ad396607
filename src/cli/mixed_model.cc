#include "cli/mixed_model.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "report/json_writer.h"

namespace gptq_doctor {
namespace {

// One line a tensor of a model of 180,000 tensors with long names stays below.
constexpr uint64_t kLargestFile = 32 << 20;
constexpr size_t kListed = 100;  // lines of text of a kind; json has all

Result<std::string> ReadMapping(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string directory = file.parent_path().empty() ? "." : file.parent_path().string();
  const Result<std::unique_ptr<Source>> source = OpenLocalDirectory(directory);
  if (!source) return source.error();
  return ReadWhole(**source, file.filename().string(), kLargestFile);
}

Status CheckSource(const Examination& exam) {
  if (!exam.errors.empty()) return exam.errors.front();
  const std::string kind = exam.kind();
  if (kind != "gptq" && kind != "dense") {
    return Error{ErrorKind::kRefused, "", "holds " + kind + ", and only GPTQ and dense models can be sources"};
  }
  return CheckWhole(exam);
}

Status Open(Session& session, const std::string& name, const std::string& path, MixedModel& out) {
  ExamineOptions examine = session.examine_options();
  examine.simulate_loaders = false;
  examine.estimate_memory = false;
  Result<ReadModel> model = OpenAndRead(session, path, examine);
  if (!model) return model.error();
  if (Status whole = CheckSource(*model->exam); !whole) {
    Error error = whole.error();
    if (error.path.empty()) error.path = path;
    return error;
  }
  out.models.push_back({name, path, model->exam.get()});
  out.read.push_back(std::move(*model));
  return Ok();
}

// As many as fit into one line.
std::string Names(const std::vector<std::string>& names) {
  constexpr size_t kWidth = 700;
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (out.size() + names[i].size() > kWidth && i > 0) return out + fmt::format(" and {} more", names.size() - i);
    out += (i == 0 ? "" : ", ") + names[i];
  }
  return out;
}

std::string Lines(const char* heading, const std::vector<MappingProblem>& problems) {
  if (problems.empty()) return "";
  std::string out = fmt::format("{}: {}\n", heading, problems.size());
  for (size_t i = 0; i < std::min(kListed, problems.size()); ++i) {
    out += fmt::format("  {} from {}: {}\n", EscapeTerminal(problems[i].name), EscapeTerminal(problems[i].source),
                       EscapeTerminal(problems[i].detail, 500));
  }
  if (problems.size() > kListed) out += fmt::format("  and {} more\n", problems.size() - kListed);
  return out;
}

void PutProblems(JsonWriter& json, std::string_view key, const std::vector<MappingProblem>& problems) {
  json.Key(key).BeginArray();
  for (const MappingProblem& problem : problems) {
    json.BeginObject(JsonWriter::Layout::kCompact).Field("name", problem.name).Field("source", problem.source);
    json.Field("detail", problem.detail).EndObject();
  }
  json.EndArray();
}

}  // namespace

Result<MixedModel> ReadMixedModel(Session& session, const std::string& mapping, const std::string& model,
                                  bool keep_zero_bias) {
  MixedModel out;
  Result<std::string> text = ReadMapping(mapping);
  if (!text) return text.error();
  out.text = std::move(*text);
  const Result<MappingFile> file = ParseMapping(out.text, std::filesystem::path(mapping).parent_path().string());
  if (!file) return Error{file.error().kind, mapping, file.error().message};
  for (const std::string& warning : file->warnings) session.Warn(EscapeTerminal(mapping + ": " + warning, 1000));
  std::vector<size_t> defaults;
  for (const MappingFile::Source& source : file->sources) {
    if (!source.used) continue;
    if (source.name == file->default_source) defaults.push_back(out.models.size());
    if (Status opened = Open(session, source.name, source.path, out); !opened) return opened.error();
  }
  if (!model.empty()) {
    defaults.push_back(out.models.size());
    if (Status opened = Open(session, "MODEL", model, out); !opened) return opened.error();
  }
  Result<ResolvedMapping> resolved = ResolveMapping(*file, out.models, defaults, keep_zero_bias);
  if (!resolved) return resolved.error();
  out.resolved = std::move(*resolved);
  return out;
}

Status CheckResolved(const MixedModel& mixed, bool allow_missing) {
  const ResolvedMapping& resolved = mixed.resolved;
  const auto refuse = [](std::string message) { return Error{ErrorKind::kRefused, "", std::move(message)}; };
  if (!resolved.unmapped.empty()) {
    return refuse(fmt::format("{} tensor{} mapped to no source (give MODEL, or a default in the mapping): {}",
                              resolved.unmapped.size(), resolved.unmapped.size() == 1 ? " is" : "s are",
                              Names(resolved.unmapped)));
  }
  if (!allow_missing && !(resolved.missing.empty() && resolved.mismatched.empty())) {
    std::vector<std::string> names;
    for (const auto* problems : {&resolved.missing, &resolved.mismatched}) {
      for (const MappingProblem& problem : *problems) {
        names.push_back(problem.name + " from " + problem.source + " (" + problem.detail + ")");
      }
    }
    return refuse(
        fmt::format("nothing was written (--allow-missing goes on without them): {} missing, {} mismatched: {}",
                    resolved.missing.size(), resolved.mismatched.size(), Names(names)));
  }
  if (resolved.choices.empty()) return refuse("no tensor is left to write");
  return Ok();
}

std::string MappingText(const MixedModel& mixed) {
  const ResolvedMapping& resolved = mixed.resolved;
  std::string out;
  for (size_t m = 0; m < mixed.models.size(); ++m) {
    out += fmt::format("from {} ({}): {} tensors, {} of them dequantized\n", EscapeTerminal(mixed.models[m].name),
                       EscapeTerminal(mixed.models[m].path), resolved.tallies[m].tensors, resolved.tallies[m].modules);
  }
  out += Lines("missing components", resolved.missing) + Lines("shape or dtype mismatches", resolved.mismatched);
  if (!resolved.unmapped.empty()) out += fmt::format("mapped to no source: {}\n", resolved.unmapped.size());
  for (size_t i = 0; i < std::min(kListed, resolved.unmapped.size()); ++i) {
    out += "  " + EscapeTerminal(resolved.unmapped[i]) + "\n";
  }
  return out;
}

void PutMapping(JsonWriter& json, const MixedModel& mixed) {
  const ResolvedMapping& resolved = mixed.resolved;
  json.Key("sources").BeginArray();
  for (size_t m = 0; m < mixed.models.size(); ++m) {
    json.BeginObject(JsonWriter::Layout::kCompact).Field("name", mixed.models[m].name);
    json.Field("path", mixed.models[m].path).Field("tensors", resolved.tallies[m].tensors);
    json.Field("dequantized", resolved.tallies[m].modules).EndObject();
  }
  json.EndArray();
  PutProblems(json, "missing", resolved.missing);
  PutProblems(json, "mismatched", resolved.mismatched);
  json.Field("unmapped", resolved.unmapped);
}

}  // namespace gptq_doctor
