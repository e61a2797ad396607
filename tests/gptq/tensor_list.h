#ifndef GPTQ_DOCTOR_TESTS_GPTQ_TENSOR_LIST_H_
#define GPTQ_DOCTOR_TESTS_GPTQ_TENSOR_LIST_H_

// A TensorIndex from names, dtypes and shapes alone, without files.

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "gptq/inventory.h"
#include "model/tensor_index.h"

namespace gptq_doctor::testing {

struct ListedTensor {
  std::string name;
  Dtype dtype = Dtype::kF16;
  std::vector<uint64_t> shape;
};

class TensorList {
 public:
  explicit TensorList(std::vector<ListedTensor> tensors) : TensorList(Wrap(std::move(tensors))) {}
  explicit TensorList(std::vector<std::vector<ListedTensor>> shards) : shards_(std::move(shards)) {
    uint32_t total = 0;
    for (size_t s = 0; s < shards_.size(); ++s) {
      ShardHeader header;
      header.file = "shard-" + std::to_string(s);
      header.readable = true;
      uint64_t at = 0;
      for (const ListedTensor& tensor : shards_[s]) {
        TensorRecord record;
        record.name_data = tensor.name.data();
        record.name_size = static_cast<uint32_t>(tensor.name.size());
        record.shard = static_cast<uint16_t>(s);
        record.dtype = tensor.dtype;
        record.rank = static_cast<uint8_t>(tensor.shape.size());
        uint64_t elements = 1;
        for (size_t i = 0; i < tensor.shape.size(); ++i) {
          elements *= tensor.shape[i];
          if (tensor.shape.size() <= 2) record.inline_dims[i] = tensor.shape[i];
        }
        if (tensor.shape.size() > 2) {
          std::vector<uint64_t>& far = far_.emplace_back(tensor.shape);
          far.insert(far.begin(), tensor.shape.size());
          record.far_dims = far.data();
        }
        record.begin = at;
        at = record.end = at + elements * static_cast<uint64_t>(BitsOf(tensor.dtype)) / 8;
        header.tensors.push_back(record);
      }
      index_.shard_base.push_back(total);
      total += static_cast<uint32_t>(header.tensors.size());
      index_.shards.push_back(std::move(header));
    }
    index_.shard_base.push_back(total);
  }
  const TensorIndex& index() const { return index_; }

 private:
  static std::vector<std::vector<ListedTensor>> Wrap(std::vector<ListedTensor> tensors) {
    std::vector<std::vector<ListedTensor>> shards(1);
    shards[0] = std::move(tensors);
    return shards;
  }

  std::vector<std::vector<ListedTensor>> shards_;
  std::deque<std::vector<uint64_t>> far_;  // counted dimensions of ranks above 2
  TensorIndex index_;
};

}  // namespace gptq_doctor::testing

#endif  // GPTQ_DOCTOR_TESTS_GPTQ_TENSOR_LIST_H_
