#ifndef GPTQ_DOCTOR_INFER_BATCH_READER_H_
#define GPTQ_DOCTOR_INFER_BATCH_READER_H_

// Collects pieces of tensors and reads them in one go. A piece that is not there (a truncated shard, an unreadable
// file, offsets that do not hold the shape) is an empty span; unreadable and changed files are reported once each.

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/storage.h"
#include "base/thread_pool.h"
#include "gptq_doctor/result.h"
#include "model/tensor_index.h"

namespace gptq_doctor {

constexpr uint64_t kSmallBatch = 256 << 10;  // bytes that stay in the processor's cache until they are looked at

// What one reader after another reads into: pages that were touched once are used again.
struct ReadBuffer {
  std::unique_ptr<char[]> bytes;
  size_t capacity = 0;
};

class BatchReader {
 public:
  // The buffer is the reader's until the next reader runs on it.
  BatchReader(Source& source, const TensorIndex& tensors, ThreadPool* pool, ReadBuffer& buffer)
      : source_(source), tensors_(tensors), pool_(pool), buffer_(buffer) {}
  // `length` bytes from `offset` inside the tensor. Returns the slot for Get.
  size_t Add(const TensorRecord& tensor, uint64_t offset, uint64_t length);
  // The whole tensor where its bytes are those of its shape.
  size_t AddWhole(const TensorRecord& tensor) { return Add(tensor, 0, tensor.bytes()); }
  void Run(std::vector<Error>& errors);
  std::span<const char> Get(size_t slot) const;
  size_t size() const { return pieces_.size(); }
  uint64_t bytes() const { return bytes_; }  // asked for

 private:
  struct Piece {
    uint16_t shard = 0;
    bool good = false;
    uint64_t offset = 0;        // in the file
    size_t at = 0, length = 0;  // in buffer_
  };
  void Report(const Piece& piece, const ReadOutcome& outcome, std::vector<Error>& errors);

  Source& source_;
  const TensorIndex& tensors_;
  ThreadPool* pool_;
  std::vector<Piece> pieces_;
  ReadBuffer& buffer_;
  std::set<uint16_t> reported_;
  uint64_t bytes_ = 0;
};

// Bytes that dtype and shape of a tensor ask for; 0 where they overflow or the file holds another number.
uint64_t SoundBytes(const TensorRecord& tensor);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_INFER_BATCH_READER_H_
