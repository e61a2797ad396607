#include "model/name_hash.h"

#include <random>

#include "model/safetensors.h"

namespace gptq_doctor {

const HashKey& ProcessHashKey() {
  static const HashKey key = [] {
    std::random_device random;
    HashKey made{};
    for (uint64_t& word : made.word) word = (static_cast<uint64_t>(random()) << 32 | random()) | 1;
    return made;
  }();
  return key;
}

uint64_t HashName(std::string_view name) { return HashNameWith(ProcessHashKey(), name).low; }

}  // namespace gptq_doctor
