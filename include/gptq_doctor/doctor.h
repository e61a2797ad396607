#ifndef GPTQ_DOCTOR_DOCTOR_H_
#define GPTQ_DOCTOR_DOCTOR_H_

// The one call of the library. Reads a model through `source`, never prints, never writes.

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "gptq_doctor/diagnosis.h"

namespace gptq_doctor {

class Source;      // base/storage.h
class ThreadPool;  // base/thread_pool.h

struct ExamineOptions {
  std::string only_file;              // examine this weight file or index alone; empty: the whole directory
  bool deep = false;                  // read every module's small tensors instead of a sample
  bool list_modules = false;          // fill Diagnosis::modules
  bool all_findings = false;          // do not fold findings
  uint64_t max_header = 100'000'000;  // bytes; the reference reader's cap
  uint64_t sample_bytes = 2 << 20;    // of tensor data, unless deep
  bool simulate_loaders = true;
  bool estimate_memory = true;
  double min_compression = 0.8;  // of the ratio that the settings promise; below it is a finding
  // Loaders to simulate, whose failures are errors: "vllm", "vllm@0.9"; empty: the common ones, whose silent failures
  // are.
  std::vector<std::string> judge_loaders;
};

// Shared by many examinations; owns nothing.
struct ExamineContext {
  ThreadPool* pool = nullptr;                                   // null: run on the calling thread
  const std::atomic<bool>* cancelled = nullptr;                 // polled; null: never
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes of tensor data; may be empty
};

// Errors only where nothing could be examined (no such path, nothing that looks like a model); everything else is in
// the Diagnosis, whose `errors` lists inputs that could not be read.
Result<Diagnosis> Examine(Source& source, const ExamineOptions& options, const ExamineContext& context);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DOCTOR_H_
