#ifndef GPTQ_DOCTOR_BASE_SHA256_H_
#define GPTQ_DOCTOR_BASE_SHA256_H_

// SHA-256 as lower-case hex, of text and of files: how a plan recognises the state of a file that it was made for, and
// what fingerprints of findings are cut from.

#include <functional>
#include <string>
#include <string_view>

#include "base/storage.h"

namespace gptq_doctor {

std::string Sha256(std::string_view data);
// Of a whole file that was seen before, read in pieces. `step` is told of the bytes of each piece; false stops with
// kInterrupted. Errors as Source gives them; kChanged where the file is gone or changes.
Result<std::string> Sha256OfFile(Source& source, std::string_view file,
                                 const std::function<bool(uint64_t bytes)>& step = {});

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_SHA256_H_
