#include "store/late_guard.h"

#include <algorithm>
#include <bit>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "store/head_erasures.h"

namespace aerie::store {
namespace {

constexpr uint8_t kDayTier = 2;
constexpr const char* kCluster = "cluster";

model::Matchers exactly(const model::Labels& labels) {
  model::Matchers out;
  for (const model::LabelView& label : labels)
    out.push_back(model::Matcher::equal(std::string(label.name), std::string(label.value)));
  return out;
}

/// What lies further behind is refused by the head, repeat or not.
bool within(model::TimestampMs newest, model::TimestampMs t, model::DurationMs window) {
  return static_cast<uint64_t>(newest) - static_cast<uint64_t>(t) <= static_cast<uint64_t>(window);
}

template <class Rows>
void erase_marked(Rows& rows, const std::vector<bool>& marked) {
  if (marked.empty()) return;
  size_t index = 0;
  // remove_if looks at each row once, in order.
  rows.erase(std::remove_if(rows.begin(), rows.end(), [&](const auto&) { return marked[index++]; }),
             rows.end());
}

}  // namespace

/// What one batch has asked for so far.
struct LateGuard::Pass {
  WriteBatch& batch;
  WriteOutcome& outcome;
  std::vector<SeriesNewest>* revived;  // null: a replay
  model::TimestampMs now;
  std::vector<Suspect> suspects;
  std::vector<bool> drop_floats;
  std::vector<bool> drop_histograms;
  HeadBlocks blocks;
  HeadErasures erased;
  std::shared_ptr<const model::SampleSource> pinned;
  std::optional<std::set<std::string>> clusters;  // that partitions hold from the oldest suspect on

  void drop(const Suspect& suspect) {
    auto& marks = suspect.histogram ? drop_histograms : drop_floats;
    marks.resize(suspect.histogram ? batch.histograms.size() : batch.floats.size());
    marks[suspect.index] = true;
  }
  void reject(RejectReason reason, std::string text) {
    ++outcome.rejected[static_cast<size_t>(reason)];
    if (outcome.first_rejection.empty()) outcome.first_rejection = std::move(text);
  }
};

bool LateGuard::Suspect::operator<(const Suspect& other) const {
  return std::tie(slot, t) < std::tie(other.slot, other.t);
}

LateGuard::LateGuard(Options options, Head& head, const PartitionSet& partitions,
                     MetricRegistry& metrics)
    : options_(options),
      head_(head),
      partitions_(partitions),
      budget_(options.backfill_days_per_hour),
      looked_up_(metrics.counter("aerie_store_late_lookups_total",
                                 "Series looked up in partitions for late samples.")),
      unreadable_(metrics.counter("aerie_store_late_lookup_failures_total",
                                  "Look-ups for late samples that met a damaged partition.")) {
  for (const PartitionInfo& info : partitions_.live()) head_.note_cut(info.samples.last);
}

bool LateGuard::expired(model::TimestampMs t, model::TimestampMs now) const {
  return options_.retention > 0 && t < now - options_.retention;
}

std::vector<LateGuard::Suspect> LateGuard::suspects(const WriteBatch& batch, model::TimestampMs now,
                                                    bool replayed) const {
  std::vector<Suspect> out;
  const model::TimestampMs last = head_.cut_last();
  const SeriesIndex& index = head_.index();
  const auto suspect = [&](uint32_t slot, model::TimestampMs t) {
    if (t > last || expired(t, now)) return false;
    const SeriesState& state = *index.state(slot);
    if (!state.has_sample) return !replayed;
    const bool late =
        t < state.newest_t || (t == state.newest_t && state.newest_bits == kDeletedBits);
    return late && within(state.newest_t, t, batch.late_window);
  };
  for (size_t i = 0; i < batch.floats.size(); ++i) {
    const FloatRow& row = batch.floats[i];
    if (suspect(row.series.slot, row.t))
      out.push_back({row.series.slot, row.t, std::bit_cast<uint64_t>(row.value), false, i});
  }
  for (size_t i = 0; i < batch.histograms.size(); ++i) {
    const HistogramRow& row = batch.histograms[i];
    if (suspect(row.series.slot, row.t))
      out.push_back({row.series.slot, row.t, histogram_bits(*row.histogram), true, i});
  }
  std::sort(out.begin(), out.end());
  return out;
}

Status LateGuard::screen(WriteBatch& batch, model::TimestampMs now, WriteOutcome& outcome,
                         std::vector<SeriesNewest>& revived) {
  Pass pass{batch, outcome, &revived, now, suspects(batch, now, false), {}, {}, {}, {}, {}, {}};
  for (size_t first = 0; first < pass.suspects.size();) {
    size_t end = first + 1;
    while (end < pass.suspects.size() && pass.suspects[end].slot == pass.suspects[first].slot)
      ++end;
    if (auto settled = settle_series(pass, first, end); !settled) return settled;
    first = end;
  }
  refuse_past_days(batch, pass);
  erase_marked(batch.floats, pass.drop_floats);
  erase_marked(batch.histograms, pass.drop_histograms);
  return {};
}

Status LateGuard::screen_replayed(WriteBatch& batch, model::TimestampMs arrived) {
  if (keeps_distance(batch.replicas)) return {};
  WriteOutcome ignored;
  Pass pass{batch, ignored, nullptr, arrived, suspects(batch, arrived, true), {}, {},
            {},    {},      {},      {}};
  for (size_t first = 0; first < pass.suspects.size();) {
    size_t end = first + 1;
    while (end < pass.suspects.size() && pass.suspects[end].slot == pass.suspects[first].slot)
      ++end;
    if (auto settled = settle_series(pass, first, end); !settled) return settled;
    first = end;
  }
  erase_marked(batch.floats, pass.drop_floats);
  erase_marked(batch.histograms, pass.drop_histograms);
  return {};
}

/// The rows of one series.
Status LateGuard::settle_series(Pass& pass, size_t first, size_t end) {
  const uint32_t slot = pass.suspects[first].slot;
  const bool unknown = !head_.index().state(slot)->has_sample;
  const model::TimeRange range{pass.suspects[first].t,
                               unknown ? model::kMaxTimestamp : pass.suspects[end - 1].t};
  auto there = look_up(pass, slot, range);
  if (!there) return std::move(there).error();
  if (there->empty()) return {};
  if (unknown && pass.revived != nullptr) {
    SeriesNewest newest{slot, false, model::kMinTimestamp, 0};
    if (!there->timestamps.empty())
      newest = {slot, false, there->timestamps.back(),
                std::bit_cast<uint64_t>(there->values.back())};
    if (!there->histograms.empty() &&
        (there->timestamps.empty() || there->histograms.back().t > newest.t))
      newest = {slot, true, there->histograms.back().t,
                histogram_bits(*there->histograms.back().histogram)};
    head_.revive(newest);
    pass.revived->push_back(newest);
  }
  // The spacing of pairs refuses everything before the newest sample anyway.
  if (keeps_distance(pass.batch.replicas)) return {};
  const SeriesState& state = *head_.index().state(slot);
  for (size_t i = first; i < end; ++i) {
    const Suspect& suspect = pass.suspects[i];
    if (suspect.t < state.newest_t && !within(state.newest_t, suspect.t, pass.batch.late_window))
      continue;
    const Found found = compare(*there, suspect);
    if (found == Found::Nothing) continue;
    pass.drop(suspect);
    if (found == Found::Same) {
      ++(suspect.histogram ? pass.outcome.histograms_written : pass.outcome.floats_written);
    } else {
      pass.reject(
          RejectReason::DuplicateValue,
          fmt::format("{}: series={} timestamp={}", rejection_text(RejectReason::DuplicateValue),
                      head_.index().labels(slot).to_string(), suspect.t));
    }
  }
  return {};
}

LateGuard::Found LateGuard::compare(const model::SeriesSamples& there, const Suspect& suspect) {
  const auto at = std::lower_bound(there.timestamps.begin(), there.timestamps.end(), suspect.t);
  if (at != there.timestamps.end() && *at == suspect.t) {
    const double value = there.values[static_cast<size_t>(at - there.timestamps.begin())];
    return !suspect.histogram && std::bit_cast<uint64_t>(value) == suspect.bits ? Found::Same
                                                                                : Found::Other;
  }
  const auto histogram =
      std::lower_bound(there.histograms.begin(), there.histograms.end(), suspect.t,
                       [](const model::HistogramSample& one, auto t) { return one.t < t; });
  if (histogram == there.histograms.end() || histogram->t != suspect.t) return Found::Nothing;
  return suspect.histogram && histogram_bits(*histogram->histogram) == suspect.bits ? Found::Same
                                                                                    : Found::Other;
}

Result<model::SeriesSamples> LateGuard::look_up(Pass& pass, uint32_t slot, model::TimeRange range) {
  if (!pass.pinned) {
    // Head before partitions: what is sealed in between is seen twice, never not at all. A replay
    // looks at the head when it applies.
    const ErasuresPtr erasures = options_.erasures ? options_.erasures() : nullptr;
    if (pass.revived != nullptr) pass.blocks = *head_.blocks();
    pass.pinned = partitions_.pin(erasures);
    pass.erased = HeadErasures(erasures, {});
  }
  model::SeriesSamples out;
  const uint32_t generation = head_.index().state(slot)->generation.load(std::memory_order_relaxed);
  const model::Labels labels = head_.index().labels(slot);
  for (const auto& block : pass.blocks) {
    if (!block->extent().overlaps(range)) continue;
    const Column* column = block->find(slot);
    if (column == nullptr || column->generation != generation) continue;
    model::SeriesSamples part;
    pass.erased.read(*block, slot, *column, labels, range, part);
    model::merge_samples(out, std::move(part));
  }
  const Status sealed = look_up_sealed(pass, labels, range, out);
  if (sealed) return out;
  if (sealed.error().code() != ErrorCode::Corruption)
    return Error(ErrorCode::Unavailable,
                 "late samples cannot be compared with partitions: " + sealed.error().message());
  // What is damaged cannot be compared with. Refusing would make the sender repeat it for ever.
  unreadable_.add();
  AERIE_LOG(Warn, "late samples are taken unseen: a partition is damaged",
            {"error", sealed.error().message()});
  return out;
}

Status LateGuard::look_up_sealed(Pass& pass, const model::Labels& labels, model::TimeRange range,
                                 model::SeriesSamples& out) {
  if (!pass.clusters) {
    model::TimestampMs oldest = model::kMaxTimestamp;
    for (const Suspect& one : pass.suspects) oldest = std::min(oldest, one.t);
    auto values = pass.pinned->label_values(kCluster, {}, {oldest, model::kMaxTimestamp});
    if (!values) return std::move(values).error();
    pass.clusters.emplace(values->begin(), values->end());
  }
  const std::string cluster(labels.get(kCluster));
  if (!cluster.empty() && !pass.clusters->contains(cluster)) return {};
  looked_up_.add();
  auto selection = pass.pinned->select(exactly(labels), range);
  if (!selection) return std::move(selection).error();
  for (size_t i = 0; i < (*selection)->size(); ++i) {
    if ((*selection)->labels(i) != labels) continue;
    model::SeriesSamples part;
    if (auto read = (*selection)->read(i, range, part); !read) return read;
    model::merge_samples(out, std::move(part));
  }
  return {};
}

void LateGuard::refuse_past_days(WriteBatch& batch, Pass& pass) {
  std::map<model::TimestampMs, size_t> generations;
  bool counted = false;
  const auto admit = [&](uint32_t slot, model::TimestampMs t) {
    if (!head_.of_past_day(t, pass.now) || expired(t, pass.now)) return true;
    if (!std::exchange(counted, true)) {
      for (const PartitionInfo& info : partitions_.live())
        if (info.tier == kDayTier) ++generations[info.start];
    }
    const model::TimestampMs day = head_.day_start(t);
    const std::string cluster = head_.index().label(slot, kCluster);
    const auto made = generations.find(day);
    const bool many = made != generations.end() && made->second >= options_.generations_per_day;
    if (!many && budget_.admit(cluster, day, pass.now)) return true;
    pass.outcome.try_later = pass.outcome.try_later || many;
    pass.reject(
        RejectReason::BackfillLimit,
        many ? fmt::format("{}: the day of timestamp={} waits to be merged, try again later",
                           rejection_text(RejectReason::BackfillLimit), t)
             : fmt::format("{}: cluster=\"{}\" timestamp={} would touch more than {} past days in "
                           "one hour; check the sender's clock, or go on in the next hour",
                           rejection_text(RejectReason::BackfillLimit), cluster, t,
                           options_.backfill_days_per_hour));
    return false;
  };
  const auto refuse = [&](const auto& rows, std::vector<bool>& dropped) {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!dropped.empty() && dropped[i]) continue;
      if (admit(rows[i].series.slot, rows[i].t)) continue;
      dropped.resize(rows.size());
      dropped[i] = true;
    }
  };
  refuse(batch.floats, pass.drop_floats);
  refuse(batch.histograms, pass.drop_histograms);
}

}  // namespace aerie::store
