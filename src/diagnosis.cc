#include "gptq_doctor/diagnosis.h"

namespace gptq_doctor {

const char* ToString(Confidence confidence) {
  switch (confidence) {
    case Confidence::kCertain:
      return "certain";
    case Confidence::kInferred:
      return "inferred";
    case Confidence::kAssumed:
      return "assumed";
    case Confidence::kUnknown:
      break;
  }
  return "unknown";
}

const char* ToString(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      break;
  }
  return "note";
}

const char* ToString(Outcome outcome) {
  switch (outcome) {
    case Outcome::kRejects:
      return "rejects";
    case Outcome::kFallsBack:
      return "falls-back";
    case Outcome::kGarbage:
      return "garbage";
    case Outcome::kSlow:
      return "slow";
    case Outcome::kLoads:
      return "loads";
    case Outcome::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace gptq_doctor
