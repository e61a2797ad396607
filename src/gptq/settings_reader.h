#ifndef GPTQ_DOCTOR_GPTQ_SETTINGS_READER_H_
#define GPTQ_DOCTOR_GPTQ_SETTINGS_READER_H_

// The typed part of reading a configuration file: one settings object in every spelling. Fills keys, aliases, unknown,
// settings, quant_method, method_family, quantizers and problems; leaves the judgement of the file to
// quant_config_reader.cc.

#include "gptq/quant_config_file.h"

namespace gptq_doctor {

struct SettingsReading {
  bool impossible = false;     // some value is of a type or size that means nothing
  bool contradictory = false;  // two spellings, two values
};
// `out` has file, pointer, text and json; `object` lies in its json.
SettingsReading ReadSettings(QuantConfigFile& out, const JsonValue& object);

// How a method or packing_format of AutoRound stores its zeros, "gptq" or "gptq_v2" (intel/auto-round b9f3d007,
// inference/backend.py; z - 1 for auto_gptq, z for its own export); "" where it is not GPTQ's packing.
std::string_view AutoRoundFormat(std::string_view packing);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_SETTINGS_READER_H_
