// Headers and indexes.

#include <algorithm>
#include <string>

#include "fuzz/fuzz_target.h"
#include "model/shard_index.h"
#include "support/slow_checker.h"

namespace gptq_doctor::fuzz {

void Header(std::string_view input) {
  MemorySource source;
  source.Add("model.safetensors", std::string(input));
  const Result<FileEntry> entry = source.Stat("model.safetensors");
  Require(entry.ok(), "a file in memory is found");
  const ShardHeader header = ReadHeader(source, *entry, {});
  const bool refused = std::any_of(header.defects.begin(), header.defects.end(),
                                   [](const Defect& defect) { return IsRefusal(defect.kind); });
  Require(header.accepted != refused, "a refusal has its reason");
  Require(header.accepted == testing::SlowlyAccepts(input), "the verdict is that of the slow checker");
  uint64_t attributed = header.stray_bytes;
  for (const TensorRecord& tensor : header.tensors) attributed += tensor.bytes();
  if (header.accepted) {
    Require(attributed + 8 + header.header_bytes == input.size(), "every byte is attributed");
  }
}

void Index(std::string_view input) {
  MemorySource source;
  source.Add("model.safetensors.index.json", std::string(input));
  const Result<FileEntry> entry = source.Stat("model.safetensors.index.json");
  ShardIndex index = ReadIndex(source, *entry);
  for (const IndexShard& shard : index.shards) {
    const bool leaves = shard.file.starts_with('/') || shard.file == ".." || shard.file.starts_with("../") ||
                        shard.file.find("/../") != std::string::npos || shard.file.find('\0') != std::string::npos;
    Require(!(shard.safe && leaves), "a name that leaves the directory is not safe");
  }
  if (LoadIndexText(source, index)) {
    for (const auto& [name, shard] : IndexEntries(index)) {
      Require(index.valid ? shard < index.shards.size() : shard <= index.shards.size(), "an entry's shard is listed");
      Require(name.size() <= input.size(), "a name is no longer than the file");
    }
  }
  std::vector<Defect> defects;
  CrossCheck(source, index, {}, false, defects);
}

}  // namespace gptq_doctor::fuzz
