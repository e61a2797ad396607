#ifndef GPTQ_DOCTOR_BENCH_PEAK_MEMORY_H_
#define GPTQ_DOCTOR_BENCH_PEAK_MEMORY_H_

// Memory of the commands that read all data, on the models that ask most of it.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace gptq_doctor::bench {

// `command(model, out)` over one module of 1 GiB (of a quarter where `quick`) and over the layout of 180,000 tensors.
// Prints both peaks; true where they keep to 400 MiB. What the command writes to `out` is removed.
bool PeaksHold(const std::filesystem::path& root, bool quick,
               const std::function<std::vector<std::string>(const std::filesystem::path& model,
                                                            const std::filesystem::path& out)>& command);

}  // namespace gptq_doctor::bench

#endif  // GPTQ_DOCTOR_BENCH_PEAK_MEMORY_H_
