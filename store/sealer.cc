#include "store/sealer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <utility>

#include "base/log.h"
#include "store/exemplar_block.h"

namespace aerie::store {
namespace {

constexpr std::chrono::milliseconds kTick{1000};
constexpr model::DurationMs kLongestGrace = 5 * 60 * 1000;  // for data that comes late
constexpr model::DurationMs kHurryEvery = 30'000;
constexpr size_t kManyBlocks = 16;  // backfill: old spans no longer wait to fill up
constexpr model::DurationMs kShortestAge = 60 * 1000;
constexpr model::DurationMs kIdleSeries =
    60 * 60 * 1000;  // after this without a sample a series leaves the head

/// The series of one block in SealOrder, one metric name at a time, so that the labels of the whole
/// block are never in memory.
class BlockReader {
 public:
  BlockReader(const HeadBlock& block, const SeriesIndex& index) : block_(block), index_(index) {
    for (uint32_t slot = 0; slot < index.slot_limit(); ++slot) {
      const Column* column = block.find(slot);
      // Another generation: a series that was removed after its samples were sealed, revived by a
      // replay.
      if (column == nullptr || !index.alive({slot, column->generation})) continue;
      by_metric_[index.label(slot, model::kMetricName)].push_back(slot);
    }
  }

  bool next(SealSeries& out) {
    if (at_ == group_.size() && !next_group()) return false;
    out.labels = std::move(group_[at_].labels);
    out.samples.clear();
    const uint32_t slot = group_[at_].slot;
    block_.read(slot, *block_.find(slot), {}, out.samples);
    out.exemplars = block_.exemplars(slot);
    tidy_exemplars(out.exemplars);
    ++at_;
    return true;
  }

 private:
  struct One {
    model::Labels labels;
    uint32_t slot;
  };
  bool next_group() {
    if (by_metric_.empty()) return false;
    const auto metric = by_metric_.begin();
    group_.clear();
    at_ = 0;
    for (const uint32_t slot : metric->second) group_.push_back({index_.labels(slot), slot});
    by_metric_.erase(metric);
    const SealOrder less;
    std::sort(group_.begin(), group_.end(),
              [&](const One& a, const One& b) { return less(a.labels, b.labels); });
    return true;
  }

  const HeadBlock& block_;
  const SeriesIndex& index_;
  std::map<std::string, std::vector<uint32_t>> by_metric_;
  std::vector<One> group_;
  size_t at_ = 0;
};

}  // namespace

Sealer::Sealer(Options options, Head& head, IngestLog& log, Applier& applier,
               PartitionSet& partitions, MetadataCache& metadata, const Clock& clock,
               MetricRegistry& metrics)
    : options_(options),
      head_(head),
      log_(log),
      applier_(applier),
      partitions_(partitions),
      metadata_(metadata),
      clock_(clock),
      sealed_samples_(metrics.counter("aerie_store_sealed_samples_total",
                                      "Samples moved from the head into partitions.")),
      failures_(metrics.counter("aerie_store_seal_failures_total",
                                "Cycles of sealing and tidying that failed.")),
      seconds_(metrics.histogram("aerie_store_seal_duration_seconds", "Time to seal one partition.",
                                 {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100})),
      damaged_(metrics.gauge("aerie_store_quarantined_partitions",
                             "Partitions that cannot be read and are left out.")) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "sealer");
    loop();
  });
}

Status Sealer::flush() {
  auto promise = std::make_shared<std::promise<Status>>();
  auto answer = promise->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Error(ErrorCode::Unavailable, "store is stopping");
    flushes_.push_back([promise](Status status) { promise->set_value(std::move(status)); });
  }
  wake_.notify_one();
  return answer.get();
}

Status Sealer::between_cycles(std::function<Status()> job) {
  auto promise = std::make_shared<std::promise<Status>>();
  auto answer = promise->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Error(ErrorCode::Unavailable, "store is stopping");
    jobs_.push_back(
        {std::move(job), [promise](Status status) { promise->set_value(std::move(status)); }});
  }
  wake_.notify_one();
  return answer.get();
}

void Sealer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Sealer::loop() {
  while (true) {
    std::vector<std::function<void(Status)>> flushes;
    std::vector<Job> jobs;
    {
      std::unique_lock lock(mutex_);
      const auto work = [this] { return stopping_ || !flushes_.empty() || !jobs_.empty(); };
      if (options_.background) {
        wake_.wait_for(lock, kTick, work);
      } else {
        wake_.wait(lock, work);
      }
      flushes.swap(flushes_);
      jobs.swap(jobs_);
      if (stopping_ && flushes.empty() && jobs.empty()) return;
    }
    for (const Job& job : jobs) job.done(job.work());
    if (options_.erasures) options_.erasures();  // notices what has expired, though nobody reads
    damaged_.set(static_cast<double>(partitions_.damaged().size()));
    // Woken for them alone: what is due is done at the next tick.
    if (!jobs.empty() && flushes.empty()) continue;
    Status status = cycle(!flushes.empty() || is_pressed());
    if (!status) {
      failures_.add();
      AERIE_LOG(Error, "sealing failed, samples stay in head and log",
                {"error", status.error().message()});
    }
    for (const auto& done : flushes) done(status);
  }
}

/// Disk or memory is nearly full: sealing everything makes the log and the head shorter.
bool Sealer::is_pressed() {
  if (options_.space != nullptr) options_.space->tend();
  const bool disk = options_.space != nullptr && options_.space->pressed();
  const bool memory = options_.memory != nullptr && options_.memory->pressed();
  const int64_t now = clock_.monotonic_ns();
  const bool due = pressed_ns_ == 0 || now - pressed_ns_ >= kHurryEvery * 1'000'000;
  if ((!disk && !memory) || !due || head_.samples() == 0) return false;
  pressed_ns_ = now;
  AERIE_LOG(Warn, "sealing early, because room runs out", {"where", disk ? "disk" : "memory"},
            {"log_bytes", log_.file_bytes()}, {"head_bytes", head_.bytes()});
  return true;
}

Status Sealer::cycle(bool everything) {
  if (auto status = cut(everything); !status) return status;
  reached(options_.on_step, "seal-cut");
  bool sealed = false;
  // In the order of cutting: a later partition of a span claims to cover the log of the earlier
  // one.
  for (; !waiting_.empty(); waiting_.pop_front()) {
    if (auto status = seal(waiting_.front()); !status) return status;
    reached(options_.on_step, "seal-committed");
    head_.drop(waiting_.front().block);
    sealed = true;
  }
  if (auto status = tidy(sealed || everything); !status) return status;
  return everything ? settle() : prepare();
}

Status Sealer::cut(bool everything) {
  const model::TimestampMs now = clock_.now_ms();
  const model::DurationMs grace = std::min(kLongestGrace, options_.partition_span / 6);
  return applier_.run([&, this]() -> Status {
    const bool many = head_.active_blocks() > kManyBlocks;
    const auto blocks = head_.detach([&](const HeadBlock& block) {
      if (everything) return true;
      const model::DurationMs age = now - block.birth().arrived;
      const bool over = block.span().last < now - grace;
      return over && (age >= options_.partition_span / 2 || (many && age >= kShortestAge));
    });
    const LogPosition end = log_.committed_end();
    for (const auto& block : blocks)
      waiting_.push_back({block, block->cut_at() != 0 ? block->cut_at() : end});
    if (blocks.empty() && !everything) return {};
    auto written = applier_.write_checkpoint();
    // A partition must not claim a part of the log that a power cut could still take away.
    if (!written && log_.durable_end() < end) return written;
    if (!written)
      AERIE_LOG(Warn, "checkpoint failed, the log is not trimmed",
                {"error", written.error().message()});
    return {};
  });
}

Status Sealer::seal(const Waiting& waiting) {
  const HeadBlock& block = *waiting.block;
  BlockReader reader(block, head_.index());
  const ErasuresPtr erasures = options_.erasures ? options_.erasures() : nullptr;
  const auto next = [&](SealSeries& out) {
    while (reader.next(out)) {
      if (erasures) {
        const TimeRanges gone = erasures->ranges(out.labels, block.erasures(), block.span());
        erase_samples(out.samples, gone);
        erase_exemplars(out.exemplars, gone);
      }
      if (!out.samples.empty()) return true;
    }
    return false;
  };
  SealSeries first;
  if (!next(first)) return {};
  const int64_t start = clock_.monotonic_ns();
  PartitionInfo info;
  info.tier = block.birth().tier;
  info.start = block.span().first;
  info.log_first = block.birth().position;
  info.log_end = waiting.log_end;
  info.erasures = std::max(block.erasures(), erasures ? erasures->last_number() : 0);
  bool begun = false;
  auto sealed = partitions_.seal(info, [&](SealSeries& out) {
    if (std::exchange(begun, true)) return next(out);
    out = std::move(first);
    return true;
  });
  if (!sealed)
    return std::move(sealed).error().with("seal partition " + model::format_rfc3339(info.start));
  sealed_samples_.add(sealed->sample_count);
  seconds_.observe(static_cast<double>(clock_.monotonic_ns() - start) / 1e9);
  AERIE_LOG(Info, "partition sealed", {"start", model::format_rfc3339(info.start)},
            {"series", sealed->series_count}, {"samples", sealed->sample_count},
            {"bytes", sealed->bytes}, {"log_end", sealed->log_end});
  return {};
}

Status Sealer::tidy(bool sealed) {
  if (sealed) {
    if (auto flushed = metadata_.flush(); !flushed) return flushed;
    LogPosition unsealed = 0;
    const model::TimestampMs idle_before = clock_.now_ms() - kIdleSeries;
    auto asked = applier_.run([&, this]() -> Status {
      unsealed = head_.first_unsealed(log_.committed_end());
      head_.sweep(idle_before);
      return {};
    });
    if (!asked) return asked;
    if (auto trimmed = log_.trim(unsealed); !trimmed)
      return std::move(trimmed).error().with("trim log");
    reached(options_.on_step, "seal-trimmed");
  }
  if (options_.retention > 0) {
    if (auto dropped = partitions_.drop_before(clock_.now_ms() - options_.retention); !dropped)
      return dropped;
  }
  return {};
}

Status Sealer::prepare() {
  if (auto spare = log_.prepare_spare(); !spare)
    return std::move(spare).error().with("prepare log segment");
  return {};
}

/// After a flush the log keeps no reserved space, also while data comes in: what is on disk is what
/// is stored. Later records extend the file until the next segment.
Status Sealer::settle() {
  auto settled = applier_.run([this]() -> Status { return log_.settle(); });
  if (!settled) return std::move(settled).error().with("settle log");
  return {};
}

}  // namespace aerie::store
