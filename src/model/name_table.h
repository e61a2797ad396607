#ifndef GPTQ_DOCTOR_MODEL_NAME_TABLE_H_
#define GPTQ_DOCTOR_MODEL_NAME_TABLE_H_

// Open addressing over words of tag << 32 | position, where the tag is the upper half of a keyed name hash. Knows
// nothing of the names: the caller compares them where tags agree, which without a repeated name happens once in 2^32
// pairs.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gptq_doctor {

class NameTable {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  explicit NameTable(size_t count = 0)
      : slots_(std::bit_ceil(count + count / 2 + 8), kFree), mask_(slots_.size() - 1) {}
  void Clear() { slots_.assign(slots_.size(), kFree); }

  // A name that is known not to be there.
  void Add(uint64_t word) {
    size_t at = (word >> 32) & mask_;
    while (slots_[at] != kFree) at = (at + 1) & mask_;
    slots_[at] = word;
  }

  // Where `equal(earlier, later)` holds for a position already there, calls `found(earlier, later)` and puts the later
  // one in its place.
  template <typename Equal, typename Found>
  void Insert(uint64_t word, const Equal& equal, const Found& found) {
    const auto tag = static_cast<uint32_t>(word >> 32);
    for (size_t at = tag & mask_;; at = (at + 1) & mask_) {
      const uint64_t other = slots_[at];
      if (other == kFree) {
        slots_[at] = word;
        return;
      }
      if (static_cast<uint32_t>(other >> 32) != tag) continue;
      const auto earlier = static_cast<uint32_t>(other);
      const auto later = static_cast<uint32_t>(word);
      if (!equal(earlier, later)) continue;
      found(earlier, later);
      slots_[at] = word;
      return;
    }
  }

  // The position for which `is_it` holds, kNone if there is none.
  template <typename IsIt>
  uint32_t Find(uint32_t tag, const IsIt& is_it) const {
    for (size_t at = tag & mask_; slots_[at] != kFree; at = (at + 1) & mask_) {
      const auto position = static_cast<uint32_t>(slots_[at]);
      if (static_cast<uint32_t>(slots_[at] >> 32) == tag && is_it(position)) return position;
    }
    return kNone;
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};
  std::vector<uint64_t> slots_;
  size_t mask_;
};

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_MODEL_NAME_TABLE_H_
