#ifndef GPTQ_DOCTOR_MODEL_SHARD_INDEX_H_
#define GPTQ_DOCTOR_MODEL_SHARD_INDEX_H_

// X.safetensors.index.json: read as a stream with the header tokenizer's primitives, then checked against the shards
// both ways.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/storage.h"
#include "model/defect.h"
#include "model/safetensors.h"
#include "model/text_fault.h"

namespace gptq_doctor {

struct IndexShard {
  std::string file;  // as named by weight_map
  bool safe = true;  // false: the name leaves the directory and is never opened
  uint64_t entries = 0;
  uint64_t name_sum[2] = {0, 0};
};

struct ShardIndex {
  std::string file;
  bool present = false, valid = false;
  uint64_t entries = 0;
  std::vector<IndexShard> shards;  // sorted by name
  std::optional<uint64_t> total_size;
  std::vector<std::pair<std::string, std::string>> metadata;  // other keys of `metadata`, values as spelled
  std::vector<Defect> defects;
  TextFault fault = TextFault::kNone;  // of the first kIndexMalformed; kNone where it is none of the text
  FileIdentity identity;
  // The file's bytes and 64 zero bytes behind them, where they were needed as a whole; kept only until CrossCheck. A
  // sound index is read through a window, and read again only to name the culprits of a mismatch.
  std::unique_ptr<char[]> text;
  uint64_t text_size = 0;
  uint64_t weight_map_offset = 0;  // of the byte after its '{'
};

ShardIndex ReadIndex(Source& source, const FileEntry& file);
// True where `name` is a plain relative path that stays inside the directory and ends in .safetensors; `why` says what
// is wrong otherwise.
bool IsSafeShardName(std::string_view name, std::string* why);
// Reads the text again where it was not kept. False, and a defect, where that fails.
bool LoadIndexText(Source& source, ShardIndex& index);
// Both ways, plus shards that are not there and total_size. Appends to `defects`; frees index.text.
// `repeated`: FindTensorsInTwoShards() found some; with equal sums only then can the index list a name twice.
void CrossCheck(Source& source, ShardIndex& index, const std::vector<ShardHeader>& shards, bool repeated,
                std::vector<Defect>& defects);
// Every tensor name the index lists, with its shard's position in `shards`, in file order; for directories whose shards
// are absent. Needs the text. Of a map that breaks off, whose shards are not taken, the names before with the position
// shards.size().
std::vector<std::pair<std::string, uint32_t>> IndexEntries(const ShardIndex& index);

// A name that stands in two shards: every later copy, by position. Reported as defects.
struct RepeatedTensor {
  uint32_t shard = 0, tensor = 0;
};
std::vector<RepeatedTensor> FindTensorsInTwoShards(const std::vector<ShardHeader>& shards,
                                                   std::vector<Defect>& defects);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_SHARD_INDEX_H_
