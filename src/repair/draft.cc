#include "repair/draft.h"

#include <algorithm>

#include "base/os_error.h"
#include "base/sha256.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kMaxConfig = 256 << 20;  // bytes; calibration data ends up in config files

}  // namespace

Result<std::optional<FileEntry>> Draft::Seen(const std::string& name) const {
  if (const ModelFile* file = exam_.dir.Find(name)) return std::optional(file->entry);
  const Result<FileEntry> entry = exam_.source->Stat(name);
  if (!entry && entry.error().kind == ErrorKind::kNotFound) return std::optional<FileEntry>();
  if (!entry) return entry.error();
  if (exam_.dir.truncated) return std::optional(*entry);
  return Error{ErrorKind::kChanged, JoinPath(exam_.source->DisplayPath(), name),
               "appeared after the directory was read; run again when nothing writes to it"};
}

Result<DraftFile*> Draft::Open(const std::string& name) {
  for (DraftFile& open : files_) {
    if (open.name == name) return &open;
  }
  DraftFile file{.name = name};
  const Result<std::optional<FileEntry>> entry = Seen(name);
  if (!entry) return entry.error();
  if (entry->has_value()) {
    Result<std::string> text = ReadWhole(*exam_.source, **entry, kMaxConfig);
    if (!text) return text.error();
    file.existed = true;
    if ((*entry)->symlink) {
      plan_.warnings.push_back(
          name + " is a symbolic link and will not be written through: --out DIR writes the results elsewhere");
    }
    file.before = std::move(*text);
    file.after = file.before;
  }
  return &files_.emplace_back(std::move(file));
}

void Draft::Explain(DraftFile* file, std::string_view code, std::string reason, Applicability applicability) {
  if (!code.empty() && std::find(file->codes.begin(), file->codes.end(), code) == file->codes.end()) {
    file->codes.emplace_back(code);
  }
  file->reasons.push_back(std::move(reason));
  if (applicability == Applicability::kAssumed) file->applicability = applicability;
}

Plan Draft::Finish() {
  plan_.model = exam_.source->DisplayPath();
  for (DraftFile& file : files_) {
    if (!file.after && !file.existed) continue;
    if (file.existed && file.after && *file.after == file.before) continue;
    Edit edit{.file = file.name, .applicability = file.applicability, .codes = file.codes, .reasons = file.reasons};
    edit.kind = !file.after ? EditKind::kRemove : file.existed ? EditKind::kReplace : EditKind::kCreate;
    if (file.existed) {
      edit.before_sha256 = Sha256(file.before);
      edit.before_size = static_cast<int64_t>(file.before.size());
      edit.before = std::move(file.before);
    }
    if (file.after) edit.after = std::move(*file.after);
    std::sort(edit.codes.begin(), edit.codes.end());
    plan_.edits.push_back(std::move(edit));
  }
  for (Edit& edit : renames_) plan_.edits.push_back(std::move(edit));
  return std::move(plan_);
}

}  // namespace gptq_doctor
