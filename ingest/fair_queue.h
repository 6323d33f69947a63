#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/admission.h"
#include "base/clock.h"
#include "base/result.h"

namespace aerie::ingest {

/// Lets requests in, as many as memory and threads allow, and when they do not, in fair order: of
/// the clusters that wait the one that was given the fewest bytes goes next (start-time fair
/// queueing; Goyal, Vin, Cheng 1996). What waits longer than `patience` is given up, well before a
/// sender's own timeout of 30 s. Thread-safe, lock rank 8; callbacks run without the lock, on the
/// thread that made room.
class FairQueue {
 public:
  struct Options {
    size_t limit_bytes = 256u << 20;  ///< of all permits given out
    size_t max_running = 4;           ///< jobs started and not yet done_running()
    size_t max_waiting = 4096;        ///< the next one is given up at once
    std::chrono::milliseconds patience{10'000};
    bool timer = true;  ///< false: only expire() gives up (tests with a manual clock)
  };
  struct Job {
    std::string cluster;  ///< whose turn it is
    size_t bytes = 0;
    std::function<void(Admission::Permit)> start;
    std::function<void(Error)> give_up;  ///< Unavailable, with the reason
  };

  FairQueue(Options options, const Clock& clock);  // `clock` outlives the queue
  ~FairQueue();                                    ///< close()
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  /// Calls `start` or `give_up` of the job once, now or later.
  void submit(Job job);
  /// A started job has left its thread; what it holds may be in flight still.
  void done_running();
  /// A permit was released.
  void bytes_freed() { start_waiting(); }
  /// Gives up what has waited too long.
  void expire();
  /// Gives up what waits and whatever comes. Idempotent.
  void close();

  size_t in_flight_bytes() const { return admission_.in_flight_bytes(); }
  size_t waiting() const;

 private:
  struct Waiting {
    Job job;
    int64_t since_ns = 0;
  };
  struct Cluster {
    std::deque<Waiting> jobs;
    uint64_t served = 0;  // virtual time: bytes given, never less than anybody's who is waiting
  };
  struct Ready {
    Job job;
    Admission::Permit permit;
  };
  bool take_next(std::vector<Ready>& ready);  // under the lock
  void start_waiting();
  void run_timer();

  const Options options_;
  const Clock& clock_;
  Admission admission_;
  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::map<std::string, Cluster> clusters_;  // those that wait, and those that did lately
  size_t waiting_ = 0;
  size_t running_ = 0;
  uint64_t virtual_time_ = 0;  // `served` of the cluster that went last
  std::thread timer_;
};

}  // namespace aerie::ingest
