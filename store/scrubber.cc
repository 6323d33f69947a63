#include "store/scrubber.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"

namespace aerie::store {

Scrubber::Scrubber(Options options, Check check, const Clock& clock, MetricRegistry& metrics)
    : options_(options),
      check_(std::move(check)),
      clock_(clock),
      finished_(metrics.gauge("aerie_store_check_last_finished_timestamp_seconds",
                              "When all that is stored was last read and compared; 0: not since "
                              "the start.")),
      problems_(
          metrics.gauge("aerie_store_check_problems", "Problems that the last check found.")) {
  if (!options_.background) return;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "scrubber");
    ::setpriority(PRIO_PROCESS, 0, 15);  // of this thread only
    loop();
  });
}

void Scrubber::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

/// False: stopping.
bool Scrubber::wait_ms(int64_t ms) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_; });
}

void Scrubber::loop() {
  const CheckPace slowly = [this](uint64_t bytes) {
    const uint64_t ms = bytes * 1000 / options_.bytes_per_second;
    return wait_ms(static_cast<int64_t>(std::max<uint64_t>(ms, 1)));
  };
  int64_t pause = options_.first_after;
  while (wait_ms(pause)) {
    pause = options_.every;
    auto report = round(slowly);
    if (!report)
      AERIE_LOG(Warn, "the background check ended early", {"error", report.error().message()});
  }
}

Result<CheckReport> Scrubber::round(const CheckPace& pace) {
  auto report = check_(pace);
  if (!report) return report;
  finished_.set(static_cast<double>(clock_.now_ms()) / 1000);
  problems_.set(static_cast<double>(report->problems.size()));
  for (const std::string& problem : report->problems)
    AERIE_LOG(Error, "check found a problem", {"problem", problem});
  AERIE_LOG(Info, "check finished", {"partitions", report->partitions},
            {"samples", report->samples}, {"log_records", report->records},
            {"problems", report->problems.size()});
  return report;
}

Result<CheckReport> Scrubber::run_now() {
  return round([this](uint64_t) {
    const std::lock_guard lock(mutex_);
    return !stopping_;
  });
}

}  // namespace aerie::store
