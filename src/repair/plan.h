#ifndef GPTQ_DOCTOR_REPAIR_PLAN_H_
#define GPTQ_DOCTOR_REPAIR_PLAN_H_

// A repair as plain data: ordered edits with their reasons. Making one writes nothing; apply.h alone carries it out.
// The JSON form is that of docs/schema/plan-1.schema.json and holds everything that `apply FILE` needs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/result.h"

namespace gptq_doctor {

enum class EditKind {
  kCreate,   // the file must not exist
  kReplace,  // the file must be in the state that `before` names
  kRename,   // `file` becomes `to`, which must not exist
  kRemove,
};
const char* ToString(EditKind kind);

// certain: proved by the tensors. assumed: rests on --assume. (What only a person can do is a ManualStep.)
enum class Applicability { kCertain, kAssumed };
const char* ToString(Applicability applicability);

struct Edit {
  EditKind kind = EditKind::kCreate;
  std::string file;           // relative to the model
  std::string to;             // kRename only
  std::string before_sha256;  // empty for kCreate, and for kRename: weight files are told by size and head
  int64_t before_size = -1;
  std::string head_sha256;  // kRename: of the first MiB
  std::string before;       // content, for the diff; not in the JSON
  std::string after;        // content
  Applicability applicability = Applicability::kCertain;
  std::vector<std::string> codes;    // rules that this repairs
  std::vector<std::string> reasons;  // one sentence each
};

struct ManualStep {
  std::string file;
  std::string text;  // what to do, one or two sentences
};

struct Plan {
  std::string model;  // as the user gave it
  std::vector<Edit> edits;
  std::vector<ManualStep> manual;
  std::vector<std::string> warnings;
  std::vector<std::string> assumed;  // "checkpoint_format=gptq"
  std::vector<std::string> open;     // keys that must be assumed before the plan may be written
  bool empty() const { return edits.empty(); }
};

std::string PlanToJson(const Plan& plan);
// kRefused where the text is no plan of a version that is understood, or holds an edit outside the model.
Result<Plan> PlanFromJson(std::string_view text, std::string_view path);

// A plain relative name inside the model; nothing else is ever written.
bool IsSafeName(std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_PLAN_H_
