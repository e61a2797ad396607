#ifndef GPTQ_DOCTOR_GPTQ_SETTING_VALUES_H_
#define GPTQ_DOCTOR_GPTQ_SETTING_VALUES_H_

// One value of a settings object: what it means if it means anything, and the problem where it is not spelled as
// loaders expect. Knows no setting by name; settings_reader.cc does.

#include <optional>
#include <string>
#include <string_view>

#include "gptq/quant_config_file.h"

namespace gptq_doctor {

// A key as messages show it.
std::string SettingName(const JsonMember& member);

class SettingValues {
 public:
  // Problems go to `out`, whose text the values lie in.
  explicit SettingValues(QuantConfigFile& out) : out_(out) {}

  std::string Spelled(const JsonValue& value) const;
  // Each reading returns nothing where the value means nothing; it has then said so.
  std::optional<int64_t> ParseInt(const JsonMember& member);
  // `null_matters`: some loader stops on or misreads a null.
  std::optional<bool> ParseBool(const JsonMember& member, bool null_matters);
  std::optional<std::string> ParseString(const JsonMember& member, std::string_view null_effect);
  std::optional<std::string> ParsePackDtype(const JsonMember& member);

  void AddProblem(const JsonMember& member, std::string message, bool contradiction = false);
  void AddImpossible(const JsonMember& member, std::string_view wanted);
  void MarkImpossible() { impossible_ = true; }

  bool impossible() const { return impossible_; }        // some value is of a type or size that means nothing
  bool contradictory() const { return contradictory_; }  // two spellings, two values

 private:
  QuantConfigFile& out_;
  bool impossible_ = false, contradictory_ = false;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_SETTING_VALUES_H_
