#ifndef GPTQ_DOCTOR_REPAIR_RESTORE_H_
#define GPTQ_DOCTOR_REPAIR_RESTORE_H_

// Takes a write back, whether it ended, failed or was killed: every file of the journal is told by its hash to be as
// before or as after. Shared by roll-back and
// `--undo`; can itself be killed and run again.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/sink.h"
#include "repair/apply.h"

namespace gptq_doctor {

constexpr char kBackupSuffix[] = ".gptq-doctor.bak";

// Checks everything before it changes anything: kRefused where a file is neither as before nor as after, or its backup
// is not what the journal says. Leaves the journal to the caller.
Result<Undone> Restore(const Journal& journal, Source& source, Sink& sink);
// The same checks alone.
Status CheckRestorable(const Journal& journal, Source& source);
Status RemoveIfPresent(Source& source, Sink& sink, const std::string& file);

// A killed run that had not changed a file yet is taken back at once, one that had changed them all is completed.
// Anything between is said in one sentence;
// "" where there is nothing to say.
Result<std::string> SettleInterrupted(Source& source, Sink& sink);

// SHA-256 of the first MiB: enough to tell weight files apart without reading gigabytes.
Result<std::string> HashHead(Source& source, const std::string& file);
// Permission bits of a local file, 0 (the sink's default) where they cannot be told.
uint32_t ModeOf(Source& source, const std::string& file);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_RESTORE_H_
