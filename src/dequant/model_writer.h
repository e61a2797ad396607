#ifndef GPTQ_DOCTOR_DEQUANT_MODEL_WRITER_H_
#define GPTQ_DOCTOR_DEQUANT_MODEL_WRITER_H_

// Writes a complete model directory as a stream: sizes are known beforehand, so every tensor's place is fixed before
// the first byte, pieces are produced by all threads at once, and memory stays bounded whatever the model's size. The
// directory appears under its name whole or not at all: it grows as NAME.gptq-doctor-partial, shard by shard, and is
// renamed at the end. NAME.gptq-doctor-state stands beside it meanwhile and says what is being made. Knows nothing
// about what the tensors mean.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/sink.h"
#include "base/thread_pool.h"
#include "model/safetensors.h"

namespace gptq_doctor {

// Where a producer puts its bytes; offsets count from the tensor's first byte. Thread-safe for disjoint ranges.
using PieceWriter = std::function<Status(uint64_t offset, std::span<const char> bytes)>;

struct OutTensor {
  std::string name;
  Dtype dtype = Dtype::kUnknown;
  std::vector<uint64_t> shape;
  uint64_t bytes = 0;
  int64_t pieces = 1;  // independent parts; each costs at most some 40 MB of memory while it is made
  std::string file;    // the weight file that holds it; empty for all of a model: cut by max_shard_bytes
  std::function<Status(int64_t piece, const PieceWriter& out)> produce;
};

struct OutFile {  // everything that is not a weight file or its index
  std::string name;
  std::string content;  // written where `copy` is empty
  std::function<Status(SinkFile& out)> copy;
  uint64_t bytes = 0;
};

struct OutModel {
  std::vector<OutTensor> tensors;  // in the order in which they fill shards
  std::vector<OutFile> files;
  std::vector<std::pair<std::string, std::string>> metadata = {{"format", "pt"}};
  // Instead of `metadata`, where a file named by its tensors has its own.
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> file_metadata;
  uint64_t max_shard_bytes = 5'000'000'000;
  std::string weight_name = "model.safetensors";            // of a single file; of several the part before "-00001-of-"
  std::string index_name = "model.safetensors.index.json";  // empty: none is made, `files` may hold one
  bool always_index = false;                                // also for a single file
  // Tensors of a file stay as given; else widest dtype first, then by name, as the reference writer has it.
  bool keep_order = false;
  // Identifies what is being made: --resume continues only the same work on the same sources.
  std::string fingerprint;
};

struct WriteOptions {
  bool resume = false;
  ThreadPool* pool = nullptr;
  const std::atomic<bool>* cancelled = nullptr;
  std::function<void(uint64_t done, uint64_t total)> progress;
  Sink* sink = nullptr;  // rooted at the directory's parent; null: the local file system
};

struct WrittenModel {
  uint64_t bytes = 0;  // of all files
  std::vector<std::string> weight_files;
  int64_t resumed_files = 0;
};

// `directory` must not exist, or be empty. Checks the disk's free space first. Errors: kRefused (a target that is not
// empty, an earlier unfinished run without `resume`, another model's unfinished run), kNoSpace, kInterrupted
// (everything removed), and those of the producers: everything is removed then too, unless `resume` asked to keep it.
Result<WrittenModel> WriteModel(const OutModel& model, const std::string& directory, const WriteOptions& options);

// Header text of one file (JSON padded to 8 bytes) with tensors in the order given, offsets from 0.
std::string HeaderText(std::span<const OutTensor* const> tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_DEQUANT_MODEL_WRITER_H_
