// The fuzzer's doors. The target is the one after which the program is called: fuzz_TARGET.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "fuzz/fuzz_target.h"
#include "fuzz/mutator.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using gptq_doctor::fuzz::kTargets;
using gptq_doctor::fuzz::Target;

const Target* g_target = nullptr;  // set once, before anything else runs

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char*** arguments) {
  std::string_view name = **arguments;
  name.remove_prefix(std::min(name.rfind("fuzz_") + 5, name.size()));
  g_target = std::ranges::find_if(kTargets, [&](const Target& target) { return name == target.name; });
  if (g_target != std::end(kTargets)) return 0;
  std::fprintf(stderr, "%s: call it as fuzz_TARGET\n", **arguments);
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  g_target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return gptq_doctor::fuzz::Mutate(g_target->form, {data, max_size}, size, seed, LLVMFuzzerMutate);
}
