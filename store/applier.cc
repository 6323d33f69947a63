#include "store/applier.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "base/log.h"

namespace aerie::store {
namespace {

constexpr std::chrono::milliseconds kIdleSync{200};
constexpr size_t kCheckpointPartSeries = 1024;

Error stopped_error() { return {ErrorCode::Unavailable, "store is stopping"}; }

Counter& rejected(MetricRegistry& metrics, const char* reason) {
  return metrics.counter("aerie_store_rejected_samples_total",
                         "Samples that the store refused, by reason.", {{"reason", reason}});
}

}  // namespace

Applier::Applier(Options options, Head& head, IngestLog& log, Arrivals& arrivals,
                 MetadataCache& metadata, const Clock& clock, MetricRegistry& metrics)
    : options_(options),
      head_(head),
      log_(log),
      arrivals_(arrivals),
      metadata_(metadata),
      clock_(clock),
      meters_{metrics.counter("aerie_store_appended_samples_total",
                              "Float samples written, repeats included."),
              metrics.counter("aerie_store_appended_histograms_total",
                              "Native histograms written, repeats included."),
              metrics.counter("aerie_store_appended_exemplars_total", "Exemplars written."),
              metrics.counter("aerie_store_deduplicated_samples_total",
                              "Samples of the other replica of a pair, dropped."),
              rejected(metrics, "out_of_order"),
              rejected(metrics, "duplicate_value"),
              rejected(metrics, "too_old"),
              rejected(metrics, "too_far_in_future"),
              rejected(metrics, "backfill_limit"),
              metrics.counter("aerie_store_refused_batches_total",
                              "Batches answered Unavailable: queue full or log not writable."),
              metrics.gauge("aerie_store_active_series", "Series in the head."),
              metrics.gauge("aerie_store_head_samples", "Samples that are not sealed yet."),
              metrics.gauge("aerie_store_log_bytes", "Size of the log's segments."),
              metrics.gauge("aerie_store_writable", "1 while the log can be written.")},
      arrivals_written_ns_(clock.monotonic_ns()) {
  meters_.series.set(static_cast<double>(head_.index().size()));
  meters_.head_samples.set(static_cast<double>(head_.samples()));
  meters_.log_bytes.set(static_cast<double>(log_.file_bytes()));
  meters_.writable.set(1);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "applier");
    loop();
  });
}

size_t Applier::rows_of(const WriteBatch& batch) {
  return 1 + batch.floats.size() + batch.histograms.size() + batch.exemplars.size() +
         batch.metadata.size();
}

void Applier::append(WriteBatch batch, Store::Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      Pending pending;
      const bool full = options_.memory != nullptr && options_.memory->reached();
      pending.refused = full || queued_rows_ > options_.max_queued_rows;
      if (!pending.refused) pending.batch = std::move(batch);
      pending.done = std::move(done);
      queued_rows_ += rows_of(pending.batch);
      queue_.push_back(std::move(pending));
      wake_.notify_one();
      return;
    }
  }
  done(stopped_error());
}

Status Applier::run(std::function<Status()> job) {
  auto promise = std::make_shared<std::promise<Status>>();
  auto answer = promise->get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return stopped_error();
    jobs_.push_back(
        {std::move(job), [promise](Status status) { promise->set_value(std::move(status)); }});
  }
  wake_.notify_one();
  return answer.get();
}

void Applier::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Applier::loop() {
  while (true) {
    std::vector<Pending> group;
    std::deque<Job> jobs;
    bool idle = false;
    size_t queued_rows = 0;
    {
      std::unique_lock lock(mutex_);
      const auto work = [this] { return stopping_ || !queue_.empty() || !jobs_.empty(); };
      if (options_.sync_when_idle) {
        idle = !wake_.wait_for(lock, kIdleSync, work);
      } else {
        wake_.wait(lock, work);
      }
      if (stopping_ && queue_.empty() && jobs_.empty()) return;
      // Everything that waits shares one sync; very much is split so that nobody waits for ever.
      size_t bytes = 0;
      while (!queue_.empty() && bytes < options_.max_group_bytes) {
        const size_t rows = rows_of(queue_.front().batch);
        bytes += rows * 8;
        queued_rows_ -= rows;
        group.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      jobs.swap(jobs_);
      queued_rows = queued_rows_;
    }
    if (!group.empty()) write_group(group);
    if (idle) log_.commit().ignore("the next batch meets the same failure and reports it");
    for (Job& job : jobs) job.done(job.work());
    note_memory(queued_rows);
  }
}

// -------------------------------------------------------------------------------------------------------------
// a group

void Applier::write_group(std::vector<Pending>& group) {
  const model::TimestampMs now = clock_.now_ms();
  bool any = false;
  for (Pending& pending : group) {
    log_batch(pending, now);
    any = any || pending.logged;
  }
  Status committed;
  if (any) {
    add_arrivals_record(clock_.monotonic_ns() - arrivals_written_ns_ >=
                        options_.arrivals_every * 1'000'000);
    committed = log_.commit();
    if (committed.ok() != writable_) {
      writable_ = committed.ok();
      meters_.writable.set(writable_ ? 1 : 0);
      if (writable_) {
        AERIE_LOG(Info, "log can be written again");
      } else {
        AERIE_LOG(Error, "log cannot be written, writes are answered unavailable",
                  {"error", committed.error().message()});
      }
    }
  }
  const LogPosition end = log_.committed_end();
  for (Pending& pending : group) {
    if (pending.logged && pending.position < end) {
      apply(pending, now);
    } else if (pending.logged) {
      forget_logged(pending);
      pending.outcome =
          committed.ok() ? Error(ErrorCode::Unavailable, "log was not written") : committed.error();
    }
    if (pending.outcome) {
      count(*pending.outcome);
    } else {
      meters_.refused_batches.add();
    }
  }
  meters_.series.set(static_cast<double>(head_.index().size()));
  meters_.head_samples.set(static_cast<double>(head_.samples()));
  meters_.log_bytes.set(static_cast<double>(log_.file_bytes()));
  for (Pending& pending : group) pending.done(std::move(pending.outcome));
}

void Applier::log_batch(Pending& pending, model::TimestampMs now) {
  if (pending.refused) {
    const bool full = options_.memory != nullptr && options_.memory->reached();
    pending.outcome = Error(ErrorCode::Unavailable,
                            full ? options_.memory->text() : "too many samples wait to be written");
    return;
  }
  drop_stale_rows(pending);
  if (pending.batch.late_window == WriteBatch::kStoresWindow)
    pending.batch.late_window = options_.out_of_order_window;
  if (options_.late_guard != nullptr) {
    auto screened =
        options_.late_guard->screen(pending.batch, now, *pending.outcome, pending.revived);
    if (!screened) {
      forget_logged(pending);
      pending.outcome = std::move(screened).error();
      return;
    }
  }
  std::erase_if(pending.batch.metadata,
                [&](const MetadataRow& row) { return !metadata_.news(row); });
  if (pending.batch.empty() && pending.revived.empty()) return;
  const auto definitions = new_definitions(pending);
  payload_.clear();
  encode_batch(payload_, now, definitions, pending.revived, pending.batch);
  auto position = log_.add(RecordType::Batch, payload_);
  if (!position) {
    forget_logged(pending);
    pending.outcome = std::move(position).error();
    return;
  }
  pending.position = *position;
  pending.logged = true;
}

/// The record did not get into the log: what it was to say has to be said again.
void Applier::forget_logged(const Pending& pending) {
  for (const uint32_t slot : pending.defined) head_.index().state(slot)->defined = false;
  for (const SeriesNewest& one : pending.revived) head_.index().state(one.id)->has_sample = false;
}

void Applier::drop_stale_rows(Pending& pending) {
  WriteOutcome& outcome = *pending.outcome;
  const auto alive = [this](SeriesHandle handle) {
    const SeriesState* state = head_.index().state(handle.slot);
    return state != nullptr && (handle.generation & 1) != 0 &&
           state->generation.load(std::memory_order_relaxed) == handle.generation;
  };
  uint32_t index = 0;
  const auto is_stale = [&](const auto& row) {
    const uint32_t mine = index++;
    if (alive(row.series)) return false;
    outcome.stale_handles.push_back(mine);
    return true;
  };
  // remove_if looks at each row once, in order.
  auto& floats = pending.batch.floats;
  floats.erase(std::remove_if(floats.begin(), floats.end(), is_stale), floats.end());
  if (auto& starts = pending.batch.float_starts; !starts.empty()) {
    uint32_t row = 0;
    std::erase_if(starts, [&](model::TimestampMs) {
      return std::binary_search(outcome.stale_handles.begin(), outcome.stale_handles.end(), row++);
    });
  }
  auto& histograms = pending.batch.histograms;
  histograms.erase(std::remove_if(histograms.begin(), histograms.end(), is_stale),
                   histograms.end());
  std::erase_if(pending.batch.exemplars,
                [&](const ExemplarRow& row) { return !alive(row.series); });
}

std::vector<SeriesDefinition> Applier::new_definitions(Pending& pending) {
  std::vector<SeriesDefinition> definitions;
  const auto define_slot = [&](uint32_t slot) {
    SeriesState& state = *head_.index().state(slot);
    if (state.defined) return;
    state.defined = true;
    pending.defined.push_back(slot);
    definitions.push_back({slot, head_.index().labels(slot)});
  };
  const auto define = [&](const auto& rows) {
    for (const auto& row : rows) define_slot(row.series.slot);
  };
  for (const SeriesNewest& one : pending.revived) define_slot(one.id);
  define(pending.batch.floats);
  define(pending.batch.histograms);
  define(pending.batch.exemplars);
  return definitions;
}

void Applier::apply(Pending& pending, model::TimestampMs now) {
  head_.apply(pending.position, now, pending.batch, nullptr, *pending.outcome);
  metadata_.apply(pending.batch.metadata);
  // Behind apply(): who asks in between may see too much changed, never too little.
  if (options_.changes != nullptr) options_.changes->note(pending.batch, head_.index());
  if (options_.tap != nullptr) options_.tap->note(pending.batch, head_.index());
}

void Applier::note_memory(size_t queued_rows) {
  if (options_.memory == nullptr) return;
  options_.memory->note({head_.bytes(), head_.index().bytes(), queued_rows * sizeof(FloatRow),
                         payload_.capacity() + log_.buffered_bytes()});
}

void Applier::count(const WriteOutcome& outcome) {
  meters_.samples.add(outcome.floats_written);
  meters_.histograms.add(outcome.histograms_written);
  meters_.exemplars.add(outcome.exemplars_written);
  meters_.deduplicated.add(outcome.deduplicated);
  meters_.rejected_order.add(outcome.rejected[static_cast<size_t>(RejectReason::OutOfOrder)]);
  meters_.rejected_duplicate.add(
      outcome.rejected[static_cast<size_t>(RejectReason::DuplicateValue)]);
  meters_.rejected_old.add(outcome.rejected[static_cast<size_t>(RejectReason::TooOld)]);
  meters_.rejected_backfill.add(outcome.rejected[static_cast<size_t>(RejectReason::BackfillLimit)]);
  meters_.rejected_future.add(outcome.rejected[static_cast<size_t>(RejectReason::TooFarInFuture)]);
}

// ---------------------------------------------------------------------------------------------------------
// checkpoints

void Applier::add_arrivals_record(bool due) {
  if (!due) return;
  std::vector<ClusterWatermark> clusters;
  for (ClusterArrival& one : arrivals_.all())
    clusters.push_back({std::move(one.cluster), one.watermark});
  if (clusters.empty()) return;
  std::string payload;
  encode_arrivals(payload, clusters);
  log_.add(RecordType::Arrivals, payload)
      .ignore("the ledger's own clusters are few; the next record tries again");
  arrivals_written_ns_ = clock_.monotonic_ns();
}

Status Applier::write_checkpoint() {
  if (auto begun = log_.begin_checkpoint(); !begun) return begun;
  uint32_t slot = 0;
  std::string part;
  while (true) {
    const auto series = head_.snapshot(slot, kCheckpointPartSeries);
    const bool last = slot >= head_.index().slot_limit();
    part.clear();
    encode_checkpoint_part(part, series, last);
    if (auto added = log_.add(RecordType::Checkpoint, part); !added)
      return std::move(added).error();
    if (last) break;
  }
  add_arrivals_record(true);
  if (auto committed = log_.commit(); !committed) return committed;
  log_.finish_checkpoint();
  head_.index().reuse_removed();
  head_.forget_neighbours();
  return {};
}

}  // namespace aerie::store
