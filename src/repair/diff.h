#ifndef GPTQ_DOCTOR_REPAIR_DIFF_H_
#define GPTQ_DOCTOR_REPAIR_DIFF_H_

// Unified diffs in git's style, safe to print: what files hold is untrusted.

#include <cstddef>
#include <string>
#include <string_view>

#include "repair/plan.h"

namespace gptq_doctor {

struct DiffOptions {
  bool color = false;
  int context = 3;  // lines
};

// The hunks alone, "" where the texts are equal. Control characters other than tab and the carriage return of a CRLF
// are escaped; lines over 4,096 bytes are cut.
std::string UnifiedDiff(std::string_view before, std::string_view after, const DiffOptions& options);
// With headers: "--- a/FILE", "+++ b/FILE", /dev/null for created and removed files, "rename from" and "rename to".
std::string DiffOf(const Edit& edit, const DiffOptions& options);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_DIFF_H_
