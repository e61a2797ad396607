#ifndef GPTQ_DOCTOR_REPAIR_CONFIG_EDIT_H_
#define GPTQ_DOCTOR_REPAIR_CONFIG_EDIT_H_

// One settings object against what it must say: which keys are wrong, missing or harmful, and the text with only those
// changed. `config --check` and `fix` share it, so that they cannot disagree.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq/quant_config_file.h"
#include "repair/settled_settings.h"

namespace gptq_doctor {

struct KeyChange {
  enum class Kind { kSet, kAdd, kRemove, kRename };
  Kind kind = Kind::kSet;
  std::string key;     // as it stands, or is added
  std::string have;    // the value as spelled; empty for kAdd
  std::string want;    // the value as it will be spelled; for kRename the key
  std::string reason;  // one sentence
  std::string code;    // the rule that reports it
  Basis basis = Basis::kProved;
  size_t member = 0;  // in the object; kAdd: unused
};
std::string Describe(const KeyChange& change);  // "bits is 8, must be 4 (tensor shapes: ...)"

struct SettingsObject {
  const JsonValue* object = nullptr;      // an object
  std::string_view text;                  // that it lies in
  const QuantConfigFile* file = nullptr;  // as read; null for an object that no reader looked at
};
// In file order, added keys last. `exam` judges a declared `dynamic`.
std::vector<KeyChange> ChangesOf(const Examination& exam, const SettingsObject& settings, ConfigTarget target,
                                 const SettledSettings& settled);

// The file's text with these changes, every other byte as it was.
std::string ApplyChanges(std::string_view text, const JsonValue& root, const JsonValue& object,
                         const std::vector<KeyChange>& changes);

// Where a target's settings object lies in its (repaired) document, null if it has none: the root, or the member
// quantization_config.
const JsonValue* SettingsIn(const JsonValue& root, ConfigTarget target);
const char* FileOf(ConfigTarget target);  // "quantize_config.json", "config.json"

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_CONFIG_EDIT_H_
