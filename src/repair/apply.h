#ifndef GPTQ_DOCTOR_REPAIR_APPLY_H_
#define GPTQ_DOCTOR_REPAIR_APPLY_H_

// The one place that carries out plans. All or nothing over all files: content is staged before the first name changes,
// what is replaced is kept as NAME.gptq-doctor.bak, and a journal, written first, lets a failure roll back, a killed
// run be recognised, and `--undo` restore. Each file is at every moment whole, as before or as after. Knows nothing
// about why an edit is made.

#include <string>
#include <vector>

#include "base/sink.h"
#include "base/storage.h"
#include "repair/journal.h"
#include "repair/plan.h"

namespace gptq_doctor {

struct Applied {
  std::vector<std::string> created, replaced, renamed, removed;  // file names; a renamed one as "old -> new"
  std::vector<std::string> backups;
};

// `source` and `sink` are the same directory. An earlier write that was killed after its last edit is completed first,
// also by an empty plan. kRefused: a file is not as the plan expects, is a symbolic link, or an
// earlier write was interrupted half-way. Other errors: nothing has changed, unless the message says what could not be
// restored.
Result<Applied> ApplyPlan(const Plan& plan, Source& source, Sink& sink);
// Writes the results of creating and replacing into another directory, where none of the files may exist; `source` is
// the model, unchanged. `there` reads that directory: where a run was cut off, what it wrote is passed over.
Result<Applied> WriteElsewhere(const Plan& plan, Source& source, Sink& other, Source* there = nullptr);

struct Undone {
  std::vector<std::string> restored, deleted;
};
// Restores what the last write replaced, deletes what it created. kRefused: there is no record of a write, or a file
// changed since.
Result<Undone> UndoLast(Source& source, Sink& sink);

// "" where no write stands half done; otherwise one sentence that says so.
Result<std::string> InterruptedWrite(Source& source);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_APPLY_H_
