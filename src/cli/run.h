#ifndef GPTQ_DOCTOR_CLI_RUN_H_
#define GPTQ_DOCTOR_CLI_RUN_H_

namespace gptq_doctor {

// Parses the command line, runs the command, returns the exit code. Exceptions that pass are our bugs.
int RunProgram(int argc, const char* const* argv);
// Occupies standard descriptors that the caller closed, so that no file of ours is opened under their numbers and
// written into by a message.
void KeepStandardDescriptors();
// Whether the raw arguments or the environment ask for JSON, also where they cannot be parsed.
bool AsksForJson(int argc, const char* const* argv);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_CLI_RUN_H_
