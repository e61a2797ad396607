#ifndef GPTQ_DOCTOR_REPAIR_GENERATE_H_
#define GPTQ_DOCTOR_REPAIR_GENERATE_H_

// The text that `config MODEL` prints: a quantize_config.json, or the section quantization_config of config.json, that
// the tensors prove. Writes nothing.

#include <string>
#include <vector>

#include "gptq/quant_config_file.h"
#include "repair/settled_settings.h"

namespace gptq_doctor {

struct GeneratedConfig {
  std::string text;  // no trailing newline
  SettledSettings settled;
  std::vector<std::string> warnings;  // what was left out, and why
};

Result<GeneratedConfig> GenerateConfig(const Examination& exam, ConfigTarget target,
                                       const std::vector<Assumption>& assumptions);
// The same from settings settled before.
GeneratedConfig GenerateConfig(const Examination& exam, ConfigTarget target, SettledSettings settled);

// Whether that file, as it is, already says the same to every loader.
struct ConfigCheck {
  std::string file;
  std::vector<std::string> differences;  // one sentence a key: "bits is 8, should be 4: ..."; empty: nothing to change
};
ConfigCheck CheckConfig(const Examination& exam, ConfigTarget target, const SettledSettings& settled);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_REPAIR_GENERATE_H_
