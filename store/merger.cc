#include "store/merger.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "base/log.h"

namespace aerie::store {
namespace {

constexpr std::chrono::seconds kTick{10};
constexpr int kNice = 10;
// Works this long, then leaves the machine to others as long.
constexpr int64_t kSliceNs = 20'000'000;
constexpr uint32_t kCallsPerLook = 16;
constexpr int64_t kRetryNs = 600'000'000'000;  // what failed is left alone for ten minutes
constexpr int64_t kRewriteNs = 6LL * 3600 * 1'000'000'000;  // deletions are collected so long

Error stopped_error() { return {ErrorCode::Unavailable, "store is stopping"}; }

/// Below everybody else for CPU and disk.
void lower_priority() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
  constexpr int kOfThread = 1;  // IOPRIO_WHO_PROCESS
  constexpr int kBestEffortLast = 2 << 13 | 7;
  syscall(SYS_ioprio_set, kOfThread, 0, kBestEffortLast);
}

/// Which series, not which time.
std::string in_words(const Erasure& erasure) {
  std::string out = std::to_string(erasure.number);
  for (const model::Matchers& selector : erasure.selectors) {
    out += ';';
    for (const model::Matcher& matcher : selector) out += matcher.to_string() + ',';
  }
  return out;
}

bool includes(model::TimeRange range, model::TimeRange part) {
  return range.first <= part.first && part.last <= range.last;
}

}  // namespace

Merger::Merger(Options options, Ports ports)
    : options_(options),
      ports_(std::move(ports)),
      meters_{
          ports_.metrics.counter("aerie_store_merge_read_bytes_total",
                                 "Bytes of the partitions that were merged or written anew."),
          ports_.metrics.counter("aerie_store_merge_written_bytes_total",
                                 "Bytes of the partitions that merges wrote."),
          ports_.metrics.counter("aerie_store_merge_failures_total",
                                 "Merges that failed; the partitions stayed as they were."),
          ports_.metrics.counter("aerie_store_retention_size_partitions_total",
                                 "Partitions dropped because of --storage.retention.size."),
          ports_.metrics.counter("aerie_store_retention_size_bytes_total",
                                 "Bytes dropped because of --storage.retention.size."),
          ports_.metrics.histogram("aerie_store_merge_duration_seconds",
                                   "Time of one merge, pauses included.",
                                   {0.01, 0.1, 1, 10, 100, 1000, 10000}),
          ports_.metrics.gauge("aerie_store_partitions", "Partitions on disk."),
          ports_.metrics.gauge("aerie_store_partition_bytes", "Bytes of all partitions."),
      } {
  publish();
  next_rewrite_ns_ = ports_.clock.monotonic_ns() + kRewriteNs;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "merger");
    lower_priority();
    loop();
  });
}

Status Merger::run(Work work) {
  auto promise = std::make_shared<std::promise<Status>>();
  auto answer = promise->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return stopped_error();
    requests_.push_back(
        {work, [promise](Status status) { promise->set_value(std::move(status)); }});
  }
  wake_.notify_one();
  return answer.get();
}

void Merger::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Merger::loop() {
  while (true) {
    std::vector<Request> requests;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      const auto work = [this] { return stopping_ || !requests_.empty(); };
      if (options_.background) {
        wake_.wait_for(lock, kTick, work);
      } else {
        wake_.wait(lock, work);
      }
      requests.swap(requests_);
      stopping = stopping_;
    }
    if (stopping) {
      for (const Request& request : requests) request.done(stopped_error());
      return;
    }
    hurry_ = !requests.empty();
    const bool carry_out =
        std::any_of(requests.begin(), requests.end(),
                    [](const Request& request) { return request.work == Work::CarryOut; });
    Status status = cycle(carry_out);
    if (!status && status.error().code() != ErrorCode::Unavailable)
      AERIE_LOG(Error, "partitions could not be tidied", {"error", status.error().message()});
    publish();
    for (const Request& request : requests) request.done(status);
  }
}

Status Merger::cycle(bool carry_out) {
  working_since_ns_ = ports_.clock.monotonic_ns();
  Status result = limit_bytes();
  const auto keep_first = [&](Status status) {
    if (result) result = std::move(status);
  };
  keep_first(merge_due());
  const bool rewrite_due = ports_.clock.monotonic_ns() >= next_rewrite_ns_;
  if (rewrite_due) next_rewrite_ns_ = ports_.clock.monotonic_ns() + kRewriteNs;
  keep_first(rewrite(carry_out || rewrite_due));
  keep_first(forget_carried_out());
  return result;
}

Status Merger::merge_due() {
  Status result;
  while (true) {
    const auto plan = plan_merge(ports_.partitions.live(), options_.rules, ports_.clock.now_ms(),
                                 [this](const MergePlan& one) { return refused(one); });
    if (!plan) return result;
    Status status = execute(*plan, "span is over");
    if (status) continue;
    if (status.error().code() == ErrorCode::Unavailable) return status;
    result = std::move(status);
  }
}

/// False for a plan that did not fail lately.
bool Merger::refused(const MergePlan& plan) const {
  const int64_t now = ports_.clock.monotonic_ns();
  return std::any_of(failed_.begin(), failed_.end(),
                     [&](const auto& one) { return one.first == plan && now < one.second; });
}

Status Merger::execute(const MergePlan& plan, const char* why) {
  const int64_t start = ports_.clock.monotonic_ns();
  MergeRequest request;
  request.parts = plan.parts;
  request.tier = plan.tier;
  request.start = plan.start;
  request.erasures = ports_.erasures ? ports_.erasures() : nullptr;
  request.pause = [this] { return pause(); };
  auto merged = ports_.partitions.merge(request);
  if (!merged) {
    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      stopping = stopping_;
    }
    if (stopping) return std::move(merged).error();
    std::erase_if(failed_, [&](const auto& one) { return one.second <= start; });
    failed_.emplace_back(plan, start + kRetryNs);
    meters_.failures.add();
    AERIE_LOG(Warn, "merging partitions failed, they stay as they are",
              {"start", model::format_rfc3339(plan.start)}, {"tier", static_cast<int>(plan.tier)},
              {"parts", plan.parts.size()}, {"error", merged.error().message()});
    return std::move(merged).error();
  }
  uint64_t read = 0;
  for (const PartitionInfo& part : plan.parts) read += part.bytes;
  const double seconds = static_cast<double>(ports_.clock.monotonic_ns() - start) / 1e9;
  meters_.read_bytes.add(read);
  meters_.written_bytes.add(merged->bytes);
  meters_.seconds.observe(seconds);
  ports_.metrics
      .counter("aerie_store_merges_total", "Merges of partitions, by the tier that was written.",
               {{"tier", std::to_string(plan.tier)}})
      .add();
  AERIE_LOG(Info, "partitions merged", {"why", why}, {"tier", static_cast<int>(plan.tier)},
            {"start", model::format_rfc3339(plan.start)}, {"parts", plan.parts.size()},
            {"series", merged->series_count}, {"samples", merged->sample_count},
            {"bytes_before", read}, {"bytes", merged->bytes}, {"seconds", seconds});
  publish();
  return {};
}

// -------------------------------------------------------------------------------------------------
// what was deleted or has expired

Status Merger::rewrite(bool deletions_too) {
  Status result;
  while (true) {
    const ErasuresPtr erasures = ports_.erasures ? ports_.erasures() : nullptr;
    if (!erasures) return result;
    auto plan = next_rewrite(*erasures, deletions_too);
    if (!plan) return std::move(plan).error();
    if (!*plan) return result;
    Status status = execute(**plan, "deleted or expired");
    if (status) continue;
    if (status.error().code() == ErrorCode::Unavailable) return status;
    result = std::move(status);
  }
}

Result<std::optional<MergePlan>> Merger::next_rewrite(const Erasures& erasures,
                                                      bool deletions_too) {
  const auto live = ports_.partitions.live();
  std::erase_if(untouched_, [&](const auto& one) {
    return std::none_of(live.begin(), live.end(),
                        [&](const PartitionInfo& info) { return name_of(info) == one.first; });
  });
  for (const PartitionInfo& info : live) {
    for (const Erasure* erasure : erasures.concerning(info.erasures, info.samples)) {
      const bool expiry = erasure->number == Erasure::kAlways;
      // What expires goes when all of it has: else a partition would be written every day.
      if (expiry ? !includes(erasure->range, info.samples) : !deletions_too) continue;
      Result<bool> needed = needs(info, *erasure);
      if (!needed) return std::move(needed).error();
      if (!*needed) continue;
      MergePlan plan{info.tier, info.start, {info}};
      if (!refused(plan)) return std::optional<MergePlan>(std::move(plan));
    }
  }
  return std::optional<MergePlan>();
}

Result<bool> Merger::needs(const PartitionInfo& info, const Erasure& erasure) {
  std::set<std::string>& untouched = untouched_[name_of(info)];
  const std::string words = in_words(erasure);
  if (untouched.contains(words)) return false;
  Result<bool> concerned = ports_.partitions.concerned(info, Erasures({erasure}));
  if (concerned && !*concerned) untouched.insert(words);
  return concerned;
}

/// A deletion is over when no partition holds anything of it.
Status Merger::forget_carried_out() {
  const ErasuresPtr erasures = ports_.erasures ? ports_.erasures() : nullptr;
  if (!erasures || !ports_.carried_out) return {};
  for (const Erasure& erasure : erasures->all()) {
    if (erasure.number == Erasure::kAlways) continue;
    bool needed = false;
    for (const PartitionInfo& info : ports_.partitions.live()) {
      if (info.erasures >= erasure.number || !info.samples.overlaps(erasure.range)) continue;
      Result<bool> here = needs(info, erasure);
      if (!here) return std::move(here).error();
      needed = needed || *here;
    }
    if (needed) continue;
    if (Status status = ports_.carried_out(erasure); !status) return status;
  }
  return {};
}

// -------------------------------------------------------------------------------------------------
// limits

/// As Prometheus: the newest data stays, as much as the limit holds; whole partitions go.
Status Merger::limit_bytes() {
  if (options_.retention_bytes == 0) return {};
  auto live = ports_.partitions.live();
  std::sort(live.begin(), live.end(), [](const PartitionInfo& a, const PartitionInfo& b) {
    return a.samples.last > b.samples.last;
  });
  uint64_t bytes = ports_.log_bytes ? ports_.log_bytes() : 0;
  std::vector<PartitionInfo> unwanted;
  for (const PartitionInfo& info : live) {
    bytes += info.bytes;
    if (bytes > options_.retention_bytes) unwanted.push_back(info);
  }
  if (unwanted.empty()) return {};
  uint64_t dropped = 0;
  for (const PartitionInfo& info : unwanted) dropped += info.bytes;
  if (Status status = ports_.partitions.drop(unwanted); !status) return status;
  meters_.dropped.add(unwanted.size());
  meters_.dropped_bytes.add(dropped);
  AERIE_LOG(Info, "oldest partitions dropped, the size limit is reached",
            {"partitions", unwanted.size()}, {"bytes", dropped},
            {"until", model::format_rfc3339(unwanted.front().samples.last)});
  return {};
}

/// Called between the series of a merge.
Status Merger::pause() {
  if (++calls_ % kCallsPerLook != 0) return {};
  const int64_t now = ports_.clock.monotonic_ns();
  const int64_t worked = now - working_since_ns_;
  std::unique_lock lock(mutex_);
  if (stopping_) return stopped_error();
  if (hurry_ || worked < kSliceNs) return {};
  // A request ends the pauses.
  wake_.wait_for(lock, std::chrono::nanoseconds(std::min(worked, 5 * kSliceNs)),
                 [this] { return stopping_ || !requests_.empty(); });
  hurry_ = !requests_.empty();
  if (stopping_) return stopped_error();
  working_since_ns_ = ports_.clock.monotonic_ns();
  return {};
}

void Merger::publish() {
  uint64_t bytes = 0;
  const auto live = ports_.partitions.live();
  for (const PartitionInfo& info : live) bytes += info.bytes;
  meters_.partitions.set(static_cast<double>(live.size()));
  meters_.bytes.set(static_cast<double>(bytes));
}

}  // namespace aerie::store
