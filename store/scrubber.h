#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/metrics.h"
#include "model/time.h"
#include "store/check.h"

namespace aerie::store {

/// Reads everything that is stored once a day, slowly, so that damage is found while there is
/// another copy. One thread of low priority; thread-safe.
class Scrubber {
 public:
  struct Options {
    model::DurationMs first_after = 10LL * 60 * 1000;  ///< the start is busy enough
    model::DurationMs every = 24LL * 3600 * 1000;      ///< from the end of a round to the next
    uint64_t bytes_per_second = 8u << 20;
    bool background = true;  ///< false (tests): never by itself
  };
  using Check = std::function<Result<CheckReport>(const CheckPace&)>;
  /// `clock` and `metrics` outlive the scrubber, and so does what `check` uses.
  Scrubber(Options options, Check check, const Clock& clock, MetricRegistry& metrics);
  ~Scrubber() { stop(); }
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  /// One round at full speed, in the caller's thread.
  Result<CheckReport> run_now();
  /// Ends the round that runs and joins the thread. Idempotent.
  void stop();

 private:
  void loop();
  bool wait_ms(int64_t ms);
  Result<CheckReport> round(const CheckPace& pace);

  const Options options_;
  const Check check_;
  const Clock& clock_;
  Gauge& finished_;
  Gauge& problems_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace aerie::store
