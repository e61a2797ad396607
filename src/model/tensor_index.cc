#include "model/tensor_index.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/text.h"
#include "model/defect_list.h"
#include "model/header_reader.h"
#include "model/model_dir.h"
#include "model/name_hash.h"
#include "model/name_table.h"

namespace gptq_doctor {
namespace {

constexpr std::string_view kExtension = ".safetensors";
constexpr std::string_view kIndexExtension = ".safetensors.index.json";
constexpr uint64_t kWorthThreads = 2 << 20;  // bytes of headers and index

void Note(TensorIndex& out, DefectKind kind, std::string file, std::string detail) {
  out.defects.push_back({.kind = kind,
                         .file = std::move(file),
                         .offset = 0,
                         .tensor = {},
                         .detail = std::move(detail),
                         .reference = nullptr});
}

// Mistral publishes the same weights twice, once as consolidated*.safetensors.
bool IsConsolidated(std::string_view file) { return file.starts_with("consolidated"); }

// "model.safetensors" for "model.safetensors.index.json".
std::string SingleFileOf(std::string_view index) {
  if (!index.ends_with(kIndexExtension)) return {};
  return Concat({index.substr(0, index.size() - kIndexExtension.size()), kExtension});
}

// "PREFIX-00001-of-00005.safetensors"
struct NumberedName {
  std::string prefix;
  uint64_t number = 0, count = 0;
  size_t digits = 0;
};
std::optional<NumberedName> ParseNumbered(std::string_view file) {
  if (!file.ends_with(kExtension)) return std::nullopt;
  file.remove_suffix(kExtension.size());
  const auto take_digits = [&file](uint64_t* value) {
    size_t size = 0;
    while (size < file.size() && size < 9 && file[file.size() - 1 - size] >= '0' && file[file.size() - 1 - size] <= '9')
      ++size;
    *value = 0;
    for (const char c : file.substr(file.size() - size)) *value = *value * 10 + static_cast<uint64_t>(c - '0');
    file.remove_suffix(size);
    return size;
  };
  NumberedName out;
  const size_t digits = take_digits(&out.count);
  if (digits < 5 || !file.ends_with("-of-")) return std::nullopt;
  file.remove_suffix(4);
  out.digits = take_digits(&out.number);
  if (out.digits < 5 || !file.ends_with("-")) return std::nullopt;
  out.prefix = file.substr(0, file.size() - 1);
  return out;
}

// A count in the names must match the files, those that only the index names included: their absence is reported as
// such.
void CheckNumberedNames(TensorIndex& out) {
  std::map<std::pair<std::string, uint64_t>, std::set<uint64_t>> groups;
  std::set<std::string_view> names;
  for (const ShardHeader& shard : out.shards) names.insert(shard.file);
  if (out.index.valid) {
    for (const IndexShard& shard : out.index.shards) names.insert(shard.file);
  }
  for (const std::string_view name : names) {
    if (const auto numbered = ParseNumbered(name)) groups[{numbered->prefix, numbered->count}].insert(numbered->number);
  }
  for (const auto& [group, numbers] : groups) {
    const uint64_t count = group.second;
    const uint64_t first = numbers.contains(0) ? 0 : 1;  // both habits occur
    if (numbers.size() == count && *numbers.begin() == first) continue;
    std::string absent;
    uint64_t listed = 0;
    for (uint64_t number = first; number < first + count && listed < 5; ++number) {
      if (numbers.contains(number)) continue;
      absent += Concat({listed++ == 0 ? "; absent: " : ", ", std::to_string(number)});
    }
    Note(out, DefectKind::kShardCountMismatch, group.first,
         Concat({"the names say ", FormatCount(count), count == 1 ? " file, " : " files, ", FormatCount(numbers.size()),
                 numbers.size() == 1 ? " is known" : " are known", absent}));
  }
}

class Builder {
 public:
  Builder(Source& source, const ModelDir& dir, const HeaderOptions& options, ThreadPool* pool)
      : source_(source), dir_(dir), options_(options), pool_(pool) {}

  TensorIndex Build() {
    Read();
    Choose();
    std::vector<Defect> repeated_defects;
    const auto repeated = FindTensorsInTwoShards(out_.shards, repeated_defects);
    if (out_.index.valid && !stale_) {
      CollectMissingNames();
      CrossCheck(source_, out_.index, out_.shards, !repeated.empty(), out_.defects);
    }
    out_.index.text.reset();
    out_.defects.insert(out_.defects.end(), repeated_defects.begin(), repeated_defects.end());
    DropRepeated(repeated);
    if (!dir_.single_file) CheckNumberedNames(out_);
    NoteDirectory();
    Number();
    return std::move(out_);
  }

 private:
  // Candidates and the index at the same time; what the index names elsewhere follows.
  void Read() {
    std::vector<FileEntry> files;
    for (const size_t position : dir_.weights) files.push_back(dir_.files[position].entry);
    HeaderReader reader(source_, files, options_);
    reader.ReadHeads();
    const FileEntry* const index = dir_.indexes.empty() ? nullptr : &dir_.files[dir_.indexes[0]].entry;
    const uint64_t bytes =
        reader.body_bytes() + static_cast<uint64_t>(index == nullptr ? 0 : std::max<int64_t>(index->size(), 0));
    ParallelFor(bytes >= kWorthThreads ? pool_ : nullptr, files.size() + 1, [&](size_t task) {
      if (task != 0)
        reader.ReadBody(task - 1);
      else if (index != nullptr)
        out_.index = ReadIndex(source_, *index);
    });
    for (ShardHeader& header : reader.headers()) {
      std::string name = header.file;
      read_.emplace(std::move(name), std::move(header));
    }
    ReadNamedElsewhere();
  }

  void ReadNamedElsewhere() {
    std::vector<FileEntry> files;
    for (const IndexShard& shard : out_.index.shards) {
      if (!shard.safe || read_.contains(shard.file)) continue;
      if (const ModelFile* const file = dir_.Find(shard.file)) {
        files.push_back(file->entry);
      } else if (const auto entry = source_.Stat(shard.file); dir_.truncated && entry.ok()) {
        files.push_back(*entry);
      }
    }
    if (files.empty()) return;
    for (ShardHeader& header : ReadHeaders(source_, files, options_, pool_)) {
      std::string name = header.file;
      read_.emplace(std::move(name), std::move(header));
    }
  }

  // Which of the files that were read are the model.
  void Choose() {
    std::set<std::string> named;
    bool missing = false;
    if (out_.index.valid) {
      for (const IndexShard& shard : out_.index.shards) {
        if (read_.contains(shard.file))
          named.insert(shard.file);
        else
          missing = true;
      }
    }
    const std::string single = SingleFileOf(out_.index.file);
    const bool single_beside = read_.contains(single) && !named.contains(single);
    stale_ = out_.index.valid && missing && (single_beside || (named.empty() && !read_.empty()));
    if (out_.index.valid && (stale_ || single_beside)) {
      Note(out_, DefectKind::kStaleIndex, out_.index.file,
           Concat({"the index names ", FormatCount(out_.index.shards.size()),
                   out_.index.shards.size() == 1 ? " shard" : " shards", stale_ ? ", not all of them on disk" : "",
                   ", and there is ", single_beside ? single : std::string("another weight file"),
                   " as well; loaders disagree which to take"}));
    }
    const bool use_index = out_.index.valid && !stale_;
    const bool others =
        std::any_of(read_.begin(), read_.end(), [](const auto& file) { return !IsConsolidated(file.first); });
    std::vector<std::string> strays;
    for (auto& [name, header] : read_) {
      const bool chosen = use_index                 ? named.contains(name)
                          : stale_ && single_beside ? name == single
                                                    : !named.contains(name) && !(others && IsConsolidated(name));
      if (chosen)
        out_.shards.push_back(std::move(header));
      else
        strays.push_back(name);
    }
    for (const std::string& name : strays) {
      if (use_index && name == single) continue;  // said above
      const ModelFile* const file = dir_.Find(name);
      const auto size = static_cast<uint64_t>(file == nullptr ? 0 : std::max<int64_t>(file->entry.size(), 0));
      Note(out_, DefectKind::kStrayWeights, name,
           Concat({"a weight file of ", FormatBytes(size),
                   use_index ? " that the index does not name" : " beside the model's"}));
    }
    // Where names collide, the first copy wins, and this is the name that loaders look for first.
    if (!use_index) {
      std::stable_partition(out_.shards.begin(), out_.shards.end(),
                            [](const ShardHeader& shard) { return shard.file == "model.safetensors"; });
    }
  }

  void CollectMissingNames() {
    std::vector<bool> absent;
    for (const IndexShard& shard : out_.index.shards) absent.push_back(!read_.contains(shard.file));
    if (std::find(absent.begin(), absent.end(), true) == absent.end()) return;
    if (!LoadIndexText(source_, out_.index)) return;
    for (const auto& [name, shard] : IndexEntries(out_.index)) {
      if (absent[shard]) out_.missing_names.push_back(out_.KeepName(name));
    }
  }

  // The first copy wins; the bytes of the others belong to no tensor.
  void DropRepeated(const std::vector<RepeatedTensor>& repeated) {
    for (size_t i = 0; i < repeated.size();) {
      ShardHeader& shard = out_.shards[repeated[i].shard];
      const uint32_t number = repeated[i].shard;
      size_t kept = repeated[i].tensor;
      for (size_t t = kept; t < shard.tensors.size(); ++t) {
        if (i < repeated.size() && repeated[i].shard == number && repeated[i].tensor == t) {
          shard.stray_bytes += shard.tensors[t].bytes();
          ++i;
          continue;
        }
        shard.tensors[kept] = shard.tensors[t];
        shard.name_tags[kept++] = shard.name_tags[t];
      }
      shard.tensors.resize(kept);
      shard.name_tags.resize(kept);
    }
  }

  void NoteDirectory() {
    if (dir_.indexes.size() > 1) {
      std::string names;
      for (size_t i = 1; i < std::min<size_t>(dir_.indexes.size(), 6); ++i) {
        names += Concat({i == 1 ? "" : ", ", dir_.files[dir_.indexes[i]].entry.name});
      }
      Note(out_, DefectKind::kSeveralIndexes, out_.index.file,
           Concat({"the model is read by this index; also there: ", names}));
    }
    for (const ModelFile& file : dir_.files) {
      if (file.role != FileRole::kPartial) continue;
      Note(out_, DefectKind::kPartialDownload, file.entry.name,
           Concat({"a download that was not finished, ",
                   FormatBytes(static_cast<uint64_t>(std::max<int64_t>(file.entry.size(), 0))), " so far"}));
    }
    if (dir_.single_file || out_.index.valid || out_.shards.size() != 1) return;
    const std::string& name = out_.shards[0].file;
    if (name == "model.safetensors" || name.starts_with("gptq_model-") || ParseNumbered(name)) return;
    Note(out_, DefectKind::kUnusualName, name,
         "loaders look for model.safetensors, some for gptq_model-{bits}bit-{group_size}g.safetensors");
  }

  void Number() {
    uint32_t total = 0;
    for (size_t s = 0; s < out_.shards.size(); ++s) {
      out_.shard_base.push_back(total);
      ShardHeader& shard = out_.shards[s];
      const size_t room = std::numeric_limits<uint32_t>::max() - total;
      if (shard.tensors.size() > room) shard.tensors.resize(room);
      total += static_cast<uint32_t>(shard.tensors.size());
      if (shard.tensors.empty() || shard.tensors[0].shard == s) continue;
      for (TensorRecord& tensor : shard.tensors) tensor.shard = static_cast<uint16_t>(s);
    }
    out_.shard_base.push_back(total);
  }

  Source& source_;
  const ModelDir& dir_;
  const HeaderOptions& options_;
  ThreadPool* const pool_;
  TensorIndex out_;
  std::map<std::string, ShardHeader> read_;
  bool stale_ = false;
};

}  // namespace

std::string_view TensorIndex::KeepName(std::string_view name) {
  constexpr size_t kChunk = 64 << 10;
  if (name.size() > names_left_) {
    const size_t chunk = std::max(kChunk, name.size());
    names_.push_back(std::make_unique_for_overwrite<char[]>(chunk));
    names_left_ = chunk;
    names_next_ = names_.back().get();
  }
  char* const to = names_next_;
  std::copy(name.begin(), name.end(), to);
  names_next_ += name.size();
  names_left_ -= name.size();
  return {to, name.size()};
}

const TensorRecord& TensorIndex::at(uint32_t number) const {
  const auto base = std::upper_bound(shard_base.begin(), shard_base.end(), number) - 1;
  return shards[static_cast<size_t>(base - shard_base.begin())].tensors[number - *base];
}

const TensorRecord* TensorIndex::Find(std::string_view name) const {
  if (table_ == nullptr) {
    table_ = std::make_shared<NameTable>(size());
    uint32_t number = 0;
    for (const ShardHeader& shard : shards) {
      for (const uint32_t tag : shard.name_tags) table_->Add(uint64_t{tag} << 32 | number++);
    }
  }
  const uint32_t found = table_->Find(TagOf(name), [&](uint32_t number) { return at(number).name() == name; });
  return found == NameTable::kNone ? nullptr : &at(found);
}

TensorIndex BuildTensorIndex(Source& source, const ModelDir& dir, const HeaderOptions& options, ThreadPool* pool) {
  return Builder(source, dir, options, pool).Build();
}

}  // namespace gptq_doctor
