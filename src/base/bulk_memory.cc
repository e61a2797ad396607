#include "base/bulk_memory.h"

#include <sys/mman.h>

namespace gptq_doctor {
namespace {

constexpr size_t kHugePage = 2 << 20;
constexpr size_t kWorthIt = 1 << 20;  // 400 KiB in small pages cost what one huge page does

uintptr_t RoundUp(uintptr_t value, uintptr_t to) { return (value + to - 1) / to * to; }

}  // namespace

void AdviseHugePages(void* start, size_t bytes) {
  if (bytes < kWorthIt) return;
  const auto begin = reinterpret_cast<uintptr_t>(start);
  const uintptr_t first = RoundUp(begin, kHugePage);
  const uintptr_t last = (begin + bytes) / kHugePage * kHugePage;
  // Advice: where it is not taken, pages are small.
  if (first < last) (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

BulkMemory::BulkMemory(size_t capacity) {
  const size_t size = RoundUp(capacity, kHugePage) + kHugePage;
  void* const mapping = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return;  // the heap serves
  mapping_ = static_cast<char*>(mapping);
  mapped_ = size;
  region_ = reinterpret_cast<char*>(RoundUp(reinterpret_cast<uintptr_t>(mapping), kHugePage));
  capacity_ = size - static_cast<size_t>(region_ - mapping_);
  AdviseHugePages(region_, capacity_);
}

BulkMemory::~BulkMemory() {
  if (mapping_ != nullptr) (void)munmap(mapping_, mapped_);
}

void* BulkMemory::Take(size_t bytes) {
  constexpr size_t kAlignment = 16;
  if (bytes > capacity_) return nullptr;
  bytes = RoundUp(bytes, kAlignment);
  size_t at = taken_.load(std::memory_order_relaxed);
  do {
    if (bytes > capacity_ - at) return nullptr;
  } while (!taken_.compare_exchange_weak(at, at + bytes, std::memory_order_relaxed));
  return region_ + at;
}

}  // namespace gptq_doctor
