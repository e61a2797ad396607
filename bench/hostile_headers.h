#ifndef GPTQ_DOCTOR_BENCH_HOSTILE_HEADERS_H_
#define GPTQ_DOCTOR_BENCH_HOSTILE_HEADERS_H_

// Headers of a given size that cost a careless reader time or memory.

#include <cstdint>
#include <string>
#include <vector>

namespace gptq_doctor::bench {

struct HostileHeader {
  const char* what;
  std::string (*make)(uint64_t bytes);  // a whole file, its header of about so many bytes
};
const std::vector<HostileHeader>& HostileHeaders();

}  // namespace gptq_doctor::bench

#endif  // GPTQ_DOCTOR_BENCH_HOSTILE_HEADERS_H_
