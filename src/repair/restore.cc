#include "repair/restore.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "base/os_error.h"
#include "base/sha256.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kMaxContent = 1 << 30;  // bytes of one backup
constexpr size_t kHead = 1 << 20;

// "" where the file does not exist.
Result<std::string> HashOrNone(Source& source, const std::string& file) {
  const Result<FileEntry> entry = source.Stat(file);
  if (!entry && entry.error().kind == ErrorKind::kNotFound) return std::string();
  if (!entry) return entry.error();
  if (entry->kind != FileKind::kRegular || entry->symlink) return std::string("not a regular file");
  return Sha256OfFile(source, file);
}

Result<bool> Exists(Source& source, const std::string& file) {
  const Result<FileEntry> entry = source.Stat(file);
  if (entry) return true;
  if (entry.error().kind == ErrorKind::kNotFound) return false;
  return entry.error();
}

Result<bool> IsRenamedFile(Source& source, const std::string& file, const JournalEntry& entry) {
  const Result<FileEntry> found = source.Stat(file);
  if (!found && found.error().kind == ErrorKind::kNotFound) return false;
  if (!found) return found.error();
  if (found->kind != FileKind::kRegular || found->size() != entry.size) return false;
  const Result<std::string> head = HashHead(source, file);
  if (!head) return head.error();
  return *head == entry.head_sha256;
}

enum class State { kBefore, kAfter, kOther };

Result<State> StateOf(Source& source, const JournalEntry& entry) {
  if (entry.kind == EditKind::kRename) {
    const Result<bool> from = IsRenamedFile(source, entry.file, entry);
    if (!from) return from.error();
    const Result<bool> to = IsRenamedFile(source, entry.to, entry);
    if (!to) return to.error();
    if (*from == *to) return State::kOther;
    return *from ? State::kBefore : State::kAfter;
  }
  const Result<std::string> hash = HashOrNone(source, entry.file);
  if (!hash) return hash.error();
  if (*hash == entry.before_sha256) return State::kBefore;
  return *hash == entry.after_sha256 ? State::kAfter : State::kOther;
}

Error ChangedSince(const Source& source, const JournalEntry& entry) {
  std::string message = "it changed since the last write, so that write is not undone";
  if (!entry.backup.empty()) message += "; the earlier content is in " + entry.backup;
  return {ErrorKind::kRefused, JoinPath(source.DisplayPath(), entry.file), std::move(message)};
}

Status PutBack(const JournalEntry& entry, Source& source, Sink& sink, Undone* undone) {
  if (entry.kind == EditKind::kRename) {
    undone->restored.push_back(entry.file);
    return sink.Rename(entry.to, entry.file);
  }
  if (entry.before_sha256.empty()) {
    undone->deleted.push_back(entry.file);
    return sink.Remove(entry.file);
  }
  const Result<std::string> content = ReadWhole(source, entry.backup, kMaxContent);
  if (!content) return content.error();
  const uint32_t mode = entry.kind == EditKind::kRemove ? ModeOf(source, entry.backup) : 0;
  Result<std::unique_ptr<SinkFile>> file =
      sink.Create(entry.file, {.replace = entry.kind == EditKind::kReplace, .mode = mode});
  if (!file) return file.error();
  if (Status status = (*file)->Write(std::span<const char>(content->data(), content->size())); !status) return status;
  undone->restored.push_back(entry.file);
  return (*file)->Commit();
}

// The temporary files that a killed run left, ".NAME.gptq-doctor-XXXXXXXX.tmp" beside NAME.
Status RemoveLeftovers(const Journal& journal, Source& source, Sink& sink) {
  const Result<Listing> listing = source.List();
  if (!listing) return listing.error();
  std::vector<std::string> patterns;
  const auto add = [&](const std::string& name) {
    const size_t slash = name.rfind('/');
    const size_t base = slash == std::string::npos ? 0 : slash + 1;
    patterns.push_back(name.substr(0, base) + "." + name.substr(base) + ".gptq-doctor-");
  };
  add(kJournalName);
  for (const JournalEntry& entry : journal.entries) {
    add(entry.file);
    if (!entry.backup.empty()) add(entry.backup);
  }
  for (const FileEntry& entry : listing->entries) {
    for (const std::string& prefix : patterns) {
      if (!entry.name.starts_with(prefix) || !entry.name.ends_with(".tmp")) continue;
      if (entry.name.size() != prefix.size() + 8 + 4 || entry.kind != FileKind::kRegular) continue;
      if (Status status = sink.Remove(entry.name); !status) return status;
      break;
    }
  }
  return Ok();
}

}  // namespace

Result<std::string> HashHead(Source& source, const std::string& file) {
  std::vector<char> buffer(kHead);
  const ReadRequest request{.file = file, .offset = 0, .into = buffer};
  ReadOutcome outcome;
  source.ReadMany({&request, 1}, {&outcome, 1});
  if (outcome.error && outcome.error->kind == ErrorKind::kNotFound) outcome.error->kind = ErrorKind::kChanged;
  if (outcome.error) return *outcome.error;
  return Sha256({buffer.data(), outcome.bytes});
}

uint32_t ModeOf(Source& source, const std::string& file) {
  struct stat info {};
  const std::string root = source.LocalRoot();
  if (root.empty() || stat((root + "/" + file).c_str(), &info) != 0) return 0;
  return info.st_mode & 0777;
}

Status RemoveIfPresent(Source& source, Sink& sink, const std::string& file) {
  const Result<bool> exists = Exists(source, file);
  if (!exists) return exists.error();
  return *exists ? sink.Remove(file) : Ok();
}

namespace {

// What stands as after, checked against its backup.
Result<std::vector<const JournalEntry*>> Changes(const Journal& journal, Source& source) {
  std::vector<const JournalEntry*> after;
  for (const JournalEntry& entry : journal.entries) {
    const Result<State> state = StateOf(source, entry);
    if (!state) return state.error();
    if (*state == State::kOther) return ChangedSince(source, entry);
    if (*state == State::kBefore) continue;
    after.push_back(&entry);
    if (entry.backup.empty()) continue;
    const Result<std::string> kept = HashOrNone(source, entry.backup);
    if (!kept) return kept.error();
    if (*kept != entry.before_sha256) {
      return Error{ErrorKind::kRefused, JoinPath(source.DisplayPath(), entry.backup),
                   "the backup is gone or changed, so the last write is not undone"};
    }
  }
  return after;
}

}  // namespace

Status CheckRestorable(const Journal& journal, Source& source) {
  const Result<std::vector<const JournalEntry*>> changes = Changes(journal, source);
  return changes ? Ok() : Status(changes.error());
}

Result<Undone> Restore(const Journal& journal, Source& source, Sink& sink) {
  const Result<std::vector<const JournalEntry*>> changes = Changes(journal, source);
  if (!changes) return changes.error();
  Undone undone;
  for (auto it = changes->rbegin(); it != changes->rend(); ++it) {
    if (Status status = PutBack(**it, source, sink, &undone); !status) return status.error();
  }
  for (const JournalEntry& entry : journal.entries) {
    if (entry.backup.empty()) continue;
    const Result<std::string> kept = HashOrNone(source, entry.backup);
    if (!kept) return kept.error();
    if (*kept != entry.before_sha256) continue;
    if (Status status = sink.Remove(entry.backup); !status) return status.error();
  }
  if (!journal.applied) {
    if (Status status = RemoveLeftovers(journal, source, sink); !status) return status.error();
  }
  return undone;
}

namespace {

// Every file is as after: what is left to do is to say so.
Result<std::string> Complete(Journal journal, Source& source, Sink& sink) {
  if (Status status = RemoveLeftovers(journal, source, sink); !status) return status.error();
  journal.applied = true;
  Result<std::unique_ptr<SinkFile>> file = sink.Create(kJournalName, {.replace = true});
  if (!file) return file.error();
  if (Status status = (*file)->Write(JournalToJson(journal)); !status) return status.error();
  if (Status status = (*file)->Commit(); !status) return status.error();
  return std::string();
}

}  // namespace

Result<std::string> SettleInterrupted(Source& source, Sink& sink) {
  Result<std::string> interrupted = InterruptedWrite(source);
  if (!interrupted || !interrupted->empty()) return interrupted;
  const Result<std::optional<Journal>> journal = ReadJournal(source);
  if (!journal) return journal.error();
  if (!journal->has_value() || (*journal)->applied) return std::string();
  for (const JournalEntry& entry : (*journal)->entries) {
    const Result<State> state = StateOf(source, entry);
    if (!state) return state.error();
    if (*state != State::kBefore) return Complete(**journal, source, sink);
  }
  const Result<Undone> undone = Restore(**journal, source, sink);
  if (!undone) return undone.error();
  if (Status status = RemoveIfPresent(source, sink, kJournalName); !status) return status.error();
  return std::string();
}

Result<std::string> InterruptedWrite(Source& source) {
  const Result<std::optional<Journal>> journal = ReadJournal(source);
  if (!journal) return journal.error();
  if (!journal->has_value() || (*journal)->applied) return std::string();
  size_t before = 0, after = 0;
  for (const JournalEntry& entry : (*journal)->entries) {
    const Result<State> state = StateOf(source, entry);
    if (!state) return state.error();
    before += *state == State::kBefore;
    after += *state == State::kAfter;
  }
  if (before == (*journal)->entries.size() || after == (*journal)->entries.size()) return std::string();
  return std::string("an earlier write was interrupted half-way: run gptq-doctor fix --undo on it first");
}

}  // namespace gptq_doctor
