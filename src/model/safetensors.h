#ifndef GPTQ_DOCTOR_MODEL_SAFETENSORS_H_
#define GPTQ_DOCTOR_MODEL_SAFETENSORS_H_

// Reads safetensors headers: one tokenizer with a fast path for the layout that every common writer produces and a
// generic path for the rest of JSON. All rules of the reference reader, all problems of a file collected (at most 100
// of a kind), and whatever could be read is kept. Never reads tensor data.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bulk_memory.h"
#include "base/storage.h"
#include "base/thread_pool.h"
#include "model/defect.h"

namespace gptq_doctor {

// The 22 names the reference knows, in the ascending sort rank of its writer.
enum class Dtype : uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
  kUnknown,
};
const char* ToString(Dtype dtype);           // "F16"
int BitsOf(Dtype dtype);                     // 16; 0 for kUnknown
Dtype DtypeFromName(std::string_view name);  // exact, case-sensitive
bool IsInteger(Dtype dtype);                 // I8..U64
bool IsFloat(Dtype dtype);                   // F16, BF16, F32, F64

// One tensor. 48 bytes; a model may have a million. The name and dims point into memory owned by the ShardHeader.
struct TensorRecord {
  const char* name_data = nullptr;
  uint32_t name_size = 0;
  uint16_t shard = 0;  // position in TensorIndex::shards
  Dtype dtype = Dtype::kUnknown;
  uint8_t rank = 0;             // 255 stands for "255 or more"
  uint64_t begin = 0, end = 0;  // relative to the data region
  union {
    uint64_t inline_dims[2];
    const uint64_t* far_dims;  // rank > 2: a count, then so many dimensions
  };
  TensorRecord() : inline_dims{0, 0} {}
  std::string_view name() const { return {name_data, name_size}; }
  // All `rank` dimensions up to rank 8. Beyond, where no real tensor is, possibly only the first ones: a hostile header
  // does not decide how much is stored.
  std::span<const uint64_t> dims() const {
    return rank > 2 ? std::span<const uint64_t>(far_dims + 1, far_dims[0])
                    : std::span<const uint64_t>(inline_dims, rank);
  }
  uint64_t bytes() const { return end - begin; }
};

struct ShardHeader {
  std::string file;  // relative to the model
  FileIdentity identity;
  uint64_t header_bytes = 0;  // N; the data region begins at 8 + N
  std::vector<TensorRecord, BulkAllocator<TensorRecord>>
      tensors;  // sorted by (begin, end); entries that could not be understood are left out
  std::vector<std::pair<std::string, std::string>> metadata;  // __metadata__, first 10,000 pairs
  std::vector<Defect> defects;
  bool readable = false;     // a header was found and its tensors are worth looking at
  bool accepted = false;     // no defect for which IsRefusal()
  bool complete = false;     // every entry was understood: a name that is not in `tensors` is not in the file
  uint64_t stray_bytes = 0;  // of the file, in no tensor and not in the header
  uint64_t lfs_size = 0;     // announced by an LFS pointer, else 0
  // Order-independent 128-bit sum of keyed name hashes; equals the index's sum for this shard when both list the same
  // names.
  uint64_t name_sum[2] = {0, 0};
  std::vector<uint32_t, BulkAllocator<uint32_t>>
      name_tags;  // HashName() >> 32 of each tensor's name, in the order of `tensors`

  // What names and far dims point to: the header's text where it is long, copies of the names where not, decoded names.
  std::unique_ptr<char[]> text;
  std::vector<std::unique_ptr<char[]>> arena;
  uint64_t data_offset() const { return 8 + header_bytes; }
};

struct HeaderOptions {
  uint64_t max_header = 100'000'000;
};

// Parses a header already in memory: `text` holds the N header bytes followed by 64 zero bytes of sentinel; `file_size`
// is that of the whole file. Ownership of `text` passes to the result.
ShardHeader ParseHeader(std::string file, std::unique_ptr<char[]> text, uint64_t header_bytes, uint64_t file_size);

// Reads and parses one file, sniffing what is not safetensors. Never fails: the answer is in `defects`.
ShardHeader ReadHeader(Source& source, const FileEntry& file, const HeaderOptions& options);

// All of them, concurrently where that pays (above about 2 MB of headers); result in the order of `files`,
// TensorRecord::shard set.
std::vector<ShardHeader> ReadHeaders(Source& source, std::span<const FileEntry> files, const HeaderOptions& options,
                                     ThreadPool* pool);

// The seeded hash behind name_sum and every name table: not predictable from names alone.
uint64_t HashName(std::string_view name);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_SAFETENSORS_H_
