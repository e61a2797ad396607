#include "repair/apply.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "base/os_error.h"
#include "base/sha256.h"
#include "base/text.h"
#include "repair/restore.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kMaxContent = 1 << 30;  // bytes of one file whose content is replaced
constexpr int kMaxBackups = 10'000;

Error Changed(const Source& source, const std::string& file, std::string why) {
  return {ErrorKind::kRefused, JoinPath(source.DisplayPath(), file),
          std::move(why) + "; nothing was written. Make the plan again"};
}

// The file as the plan expects it, or why not.
Status CheckBefore(const Edit& edit, Source& source) {
  const Result<FileEntry> entry = source.Stat(edit.file);
  const bool absent = !entry && entry.error().kind == ErrorKind::kNotFound;
  if (!entry && !absent) return entry.error();
  if (entry && entry->symlink) {
    return Error{
        ErrorKind::kRefused, JoinPath(source.DisplayPath(), edit.file),
        "it is a symbolic link (to " + EscapeTerminal(entry->link_target) +
            ") and is not written through; nothing was written. --out DIR writes the results into another directory"};
  }
  if (edit.kind == EditKind::kCreate) return absent ? Ok() : Status(Changed(source, edit.file, "it exists meanwhile"));
  if (absent) return Changed(source, edit.file, "it no longer exists");
  if (entry->kind != FileKind::kRegular) return Changed(source, edit.file, "it is no regular file");
  if (edit.kind == EditKind::kRename) {
    const Result<std::string> head = HashHead(source, edit.file);
    if (!head) return head.error();
    if (entry->size() != edit.before_size || *head != edit.head_sha256) {
      return Changed(source, edit.file, "it changed since the plan was made");
    }
    const Result<FileEntry> target = source.Stat(edit.to);
    if (target) return Changed(source, edit.to, "it exists meanwhile");
    return target.error().kind == ErrorKind::kNotFound ? Ok() : Status(target.error());
  }
  const Result<std::string> hash = Sha256OfFile(source, edit.file);
  if (!hash) return hash.error();
  return *hash == edit.before_sha256 ? Ok() : Status(Changed(source, edit.file, "it changed since the plan was made"));
}

// Of a file that was there when its edit was planned or noted.
Error SeenBefore(Error error) {
  if (error.kind == ErrorKind::kNotFound) error.kind = ErrorKind::kChanged;
  return error;
}

Result<std::unique_ptr<SinkFile>> Stage(Sink& sink, const std::string& name, std::string_view content,
                                        const SinkOptions& options) {
  Result<std::unique_ptr<SinkFile>> file = sink.Create(name, options);
  if (!file) return file;
  const Status written = (*file)->Write(std::span<const char>(content.data(), content.size()));
  if (!written) return written.error();
  return file;
}

// NAME.gptq-doctor.bak, then NAME.gptq-doctor.bak.1, ...: the first that does not exist.
Result<std::string> FreeBackupName(Source& source, const std::string& file) {
  for (int i = 0; i < kMaxBackups; ++i) {
    const std::string name = file + kBackupSuffix + (i == 0 ? "" : "." + std::to_string(i));
    const Result<FileEntry> entry = source.Stat(name);
    if (entry) continue;
    if (entry.error().kind == ErrorKind::kNotFound) return name;
    return entry.error();
  }
  return Error{ErrorKind::kRefused, JoinPath(source.DisplayPath(), file),
               "there are too many backups of it; move some away"};
}

void Record(const Edit& edit, Applied* applied) {
  switch (edit.kind) {
    case EditKind::kCreate:
      applied->created.push_back(edit.file);
      break;
    case EditKind::kReplace:
      applied->replaced.push_back(edit.file);
      break;
    case EditKind::kRename:
      applied->renamed.push_back(edit.file + " -> " + edit.to);
      break;
    case EditKind::kRemove:
      applied->removed.push_back(edit.file);
      break;
  }
}

class Applier {
 public:
  Applier(const Plan& plan, Source& source, Sink& sink) : plan_(plan), source_(source), sink_(sink) {}

  Result<Applied> Run() {
    if (Status status = Prepare(); !status) return status.error();
    if (plan_.empty()) return Applied{};
    Status status = Write();
    if (status) return std::move(applied_);
    return RollBack(status.error());
  }

 private:
  // Everything that can be refused before the first byte is written.
  Status Prepare() {
    Result<std::string> interrupted = SettleInterrupted(source_, sink_);
    if (!interrupted) return interrupted.error();
    if (!interrupted->empty()) return Error{ErrorKind::kRefused, source_.DisplayPath(), *interrupted};
    for (const Edit& edit : plan_.edits) {
      if (Status status = CheckBefore(edit, source_); !status) return status;
    }
    for (const Edit& edit : plan_.edits) {
      JournalEntry entry{.kind = edit.kind, .file = edit.file, .to = edit.to, .before_sha256 = edit.before_sha256};
      if (edit.kind == EditKind::kCreate || edit.kind == EditKind::kReplace) entry.after_sha256 = Sha256(edit.after);
      if (edit.kind == EditKind::kRename) {
        entry.size = edit.before_size;
        entry.head_sha256 = edit.head_sha256;
      }
      if (edit.kind == EditKind::kReplace || edit.kind == EditKind::kRemove) {
        Result<std::string> backup = FreeBackupName(source_, edit.file);
        if (!backup) return backup.error();
        entry.backup = std::move(*backup);
      }
      journal_.entries.push_back(std::move(entry));
    }
    const Result<FileEntry> earlier = source_.Stat(kJournalName);
    if (!earlier) return earlier.error().kind == ErrorKind::kNotFound ? Ok() : Status(earlier.error());
    Result<std::string> text = ReadWhole(source_, kJournalName, kMaxContent);
    if (!text) return text.error();
    earlier_journal_ = std::move(*text);
    return Ok();
  }

  Status WriteJournal() {
    const SinkOptions options{.replace = earlier_journal_.has_value() || journal_written_};
    Result<std::unique_ptr<SinkFile>> file = Stage(sink_, kJournalName, JournalToJson(journal_), options);
    if (!file) return file.error();
    // From here on the journal may stand under its name, even if an error follows.
    journal_written_ = true;
    return (*file)->Commit();
  }

  Status Write() {
    if (Status status = WriteJournal(); !status) return status;
    if (Status status = WriteBackups(); !status) return status;
    std::vector<std::unique_ptr<SinkFile>> staged(plan_.edits.size());
    for (size_t i = 0; i < plan_.edits.size(); ++i) {
      const Edit& edit = plan_.edits[i];
      if (edit.kind != EditKind::kCreate && edit.kind != EditKind::kReplace) continue;
      Result<std::unique_ptr<SinkFile>> file =
          Stage(sink_, edit.file, edit.after, {.replace = edit.kind == EditKind::kReplace});
      if (!file) return file.error();
      staged[i] = std::move(*file);
    }
    for (size_t i = 0; i < plan_.edits.size(); ++i) {
      if (Status status = CarryOut(plan_.edits[i], staged[i].get()); !status) return status;
      Record(plan_.edits[i], &applied_);
    }
    journal_.applied = true;
    return WriteJournal();
  }

  Status CarryOut(const Edit& edit, SinkFile* staged) {
    if (staged != nullptr) return staged->Commit();
    if (edit.kind == EditKind::kRename) return sink_.Rename(edit.file, edit.to);
    return sink_.Remove(edit.file);
  }

  Status WriteBackups() {
    for (const JournalEntry& entry : journal_.entries) {
      if (entry.backup.empty()) continue;
      Result<std::string> content = ReadWhole(source_, entry.file, kMaxContent);
      if (!content) return content.error();
      if (Sha256(*content) != entry.before_sha256) return Changed(source_, entry.file, "it changed while it was read");
      const SinkOptions options{.replace = false, .mode = ModeOf(source_, entry.file)};
      Result<std::unique_ptr<SinkFile>> file = Stage(sink_, entry.backup, *content, options);
      if (!file) return file.error();
      if (Status status = (*file)->Commit(); !status) return status;
      applied_.backups.push_back(entry.backup);
    }
    return Ok();
  }

  Error RollBack(Error error) {
    if (!journal_written_) return error;
    const Result<Undone> restored = Restore(journal_, source_, sink_);
    Status done = restored ? Ok() : Status(restored.error());
    if (done && earlier_journal_) {
      Result<std::unique_ptr<SinkFile>> file = Stage(sink_, kJournalName, *earlier_journal_, {.replace = true});
      done = file ? (*file)->Commit() : Status(file.error());
    } else if (done) {
      done = RemoveIfPresent(source_, sink_, kJournalName);
    }
    if (!done) {
      error.message += "; and what was already written could not be taken back (" + done.error().message +
                       "): run gptq-doctor fix --undo";
    } else {
      error.message += "; nothing was changed";
    }
    return error;
  }

  const Plan& plan_;
  Source& source_;
  Sink& sink_;
  Journal journal_;
  std::optional<std::string> earlier_journal_;
  bool journal_written_ = false;
  Applied applied_;
};

}  // namespace

Result<Applied> ApplyPlan(const Plan& plan, Source& source, Sink& sink) {
  Result<Applied> applied = Applier(plan, source, sink).Run();
  return applied ? applied : SeenBefore(applied.error());
}

namespace {

// Whether some, not all, of the results stand there already.
bool WasCutOff(const Plan& plan, Source* there, std::vector<bool>& written) {
  for (const Edit& edit : plan.edits) {
    const Result<std::string> text =
        there == nullptr ? Error{ErrorKind::kNotFound, "", ""} : ReadWhole(*there, edit.file, kMaxContent);
    written.push_back(text && *text == edit.after);
  }
  const auto count = std::ranges::count(written, true);
  return count > 0 && static_cast<size_t>(count) < written.size();
}

}  // namespace

Result<Applied> WriteElsewhere(const Plan& plan, Source& source, Sink& other, Source* there) {
  Applied applied;
  std::vector<bool> written;
  const bool cut_off = WasCutOff(plan, there, written);
  std::vector<std::unique_ptr<SinkFile>> staged;
  for (const Edit& edit : plan.edits) {
    if (edit.kind == EditKind::kRename || edit.kind == EditKind::kRemove) {
      return Error{ErrorKind::kRefused, JoinPath(source.DisplayPath(), edit.file),
                   "a file that is renamed or removed cannot be written elsewhere"};
    }
    if (edit.kind == EditKind::kReplace) {
      const Result<std::string> hash = Sha256OfFile(source, edit.file);
      if (!hash) return hash.error();
      if (*hash != edit.before_sha256) return Changed(source, edit.file, "it changed since the plan was made");
    }
    if (cut_off && written[staged.size()]) {
      staged.push_back(nullptr);
      continue;
    }
    if (const size_t slash = edit.file.rfind('/'); slash != std::string::npos) {
      if (Status made = other.MakeDirectory(edit.file.substr(0, slash)); !made) return made.error();
    }
    Result<std::unique_ptr<SinkFile>> file = Stage(other, edit.file, edit.after, {.replace = false});
    if (!file) return file.error();
    staged.push_back(std::move(*file));
  }
  for (size_t i = 0; i < staged.size(); ++i) {
    const Status status = staged[i] == nullptr ? Ok() : staged[i]->Commit();
    if (!status) {
      for (size_t done = 0; done < i; ++done) {
        if (staged[done] != nullptr) (void)other.Remove(plan.edits[done].file);
      }
      return status.error();
    }
    applied.created.push_back(plan.edits[i].file);
  }
  return applied;
}

static Result<Undone> UndoNoted(Source& source, Sink& sink) {
  const Result<std::optional<Journal>> journal = ReadJournal(source);
  if (!journal) return journal.error();
  if (!journal->has_value()) {
    return Error{ErrorKind::kRefused, source.DisplayPath(), "there is no record of a write here, so nothing to undo"};
  }
  // Marked as not done first: an undo that is killed must be recognised and continued.
  Journal open = **journal;
  open.applied = false;
  Result<std::unique_ptr<SinkFile>> mark = Stage(sink, kJournalName, JournalToJson(open), {.replace = true});
  if (!mark) return mark.error();
  if (Status status = CheckRestorable(open, source); !status) return status.error();
  if (Status status = (*mark)->Commit(); !status) return status.error();
  Result<Undone> undone = Restore(open, source, sink);
  if (!undone) return undone;
  if (Status status = RemoveIfPresent(source, sink, kJournalName); !status) return status.error();
  return undone;
}

Result<Undone> UndoLast(Source& source, Sink& sink) {
  Result<Undone> undone = UndoNoted(source, sink);
  return undone ? undone : SeenBefore(undone.error());
}

}  // namespace gptq_doctor
