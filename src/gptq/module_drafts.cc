#include "gptq/module_drafts.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/dotted_name.h"
#include "gptq/suffix_table.h"
#include "model/header_layout.h"
#include "model/name_hash.h"
#include "model/name_table.h"

namespace gptq_doctor {
namespace {

// Names come from files: a hash that can be predicted would let one fill a bucket with thousands.
struct NameHasher {
  size_t operator()(std::string_view name) const { return HashName(name); }
};

// Modules in the table of those met lately: a shard's at least, and no more than fit a second-level cache.
constexpr size_t kManyRecent = 4 << 10, kMostRecent = 16 << 10;

class Grouper {
 public:
  explicit Grouper(const TensorIndex& tensors)
      : tensors_(tensors), recent_table_(std::min<size_t>(tensors.size(), kMostRecent)) {}

  // The module of every tensor. Writers put the components of a module side by side, or whole kinds of components in
  // the same order of modules, so the last module or the one after it is nearly always right and the table is asked
  // once a module.
  ModuleDrafts Run() {
    const size_t total = tensors_.size();
    out_.module_of.resize(total);
    out_.form_of.resize(total);
    out_.drafts.reserve(total / 4 + 16);
    out_.tags.reserve(total / 4 + 16);
    uint32_t guess = 0;
    for (size_t shard = 0; shard < tensors_.shards.size(); ++shard) {
      if (recent_ >= kManyRecent) ForgetRecent();
      uint32_t number = tensors_.shard_base[shard];
      for (const TensorRecord& tensor : tensors_.shards[shard].tensors) {
        SuffixId suffix = 0;
        if (!IsComponentOf(guess, tensor.name(), suffix) && !IsComponentOf(++guess, tensor.name(), suffix)) {
          guess = FindModuleOf(tensor.name(), suffix);
        }
        out_.form_of[number] = out_.forms.Intern(suffix, tensor);
        out_.module_of[number++] = guess;
        ModuleDraft& draft = out_.drafts[guess];
        draft.bytes = SaturatingAdd(draft.bytes, BytesOf(tensor));
      }
    }
    JoinDrafts();
    return std::move(out_);
  }

 private:
  // Settles the common case without looking for the suffix: the name is that of a module seen before and a member of
  // GPTQ's.
  bool IsComponentOf(uint32_t module, std::string_view name, SuffixId& suffix) const {
    if (module >= out_.drafts.size() || out_.drafts[module].own) return false;
    const std::string_view stem = out_.drafts[module].key();
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

  uint32_t FindModuleOf(std::string_view name, SuffixId& suffix) {
    const std::optional<SuffixMatch> match = MatchSuffix(name);
    suffix = match ? match->id : InternUnknown(name);
    std::string_view key = name;
    if (match) key = name.substr(0, match->begin == 0 ? 0 : match->begin - 1);
    return FindOrAdd(key, !match);
  }

  // Among the modules met lately. One that was met long ago and forgotten is taken for another until JoinDrafts(): a
  // table of all modules of a large model would miss the cache with every question.
  uint32_t FindOrAdd(std::string_view key, bool own) {
    const uint32_t tag = TagOf(key);
    const uint32_t found = recent_table_.Find(
        tag, [&](uint32_t module) { return out_.drafts[module].own == own && out_.drafts[module].key() == key; });
    if (found != NameTable::kNone) return found;
    const auto number = static_cast<uint32_t>(out_.drafts.size());
    ModuleDraft& draft = out_.drafts.emplace_back();
    draft.key_data = key.data();
    draft.key_size = static_cast<uint32_t>(key.size());
    draft.own = own;
    out_.tags.push_back(tag);
    if (recent_ == kMostRecent) ForgetRecent();
    ++recent_;
    recent_table_.Add(uint64_t{tag} << 32 | number);
    return number;
  }

  void ForgetRecent() {
    recent_table_.Clear();
    recent_ = 0;
  }

  // Joins the drafts of one module to the first of them.
  void JoinDrafts() {
    BulkVector<uint32_t> number(out_.drafts.size());
    std::iota(number.begin(), number.end(), 0u);
    bool apart = false;
    FindEqualNames(
        out_.tags,
        [this](uint32_t a, uint32_t b) {
          return out_.drafts[a].own == out_.drafts[b].own && out_.drafts[a].key() == out_.drafts[b].key();
        },
        [&](uint32_t earlier, uint32_t later) {
          number[later] = earlier;
          apart = true;
        });
    if (!apart) return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < out_.drafts.size(); ++i) {
      if (number[i] == i) {
        out_.drafts[kept] = out_.drafts[i];
        out_.tags[kept] = out_.tags[i];
        number[i] = kept++;
      } else {
        number[i] = number[number[i]];
        ModuleDraft& first = out_.drafts[number[i]];
        first.bytes = SaturatingAdd(first.bytes, out_.drafts[i].bytes);
      }
    }
    out_.drafts.resize(kept);
    out_.tags.resize(kept);
    for (uint32_t& module : out_.module_of) module = number[module];
  }

  SuffixId InternUnknown(std::string_view name) {
    std::string_view part = LastPart(name);
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos) part = "*";
    const auto found = unknown_.find(part);
    if (found != unknown_.end()) return found->second;
    const size_t id = FirstUnknownSuffix() + out_.unknown_suffixes.size();
    if (id >= kOverflowSuffix) return kOverflowSuffix;
    out_.unknown_suffixes.emplace_back(part);
    unknown_.emplace(part, static_cast<SuffixId>(id));
    return static_cast<SuffixId>(id);
  }

  const TensorIndex& tensors_;
  ModuleDrafts out_;
  NameTable recent_table_;
  size_t recent_ = 0;                                                   // drafts in it
  std::unordered_map<std::string_view, SuffixId, NameHasher> unknown_;  // keys point into the tensor names
};

}  // namespace

int64_t BytesOf(const TensorRecord& tensor) {
  if (tensor.end < tensor.begin) return 0;
  return ClampToInt64(tensor.bytes());
}

ModuleDrafts GroupTensors(const TensorIndex& tensors) { return Grouper(tensors).Run(); }

}  // namespace gptq_doctor
