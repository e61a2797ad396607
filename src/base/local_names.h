#ifndef GPTQ_DOCTOR_BASE_LOCAL_NAMES_H_
#define GPTQ_DOCTOR_BASE_LOCAL_NAMES_H_

// Names in one local directory that is no model: not recursive, no stat of the entries.

#include <string>
#include <vector>

#include "gptq_doctor/result.h"

namespace gptq_doctor {

// Sorted bytewise, "." and ".." left out, at most 200,000. Errors: kNotFound, kPermission, kUsage (not a directory),
// kIo.
Result<std::vector<std::string>> LocalNames(const std::string& directory);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_LOCAL_NAMES_H_
