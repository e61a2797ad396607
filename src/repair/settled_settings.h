#ifndef GPTQ_DOCTOR_REPAIR_SETTLED_SETTINGS_H_
#define GPTQ_DOCTOR_REPAIR_SETTLED_SETTINGS_H_

// Decides what a configuration of this model must say: what the tensors prove, then what existing files declare and no
// tensor contradicts, then what the user assumes. Refuses where the tensors contradict each other or the model is not
// GPTQ. Knows nothing about files' spelling; generate.h and config_edit.h write what is settled here.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gptq_doctor/result.h"
#include "infer/examination.h"

namespace gptq_doctor {

struct Assumption {
  std::string key, value;
};
// "checkpoint_format=gptq_v2". kUsage for an unknown key (with the nearest one) or a value of the wrong type.
Result<Assumption> ParseAssumption(std::string_view text);
// A JSON number strictly between 0 and 1: what AutoGPTQ and GPTQModel accept as damp_percent.
bool IsFraction(std::string_view text);

enum class Basis {
  kProved,    // evidence that is certain or inferred
  kDeclared,  // an existing file says so, the tensors allow it
  kAssumed,   // the user says so
  kDefault,   // both values would mean the same for these tensors (desc_act with a sequential g_idx)
};

struct SettledKey {
  std::string key;
  Basis basis = Basis::kProved;
  std::string reason;  // one sentence with the facts
};

struct SettledSettings {
  Quantization settings;         // an empty optional is left out
  std::vector<SettledKey> keys;  // of what is in `settings`, in the order of the JSON contract
  std::vector<std::pair<std::string, std::string>>
      extra;                      // further keys with spelled values: --assume damp_percent, header metadata
  std::vector<std::string> open;  // keys that nothing settles: "checkpoint_format", "sym"
  std::vector<std::string> warnings;
  bool unproved = false;  // no quantized tensor could be read: every value is a file's or the user's word
  const SettledKey* Find(std::string_view key) const;
  bool IsOpen(std::string_view key) const;
};

// Error kRefused: not GPTQ (it says what it is), contradictions between tensors, bits unknown, or an assumption that
// the tensors disprove.
Result<SettledSettings> SettleSettings(const Examination& exam, const std::vector<Assumption>& assumptions);

// The refusal of those who may write proved settings alone.
Error NothingProved(const Examination& exam);

// Whether declared settings, `dynamic` included, give every quantized module the bits and groups that it has.
enum class Agreement { kRight, kWrong, kUndecided };
struct DeclaredVerdict {
  Agreement agreement = Agreement::kRight;
  int64_t wrong = 0;        // modules
  std::string first_wrong;  // a module's name
  std::string detail;       // what it has and what it is given
};
DeclaredVerdict JudgeDeclared(const Quantization& declared, const Examination& exam);

// "is AWQ (GEMM layout), not GPTQ", "holds no quantized modules", ...: why no GPTQ configuration can be written; empty
// where one can.
std::string WhyNotGptq(const Examination& exam);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_SETTLED_SETTINGS_H_
