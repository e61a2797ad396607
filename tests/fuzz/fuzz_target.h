#ifndef GPTQ_DOCTOR_TESTS_FUZZ_FUZZ_TARGET_H_
#define GPTQ_DOCTOR_TESTS_FUZZ_FUZZ_TARGET_H_

// Functions over arbitrary bytes that must neither crash nor break a promise, whatever the bytes. A table, so that the
// fuzzer and the test that replays the corpora run the same code.

#include <cstdio>
#include <cstdlib>
#include <span>
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
void Directory(std::string_view input);
void Kernel(std::string_view input);

struct Target {
  const char* name;  // also of its folder under tests/data/fuzz
  void (*run)(std::string_view input);
};

inline constexpr Target kTargets[] = {
    {"header", Header},     {"index", Index},       {"json", Json}, {"quant_config", QuantConfig}, {"mapping", Mapping},
    {"settings", Settings}, {"baseline", Baseline}, {"plan", Plan}, {"directory", Directory},      {"kernel", Kernel},
};

// A broken promise ends the process: the fuzzer keeps the input.
inline void Require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

}  // namespace gptq_doctor::fuzz

#endif  // GPTQ_DOCTOR_TESTS_FUZZ_FUZZ_TARGET_H_
