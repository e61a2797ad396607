#ifndef GPTQ_DOCTOR_REPAIR_JOURNAL_H_
#define GPTQ_DOCTOR_REPAIR_JOURNAL_H_

// The record of the last write in a model directory: what `--undo` needs, and what tells a run that was killed from one
// that ended. It is written before anything else and marked as applied after everything else.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/storage.h"
#include "repair/plan.h"

namespace gptq_doctor {

constexpr char kJournalName[] = ".gptq-doctor.journal.json";

struct JournalEntry {
  EditKind kind = EditKind::kCreate;
  std::string file, to;
  std::string before_sha256, after_sha256;  // empty: the file does not exist then
  std::string backup;                       // holds the content before; empty for created and renamed files
  int64_t size = -1;                        // kRename: the file is told by size and head, since it may be large
  std::string head_sha256;
};

struct Journal {
  bool applied = false;  // false: the run did not end
  std::vector<JournalEntry> entries;
};

std::string JournalToJson(const Journal& journal);
// Empty where there is none. kRefused where it cannot be understood.
Result<std::optional<Journal>> ReadJournal(Source& source);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_JOURNAL_H_
