#ifndef GPTQ_DOCTOR_LOADERS_SIMULATE_H_
#define GPTQ_DOCTOR_LOADERS_SIMULATE_H_

// Runs loader profiles over an Examination: what each will do with the directory, in its own order, and why. Prints
// nothing, reads no tensor data.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gptq_doctor/diagnosis.h"
#include "gptq_doctor/result.h"
#include "infer/examination.h"
#include "loaders/profile.h"

namespace gptq_doctor {

// How a remedy begins that this program can carry out.
inline constexpr std::string_view kFixCommand = "gptq-doctor fix --write";

// What that would leave behind.
struct RepairedState {
  bool writes = false;   // false: there is nothing to write, or it refuses
  bool weights = false;  // names of weight files or their index change as well: taken as found
  ConfigSet configs;
};

struct SimulateOptions {
  std::vector<std::string> selectors;  // "vllm", "vllm@0.10", "vllm>=0.9", "all"; empty: the brief set of `inspect`
  int tp = 1;                          // tensor-parallel size
  std::string gpu_arch;                // "sm_86", "8.6", "rocm", "cpu", "xpu"; empty: an NVIDIA card of capability 8.x
  std::string dtype;                   // "float16", "bfloat16", "float32"; empty: what the loader takes by itself
  // Asked at most once, where a loader's remedy is `gptq-doctor fix --write`: the remedy is named only where the loader
  // would do better with what that leaves. Null: remedies are taken on trust.
  std::function<RepairedState()> repaired;
};

// The rows that the selectors name, in table order. Error kUsage names the nearest known loader.
Result<std::vector<const Profile*>> SelectProfiles(const std::vector<std::string>& selectors);
// Also checks --gpu-arch, --dtype and --tp; Ok where SimulateLoaders can run.
Status CheckSimulateOptions(const SimulateOptions& options);

// Outcomes in table order; options that CheckSimulateOptions refuses give none. Empty where the directory has no
// weights or is not GPTQ at all.
std::vector<LoaderOutcome> SimulateLoaders(const Examination& exam, const SimulateOptions& options);

// The same for rows chosen otherwise (those that an environment has).
std::vector<LoaderOutcome> SimulateProfiles(const Examination& exam, const std::vector<const Profile*>& rows,
                                            const SimulateOptions& options);

// Parses "0.7.1", "0.10", "5.x", "main".
bool ParseVersion(std::string_view text, Version* version, int* parts);

// What a dense build of this directory costs against what is stored; the story behind `falls-back`.
struct FallbackStory {
  std::string ignored;  // which tensors, with counts
  std::string random;   // which weights are left random
  int64_t expected_bytes = 0;
  std::vector<FallbackCost> costs;  // per dtype
  struct Remedy {
    std::string what, cost, risk;
  };
  std::vector<Remedy> remedies;  // best first
};
FallbackStory TellFallback(const Examination& exam);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_LOADERS_SIMULATE_H_
