#include "model/shard_index.h"

#include <algorithm>

#include "base/bulk_memory.h"
#include "base/text.h"
#include "model/defect_list.h"
#include "model/index_reader.h"
#include "model/sniff.h"

namespace gptq_doctor {
namespace {

constexpr uint64_t kMaxIndex = 256 << 20;   // the largest public index has about 60 MB
constexpr size_t kMaxMetadata = 100;        // keys kept
constexpr size_t kMaxMetadataValue = 1000;  // bytes kept of a value
constexpr size_t kSentinel = 64;
constexpr int kTopDepth = 1;

class IndexParser {
 public:
  // `feed` null: the whole text stands in `index`.
  IndexParser(ShardIndex& index, DefectList& defects, TextFeed* feed)
      : index_(index), defects_(defects), feed_(feed), cursor_(index.text.get(), index.text.get() + index.text_size) {}

  void Run() {
    if (feed_ != nullptr) feed_->Refill(cursor_);
    cursor_.SkipSpace();
    if (*cursor_.p != '{') {
      if (feed_ != nullptr) return;
      const Sniffed sniffed = Sniff({index_.text.get(), std::min<size_t>(index_.text_size, 512)}, index_.text_size);
      const bool foreign = !sniffed.what.empty() && sniffed.kind != ContentKind::kJsonText;
      // Plain text may be a value in quotes.
      Malformed(!foreign || sniffed.kind == ContentKind::kPlainText ? TextFault::kNoObject : TextFault::kSyntax,
                cursor_.offset(),
                foreign ? Concat({"the file is ", sniffed.what}) : std::string("the index is not a JSON object"));
      return;
    }
    ++cursor_.p;
    const bool read = ReadMembers();
    if (read) {
      do cursor_.SkipSpace();
      while (feed_ != nullptr && cursor_.AtEnd() && !feed_->final() && feed_->Refill(cursor_));
      if (!cursor_.AtEnd())
        cursor_.Fail(cursor_.p, Concat({"something follows the index's object: ", cursor_.Describe(cursor_.p)}));
    }
    for (const TextProblem& problem : cursor_.problems()) Malformed(problem.fault, problem.offset, problem.message);
    if (read && !map_seen_) defects_.Report(DefectKind::kIndexWrongType, 0, {}, "the index has no weight_map");
    index_.valid = read && map_good_ && cursor_.problems().empty() && (feed_ == nullptr || !feed_->failed());
  }

 private:
  void Malformed(TextFault fault, size_t offset, std::string detail) {
    if (index_.fault == TextFault::kNone) index_.fault = fault;
    defects_.Report(DefectKind::kIndexMalformed, offset, {}, std::move(detail));
  }

  bool ReadMembers() {
    if (cursor_.Accept('}')) return true;
    do {
      if (feed_ != nullptr) feed_->Ensure(cursor_);
      cursor_.SkipSpace();
      RawString key;
      if (*cursor_.p != '"') {
        cursor_.Fail(cursor_.p, Concat({"expected a key in double quotes, found ", cursor_.Describe(cursor_.p)}));
        return false;
      }
      const size_t offset = cursor_.offset();
      if (!cursor_.ReadString(&key) || !cursor_.Expect(':', "after a key")) return false;
      cursor_.SkipSpace();
      const std::string name = key.size <= 100 ? Unescaped(key) : std::string();
      bool good = true;
      if (name == "weight_map")
        good = ReadWeightMap(offset);
      else if (name == "metadata")
        good = ReadMetadata(offset);
      else
        good = cursor_.SkipValue(kTopDepth);
      if (!good) return false;
    } while (cursor_.Accept(','));
    return cursor_.Expect('}', "or ',' in the index");
  }

  bool ReadWeightMap(size_t offset) {
    if (map_seen_) {
      defects_.Report(DefectKind::kIndexDuplicateKey, offset, {}, "weight_map stands twice in the index");
      map_good_ = false;
      return cursor_.SkipValue(kTopDepth);
    }
    map_seen_ = true;
    if (*cursor_.p != '{') {
      defects_.Report(DefectKind::kIndexWrongType, offset, {}, "weight_map is not an object");
      return cursor_.SkipValue(kTopDepth);
    }
    ++cursor_.p;
    map_good_ = true;
    index_.weight_map_offset = cursor_.offset();
    const HashKey& key = ProcessHashKey();
    WeightMapReader reader(cursor_, feed_);
    std::vector<IndexShard> shards;
    for (;;) {
      switch (reader.Next()) {
        case IndexEntryKind::kEntry:
          break;
        case IndexEntryKind::kWrongType:
          defects_.Report(DefectKind::kIndexWrongType, reader.value_offset(), reader.name(),
                          "the shard of a tensor is not a string");
          continue;
        case IndexEntryKind::kBroken:
          return false;
        case IndexEntryKind::kEnd:
          TakeShards(reader, shards);
          return true;
      }
      if (reader.shard() == ShardNumbers::kMost) {
        cursor_.Fail(cursor_.p, "the index names more than 65,535 shards", TextFault::kNone);
        return false;
      }
      if (reader.shard() == shards.size()) shards.emplace_back();
      IndexShard& shard = shards[reader.shard()];
      const NameHash hash = HashNameWith(key, reader.name());
      ++shard.entries;
      shard.name_sum[0] += hash.low;
      shard.name_sum[1] += hash.high;
      ++index_.entries;
    }
  }

  void TakeShards(const WeightMapReader& reader, std::vector<IndexShard>& shards) {
    for (size_t i = 0; i < shards.size(); ++i) {
      IndexShard& shard = shards[i];
      shard.file = reader.shards().names()[i];
      std::string why;
      shard.safe = IsSafeShardName(shard.file, &why);
      if (shard.safe) continue;
      defects_.Report(DefectKind::kIndexUnsafePath, 0, {},
                      Concat({"the index names the shard ", Quoted(shard.file), ": ", why, "; it is not opened"}));
    }
    std::sort(shards.begin(), shards.end(), [](const IndexShard& a, const IndexShard& b) { return a.file < b.file; });
    index_.shards = std::move(shards);
  }

  bool ReadMetadata(size_t offset) {
    if (*cursor_.p != '{') {
      if (*cursor_.p != 'n')
        defects_.Report(DefectKind::kIndexWrongType, offset, {}, "the index's metadata are not an object");
      return cursor_.SkipValue(kTopDepth);
    }
    ++cursor_.p;
    if (cursor_.Accept('}')) return true;
    do {
      cursor_.SkipSpace();
      RawString key;
      if (*cursor_.p != '"') {
        cursor_.Fail(cursor_.p,
                     Concat({"expected a key in double quotes in metadata, found ", cursor_.Describe(cursor_.p)}));
        return false;
      }
      if (!cursor_.ReadString(&key) || !cursor_.Expect(':', "after a key")) return false;
      cursor_.SkipSpace();
      const char* const value = cursor_.p;
      if (!cursor_.SkipValue(kTopDepth + 1)) return false;
      TakeMetadata(key, {value, static_cast<size_t>(cursor_.p - value)});
    } while (cursor_.Accept(','));
    return cursor_.Expect('}', "or ',' in metadata");
  }

  void TakeMetadata(const RawString& key, std::string_view spelling) {
    if (key.size > kMaxMetadataValue) return;
    std::string name = Unescaped(key);
    uint64_t size = 0;
    if (name == "total_size" && ParsePlainUint(spelling, &size)) {
      index_.total_size = size;
    } else if (index_.metadata.size() < kMaxMetadata) {
      index_.metadata.emplace_back(std::move(name), spelling.substr(0, kMaxMetadataValue));
    }
  }

  ShardIndex& index_;
  DefectList& defects_;
  TextFeed* feed_;
  JsonCursor cursor_;
  bool map_seen_ = false, map_good_ = false;
};

// False where the file is not to be read, and why.
bool CheckFile(const FileEntry& file, DefectList& defects) {
  if (file.kind != FileKind::kRegular) {
    const bool link = file.kind == FileKind::kDangling || file.kind == FileKind::kLoop;
    const bool unreadable = file.kind == FileKind::kUnreadable;
    defects.Report(link         ? DefectKind::kDangling
                   : unreadable ? DefectKind::kUnreadable
                                : DefectKind::kSpecialFile,
                   0, {},
                   link         ? "the index is a link to nothing"
                   : unreadable ? "no permission to look at it, or the device does not answer"
                                : "the index is no regular file");
    return false;
  }
  if (file.size() > static_cast<int64_t>(kMaxIndex)) {
    defects.Report(DefectKind::kIndexTooLarge, 0, {},
                   Concat({"the index has ", FormatCount(static_cast<uint64_t>(file.size())),
                           " bytes; at most 268,435,456 are read"}));
    return false;
  }
  return true;
}

bool ReadText(Source& source, const FileEntry& file, ShardIndex& index, DefectList& defects) {
  const auto size = static_cast<uint64_t>(std::max<int64_t>(file.size(), 0));
  index.text = std::make_unique_for_overwrite<char[]>(size + kSentinel);
  AdviseHugePages(index.text.get(), size);
  index.text_size = size;
  const ReadRequest request{.file = file.name, .offset = 0, .into = {index.text.get(), size}};
  ReadOutcome outcome;
  source.ReadMany({&request, 1}, {&outcome, 1});
  if (outcome.error) {
    defects.Report(
        outcome.error->kind == ErrorKind::kNotFound ? DefectKind::kChangedWhileRead : DefectKind::kUnreadable, 0, {},
        outcome.error->message);
    index.text.reset();
    return false;
  }
  if (outcome.bytes != size || !(outcome.identity == file.identity)) {
    defects.Report(DefectKind::kChangedWhileRead, 0, {}, "the index changed while it was read");
    index.text_size = outcome.bytes;
  }
  std::fill_n(index.text.get() + index.text_size, kSentinel, '\0');
  return true;
}

}  // namespace

uint32_t ShardNumbers::Of(std::string_view name) {
  if (const auto found = numbers_.find(name); found != numbers_.end()) return found->second;
  const auto number = static_cast<uint32_t>(names_.size());
  if (number == kMost) return kMost;
  names_.push_back(numbers_.emplace(std::string(name), number).first->first);
  return number;
}

// `"name": "shard"` with the shard of the entry before, as sorted indexes have it nearly everywhere.
bool WeightMapReader::FastEntry() {
  const char* const open = cursor_.p;
  if (*open != '"') return false;
  const char* const close = ScanString(open + 1);
  if (!StartsWith(close, "\": \"") || last_shard_.empty()) return false;
  const char* const value = close + 4;
  const size_t left = static_cast<size_t>(std::max<ptrdiff_t>(cursor_.end() - value, 0));
  if (left <= last_shard_.size() || std::memcmp(value, last_shard_.data(), last_shard_.size()) != 0) return false;
  if (value[last_shard_.size()] != '"') return false;
  name_ = {open + 1, static_cast<size_t>(close - open - 1)};
  shard_ = last_number_;
  cursor_.p = value + last_shard_.size() + 1;
  return true;
}

IndexEntryKind WeightMapReader::SlowEntry() {
  if (*cursor_.p != '"') {
    cursor_.Fail(cursor_.p, Concat({"expected a tensor's name in double quotes, found ", cursor_.Describe(cursor_.p)}));
    return IndexEntryKind::kBroken;
  }
  RawString key, value;
  if (!cursor_.ReadString(&key) || !cursor_.Expect(':', "after a name")) return IndexEntryKind::kBroken;
  name_ = key.view();
  if (key.escaped) name_ = decoded_name_ = Unescaped(key);
  cursor_.SkipSpace();
  value_offset_ = cursor_.offset();
  if (*cursor_.p != '"') return cursor_.SkipValue(2) ? IndexEntryKind::kWrongType : IndexEntryKind::kBroken;
  if (!cursor_.ReadString(&value)) return IndexEntryKind::kBroken;
  std::string_view shard = value.view();
  if (value.escaped) shard = decoded_shard_ = Unescaped(value);
  shard_ = shards_.Of(shard);
  last_number_ = shard_;
  last_shard_ = shard_ == ShardNumbers::kMost ? std::string_view() : shards_.names()[shard_];
  return IndexEntryKind::kEntry;
}

IndexEntryKind WeightMapReader::Next() {
  if (feed_ != nullptr) feed_->Ensure(cursor_);
  if (first_) {
    first_ = false;
    if (cursor_.Accept('}')) return IndexEntryKind::kEnd;
  } else if (*cursor_.p == ',') {
    ++cursor_.p;
  } else if (!cursor_.Accept(',')) {
    return cursor_.Expect('}', "or ',' after an entry") ? IndexEntryKind::kEnd : IndexEntryKind::kBroken;
  }
  if (StartsWith(cursor_.p, "\n    ")) cursor_.p += 5;
  cursor_.SkipSpace();
  return FastEntry() ? IndexEntryKind::kEntry : SlowEntry();
}

ShardIndex ReadIndex(Source& source, const FileEntry& file) {
  if (file.kind == FileKind::kRegular && file.size() >= static_cast<int64_t>(TextFeed::kLeast) &&
      file.size() <= static_cast<int64_t>(kMaxIndex)) {
    ShardIndex index{.file = file.name, .present = true, .identity = file.identity};
    TextFeed feed(source, file);
    {
      DefectList defects(file.name, index.defects);
      IndexParser(index, defects, &feed).Run();
    }
    if (index.valid && index.defects.empty()) return index;
  }
  ShardIndex index{.file = file.name, .present = true, .identity = file.identity};
  DefectList defects(file.name, index.defects);
  if (CheckFile(file, defects) && ReadText(source, file, index, defects)) IndexParser(index, defects, nullptr).Run();
  return index;
}

bool LoadIndexText(Source& source, ShardIndex& index) {
  if (index.text != nullptr) return true;
  const FileEntry entry{.name = index.file, .identity = index.identity};
  DefectList defects(index.file, index.defects);
  return ReadText(source, entry, index, defects);
}

std::vector<std::pair<std::string, uint32_t>> IndexEntries(const ShardIndex& index) {
  std::vector<std::pair<std::string, uint32_t>> out;
  if (index.text == nullptr || index.weight_map_offset == 0) return out;
  out.reserve(index.entries);
  JsonCursor cursor(index.text.get(), index.text.get() + index.text_size);
  cursor.p += index.weight_map_offset;
  WeightMapReader reader(cursor);
  std::vector<uint32_t> places;  // number in the reader -> position in index.shards
  for (;;) {
    const IndexEntryKind kind = reader.Next();
    if (kind == IndexEntryKind::kWrongType) continue;
    if (kind != IndexEntryKind::kEntry || reader.shard() == ShardNumbers::kMost) break;
    if (reader.shard() == places.size()) {
      const std::string_view name = reader.shards().names()[reader.shard()];
      const auto found =
          std::lower_bound(index.shards.begin(), index.shards.end(), name,
                           [](const IndexShard& shard, std::string_view wanted) { return shard.file < wanted; });
      places.push_back(static_cast<uint32_t>(found - index.shards.begin()));
    }
    out.emplace_back(reader.name(), places[reader.shard()]);
  }
  return out;
}

}  // namespace gptq_doctor
