#ifndef GPTQ_DOCTOR_TESTS_SUPPORT_PACKER_H_
#define GPTQ_DOCTOR_TESTS_SUPPORT_PACKER_H_

// Packs codes one bit at a time, straight from the definition of the format: slow, obvious, and independent of the
// library's packer.

#include <cstdint>
#include <string>
#include <vector>

namespace gptq_doctor::testing {

// Field i of a stream lies in bits [bits*i, bits*i + bits), little-endian words of `pack_bits`; the stream has `words`
// words.
std::string PackStream(const std::vector<uint32_t>& codes, int bits, int pack_bits);
// Bit planes in blocks of 32 codes (gptq_p); the number of codes is a multiple of 32.
std::string PackPlanar(const std::vector<uint32_t>& codes, int bits);

// qweight [ceil(K*bits/P), N] from codes[k][n]; qzeros [G, ceil(N*bits/P)] from stored[g][n].
std::string PackQweight(const std::vector<std::vector<uint32_t>>& codes, int bits, int pack_bits, bool planar);
std::string PackQzeros(const std::vector<std::vector<uint32_t>>& stored, int bits, int pack_bits, bool planar);

// Little-endian bytes of a value in a float dtype: "F16", "BF16", "F32".
std::string FloatBytes(double value, const std::string& dtype);

// Deterministic generator (splitmix64); never seeded from the clock.
class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  double Uniform();  // [0, 1)
  double Gauss();    // mean 0, deviation 1, from twelve uniforms

 private:
  uint64_t state_;
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_SUPPORT_PACKER_H_
