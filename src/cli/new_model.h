#ifndef GPTQ_DOCTOR_CLI_NEW_MODEL_H_
#define GPTQ_DOCTOR_CLI_NEW_MODEL_H_

// What the commands that write a new model directory share.

#include <string>

#include "cli/session.h"
#include "dequant/model_writer.h"

namespace gptq_doctor {

// The weight files as they are on disk, for the fingerprint that --resume compares.
std::string IdentityOf(const Examination& exam);
// WriteModel on the session's threads, with progress on a terminal; SIGINT cancels it.
Result<WrittenModel> WriteNewModel(Session& session, const std::string& what, const OutModel& model,
                                   const std::string& directory, bool resume);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_NEW_MODEL_H_
