#include "gptq/inventory.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "gptq/form_set.h"
#include "gptq/format_table.h"
#include "gptq/name_fold.h"
#include "gptq/suffix_table.h"

namespace gptq_doctor {
namespace {

size_t TableSize(size_t entries) {
  size_t size = 16;
  while (size < entries * 2) size *= 2;
  return size;
}

// Names come from files: a hash that can be predicted would let one fill a bucket with thousands.
struct NameHasher {
  size_t operator()(std::string_view name) const { return HashName(name); }
};

// One module while it is collected.
struct Draft {
  const char* key_data = nullptr;  // the stem, or the whole name of an own module
  int64_t bytes = 0;
  uint32_t key_size = 0;
  uint32_t hash = 0;     // upper half
  uint32_t first = 0;    // of its components
  uint32_t numbers = 0;  // where its folded numbers begin
  uint32_t class_id = 0;
  uint16_t count = 0;
  bool own = false;  // the suffix is unknown
  bool irregular = false;
  std::string_view key() const { return {key_data, key_size}; }
  std::string_view stem() const {
    const size_t dot = own ? key().rfind('.') : key_size;
    return key().substr(0, dot == std::string_view::npos ? 0 : dot);
  }
};

int64_t BytesOf(const TensorRecord& tensor) {
  if (tensor.end < tensor.begin) return 0;
  return ClampToInt64(tensor.bytes());
}

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
    form_of_.resize(total);
    drafts_.reserve(total / 4 + 16);
    slots_.assign(TableSize(total / 4 + 16), 0);
    uint32_t guess = 0;
    for (size_t shard = 0; shard < tensors_.shards.size(); ++shard) {
      uint32_t number = tensors_.shard_base[shard];
      for (const TensorRecord& tensor : tensors_.shards[shard].tensors) {
        SuffixId suffix = 0;
        if (!IsComponentOf(guess, tensor.name(), suffix) && !IsComponentOf(++guess, tensor.name(), suffix)) {
          guess = FindModuleOf(tensor.name(), suffix);
        }
        form_of_[number] = forms_.Intern(suffix, tensor);
        module_of_[number++] = guess;
        Draft& draft = drafts_[guess];
        draft.bytes = SaturatingAdd(draft.bytes, BytesOf(tensor));
      }
    }
  }

  // Settles the common case without looking for the suffix: the name is that of a module seen before and a member of
  // GPTQ's.
  bool IsComponentOf(uint32_t module, std::string_view name, SuffixId& suffix) const {
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

  uint32_t FindModuleOf(std::string_view name, SuffixId& suffix) {
    const std::optional<SuffixMatch> match = MatchSuffix(name);
    suffix = match ? match->id : InternUnknown(name);
    std::string_view key = name;
    if (match) key = name.substr(0, match->begin == 0 ? 0 : match->begin - 1);
    return FindOrAdd(key, !match);
  }

  uint32_t FindOrAdd(std::string_view key, bool own) {
    const auto hash = static_cast<uint32_t>((HashName(key) + (own ? 1 : 0)) >> 32);
    size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      const Draft& draft = drafts_[slots_[slot] - 1];
      if (draft.hash == hash && draft.key() == key && draft.own == own) return slots_[slot] - 1;
    }
    Draft& draft = drafts_.emplace_back();
    draft.key_data = key.data();
    draft.key_size = static_cast<uint32_t>(key.size());
    draft.hash = hash;
    draft.own = own;
    slots_[slot] = static_cast<uint32_t>(drafts_.size());
    if (drafts_.size() * 2 > slots_.size()) Rehash();
    return static_cast<uint32_t>(drafts_.size() - 1);
  }

  void Rehash() {
    slots_.assign(slots_.size() * 2, 0);
    for (size_t i = 0; i < drafts_.size(); ++i) {
      size_t slot = drafts_[i].hash & (slots_.size() - 1);
      while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = static_cast<uint32_t>(i + 1);
    }
  }

  SuffixId InternUnknown(std::string_view name) {
    std::string_view part = name.substr(name.rfind('.') + 1);  // npos + 1 is the whole name
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos) part = "*";
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
      out_.components_[fill[module_of_[tensor]]++] = {.suffix = forms_.SuffixOf(form_of_[tensor]), .tensor = tensor};
    }
    for (size_t i = 0; i < drafts_.size(); ++i) {
      Draft& draft = drafts_[i];
      const auto begin = out_.components_.begin() + draft.first;
      const auto end = out_.components_.begin() + fill[i];  // where filling stopped
      SortBySuffix(std::span(begin, end));
      draft.count = static_cast<uint16_t>(DropCopies(draft, begin, end) - begin);
    }
    module_of_ = {};
    slots_ = {};
  }

  // Stable; modules have a handful of components, but files may hold many copies of one.
  static void SortBySuffix(std::span<Component> components) {
    const auto less = [](const Component& a, const Component& b) { return a.suffix < b.suffix; };
    if (components.size() > 16) {
      std::ranges::stable_sort(components, less);
      return;
    }
    for (size_t i = 1; i < components.size(); ++i) {
      const Component moved = components[i];
      size_t at = i;
      for (; at > 0 && less(moved, components[at - 1]); --at) components[at] = components[at - 1];
      components[at] = moved;
    }
  }

  // Of sorted components the first of each suffix; returns the new end.
  std::vector<Component>::iterator DropCopies(Draft& draft, std::vector<Component>::iterator begin,
                                              std::vector<Component>::iterator end) const {
    if (begin == end) return end;
    auto kept = begin;
    for (auto at = begin + 1; at != end; ++at) {
      if (at->suffix != kept->suffix) {
        *++kept = *at;
      } else {
        draft.bytes -= BytesOf(tensors_.at(at->tensor));
      }
    }
    return kept + 1;
  }

  std::span<const Component> ComponentsOf(const Draft& draft) const {
    return std::span<const Component>(out_.components_).subspan(draft.first, draft.count);
  }

  uint64_t ClassHash(const Draft& draft, std::string_view folded) const {
    uint64_t hash = HashName(folded) + (draft.own ? 1 : 0);
    for (const Component& component : ComponentsOf(draft)) hash = MixHash(hash, form_of_[component.tensor]);
    return hash;
  }

  // Equal components as those of the class's founder.
  bool SameComponents(const Draft& draft, uint32_t class_id) const {
    const Draft& other = drafts_[out_.classes[class_id].representative];
    if (draft.count != other.count || draft.own != other.own) return false;
    const auto form = [this](const Component& component) { return form_of_[component.tensor]; };
    return std::ranges::equal(ComponentsOf(draft), ComponentsOf(other), {}, form, form);
  }

  // Assigns every draft its class; the representative is the draft that founded the class. Classes follow each other in
  // the same order again and again, so the one that came after the last one before is tried first.
  void FindClasses() {
    uint32_t last = 0;
    for (size_t i = 0; i < drafts_.size(); ++i) {
      Draft& draft = drafts_[i];
      draft.numbers = static_cast<uint32_t>(numbers_.size());
      const uint32_t guess = last < successor_.size() ? successor_[last] : 0;
      if (guess < out_.classes.size() && SameComponents(draft, guess) &&
          MatchesFolded(draft.key(), out_.classes[guess].pattern, StarsOf(guess), numbers_)) {
        draft.class_id = guess;
      } else {
        draft.class_id = FindOrAddClass(static_cast<uint32_t>(i));
      }
      if (i != 0) successor_[last] = draft.class_id;
      last = draft.class_id;
      ModuleClass& c = out_.classes[last];
      ++c.count;
      c.bytes = SaturatingAdd(c.bytes, draft.bytes);
    }
  }

  std::span<const uint32_t> StarsOf(uint32_t class_id) const {
    const size_t end = class_id + 1 < first_star_.size() ? first_star_[class_id + 1] : stars_.size();
    return std::span<const uint32_t>(stars_).subspan(first_star_[class_id], end - first_star_[class_id]);
  }

  uint32_t FindOrAddClass(uint32_t number) {
    Draft& draft = drafts_[number];
    folded_.Fold(draft.key());
    draft.irregular = folded_.irregular;
    numbers_.insert(numbers_.end(), folded_.numbers.begin(), folded_.numbers.end());
    const uint64_t hash = ClassHash(draft, folded_.text);
    size_t slot = hash & (class_slots_.size() - 1);
    for (; class_slots_[slot] != 0; slot = (slot + 1) & (class_slots_.size() - 1)) {
      const uint32_t found = class_slots_[slot] - 1;
      if (class_hashes_[found] != hash || out_.classes[found].pattern != folded_.text) continue;
      if (SameComponents(draft, found)) return found;
    }
    out_.classes.push_back({.pattern = folded_.text, .representative = number});
    class_hashes_.push_back(hash);
    successor_.push_back(0);
    first_star_.push_back(static_cast<uint32_t>(stars_.size()));
    AppendStars(folded_.text, stars_);
    class_slots_[slot] = static_cast<uint32_t>(class_hashes_.size());
    if (class_hashes_.size() * 2 > class_slots_.size()) RehashClasses();
    return static_cast<uint32_t>(class_hashes_.size() - 1);
  }

  void RehashClasses() {
    class_slots_.assign(class_slots_.size() * 2, 0);
    for (size_t i = 0; i < class_hashes_.size(); ++i) {
      size_t slot = class_hashes_[i] & (class_slots_.size() - 1);
      while (class_slots_[slot] != 0) slot = (slot + 1) & (class_slots_.size() - 1);
      class_slots_[slot] = static_cast<uint32_t>(i + 1);
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
      out_.modules[i] = {.stem = draft.stem(), .class_id = draft.class_id, .first = draft.first, .count = draft.count};
    }
    out_.members_.resize(order.size());
    std::iota(out_.members_.begin(), out_.members_.end(), 0u);
  }

  // Members of a class differ in their folded numbers alone, so natural order is that of the number tuples.
  void SortMembers(std::span<uint32_t> members) {
    if (members.size() < 2) return;
    bool irregular = std::ranges::any_of(members, [this](uint32_t member) { return drafts_[member].irregular; });
    const size_t width = NumbersOf(drafts_[members[0]]);
    uint64_t range = 1;
    std::vector<uint64_t> weight(width, 1);
    for (size_t column = width; column-- > 0 && !irregular;) {
      uint64_t top = 0;
      for (const uint32_t member : members) top = std::max<uint64_t>(top, numbers_[drafts_[member].numbers + column]);
      weight[column] = range;
      irregular = __builtin_mul_overflow(range, top + 1, &range);
    }
    if (irregular) {
      std::ranges::sort(members, NaturalLess, [this](uint32_t member) { return drafts_[member].key(); });
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
  std::vector<uint32_t> form_of_;
  FormSet forms_;
  std::vector<uint64_t> class_hashes_;
  std::vector<uint32_t> class_slots_ = std::vector<uint32_t>(64, 0);
  std::vector<uint32_t> successor_;           // of each class
  std::vector<uint32_t> first_star_, stars_;  // of each class's pattern
  FoldedName folded_;
  std::vector<uint32_t> numbers_;
  std::vector<std::pair<uint64_t, uint32_t>> keyed_, scratch_;
  std::unordered_map<std::string_view, SuffixId, NameHasher> unknown_;  // keys point into the tensor names
};

Inventory BuildInventory(const TensorIndex& tensors) { return InventoryBuilder(tensors).Build(); }

}  // namespace gptq_doctor
