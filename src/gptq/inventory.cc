#include "gptq/inventory.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "gptq/format_table.h"
#include "gptq/suffix_table.h"

namespace gptq_doctor {
namespace {

uint64_t Mix(uint64_t state, uint64_t value) {
  state = (state ^ value) * 0x9E3779B97F4A7C15ull;  // 2^64 over the golden ratio
  return state ^ (state >> 32);
}

size_t TableSize(size_t entries) {
  size_t size = 16;
  while (size < entries * 2) size *= 2;
  return size;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Folded spelling of a name, and the numbers that were folded away.
struct Folder {
  std::string text;
  std::vector<uint32_t> numbers;
  bool irregular = false;  // a number with a leading zero or of more than nine digits

  void Fold(std::string_view name) {
    text.resize(name.size());
    numbers.clear();
    irregular = false;
    char* out = text.data();
    const char* at = name.data();
    const char* const end = at + name.size();
    while (true) {
      const char* const part = at;
      uint32_t number = 0;
      while (at != end && IsDigit(*at)) number = number * 10 + static_cast<uint32_t>(*at++ - '0');
      if (at != part && (at == end || *at == '.')) {
        irregular |= at - part > 9 || (*part == '0' && at - part > 1);
        numbers.push_back(number);
        *out++ = '*';
      } else {
        while (at != end && *at != '.') ++at;
        std::memcpy(out, part, static_cast<size_t>(at - part));
        out += at - part;
      }
      if (at == end) break;
      *out++ = *at++;
    }
    text.resize(static_cast<size_t>(out - text.data()));
  }
};

// The dimensions that a record holds; ranks of 255 and more keep the first 254.
std::span<const uint64_t> StoredDims(const TensorRecord& tensor) {
  return tensor.rank == 255 ? std::span<const uint64_t>(tensor.far_dims, 254) : tensor.dims();
}

bool SameForm(const TensorRecord& a, const TensorRecord& b) {
  return a.dtype == b.dtype && a.rank == b.rank && std::ranges::equal(StoredDims(a), StoredDims(b));
}

// One module while it is collected.
struct Draft {
  std::string_view key;  // the stem, or the whole name of an own module
  uint64_t hash = 0;
  uint32_t stem_size = 0;
  uint32_t first = 0;    // of its components
  uint32_t numbers = 0;  // where its folded numbers begin
  uint32_t class_id = 0;
  uint16_t count = 0;
  bool own = false;  // the suffix is unknown
  bool irregular = false;
};

}  // namespace

class InventoryBuilder {
 public:
  explicit InventoryBuilder(const TensorIndex& tensors) : tensors_(tensors) {}

  Inventory Build() {
    GroupTensors();
    FillComponents();
    FindClasses();
    OrderModules();
    for (ModuleClass& c : out_.classes) {
      c.format = DetectFormat({.tensors = tensors_, .inventory = out_, .module = out_.modules[c.representative]});
    }
    return std::move(out_);
  }

 private:
  // The module of every tensor. Writers put the components of a module side by side, or whole kinds of components in
  // the same order of modules, so the last module or the one after it is nearly always right and the table is asked
  // once a module.
  void GroupTensors() {
    const size_t total = tensors_.size();
    module_of_.resize(total);
    suffix_of_.resize(total);
    drafts_.reserve(total / 4 + 16);
    slots_.assign(TableSize(total / 4 + 16), 0);
    uint32_t guess = 0;
    for (size_t shard = 0; shard < tensors_.shards.size(); ++shard) {
      uint32_t number = tensors_.shard_base[shard];
      for (const TensorRecord& tensor : tensors_.shards[shard].tensors) {
        const std::string_view name = tensor.name();
        const std::optional<SuffixMatch> match = MatchSuffix(name);
        std::string_view key = name;
        if (match) key = name.substr(0, match->begin == 0 ? 0 : match->begin - 1);
        uint32_t module = guess;
        if (!Matches(module, key, !match) && !Matches(++module, key, !match)) module = FindOrAdd(key, !match);
        suffix_of_[number] = match ? match->id : InternUnknown(name);
        module_of_[number] = module;
        guess = module;
        ++number;
      }
    }
  }

  bool Matches(uint32_t module, std::string_view key, bool own) const {
    return module < drafts_.size() && drafts_[module].key == key && drafts_[module].own == own;
  }

  uint32_t FindOrAdd(std::string_view key, bool own) {
    const uint64_t hash = HashName(key) + (own ? 1 : 0);
    size_t mask = slots_.size() - 1;
    size_t slot = hash & mask;
    for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
      const Draft& draft = drafts_[slots_[slot] - 1];
      if (draft.hash == hash && draft.key == key && draft.own == own) return slots_[slot] - 1;
    }
    const size_t dot = key.rfind('.');
    const size_t stem_size = !own ? key.size() : dot == std::string_view::npos ? 0 : dot;
    drafts_.push_back({.key = key, .hash = hash, .stem_size = static_cast<uint32_t>(stem_size), .own = own});
    slots_[slot] = static_cast<uint32_t>(drafts_.size());
    if (drafts_.size() * 2 > slots_.size()) Rehash();
    return static_cast<uint32_t>(drafts_.size() - 1);
  }

  void Rehash() {
    slots_.assign(slots_.size() * 2, 0);
    const size_t mask = slots_.size() - 1;
    for (size_t i = 0; i < drafts_.size(); ++i) {
      size_t slot = drafts_[i].hash & mask;
      while (slots_[slot] != 0) slot = (slot + 1) & mask;
      slots_[slot] = static_cast<uint32_t>(i + 1);
    }
  }

  SuffixId InternUnknown(std::string_view name) {
    std::string_view part = name.substr(name.rfind('.') + 1);  // npos + 1 is the whole name
    if (!part.empty() && std::ranges::all_of(part, IsDigit)) part = "*";
    const auto found = unknown_.find(part);
    if (found != unknown_.end()) return found->second;
    const size_t id = FirstUnknownSuffix() + out_.unknown_suffixes_.size();
    if (id >= kOverflowSuffix) return kOverflowSuffix;
    out_.unknown_suffixes_.emplace_back(part);
    unknown_.emplace(part, static_cast<SuffixId>(id));
    return static_cast<SuffixId>(id);
  }

  // Components by module, sorted by suffix; of equal suffixes the tensor of lowest number stays.
  void FillComponents() {
    std::vector<uint32_t> fill(drafts_.size() + 1, 0);
    for (const uint32_t module : module_of_) ++fill[module];
    uint32_t at = 0;
    for (uint32_t& begin : fill) at += std::exchange(begin, at);
    for (size_t i = 0; i < drafts_.size(); ++i) drafts_[i].first = fill[i];
    out_.components_.resize(module_of_.size());
    for (uint32_t tensor = 0; tensor < module_of_.size(); ++tensor) {
      out_.components_[fill[module_of_[tensor]]++] = {.suffix = suffix_of_[tensor], .tensor = tensor};
    }
    for (size_t i = 0; i < drafts_.size(); ++i) {
      Draft& draft = drafts_[i];
      const auto begin = out_.components_.begin() + draft.first;
      const auto end = out_.components_.begin() + fill[i];  // where filling stopped
      const auto suffix = [](const Component& c) { return c.suffix; };
      if (!std::ranges::is_sorted(begin, end, std::ranges::less_equal{}, suffix)) {
        std::stable_sort(begin, end, [](const Component& a, const Component& b) { return a.suffix < b.suffix; });
      }
      const auto kept = std::ranges::unique(begin, end, {}, suffix).begin();
      draft.count = static_cast<uint16_t>(kept - begin);
    }
    module_of_ = {};
    suffix_of_ = {};
    slots_ = {};
  }

  std::span<const Component> ComponentsOf(const Draft& draft) const {
    return std::span<const Component>(out_.components_).subspan(draft.first, draft.count);
  }

  uint64_t ClassHash(const Draft& draft, std::string_view folded) const {
    uint64_t hash = HashName(folded) + (draft.own ? 1 : 0);
    for (const Component& component : ComponentsOf(draft)) {
      const TensorRecord& tensor = *records_[component.tensor];
      hash = Mix(hash, component.suffix | static_cast<uint64_t>(tensor.dtype) << 16 | uint64_t{tensor.rank} << 32);
      for (const uint64_t dim : StoredDims(tensor)) hash = Mix(hash, dim);
    }
    return hash;
  }

  bool InClass(const Draft& draft, std::string_view folded, uint32_t class_id) const {
    const Draft& other = drafts_[out_.classes[class_id].representative];
    if (draft.count != other.count || draft.own != other.own || folded != out_.classes[class_id].pattern) return false;
    const auto a = ComponentsOf(draft), b = ComponentsOf(other);
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i].suffix != b[i].suffix || !SameForm(*records_[a[i].tensor], *records_[b[i].tensor])) return false;
    }
    return true;
  }

  // Assigns every draft its class; the representative is the draft that founded the class.
  void FindClasses() {
    records_.reserve(tensors_.size());
    for (const ShardHeader& shard : tensors_.shards) {
      for (const TensorRecord& tensor : shard.tensors) records_.push_back(&tensor);
    }
    std::vector<uint64_t> hashes;
    std::vector<uint32_t> slots(64, 0);
    Folder folder;
    for (size_t i = 0; i < drafts_.size(); ++i) {
      Draft& draft = drafts_[i];
      folder.Fold(draft.key);
      draft.irregular = folder.irregular;
      draft.numbers = static_cast<uint32_t>(numbers_.size());
      numbers_.insert(numbers_.end(), folder.numbers.begin(), folder.numbers.end());
      const uint64_t hash = ClassHash(draft, folder.text);
      size_t slot = hash & (slots.size() - 1);
      while (slots[slot] != 0 && (hashes[slots[slot] - 1] != hash || !InClass(draft, folder.text, slots[slot] - 1))) {
        slot = (slot + 1) & (slots.size() - 1);
      }
      if (slots[slot] == 0) {
        out_.classes.push_back({.pattern = folder.text, .representative = static_cast<uint32_t>(i)});
        hashes.push_back(hash);
        slots[slot] = static_cast<uint32_t>(hashes.size());
      }
      draft.class_id = slots[slot] - 1;
      ModuleClass& c = out_.classes[draft.class_id];
      ++c.count;
      AddBytes(draft, c);
      if (hashes.size() * 2 > slots.size()) RehashClasses(hashes, slots);
    }
  }

  static void RehashClasses(const std::vector<uint64_t>& hashes, std::vector<uint32_t>& slots) {
    slots.assign(slots.size() * 4, 0);
    for (size_t i = 0; i < hashes.size(); ++i) {
      size_t slot = hashes[i] & (slots.size() - 1);
      while (slots[slot] != 0) slot = (slot + 1) & (slots.size() - 1);
      slots[slot] = static_cast<uint32_t>(i + 1);
    }
  }

  void AddBytes(const Draft& draft, ModuleClass& c) const {
    for (const Component& component : ComponentsOf(draft)) {
      const TensorRecord& tensor = *records_[component.tensor];
      if (tensor.end < tensor.begin) continue;
      const auto room = static_cast<uint64_t>(std::numeric_limits<int64_t>::max() - c.bytes);
      c.bytes += static_cast<int64_t>(std::min(tensor.bytes(), room));
    }
  }

  // Modules class after class, in natural order of their names inside each.
  void OrderModules() {
    uint32_t at = 0;
    std::vector<uint32_t> fill(out_.classes.size());
    for (size_t i = 0; i < out_.classes.size(); ++i) {
      fill[i] = out_.classes[i].first_member = at;
      at += out_.classes[i].count;
    }
    std::vector<uint32_t> order(drafts_.size());
    for (uint32_t i = 0; i < drafts_.size(); ++i) order[fill[drafts_[i].class_id]++] = i;
    for (ModuleClass& c : out_.classes) {
      SortMembers(std::span<uint32_t>(order).subspan(c.first_member, c.count));
      c.representative = c.first_member;
    }
    out_.modules.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      const Draft& draft = drafts_[order[i]];
      out_.modules[i] = {.stem = draft.key.substr(0, draft.stem_size),
                         .class_id = draft.class_id,
                         .first = draft.first,
                         .count = draft.count};
    }
    out_.members_.resize(order.size());
    std::iota(out_.members_.begin(), out_.members_.end(), 0u);
  }

  // Members of a class differ in their folded numbers alone, so natural order is that of the number tuples.
  void SortMembers(std::span<uint32_t> members) {
    if (members.size() < 2) return;
    const Draft& first = drafts_[members[0]];
    const size_t width = NumbersOf(first);
    uint64_t range = 1;
    std::vector<uint64_t> weight(width, 1);
    bool irregular = false;
    for (size_t column = width; column-- > 0 && !irregular;) {
      uint64_t top = 0;
      for (const uint32_t member : members) top = std::max<uint64_t>(top, numbers_[drafts_[member].numbers + column]);
      weight[column] = range;
      irregular = __builtin_mul_overflow(range, top + 1, &range);
    }
    for (const uint32_t member : members) irregular |= drafts_[member].irregular;
    if (irregular) {
      std::ranges::sort(members, NaturalLess, [this](uint32_t member) { return drafts_[member].key; });
      return;
    }
    keyed_.resize(members.size());
    for (size_t i = 0; i < members.size(); ++i) {
      uint64_t key = 0;
      const uint32_t* numbers = numbers_.data() + drafts_[members[i]].numbers;
      for (size_t column = 0; column < width; ++column) key += weight[column] * numbers[column];
      keyed_[i] = {key, members[i]};
    }
    if (std::ranges::is_sorted(keyed_)) return;
    RadixSort(range - 1);
    for (size_t i = 0; i < members.size(); ++i) members[i] = keyed_[i].second;
  }

  size_t NumbersOf(const Draft& draft) const {
    const size_t index = static_cast<size_t>(&draft - drafts_.data());
    const size_t end = index + 1 < drafts_.size() ? drafts_[index + 1].numbers : numbers_.size();
    return end - draft.numbers;
  }

  // Sorts keyed_ by key, least significant byte first; `top` bounds the keys.
  void RadixSort(uint64_t top) {
    scratch_.resize(keyed_.size());
    for (int shift = 0; shift < 64 && (top >> shift) != 0; shift += 8) {
      uint32_t starts[257] = {};
      for (const auto& entry : keyed_) ++starts[((entry.first >> shift) & 0xFF) + 1];
      for (int i = 0; i < 256; ++i) starts[i + 1] += starts[i];
      for (const auto& entry : keyed_) scratch_[starts[(entry.first >> shift) & 0xFF]++] = entry;
      keyed_.swap(scratch_);
    }
  }

  const TensorIndex& tensors_;
  Inventory out_;
  std::vector<Draft> drafts_;
  std::vector<uint32_t> slots_;
  std::vector<uint32_t> module_of_;
  std::vector<SuffixId> suffix_of_;
  std::vector<const TensorRecord*> records_;
  std::vector<uint32_t> numbers_;
  std::vector<std::pair<uint64_t, uint32_t>> keyed_, scratch_;
  std::unordered_map<std::string_view, SuffixId> unknown_;  // keys point into the tensor names
};

Inventory BuildInventory(const TensorIndex& tensors) { return InventoryBuilder(tensors).Build(); }

const TensorRecord* Inventory::Find(const TensorIndex& tensors, const Module& module, SuffixId suffix) const {
  for (const Component& component : components(module)) {
    if (component.suffix == suffix) return &tensors.at(component.tensor);
  }
  return nullptr;
}

std::string_view Inventory::SuffixName(SuffixId suffix) const {
  const SuffixId first_unknown = FirstUnknownSuffix();
  if (suffix < first_unknown) return SuffixTable()[suffix];
  if (suffix - first_unknown < static_cast<int>(unknown_suffixes_.size()))
    return unknown_suffixes_[suffix - first_unknown];
  return "(other)";
}

int64_t Inventory::FindModule(std::string_view stem) const {
  if (modules.empty()) return -1;
  if (table_.empty()) {
    table_.assign(TableSize(modules.size()), 0);
    const size_t mask = table_.size() - 1;
    for (const bool own : {false, true}) {
      for (size_t i = 0; i < modules.size(); ++i) {
        if ((components(modules[i]).front().suffix >= FirstUnknownSuffix()) != own) continue;
        size_t slot = HashName(modules[i].stem) & mask;
        while (table_[slot] != 0 && modules[table_[slot] - 1].stem != modules[i].stem) slot = (slot + 1) & mask;
        if (table_[slot] == 0) table_[slot] = static_cast<uint32_t>(i + 1);
      }
    }
  }
  const size_t mask = table_.size() - 1;
  for (size_t slot = HashName(stem) & mask; table_[slot] != 0; slot = (slot + 1) & mask) {
    if (modules[table_[slot] - 1].stem == stem) return table_[slot] - 1;
  }
  return -1;
}

SplitName SplitTensorName(std::string_view name) {
  size_t begin = name.rfind('.') + 1;  // npos + 1 is 0
  if (const auto match = MatchSuffix(name)) begin = match->begin;
  return {.stem = name.substr(0, begin == 0 ? 0 : begin - 1), .suffix = name.substr(begin)};
}

}  // namespace gptq_doctor
