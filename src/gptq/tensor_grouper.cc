#include "gptq/tensor_grouper.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/dotted_name.h"
#include "gptq/suffix_table.h"
#include "model/name_hash.h"

namespace gptq_doctor {
namespace {

// Modules in the table of those met lately: a shard's at least, and no more than fit a second-level cache.
constexpr size_t kManyRecent = 4 << 10, kMostRecent = 8 << 10;

std::string_view UnknownSuffixOf(std::string_view name) {
  const std::string_view part = LastPart(name);
  const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  return digits ? "*" : part;
}

}  // namespace

size_t UnknownSuffixes::NameHasher::operator()(std::string_view name) const { return HashName(name); }

SuffixId UnknownSuffixes::Intern(std::string_view suffix) {
  const auto found = ids_.find(suffix);
  if (found != ids_.end()) return found->second;
  const size_t id = FirstUnknownSuffix() + names_.size();
  if (id >= kOverflowSuffix) return kOverflowSuffix;
  names_.push_back(suffix);
  ids_.emplace(suffix, static_cast<SuffixId>(id));
  return static_cast<SuffixId>(id);
}

TensorGrouper::TensorGrouper(const TensorIndex& tensors, uint32_t begin, uint32_t end,
                             const std::shared_ptr<BulkMemory>& memory)
    : tensors_(tensors),
      begin_(begin),
      end_(std::min(end, tensors.size())),
      drafts_(BulkAllocator<ModuleDraft>(memory)),
      tags_(BulkAllocator<uint32_t>(memory)) {}

// Writers put the components of a module side by side, or whole kinds of components in the same order of modules, so
// the last module or the one after it is nearly always right and the table is asked once a module.
void TensorGrouper::Run(std::span<uint32_t> module_of, std::span<uint32_t> form_of) {
  recent_table_ = NameTable(std::min<size_t>(end_ - begin_, kMostRecent));
  drafts_.reserve((end_ - begin_) / 4 + 16);
  tags_.reserve((end_ - begin_) / 4 + 16);
  const auto first = std::ranges::upper_bound(tensors_.shard_base, begin_) - 1;
  uint32_t number = begin_;
  for (auto shard = static_cast<size_t>(first - tensors_.shard_base.begin()); number < end_; ++shard) {
    if (recent_ >= kManyRecent) ForgetRecent();
    const uint32_t base = tensors_.shard_base[shard];
    const std::span<const TensorRecord> records = tensors_.shards[shard].tensors;
    const uint32_t stop = std::min(end_, tensors_.shard_base[shard + 1]);
    for (; number < stop; ++number) {
      const TensorRecord& tensor = records[number - base];
      SuffixId suffix = 0;
      if (!IsComponentOf(guess_, tensor.name(), suffix) && !IsComponentOf(++guess_, tensor.name(), suffix)) {
        guess_ = FindModuleOf(tensor.name(), suffix);
      }
      form_of[number] = forms_.Intern(suffix, tensor);
      module_of[number] = guess_;
      ModuleDraft& draft = drafts_[guess_];
      draft.bytes = SaturatingAdd(draft.bytes, BytesOf(tensor));
    }
  }
  recent_table_ = NameTable();
}

// Settles the common case without looking for the suffix: the name is that of a module seen before and a member of
// GPTQ's.
bool TensorGrouper::IsComponentOf(uint32_t module, std::string_view name, SuffixId& suffix) const {
  if (module >= drafts_.size() || drafts_[module].own) return false;
  const std::string_view stem = drafts_[module].key();
  if (name.size() < stem.size() + 5 || name.size() > stem.size() + 8 || name[stem.size()] != '.') return false;
  const std::string_view rest = name.substr(stem.size() + 1);
  if (rest == "qweight") {
    suffix = kQweight;
  } else if (rest == "qzeros") {
    suffix = kQzeros;
  } else if (rest == "scales") {
    suffix = kScales;
  } else if (rest == "g_idx") {
    suffix = kGIdx;
  } else if (rest == "bias") {
    suffix = kBias;
  } else {
    return false;
  }
  return name.starts_with(stem);
}

uint32_t TensorGrouper::FindModuleOf(std::string_view name, SuffixId& suffix) {
  const std::optional<SuffixMatch> match = MatchSuffix(name);
  suffix = match ? match->id : unknown_.Intern(UnknownSuffixOf(name));
  std::string_view key = name;
  if (match) key = name.substr(0, match->begin == 0 ? 0 : match->begin - 1);
  return FindOrAdd(key, !match);
}

// Among the modules met lately. One that was met long ago and forgotten is taken for another until all are joined: a
// table of all modules of a large model would miss the cache with every question.
uint32_t TensorGrouper::FindOrAdd(std::string_view key, bool own) {
  const uint32_t tag = TagOf(key);
  const uint32_t found = recent_table_.Find(
      tag, [&](uint32_t module) { return drafts_[module].own == own && drafts_[module].key() == key; });
  if (found != NameTable::kNone) return found;
  const auto number = static_cast<uint32_t>(drafts_.size());
  ModuleDraft& draft = drafts_.emplace_back();
  draft.key_data = key.data();
  draft.key_size = static_cast<uint32_t>(key.size());
  draft.own = own;
  tags_.push_back(tag);
  if (recent_ == kMostRecent) ForgetRecent();
  ++recent_;
  recent_table_.Add(uint64_t{tag} << 32 | number);
  return number;
}

void TensorGrouper::ForgetRecent() {
  recent_table_.Clear();
  recent_ = 0;
}

}  // namespace gptq_doctor
