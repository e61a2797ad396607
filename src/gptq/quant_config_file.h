#ifndef GPTQ_DOCTOR_GPTQ_QUANT_CONFIG_FILE_H_
#define GPTQ_DOCTOR_GPTQ_QUANT_CONFIG_FILE_H_

// Quantization settings as files declare them: quantize_config.json, quant_config.json, quantization_config.json and
// the section `quantization_config` of config.json (also nested in text_config), in all spellings. Reading keeps every
// key; nothing here knows what is true of the tensors.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/storage.h"
#include "gptq_doctor/quant_config.h"
#include "model/model_config.h"
#include "model/model_dir.h"

namespace gptq_doctor {

enum class ConfigReading {
  kAbsent,       // no such file, or config.json without the section
  kValid,        // bits and group_size readable, nothing contradictory inside
  kIncomplete,   // a GPTQ config without keys that a loader insists on
  kConflicting,  // keys inside one file contradict each other (two spellings, two values)
  kMalformed,    // not JSON, or values of impossible types
  kNamesake,     // same name, other purpose (an ONNX exporter's quantize_config.json)
  kForeign,      // another method's config (awq, compressed-tensors, bitsandbytes, ...)
};

struct KeyProblem {
  std::string key;      // as spelled in the file
  std::string pointer;  // JSON pointer
  std::string message;  // one sentence
  JsonPlace place;
  bool contradiction = false;
};

struct QuantConfigFile {
  std::string file;     // "config.json"
  std::string pointer;  // "" or "/quantization_config" or "/text_config/quantization_config"
  ConfigReading reading = ConfigReading::kAbsent;
  std::string detail;  // one sentence
  std::string text;    // the file's bytes
  JsonDocument json;
  std::optional<JsonRange> section;  // of the settings object in `text`
  Quantization settings;  // what is declared, aliases resolved (w_bit, wbits, groupsize, q_group_size, format, ...)
  std::optional<std::string> quant_method;  // as spelled
  std::string method_family;  // "gptq" for gptq, auto-round with auto_gptq packing, ...; "" if none declared
  std::vector<std::pair<std::string, std::string>> keys;     // key, value as spelled, in file order
  std::vector<std::pair<std::string, std::string>> aliases;  // (spelling found, field it means)
  std::vector<std::string> unknown;     // keys that no loader in key_table.cc reads or writes, file order
  std::vector<KeyProblem> problems;     // in file order, gaps last
  std::string quantizer;                // meta.quantizer's first, "gptqmodel:2.2.0"; "" if none
  std::vector<std::string> quantizers;  // all of them: optimum writes itself and gptqmodel
  // The member of the settings object, null if absent.
  const JsonValue* Find(std::string_view key) const;
};

struct ConfigSet {
  ModelConfig model;  // config.json
  std::vector<QuantConfigFile>
      files;  // every file that exists, plus config.json's section; order: quantize_config.json, config.json, others
  const QuantConfigFile* Get(std::string_view file) const;
};

// Reads every file of these roles at the top of the directory. Files that exist and cannot be read are appended to
// `errors`.
ConfigSet ReadConfigs(Source& source, const ModelDir& dir, std::vector<Error>& errors);
// One settings object; `pointer` says where in `text` it lies. For tests and for `config -`.
QuantConfigFile ReadQuantConfig(std::string file, std::string text, std::string pointer);

// Keys a generated file takes over from an existing one: those no tensor can contradict. Spelled JSON values, file
// order.
std::vector<std::pair<std::string, std::string>> KeysToKeep(const QuantConfigFile& file);

enum class ConfigTarget { kQuantizeConfigJson, kConfigJsonSection };
// The canonical text as current GPTQModel and AutoGPTQ write it: key order, indent 2, always bits, group_size,
// desc_act, quant_method; never is_marlin_format. `keep` follows the proved keys. No trailing newline.
std::string WriteQuantConfig(const Quantization& settings, ConfigTarget target,
                             const std::vector<std::pair<std::string, std::string>>& keep);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_QUANT_CONFIG_FILE_H_
