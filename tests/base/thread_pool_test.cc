#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace gptq_doctor {
namespace {

TEST(ThreadPool, CallsEveryIndexOnce) {
  for (const unsigned threads : {0u, 1u, 2u, 7u}) {
    ThreadPool pool(threads);
    EXPECT_GE(pool.threads(), 1u);
    for (const size_t count : {0u, 1u, 2u, 3u, 1000u}) {
      std::vector<std::atomic<int>> calls(count);
      pool.ParallelFor(count, [&](size_t i) { ++calls[i]; });
      for (const auto& call : calls) EXPECT_EQ(call.load(), 1);
    }
  }
}

TEST(ThreadPool, NestedLoopsRunOnTheirThread) {
  ThreadPool pool(4);
  std::atomic<int> total{0};
  pool.ParallelFor(16, [&](size_t) {
    const std::thread::id self = std::this_thread::get_id();
    pool.ParallelFor(8, [&](size_t) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      ++total;
    });
  });
  EXPECT_EQ(total.load(), 128);
}

TEST(ThreadPool, RethrowsAndStaysUsable) {
  ThreadPool pool(3);
  std::atomic<int> running{0};
  const auto body = [&](size_t i) {
    ++running;
    if (i == 5) {
      --running;
      throw std::runtime_error("five");
    }
    --running;
  };
  EXPECT_THROW(pool.ParallelFor(1000, body), std::runtime_error);
  EXPECT_EQ(running.load(), 0);
  std::atomic<int> total{0};
  pool.ParallelFor(100, [&](size_t) { ++total; });
  EXPECT_EQ(total.load(), 100);
}

TEST(ThreadPool, ServesSeveralCallers) {
  ThreadPool pool(3);
  std::atomic<int> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) pool.ParallelFor(20, [&](size_t) { ++total; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total.load(), 4 * 50 * 20);
}

TEST(ThreadPool, NoPoolRunsInOrderOnTheCaller) {
  std::vector<size_t> seen;
  ParallelFor(nullptr, 4, [&](size_t i) { seen.push_back(i); });
  EXPECT_EQ(seen, (std::vector<size_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace gptq_doctor
