#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace aerie {

/// Named threads with one bounded queue: where CPU work and blocking calls go. Thread-safe.
/// docs/threads.md lists the pools.
class WorkPool {
 public:
  struct Options {
    std::string name;  ///< thread name, at most 15 bytes reach the kernel
    size_t threads = 1;
    size_t queue_limit = 1024;  ///< jobs that may wait; the next one is refused
    int nice = 0;               ///< added to the threads' niceness (Linux is per thread)
  };
  explicit WorkPool(Options options);
  ~WorkPool();  ///< stop()
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  /// Queues a job. False when the queue is full or the pool stops: the caller answers "try later".
  /// Jobs must not throw.
  [[nodiscard]] bool submit(std::function<void()> job);
  /// Refuses new jobs, runs those that wait, joins the threads. Idempotent.
  void stop();

  const std::string& name() const { return options_.name; }
  size_t queued() const;

 private:
  void run(size_t index);

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace aerie
