#ifndef GPTQ_DOCTOR_MODEL_TENSOR_INDEX_H_
#define GPTQ_DOCTOR_MODEL_TENSOR_INDEX_H_

// All tensors of a model over all shards, by number and by name. The first copy of a duplicated name wins; duplicates
// are defects.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/storage.h"
#include "model/safetensors.h"
#include "model/shard_index.h"

namespace gptq_doctor {

class NameTable;  // model/name_table.h

struct TensorIndex {
  // In file name order; without an index model.safetensors stands first. Files that are not the model's (strays) are
  // not here, only among the defects.
  std::vector<ShardHeader> shards;
  ShardIndex index;                  // `present` false where the model has none
  std::vector<Defect> defects;       // of index and shards together; per-file ones stay in their ShardHeader
  std::vector<uint32_t> shard_base;  // number of the first tensor of each shard; one more entry than shards
  // Names promised by the index whose shard is not on disk (empty otherwise).
  std::vector<std::string_view> missing_names;

  uint32_t size() const { return shard_base.empty() ? 0 : shard_base.back(); }
  const TensorRecord& at(uint32_t number) const;
  const ShardHeader& shard_of(const TensorRecord& tensor) const { return shards[tensor.shard]; }
  // Absolute range in its file.
  uint64_t file_offset(const TensorRecord& tensor) const { return shard_of(tensor).data_offset() + tensor.begin; }
  // By name; the table is built on first use, not thread-safe.
  const TensorRecord* Find(std::string_view name) const;
  // A copy that lives as long as this object.
  std::string_view KeepName(std::string_view name);

 private:
  mutable std::shared_ptr<NameTable> table_;
  std::vector<std::unique_ptr<char[]>> names_;
  char* names_next_ = nullptr;
  size_t names_left_ = 0;
};

struct ModelDir;
TensorIndex BuildTensorIndex(Source& source, const ModelDir& dir, const HeaderOptions& options, ThreadPool* pool);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_TENSOR_INDEX_H_
