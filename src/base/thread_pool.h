#ifndef GPTQ_DOCTOR_BASE_THREAD_POOL_H_
#define GPTQ_DOCTOR_BASE_THREAD_POOL_H_

// A fixed set of workers, started on first use so that small jobs never pay for them. One pool serves many
// examinations.

#include <cstddef>
#include <functional>
#include <memory>

namespace gptq_doctor {

class ThreadPool {
 public:
  // threads == 0: the number of usable processors.
  explicit ThreadPool(unsigned threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  unsigned threads() const;
  // Calls body(i) for i in [0, count), in no particular order, the caller taking part; returns when all are done.
  // Nested calls run on the calling thread. The first exception is rethrown.
  void ParallelFor(size_t count, const std::function<void(size_t)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// pool == nullptr runs on the calling thread.
void ParallelFor(ThreadPool* pool, size_t count, const std::function<void(size_t)>& body);

}  // namespace gptq_doctor

#endif  // GPTQ_DOCTOR_BASE_THREAD_POOL_H_
