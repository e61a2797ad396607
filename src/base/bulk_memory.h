#ifndef GPTQ_DOCTOR_BASE_BULK_MEMORY_H_
#define GPTQ_DOCTOR_BASE_BULK_MEMORY_H_

// Memory for much data that lives as long as a model does. The first touch of a fresh page of 4 KiB costs 0.3 to 2
// microseconds, for the headers of a large model more than parsing them; in huge pages it costs a fifth of that
// (measured on a virtual machine, Linux 6.1). Where the system has none to give, everything works the same.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <vector>

namespace gptq_doctor {

// Asks for huge pages inside [start, start + bytes), a block that was just allocated and is not yet touched. Does
// nothing for less than 1 MiB.
void AdviseHugePages(void* start, size_t bytes);

// One region, handed out piece by piece and freed as a whole. Reserves addresses; memory is taken by touching it.
class BulkMemory {
 public:
  explicit BulkMemory(size_t capacity);
  ~BulkMemory();
  BulkMemory(const BulkMemory&) = delete;
  BulkMemory& operator=(const BulkMemory&) = delete;
  // Aligned to 16 bytes, uninitialised; null where it does not fit. Thread-safe.
  void* Take(size_t bytes);
  // Hands all of it out once more. What was in it must be dead.
  void Reset() { taken_.store(0, std::memory_order_relaxed); }
  bool Owns(const void* pointer) const {
    const auto* const at = static_cast<const char*>(pointer);
    return at >= region_ && at < region_ + capacity_;
  }

 private:
  char* region_ = nullptr;
  size_t capacity_ = 0, mapped_ = 0;
  char* mapping_ = nullptr;
  std::atomic<size_t> taken_{0};
};

// From a BulkMemory while it has room, else from the heap.
template <typename T>
class BulkAllocator {
 public:
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;

  BulkAllocator() = default;
  explicit BulkAllocator(std::shared_ptr<BulkMemory> memory) : memory_(std::move(memory)) {}
  template <typename U>
  BulkAllocator(const BulkAllocator<U>& other) : memory_(other.memory()) {}  // NOLINT: conversion is what allocators do

  T* allocate(size_t count) {
    if (count > std::numeric_limits<size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    const size_t bytes = count * sizeof(T);
    if (memory_ != nullptr) {
      if (void* const piece = memory_->Take(bytes)) return static_cast<T*>(piece);
    }
    void* const block = ::operator new(bytes);
    AdviseHugePages(block, bytes);
    return static_cast<T*>(block);
  }
  void deallocate(T* pointer, size_t) {
    if (memory_ == nullptr || !memory_->Owns(pointer)) ::operator delete(pointer);
  }
  const std::shared_ptr<BulkMemory>& memory() const { return memory_; }
  template <typename U>
  bool operator==(const BulkAllocator<U>& other) const {
    return memory_ == other.memory();
  }

 private:
  std::shared_ptr<BulkMemory> memory_;
};

// In huge pages where it is large.
template <typename T>
using BulkVector = std::vector<T, BulkAllocator<T>>;

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_BULK_MEMORY_H_
