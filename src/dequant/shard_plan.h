#ifndef GPTQ_DOCTOR_DEQUANT_SHARD_PLAN_H_
#define GPTQ_DOCTOR_DEQUANT_SHARD_PLAN_H_

// Which tensor goes into which file, and where in it.

#include <cstdint>
#include <string>
#include <vector>

#include "dequant/model_writer.h"

namespace gptq_doctor {

struct PlannedShard {
  std::string file;                       // "model.safetensors", "model-00001-of-00002.safetensors"
  std::string header;                     // length prefix and JSON
  std::vector<const OutTensor*> tensors;  // in file order
  std::vector<uint64_t> offsets;          // in the file
  uint64_t bytes = 0;                     // of the file
};

std::vector<PlannedShard> PlanShards(const OutModel& model);
// The index with the Hub's layout; "" where the model needs none.
std::string IndexText(const OutModel& model, const std::vector<PlannedShard>& shards);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_SHARD_PLAN_H_
