#ifndef GPTQ_DOCTOR_TESTS_FUZZ_FUZZ_TARGET_H_
#define GPTQ_DOCTOR_TESTS_FUZZ_FUZZ_TARGET_H_

// Functions over arbitrary bytes that must neither crash nor break a promise, whatever the bytes. A table, so that the
// fuzzer and the test that replays the corpora run the same code.

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace gptq_doctor::fuzz {

void Header(std::string_view input);
void Index(std::string_view input);
void Json(std::string_view input);
void QuantConfig(std::string_view input);
void Mapping(std::string_view input);
void Settings(std::string_view input);
void Baseline(std::string_view input);
void Plan(std::string_view input);
void Journal(std::string_view input);
void Pattern(std::string_view input);
void Environment(std::string_view input);
void Directory(std::string_view input);
void Numbers(std::string_view input);
void Kernel(std::string_view input);

// What of an input keeps its form when it is changed.
enum class Form {
  kText,     // nothing: bytes, mostly JSON
  kFramed,   // a safetensors file: the length at its beginning stays that of the header's text
  kRecords,  // the records of a directory, see directory_fuzz.cc
  kBinary,   // nothing, and no text
};

struct Target {
  const char* name;  // also of its folder under tests/data/fuzz
  void (*run)(std::string_view input);
  Form form;
};

inline constexpr Target kTargets[] = {
    {"header", Header, Form::kFramed},
    {"index", Index, Form::kText},
    {"json", Json, Form::kText},
    {"quant_config", QuantConfig, Form::kText},
    {"mapping", Mapping, Form::kText},
    {"settings", Settings, Form::kText},
    {"baseline", Baseline, Form::kText},
    {"plan", Plan, Form::kText},
    {"journal", Journal, Form::kText},
    {"pattern", Pattern, Form::kText},
    {"environment", Environment, Form::kText},
    {"directory", Directory, Form::kRecords},
    {"numbers", Numbers, Form::kRecords},
    {"kernel", Kernel, Form::kBinary},
};

// A broken promise ends the process: the fuzzer keeps the input.
inline void Require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

}  // namespace gptq_doctor::fuzz

#endif  // GPTQ_DOCTOR_TESTS_FUZZ_FUZZ_TARGET_H_
