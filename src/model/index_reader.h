#ifndef GPTQ_DOCTOR_MODEL_INDEX_READER_H_
#define GPTQ_DOCTOR_MODEL_INDEX_READER_H_

// Walks over the entries of a weight_map; what ReadIndex and the exact cross-check share.

#include <string>
#include <string_view>
#include <unordered_map>

#include "model/json_cursor.h"
#include "model/name_hash.h"
#include "model/shard_index.h"
#include "model/text_feed.h"

namespace gptq_doctor {

struct KeyedHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return HashNameWith(ProcessHashKey(), text).low; }
};

// Numbers shard names in the order in which they first appear.
class ShardNumbers {
 public:
  static constexpr uint32_t kMost = 65'535;  // TensorRecord::shard
  // Past kMost, kMost.
  uint32_t Of(std::string_view name);
  const std::vector<std::string_view>& names() const { return names_; }

 private:
  std::unordered_map<std::string, uint32_t, KeyedHash, std::equal_to<>> numbers_;
  std::vector<std::string_view> names_;
};

enum class IndexEntryKind { kEntry, kWrongType, kEnd, kBroken };

// One entry a call; the cursor stands behind weight_map's '{' at first. The views hold until the next call.
class WeightMapReader {
 public:
  // `feed` null: the cursor has the whole text.
  explicit WeightMapReader(JsonCursor& cursor, TextFeed* feed = nullptr) : cursor_(cursor), feed_(feed) {}
  IndexEntryKind Next();
  std::string_view name() const { return name_; }
  uint32_t shard() const { return shard_; }  // number in shards()
  size_t value_offset() const { return value_offset_; }
  const ShardNumbers& shards() const { return shards_; }

 private:
  bool FastEntry();
  IndexEntryKind SlowEntry();

  JsonCursor& cursor_;
  TextFeed* feed_;
  ShardNumbers shards_;
  std::string_view name_, last_shard_;
  std::string decoded_name_, decoded_shard_;
  uint32_t shard_ = 0, last_number_ = 0;
  size_t value_offset_ = 0;
  bool first_ = true;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_INDEX_READER_H_
