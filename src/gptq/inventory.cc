#include "gptq/inventory.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "gptq/format_table.h"
#include "gptq/module_drafts.h"
#include "gptq/name_fold.h"

namespace gptq_doctor {

namespace {

// Below it small pages and one thread are cheaper.
constexpr uint32_t kManyTensors = 32 << 10;
// Room for what a tensor costs until it is sorted and afterwards, four to a module; the heap serves beyond it.
constexpr size_t kScratchPerTensor = 24, kKeptPerTensor = 20;

std::shared_ptr<BulkMemory> Region(const TensorIndex& tensors, size_t per_tensor) {
  if (tensors.size() < kManyTensors) return nullptr;
  return std::make_shared<BulkMemory>(per_tensor * tensors.size());
}

// A class's module numbers by their place in the class.
using Keyed = BulkVector<std::pair<uint64_t, uint32_t>>;

// By key, least significant byte first; `top` bounds the keys.
void RadixSort(Keyed& keyed, uint64_t top) {
  Keyed scratch(keyed.size());
  for (int shift = 0; shift < 64 && (top >> shift) != 0; shift += 8) {
    uint32_t starts[257] = {};
    for (const auto& entry : keyed) ++starts[((entry.first >> shift) & 0xFF) + 1];
    for (int i = 0; i < 256; ++i) starts[i + 1] += starts[i];
    for (const auto& entry : keyed) scratch[starts[(entry.first >> shift) & 0xFF]++] = entry;
    keyed.swap(scratch);
  }
}

}  // namespace

class InventoryBuilder {
 public:
  InventoryBuilder(const TensorIndex& tensors, ThreadPool* pool)
      : tensors_(tensors),
        pool_(tensors.size() < kManyTensors ? nullptr : pool),
        scratch_(Region(tensors, kScratchPerTensor)),
        kept_(Region(tensors, kKeptPerTensor)),
        made_(GroupTensors(tensors, pool_, {.result = scratch_, .on_the_way = kept_})) {}

  Inventory Build() {
    // What the grouping left there is dead: the pages are used again.
    if (kept_ != nullptr) kept_->Reset();
    out_.components_ = BulkVector<Component>(BulkAllocator<Component>(kept_));
    out_.modules = BulkVector<Module>(BulkAllocator<Module>(kept_));
    out_.members_ = BulkVector<uint32_t>(BulkAllocator<uint32_t>(kept_));
    FillComponents();
    FindClasses();
    OrderModules();
    for (ModuleClass& c : out_.classes) {
      c.format = DetectFormat({.tensors = tensors_, .inventory = out_, .module = out_.modules[c.representative]});
    }
    out_.ListPatterns();
    out_.unknown_suffixes_ = std::move(made_.unknown_suffixes);
    return std::move(out_);
  }

 private:
  // Components by module, sorted by suffix; of equal suffixes the tensor of lowest number stays.
  void FillComponents() {
    BulkVector<uint32_t> fill(made_.drafts.size() + 1, 0, BulkAllocator<uint32_t>(scratch_));
    for (const uint32_t module : made_.module_of) ++fill[module];
    uint32_t at = 0;
    for (uint32_t& begin : fill) at += std::exchange(begin, at);
    for (size_t i = 0; i < made_.drafts.size(); ++i) made_.drafts[i].first = fill[i];
    out_.components_.resize(made_.module_of.size());
    for (uint32_t tensor = 0; tensor < made_.module_of.size(); ++tensor) {
      out_.components_[fill[made_.module_of[tensor]]++] = {.suffix = made_.forms.SuffixOf(made_.form_of[tensor]),
                                                           .tensor = tensor};
    }
    for (size_t i = 0; i < made_.drafts.size(); ++i) {
      ModuleDraft& draft = made_.drafts[i];
      const auto begin = out_.components_.begin() + draft.first;
      const auto end = out_.components_.begin() + fill[i];  // where filling stopped
      SortBySuffix(std::span(begin, end));
      draft.count = static_cast<uint16_t>(DropCopies(draft, begin, end) - begin);
    }
    made_.module_of = {};
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
  using ComponentIterator = BulkVector<Component>::iterator;
  ComponentIterator DropCopies(ModuleDraft& draft, ComponentIterator begin, ComponentIterator end) const {
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

  std::span<const Component> ComponentsOf(const ModuleDraft& draft) const {
    return std::span<const Component>(out_.components_).subspan(draft.first, draft.count);
  }

  uint64_t ClassHash(const ModuleDraft& draft, std::string_view folded) const {
    uint64_t hash = HashName(folded) + (draft.own ? 1 : 0);
    for (const Component& component : ComponentsOf(draft)) hash = MixHash(hash, made_.form_of[component.tensor]);
    return hash;
  }

  // Equal components as those of the class's founder.
  bool SameComponents(const ModuleDraft& draft, uint32_t class_id) const {
    const ModuleDraft& other = made_.drafts[out_.classes[class_id].representative];
    if (draft.count != other.count || draft.own != other.own) return false;
    const auto form = [this](const Component& component) { return made_.form_of[component.tensor]; };
    return std::ranges::equal(ComponentsOf(draft), ComponentsOf(other), {}, form, form);
  }

  // Assigns every draft its class; the representative is the draft that founded the class. Classes follow each other in
  // the same order again and again, so the one that came after the last one before is tried first.
  void FindClasses() {
    uint32_t last = 0;
    for (size_t i = 0; i < made_.drafts.size(); ++i) {
      ModuleDraft& draft = made_.drafts[i];
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
    ModuleDraft& draft = made_.drafts[number];
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
    BulkVector<uint32_t> order(made_.drafts.size(), 0, BulkAllocator<uint32_t>(scratch_));
    for (uint32_t i = 0; i < made_.drafts.size(); ++i) order[fill[made_.drafts[i].class_id]++] = i;
    ParallelFor(pool_, out_.classes.size(), [&](size_t i) {
      ModuleClass& c = out_.classes[i];
      SortMembers(std::span<uint32_t>(order).subspan(c.first_member, c.count));
      c.representative = c.first_member;
    });
    out_.modules.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      const ModuleDraft& draft = made_.drafts[order[i]];
      out_.modules[i] = {.stem = draft.stem(), .class_id = draft.class_id, .first = draft.first, .count = draft.count};
    }
    out_.members_.resize(order.size());
    std::iota(out_.members_.begin(), out_.members_.end(), 0u);
  }

  // Members of a class differ in their folded numbers alone, so natural order is that of the number tuples.
  void SortMembers(std::span<uint32_t> members) const {
    if (members.size() < 2) return;
    bool irregular = std::ranges::any_of(members, [this](uint32_t member) { return made_.drafts[member].irregular; });
    const size_t width = NumbersOf(made_.drafts[members[0]]);
    uint64_t range = 1;
    std::vector<uint64_t> weight(width, 1);
    for (size_t column = width; column-- > 0 && !irregular;) {
      uint64_t top = 0;
      for (const uint32_t member : members)
        top = std::max<uint64_t>(top, numbers_[made_.drafts[member].numbers + column]);
      weight[column] = range;
      irregular = __builtin_mul_overflow(range, top + 1, &range);
    }
    if (irregular) {
      std::ranges::sort(members, NaturalLess, [this](uint32_t member) { return made_.drafts[member].key(); });
      return;
    }
    Keyed keyed(members.size());
    for (size_t i = 0; i < members.size(); ++i) {
      uint64_t key = 0;
      const uint32_t* numbers = numbers_.data() + made_.drafts[members[i]].numbers;
      for (size_t column = 0; column < width; ++column) key += weight[column] * numbers[column];
      keyed[i] = {key, members[i]};
    }
    if (std::ranges::is_sorted(keyed)) return;
    RadixSort(keyed, range - 1);
    for (size_t i = 0; i < members.size(); ++i) members[i] = keyed[i].second;
  }

  size_t NumbersOf(const ModuleDraft& draft) const {
    const size_t index = static_cast<size_t>(&draft - made_.drafts.data());
    const size_t end = index + 1 < made_.drafts.size() ? made_.drafts[index + 1].numbers : numbers_.size();
    return end - draft.numbers;
  }

  const TensorIndex& tensors_;
  ThreadPool* const pool_;
  const std::shared_ptr<BulkMemory> scratch_, kept_;
  ModuleDrafts made_;
  Inventory out_;
  std::vector<uint64_t> class_hashes_;
  std::vector<uint32_t> class_slots_ = std::vector<uint32_t>(64, 0);
  std::vector<uint32_t> successor_;           // of each class
  std::vector<uint32_t> first_star_, stars_;  // of each class's pattern
  FoldedName folded_;
  std::vector<uint32_t> numbers_;
};

Inventory BuildInventory(const TensorIndex& tensors, ThreadPool* pool) {
  return InventoryBuilder(tensors, pool).Build();
}

}  // namespace gptq_doctor
