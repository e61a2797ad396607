#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace gptq_doctor {
namespace {

// True on a thread that is inside a ParallelFor of any pool; such a thread runs nested loops itself.
thread_local bool inside_loop = false;

unsigned UsableProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return static_cast<unsigned>(count);
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

// One ParallelFor; lives on its caller's stack until no worker is inside.
struct Job {
  size_t count = 0;
  const std::function<void(size_t)>* body = nullptr;
  std::atomic<size_t> next{0};
  unsigned active = 0;       // workers inside; guarded by the pool's mutex
  std::exception_ptr error;  // the first; guarded by error_mutex
  std::mutex error_mutex;

  bool Exhausted() const { return next.load(std::memory_order_relaxed) >= count; }

  void Run() {
    const bool outer = std::exchange(inside_loop, true);
    for (;;) {
      const size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) break;
      try {
        (*body)(i);
      } catch (...) {
        next.store(count, std::memory_order_relaxed);
        const std::lock_guard<std::mutex> lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
    inside_loop = outer;
  }
};

}  // namespace

struct ThreadPool::State {
  unsigned threads = 1;
  std::mutex mutex;
  std::condition_variable work, done;
  std::vector<Job*> jobs;  // oldest first; several callers may be in ParallelFor
  std::vector<std::thread> workers;
  bool stop = false;

  Job* Pick() const {
    for (Job* job : jobs) {
      if (!job->Exhausted()) return job;
    }
    return nullptr;
  }

  void WorkerLoop() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      Job* job = nullptr;
      work.wait(lock, [&] { return stop || (job = Pick()) != nullptr; });
      if (stop) return;
      ++job->active;
      lock.unlock();
      job->Run();
      lock.lock();
      if (--job->active == 0) done.notify_all();
    }
  }

  // With `mutex` held. Where the system refuses more threads, the loop goes on with fewer.
  void StartWorkers(size_t wanted) {
    try {
      while (workers.size() < wanted) workers.emplace_back([this] { WorkerLoop(); });
    } catch (const std::system_error&) {
    }
  }
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>()) {
  state_->threads = threads == 0 ? UsableProcessors() : threads;
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stop = true;
  }
  state_->work.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

unsigned ThreadPool::threads() const { return state_->threads; }

void ThreadPool::ParallelFor(size_t count, const std::function<void(size_t)>& body) {
  if (count <= 1 || state_->threads <= 1 || inside_loop) {
    for (size_t i = 0; i < count; ++i) body(i);
    return;
  }
  Job job;
  job.count = count;
  job.body = &body;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->StartWorkers(std::min<size_t>(state_->threads, count) - 1);
    state_->jobs.push_back(&job);
  }
  if (count > 2) {
    state_->work.notify_all();
  } else {
    state_->work.notify_one();
  }
  job.Run();
  {
    std::unique_lock<std::mutex> lock(state_->mutex);
    std::erase(state_->jobs, &job);
    state_->done.wait(lock, [&] { return job.active == 0; });
  }
  if (job.error) std::rethrow_exception(job.error);
}

void ParallelFor(ThreadPool* pool, size_t count, const std::function<void(size_t)>& body) {
  if (pool != nullptr) {
    pool->ParallelFor(count, body);
    return;
  }
  for (size_t i = 0; i < count; ++i) body(i);
}

}  // namespace gptq_doctor
