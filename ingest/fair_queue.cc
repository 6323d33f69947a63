#include "ingest/fair_queue.h"

#include <fmt/core.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

namespace aerie::ingest {
namespace {

// What a request costs besides its bytes.
constexpr uint64_t kRequestCost = 4096;
// Clusters that wait no more are remembered for their virtual time, up to so many.
constexpr size_t kRememberedClusters = 4096;
constexpr std::chrono::milliseconds kTick{500};

}  // namespace

FairQueue::FairQueue(Options options, const Clock& clock)
    : options_(options), clock_(clock), admission_(options.limit_bytes) {
  if (!options_.timer) return;
  timer_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "ingest-expiry");
    run_timer();
  });
}

FairQueue::~FairQueue() {
  close();
  if (timer_.joinable()) timer_.join();
}

void FairQueue::close() {
  std::vector<Job> left;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [name, cluster] : clusters_) {
      for (Waiting& waiting : cluster.jobs) left.push_back(std::move(waiting.job));
      cluster.jobs.clear();
    }
    waiting_ = 0;
  }
  stop_.notify_all();
  for (Job& job : left) job.give_up(Error(ErrorCode::Unavailable, "aerie is stopping"));
}

void FairQueue::submit(Job job) {
  if (job.bytes > options_.limit_bytes) {
    job.give_up(
        Error(ErrorCode::Unavailable, fmt::format("overloaded: wanted_bytes={} limit_bytes={}",
                                                  job.bytes, options_.limit_bytes)));
    return;
  }
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    full = stopping_ || waiting_ >= options_.max_waiting;
    if (!full) {
      Cluster& cluster = clusters_[job.cluster];
      // Who has been away gets no credit for it.
      if (cluster.jobs.empty()) cluster.served = std::max(cluster.served, virtual_time_);
      cluster.jobs.push_back({std::move(job), clock_.monotonic_ns()});
      ++waiting_;
    }
  }
  if (full) {
    job.give_up(Error(
        ErrorCode::Unavailable,
        fmt::format("overloaded or stopping: up to {} requests may wait", options_.max_waiting)));
    return;
  }
  start_waiting();
}

bool FairQueue::take_next(std::vector<Ready>& ready) {
  if (waiting_ == 0 || running_ >= options_.max_running) return false;
  Cluster* next = nullptr;
  for (auto& [name, cluster] : clusters_) {
    if (!cluster.jobs.empty() && (next == nullptr || cluster.served < next->served))
      next = &cluster;
  }
  Job& job = next->jobs.front().job;
  auto permit = admission_.try_acquire(job.bytes);
  if (!permit) return false;  // the others wait as well, else the large ones would wait for ever
  virtual_time_ = next->served;
  next->served += job.bytes + kRequestCost;
  ready.push_back({std::move(job), std::move(*permit)});
  next->jobs.pop_front();
  --waiting_;
  ++running_;
  return true;
}

void FairQueue::start_waiting() {
  std::vector<Ready> ready;
  {
    const std::lock_guard lock(mutex_);
    while (take_next(ready)) {
    }
    if (clusters_.size() > kRememberedClusters && waiting_ == 0) clusters_.clear();
  }
  for (Ready& one : ready) one.job.start(std::move(one.permit));
}

void FairQueue::done_running() {
  {
    const std::lock_guard lock(mutex_);
    --running_;
  }
  start_waiting();
}

void FairQueue::expire() {
  const int64_t now_ns = clock_.monotonic_ns();
  const int64_t patience_ns = std::chrono::nanoseconds(options_.patience).count();
  std::vector<Job> expired;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, cluster] : clusters_) {
      while (!cluster.jobs.empty() && now_ns - cluster.jobs.front().since_ns >= patience_ns) {
        expired.push_back(std::move(cluster.jobs.front().job));
        cluster.jobs.pop_front();
        --waiting_;
      }
    }
  }
  for (Job& job : expired) {
    job.give_up(
        Error(ErrorCode::Unavailable,
              fmt::format("overloaded: waited {} ms for in_flight_bytes={} limit_bytes={}",
                          options_.patience.count(), in_flight_bytes(), options_.limit_bytes)));
  }
}

size_t FairQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

void FairQueue::run_timer() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    stop_.wait_for(lock, kTick);
    if (stopping_ || waiting_ == 0) continue;
    lock.unlock();
    expire();
    lock.lock();
  }
}

}  // namespace aerie::ingest
