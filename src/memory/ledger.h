#ifndef GPTQ_DOCTOR_MEMORY_LEDGER_H_
#define GPTQ_DOCTOR_MEMORY_LEDGER_H_

// The sum: resident weights, kernel scratch, rope tables, the dearest moment of a run, workspaces, the process. Pure
// functions of a described model and a described run; no device is asked.
//   peak_torch  = W + scratch + rope tables + max(load - W, run) + c0
//   peak_device = peak_torch + process

#include <cstdint>
#include <string>
#include <vector>

#include "gptq_doctor/memory.h"
#include "memory/arch_facts.h"
#include "memory/runtime_table.h"
#include "memory/weight_table.h"

namespace gptq_doctor {

// cuBLAS workspace and small things, a card: fitted on 245 published rows of single cards (8-10 MiB on A100, 32 MiB on
// Hopper).
constexpr double kWorkspaceGiB = 0.026;
// CUDA context, kernel images, driver reserve. Published: 0.2-0.8 on consumer cards, 1.2 fitted and 1.37 measured on
// A100.
constexpr double kProcessGiB = 0.6, kProcessLowGiB = 0.3, kProcessHighGiB = 1.4;

// The weights at one precision.
struct PricedWeights {
  struct Part {
    std::string id, title, formula;
    int64_t bytes = 0;
  };
  std::vector<Part> parts;
  int64_t total = 0;
  int64_t in_layers = 0;                          // of `total`, dealt out by layers
  int64_t replicated = 0;                         // of `total`, kept whole on every card under tensor parallelism
  int64_t load_extra = 0;                         // a stored copy of a tied head, there while loading only
  bool gptq4 = false;                             // 4-bit GPTQ kernels run
  int64_t largest_matrix = 0, widest_output = 0;  // of the quantized matrices, elements
  bool complete = true;
};
PricedWeights PriceWeights(const WeightTable& weights, const ArchFacts& arch, Precision precision);

enum class Bound : uint8_t { kLow, kExpected, kHigh };  // of what is only known as a range

struct RunShape {
  int64_t context = 0, new_tokens = 0, batch = 1, gpus = 1;
  bool generates = true;  // more than one new token
  bool tensor_parallel = false;
  int64_t kv_bits = 16;
  int64_t process = 0;  // bytes a card
  Bound bound = Bound::kExpected;
};

// Terms that cannot be computed are named in `left_out`, which may be null.
MemoryPeak ComputePeak(const PricedWeights& weights, const ArchFacts& arch, const RuntimeRow& runtime,
                       const RunShape& run, std::vector<std::string>* left_out);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MEMORY_LEDGER_H_
