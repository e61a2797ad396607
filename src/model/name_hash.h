#ifndef GPTQ_DOCTOR_MODEL_NAME_HASH_H_
#define GPTQ_DOCTOR_MODEL_NAME_HASH_H_

// The keyed hash behind every table of names. The key is drawn once a process, so that no file can be made whose names
// collide; nothing that is printed depends on it.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gptq_doctor {

struct HashKey {
  uint64_t word[4];
};
const HashKey& ProcessHashKey();

struct NameHash {
  uint64_t low = 0, high = 0;
  uint32_t tag() const { return static_cast<uint32_t>(low >> 32); }
};

namespace name_hash_internal {
inline uint64_t Load8(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}
inline uint64_t Load4(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
struct Product {
  uint64_t low, high;
};
inline Product Multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide wide = static_cast<Wide>(a) * b;
  return {static_cast<uint64_t>(wide), static_cast<uint64_t>(wide >> 64)};
}
inline uint64_t Fold(uint64_t a, uint64_t b) {
  const Product product = Multiply(a, b);
  return product.low ^ product.high;
}
}  // namespace name_hash_internal

// Multiply-and-fold over 16 bytes a step; reads only the name's own bytes.
inline NameHash HashNameWith(const HashKey& key, const char* p, size_t size) {
  using namespace name_hash_internal;
  uint64_t state = key.word[0] ^ size;
  uint64_t a = 0, b = 0;
  if (size >= 16) {
    const char* const last = p + size - 16;
    for (; p < last; p += 16) state = Fold(Load8(p) ^ key.word[1], Load8(p + 8) ^ state);
    a = Load8(last);
    b = Load8(last + 8);
  } else if (size >= 8) {
    a = Load8(p);
    b = Load8(p + size - 8);
  } else if (size >= 4) {
    a = Load4(p);
    b = Load4(p + size - 4);
  } else if (size > 0) {
    a = static_cast<uint64_t>(static_cast<unsigned char>(p[0])) << 16 |
        static_cast<uint64_t>(static_cast<unsigned char>(p[size / 2])) << 8 | static_cast<unsigned char>(p[size - 1]);
  }
  const Product mixed = Multiply(a ^ key.word[2], b ^ state);
  return {Fold(mixed.low ^ key.word[3], mixed.high ^ key.word[1]),
          Fold(mixed.high ^ key.word[2], mixed.low ^ key.word[0])};
}
inline NameHash HashNameWith(const HashKey& key, std::string_view name) {
  return HashNameWith(key, name.data(), name.size());
}
inline uint32_t TagOf(std::string_view name) { return HashNameWith(ProcessHashKey(), name).tag(); }

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_NAME_HASH_H_
