#ifndef GPTQ_DOCTOR_TESTS_MEMORY_DESCRIBED_MODEL_H_
#define GPTQ_DOCTOR_TESTS_MEMORY_DESCRIBED_MODEL_H_

// Full-size models described by their configuration instead of files: the weight table that their headers would give.

#include <cstdint>
#include <string>

#include "memory/estimate.h"

namespace gptq_doctor::testing {

struct ModelSpec {
  std::string precision = "bf16";  // bf16, fp16, gptq-int4, gptq-int8, gptq-int3, awq-int4, fp8
  int64_t hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0, vocab = 0, max_position = 0;
  bool tied = false, qkv_bias = false, qk_norm = false, stored_copy = false;
  int64_t mlp_matrices = 3, group = 128, extra_params = 0;
  int64_t experts = 0, expert_intermediate = 0;
};

MemoryModel Describe(const ModelSpec& spec);

// Published sizes of models that several tests use; precision as given.
ModelSpec Qwen25_3B(const std::string& precision);
ModelSpec Qwen25_7B(const std::string& precision);
ModelSpec Qwen25_72B(const std::string& precision);
ModelSpec Qwen3_8B(const std::string& precision);
ModelSpec Llama7B(const std::string& precision);

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_MEMORY_DESCRIBED_MODEL_H_
