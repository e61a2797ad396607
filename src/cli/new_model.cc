#include "cli/new_model.h"

#include <fmt/format.h>

#include "cli/progress.h"

namespace gptq_doctor {

std::string IdentityOf(const Examination& exam) {
  std::string text;
  for (const ShardHeader& shard : exam.tensors.shards) {
    const FileIdentity& identity = shard.identity;
    text += fmt::format("{} {} {} {}\n", shard.file, identity.size, identity.mtime_ns, identity.inode);
  }
  return text;
}

Result<WrittenModel> WriteNewModel(Session& session, const std::string& what, const OutModel& model,
                                   const std::string& directory, bool resume) {
  const ExamineContext context = session.context();
  Progress progress(session, what);
  return WriteModel(model, directory,
                    {.resume = resume,
                     .pool = context.pool,
                     .cancelled = context.cancelled,
                     .progress = [&](uint64_t done, uint64_t total) { progress.Update(done, total); }});
}

}  // namespace gptq_doctor
