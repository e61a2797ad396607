// The index against the shards, both ways. Where the 128-bit sums of name hashes agree for every shard, both list the
// same names and nothing else needs to be looked at; otherwise the names themselves are compared, to name the culprits.

#include <algorithm>
#include <map>

#include "base/text.h"
#include "model/defect_list.h"
#include "model/header_layout.h"
#include "model/name_hash.h"
#include "model/name_table.h"
#include "model/shard_index.h"

namespace gptq_doctor {
namespace {

constexpr size_t kNoShard = ~size_t{0};

// Adds defects of several files, each kind capped as DefectList does.
class DefectsByFile {
 public:
  explicit DefectsByFile(std::vector<Defect>& out) : out_(out) {}
  DefectList& operator[](const std::string& file) {
    auto& list = lists_[file];
    if (list == nullptr) list = std::make_unique<DefectList>(file, out_);
    return *list;
  }

 private:
  std::vector<Defect>& out_;
  std::map<std::string, std::unique_ptr<DefectList>> lists_;
};

size_t FindShard(const std::vector<ShardHeader>& shards, std::string_view file) {
  const auto found =
      std::find_if(shards.begin(), shards.end(), [&](const ShardHeader& shard) { return shard.file == file; });
  return found == shards.end() ? kNoShard : static_cast<size_t>(found - shards.begin());
}

// Position in `shards` of each shard of the index. Both are sorted by name but for a preferred first file.
std::vector<size_t> MatchShards(const ShardIndex& index, const std::vector<ShardHeader>& shards) {
  std::vector<size_t> out(index.shards.size(), kNoShard);
  size_t next = 0;
  const bool sorted =
      std::is_sorted(shards.begin(), shards.end(), [](const auto& a, const auto& b) { return a.file < b.file; });
  for (size_t i = 0; i < out.size(); ++i) {
    const std::string& wanted = index.shards[i].file;
    if (!sorted) {
      out[i] = FindShard(shards, wanted);
      continue;
    }
    while (next < shards.size() && shards[next].file < wanted) ++next;
    if (next < shards.size() && shards[next].file == wanted) out[i] = next;
  }
  return out;
}

bool SameNames(const IndexShard& promised, const ShardHeader& shard) {
  return shard.complete && promised.entries == shard.tensors.size() && promised.name_sum[0] == shard.name_sum[0] &&
         promised.name_sum[1] == shard.name_sum[1];
}

// The exact comparison.
class NameComparison {
 public:
  NameComparison(const ShardIndex& index, const std::vector<ShardHeader>& shards, const std::vector<size_t>& places,
                 DefectsByFile& defects)
      : index_(index), shards_(shards), places_(places), defects_(defects), entries_(IndexEntries(index)) {}

  void Run() {
    ListIndex();
    ListShards();
    ReportMissing();
    ReportExtra();
  }

 private:
  void ListIndex() {
    promised_ = NameTable(entries_.size());
    for (uint32_t i = 0; i < entries_.size(); ++i) {
      promised_.Insert(
          uint64_t{TagOf(entries_[i].first)} << 32 | i,
          [&](uint32_t a, uint32_t b) { return entries_[a].first == entries_[b].first; },
          [&](uint32_t a, uint32_t b) {
            defects_[index_.file].Report(
                DefectKind::kIndexDuplicateKey, 0, entries_[b].first,
                Concat({"the index lists the tensor twice, for ", index_.shards[entries_[a].second].file, " and for ",
                        index_.shards[entries_[b].second].file}));
          });
    }
  }
  void ListShards() {
    for (uint32_t s = 0; s < shards_.size(); ++s) {
      for (uint32_t t = 0; t < shards_[s].tensors.size(); ++t) found_.push_back({s, t});
    }
    present_ = NameTable(found_.size());
    for (uint32_t i = 0; i < found_.size(); ++i) {
      const auto [s, t] = found_[i];
      present_.Add(uint64_t{shards_[s].name_tags[t]} << 32 | i);
    }
  }
  std::string_view NameOf(uint32_t position) const {
    const auto [s, t] = found_[position];
    return shards_[s].tensors[t].name();
  }
  void ReportMissing() {
    for (const auto& entry : entries_) {
      const std::string_view name = entry.first;
      const size_t place = places_[entry.second];
      if (place == kNoShard || !shards_[place].complete) continue;
      uint32_t elsewhere = NameTable::kNone;
      const uint32_t here = present_.Find(TagOf(name), [&](uint32_t position) {
        if (NameOf(position) != name) return false;
        if (found_[position].first == place) return true;
        elsewhere = position;
        return false;
      });
      if (here != NameTable::kNone) continue;
      DefectList& list = defects_[shards_[place].file];
      if (!list.Wants(DefectKind::kTensorNotInShard)) continue;
      list.Add(DefectKind::kTensorNotInShard, 0, name,
               elsewhere == NameTable::kNone
                   ? Concat({index_.file, " promises the tensor in this shard, which does not hold it"})
                   : Concat({index_.file, " promises the tensor in this shard; it is in ",
                             shards_[found_[elsewhere].first].file}));
    }
  }
  void ReportExtra() {
    for (const auto& [s, t] : found_) {
      const ShardHeader& shard = shards_[s];
      const std::string_view name = shard.tensors[t].name();
      const uint32_t at =
          promised_.Find(shard.name_tags[t], [&](uint32_t entry) { return entries_[entry].first == name; });
      if (at != NameTable::kNone && places_[entries_[at].second] == s) continue;
      DefectList& list = defects_[shard.file];
      if (!list.Wants(DefectKind::kTensorNotInIndex)) continue;
      list.Add(DefectKind::kTensorNotInIndex, 0, name,
               at == NameTable::kNone
                   ? Concat({index_.file, " does not list the tensor; some loaders load it, some do not"})
                   : Concat({index_.file, " places the tensor in ", index_.shards[entries_[at].second].file}));
    }
  }

  const ShardIndex& index_;
  const std::vector<ShardHeader>& shards_;
  const std::vector<size_t>& places_;
  DefectsByFile& defects_;
  std::vector<std::pair<std::string, uint32_t>> entries_;
  std::vector<std::pair<uint32_t, uint32_t>> found_;  // shard, tensor
  NameTable promised_, present_;
};

// The hub's writer sums the tensors' bytes, GPTQModel the files' (huggingface_hub serialization/_base.py; GPTQModel
// models/writer.py).
void CheckTotalSize(const ShardIndex& index, const std::vector<ShardHeader>& shards, DefectsByFile& defects) {
  if (!index.total_size) return;
  uint64_t tensors = 0, files = 0;
  for (const ShardHeader& shard : shards) {
    if (!shard.accepted || shard.identity.size < 0) return;
    files += static_cast<uint64_t>(shard.identity.size);
    for (const TensorRecord& tensor : shard.tensors) tensors += tensor.bytes();
  }
  if (*index.total_size == tensors || *index.total_size == files) return;
  defects[index.file].Report(DefectKind::kTotalSizeMismatch, 0, {},
                             Concat({"metadata.total_size is ", FormatCount(*index.total_size), "; the tensors have ",
                                     FormatCount(tensors), " bytes, the files ", FormatCount(files)}));
}

}  // namespace

std::vector<RepeatedTensor> FindTensorsInTwoShards(const std::vector<ShardHeader>& shards,
                                                   std::vector<Defect>& defects) {
  std::vector<RepeatedTensor> out;
  if (shards.size() < 2) return out;
  std::vector<uint32_t> tags, base;
  size_t total = 0;
  for (const ShardHeader& shard : shards) total += shard.tensors.size();
  tags.reserve(total);
  for (const ShardHeader& shard : shards) {
    base.push_back(static_cast<uint32_t>(tags.size()));
    tags.insert(tags.end(), shard.name_tags.begin(), shard.name_tags.end());
  }
  const auto at = [&](uint32_t position) {
    const auto shard = static_cast<uint32_t>(std::upper_bound(base.begin(), base.end(), position) - base.begin() - 1);
    return RepeatedTensor{shard, position - base[shard]};
  };
  const auto name = [&](RepeatedTensor place) { return shards[place.shard].tensors[place.tensor].name(); };
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  FindEqualNames(
      tags, [&](uint32_t a, uint32_t b) { return name(at(a)) == name(at(b)); },
      [&](uint32_t earlier, uint32_t later) {
        pairs.emplace_back(std::max(earlier, later), std::min(earlier, later));
      });
  std::sort(pairs.begin(), pairs.end());
  DefectsByFile lists(defects);
  for (const auto& [later, earlier] : pairs) {
    const RepeatedTensor second = at(later);
    out.push_back(second);
    DefectList& list = lists[shards[second.shard].file];
    if (!list.Wants(DefectKind::kTensorInTwoShards)) continue;
    list.Add(DefectKind::kTensorInTwoShards, 0, name(second),
             Concat({"the tensor is also in ", shards[at(earlier).shard].file}));
  }
  return out;
}

void CrossCheck(Source& source, ShardIndex& index, const std::vector<ShardHeader>& shards, bool repeated,
                std::vector<Defect>& defects) {
  if (!index.valid) {
    index.text.reset();
    return;
  }
  DefectsByFile lists(defects);
  const std::vector<size_t> places = MatchShards(index, shards);
  bool same = true;
  bool all_present = true;
  for (size_t i = 0; i < places.size(); ++i) {
    const IndexShard& promised = index.shards[i];
    if (places[i] != kNoShard) {
      same = same && SameNames(promised, shards[places[i]]);
      continue;
    }
    all_present = same = false;
    if (!promised.safe) continue;
    lists[promised.file].Report(DefectKind::kShardMissing, 0, {},
                                Concat({index.file, " names the shard for ", FormatCount(promised.entries),
                                        promised.entries == 1 ? " tensor" : " tensors", "; it is not on disk"}));
  }
  // A shard's own names are distinct, so with equal sums a name that the index lists twice stands in two shards.
  if ((!same || repeated) && LoadIndexText(source, index)) NameComparison(index, shards, places, lists).Run();
  if (all_present) CheckTotalSize(index, shards, lists);
  index.text.reset();
}

}  // namespace gptq_doctor
