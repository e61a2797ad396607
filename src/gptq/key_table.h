#ifndef GPTQ_DOCTOR_GPTQ_KEY_TABLE_H_
#define GPTQ_DOCTOR_GPTQ_KEY_TABLE_H_

// The keys of GPTQ configuration files: which setting each one means, its type, whether tensors have a say in it, and
// who reads it. A key without a row is unknown to every loader that the table's sources cover; it is kept all the same.

#include <cstdint>
#include <span>
#include <string_view>

namespace gptq_doctor {

enum class ConfigField : uint8_t {
  kNone,  // no field of Quantization
  kBits,
  kGroupSize,
  kSym,
  kDescAct,
  kCheckpointFormat,
  kPackDtype,
  kLmHead,
  kStaticGroups,
  kDynamic,
  kMethod,
};
// The key that stands for a field in canonical files; "" for kNone.
std::string_view CanonicalKey(ConfigField field);

enum class KeyType : uint8_t { kInt, kNumber, kBool, kString, kObject, kAny };

enum class KeyFate : uint8_t {
  kProved,   // written from settings, never copied
  kKept,     // no tensor contradicts it: a generated file takes it over
  kDropped,  // belongs to another spelling or format, or makes some loader stop
};

struct KeyRow {
  std::string_view key;
  ConfigField field = ConfigField::kNone;
  KeyType type = KeyType::kAny;
  KeyFate fate = KeyFate::kKept;
  // Files of one directory may differ in it without meaning anything: names, provenance, tuning records.
  bool provenance = false;
  std::string_view source;  // repository at version: who reads or writes it
};

std::span<const KeyRow> KeyTable();
// Exact, else without regard to ASCII case (AutoGPTQ main and GPTQModel lower-case keys); null if unknown.
const KeyRow* FindKeyRow(std::string_view key);

struct MethodRow {
  std::string_view method;  // quant_method in lower case
  std::string_view family;  // "gptq", or the format family of FormatTable
  std::string_view format;  // checkpoint_format that the method itself implies; "" if none
  std::string_view source;
};
std::span<const MethodRow> MethodTable();
const MethodRow* FindMethodRow(std::string_view lower_case_method);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_GPTQ_KEY_TABLE_H_
