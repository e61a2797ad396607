// The fuzzer's door: the target is chosen when the program is compiled (GPTQ_DOCTOR_FUZZ_TARGET, a name in the table).

#include <cstdint>
#include <cstring>

#include "fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const auto& target : gptq_doctor::fuzz::kTargets) {
    if (std::strcmp(target.name, GPTQ_DOCTOR_FUZZ_TARGET) != 0) continue;
    target.run({reinterpret_cast<const char*>(data), size});
    return 0;
  }
  std::abort();
}
