#ifndef GPTQ_DOCTOR_BENCH_FILL_MODEL_H_
#define GPTQ_DOCTOR_BENCH_FILL_MODEL_H_

#include <filesystem>

namespace gptq_doctor::bench {

// Gives the tensors of a model that WriteModel made plausible bytes in place of holes: random codes, small scales,
// symmetric zero points, groups of 128 in order. Ends the benchmark where it cannot.
void FillModel(const std::filesystem::path& directory);

}  // namespace gptq_doctor::bench

#endif  // GPTQ_DOCTOR_BENCH_FILL_MODEL_H_
