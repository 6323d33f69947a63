#include "store/head.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace aerie::store {
namespace {

model::TimestampMs span_start(model::TimestampMs t, model::DurationMs span) {
  const model::TimestampMs rest = t % span;
  const model::TimestampMs down = rest < 0 ? rest + span : rest;
  // The first span of time is cut off at its beginning rather than overflowing.
  return t < model::kMinTimestamp + down ? model::kMinTimestamp : t - down;
}

model::TimestampMs minus_saturating(model::TimestampMs t, model::DurationMs d) {
  return t < model::kMinTimestamp + d ? model::kMinTimestamp : t - d;
}

model::TimestampMs plus_saturating(model::TimestampMs t, model::DurationMs d) {
  return t > model::kMaxTimestamp - d ? model::kMaxTimestamp : t + d;
}

uint64_t histogram_bits(const model::NativeHistogram& histogram) {
  std::string bytes;
  encode_histogram(bytes, histogram);
  return XXH3_64bits(bytes.data(), bytes.size());
}

bool before(const std::shared_ptr<const HeadBlock>& a, const std::shared_ptr<const HeadBlock>& b) {
  return a->span().first != b->span().first ? a->span().first < b->span().first
                                            : a->serial() < b->serial();
}

}  // namespace

SealedRanges::SealedRanges(const std::vector<PartitionInfo>& partitions) {
  for (const PartitionInfo& info : partitions) {
    end_ = std::max(end_, info.log_end);
    parts_.insert(parts_.end(), info.sealed_parts.begin(), info.sealed_parts.end());
    const bool from_head = info.sealed_parts.empty() && info.tier == 0;
    if (from_head && info.sample_count > 0) parts_.push_back({info.samples, info.log_end});
  }
  std::sort(parts_.begin(), parts_.end(),
            [](const SealedPart& a, const SealedPart& b) { return a.log_end > b.log_end; });
}

bool SealedRanges::covers(model::TimestampMs t, LogPosition position) const {
  for (const SealedPart& part : parts_) {
    if (part.log_end <= position) return false;  // and so are all that follow
    if (part.samples.contains(t)) return true;
  }
  return false;
}

// ------------------------------------------------------------------------------------------------------------
// applying

void Head::apply(LogPosition position, model::TimestampMs arrived, const WriteBatch& batch,
                 const SealedRanges* sealed, WriteOutcome& outcome) {
  RowContext context{{position, arrived}, sealed, {}, batch.replicas, &outcome};
  if (options_.retention > 0) context.limits.oldest = minus_saturating(arrived, options_.retention);
  if (options_.future_limit > 0)
    context.limits.latest = plus_saturating(arrived, options_.future_limit);
  constexpr size_t kAhead = 8;
  const size_t n = batch.floats.size();
  for (size_t i = 0; i < n; ++i) {
    // The states of a batch's series are scattered over memory: fetched while the rows before are
    // worked on.
    if (i + kAhead < n) __builtin_prefetch(index_.state(batch.floats[i + kAhead].series.slot), 1);
    if (i + kAhead / 2 < n)
      __builtin_prefetch(index_.state(batch.floats[i + kAhead / 2].series.slot)->column, 1);
    const FloatRow& row = batch.floats[i];
    SeriesState& state = *index_.state(row.series.slot);
    const RowToJudge judged{row.t, std::bit_cast<uint64_t>(row.value), false,
                            model::is_stale(row.value)};
    const Verdict verdict = decide(state, judged, context);
    if (verdict == Verdict::Keep) keep(state, row.series.slot, judged, nullptr, context);
    if (verdict == Verdict::Keep || verdict == Verdict::Repeat) {
      ++outcome.floats_written;
    } else if (verdict == Verdict::Deduplicated) {
      ++outcome.deduplicated;
    } else {
      count_rejection(verdict, row.series.slot, row.t, outcome);
    }
  }
  for (const HistogramRow& row : batch.histograms) {
    SeriesState& state = *index_.state(row.series.slot);
    const RowToJudge judged{row.t, histogram_bits(*row.histogram), true,
                            model::is_stale(row.histogram->sum)};
    const Verdict verdict = decide(state, judged, context);
    const model::HistogramSample sample{row.t, row.histogram};
    if (verdict == Verdict::Keep) keep(state, row.series.slot, judged, &sample, context);
    if (verdict == Verdict::Keep || verdict == Verdict::Repeat) {
      ++outcome.histograms_written;
    } else if (verdict == Verdict::Deduplicated) {
      ++outcome.deduplicated;
    } else {
      count_rejection(verdict, row.series.slot, row.t, outcome);
    }
  }
  if (!batch.exemplars.empty()) apply_exemplars(batch.exemplars, outcome);
}

Verdict Head::decide(SeriesState& state, const RowToJudge& row, const RowContext& context) {
  const bool stale =
      state.has_sample && !state.was_histogram && state.newest_bits == model::kStaleNanBits;
  const NewestSample newest{state.has_sample, state.was_histogram, stale, state.newest_t,
                            state.newest_bits};
  switch (context.policy) {
    case ReplicaPolicy::UnlabelledPair:
      return judge_pair(newest, pair_of(state), row, context.limits);
    case ReplicaPolicy::ChangeOfLead:
      return judge_change_of_lead(newest, pair_of(state), row, context.limits);
    case ReplicaPolicy::ElectedReplica: note_interval(newest, pair_of(state), row); break;
    case ReplicaPolicy::SingleSender: break;
  }
  return judge_single_sender(newest, row, context.limits);
}

PairState& Head::pair_of(SeriesState& state) {
  if (state.pair == 0) {
    if (free_pairs_.empty()) {
      pairs_.emplace_back();
      state.pair = static_cast<uint32_t>(pairs_.size());
    } else {
      state.pair = free_pairs_.back();
      free_pairs_.pop_back();
      pairs_[state.pair - 1] = {};
    }
  }
  return pairs_[state.pair - 1];
}

void Head::keep(SeriesState& state, uint32_t slot, const RowToJudge& row,
                const model::HistogramSample* histogram, const RowContext& context) {
  state.has_sample = true;
  state.was_histogram = row.histogram;
  state.idle_seen = false;
  state.newest_t = row.t;
  state.newest_bits = row.bits;
  if (context.sealed != nullptr && context.sealed->covers(row.t, context.record.position)) return;
  HeadBlock& block = block_for(row.t, context.record);
  if (state.block != block.serial()) {
    Column& column = block.column(slot);
    column.generation = state.generation.load(std::memory_order_relaxed);
    state.column = &column;
    state.block = block.serial();
  }
  if (histogram != nullptr) {
    block.append_histogram(*state.column, *histogram);
  } else {
    block.append(*state.column, row.t, row.bits);
  }
}

HeadBlock& Head::block_for(model::TimestampMs t, HeadBlock::Birth record) {
  if (recent_ != nullptr && recent_->span().contains(t)) return *recent_;
  const model::TimestampMs start = span_start(t, options_.partition_span);
  auto& block = active_[start];
  if (!block) {
    const model::TimeRange span{start, plus_saturating(start, options_.partition_span - 1)};
    block = std::make_shared<HeadBlock>(next_serial_++, span, record);
    publish(block);
  }
  recent_ = block.get();
  return *block;
}

void Head::publish(const std::shared_ptr<HeadBlock>& block) {
  blocks_.with([&](std::shared_ptr<const HeadBlocks>& blocks) {
    auto changed = std::make_shared<HeadBlocks>(*blocks);
    changed->push_back(block);
    std::sort(changed->begin(), changed->end(), before);
    blocks = std::move(changed);
  });
}

void Head::count_rejection(Verdict verdict, uint32_t slot, model::TimestampMs t,
                           WriteOutcome& outcome) {
  RejectReason reason = RejectReason::OutOfOrder;
  if (verdict == Verdict::DuplicateValue) reason = RejectReason::DuplicateValue;
  if (verdict == Verdict::TooOld) reason = RejectReason::TooOld;
  if (verdict == Verdict::TooFarInFuture) reason = RejectReason::TooFarInFuture;
  ++outcome.rejected[static_cast<size_t>(reason)];
  if (!outcome.first_rejection.empty()) return;
  outcome.first_rejection = fmt::format("{}: series={} timestamp={}", rejection_text(reason),
                                        index_.labels(slot).to_string(), t);
}

void Head::apply_exemplars(const std::vector<ExemplarRow>& rows, WriteOutcome& outcome) {
  std::vector<StoredExemplar> stored;
  stored.reserve(rows.size());
  for (const ExemplarRow& row : rows) {
    stored.push_back({row.series, {index_.labels(row.series.slot), row.t, row.value, row.labels}});
  }
  outcome.exemplars_written += static_cast<uint32_t>(rows.size());
  exemplars_.with([&](std::deque<StoredExemplar>& all) {
    for (StoredExemplar& one : stored) all.push_back(std::move(one));
    while (all.size() > options_.max_exemplars) all.pop_front();
  });
}

std::vector<HeadExemplar> Head::exemplars(uint32_t slot) const {
  return exemplars_.with([&](const std::deque<StoredExemplar>& all) {
    std::vector<HeadExemplar> out;
    for (const StoredExemplar& one : all) {
      if (one.series.slot == slot && index_.alive(one.series)) out.push_back(one.exemplar);
    }
    return out;
  });
}

// -------------------------------------------------------------------------------------------------
// replay, checkpoints

void Head::distrust_ids() {
  for (uint32_t slot = 0; slot < index_.slot_limit(); ++slot) {
    if (SeriesState* state = index_.state(slot)) state->defined = false;
  }
}

bool Head::holds(uint32_t slot, const model::Labels& labels) const {
  const SeriesState* state = index_.state(slot);
  return state != nullptr && index_.alive({slot, state->generation.load()}) &&
         index_.labels(slot) == labels;
}

void Head::define(uint32_t slot, const model::Labels& labels) {
  SeriesState* known = index_.state(slot);
  if (known != nullptr && !known->defined && holds(slot, labels)) {
    known->defined = true;  // was distrusted: it is what it was, and keeps its samples
    return;
  }
  index_.define(slot, labels);
  index_.state(slot)->defined = true;
  // A block holds one series per slot: what a former holder left stays in a block of its own. It is
  // hardly ever there, because a slot is freed only when all its samples are sealed.
  for (auto it = active_.begin(); it != active_.end();) {
    if (it->second->find(slot) == nullptr) {
      ++it;
      continue;
    }
    set_aside_.push_back(it->second);
    it = active_.erase(it);
    recent_ = nullptr;
  }
}

void Head::restore(const SeriesSnapshot& series) {
  // Over what is there already only behind a loss: its samples stay.
  if (!holds(series.id, series.labels)) define(series.id, series.labels);
  SeriesState& state = *index_.state(series.id);
  state.defined = true;
  state.has_sample = series.has_sample;
  state.was_histogram = series.was_histogram;
  state.newest_t = series.newest_t;
  state.newest_bits = series.newest_bits;
  if (series.has_pair) pair_of(state) = series.pair;
}

std::vector<SeriesSnapshot> Head::snapshot(uint32_t& from, size_t limit) const {
  std::vector<SeriesSnapshot> out;
  for (; from < index_.slot_limit() && out.size() < limit; ++from) {
    const SeriesState* state = index_.state(from);
    if (state == nullptr || !state->defined) continue;
    SeriesSnapshot one;
    one.id = from;
    one.labels = index_.labels(from);
    one.has_sample = state->has_sample;
    one.was_histogram = state->was_histogram;
    one.newest_t = state->newest_t;
    one.newest_bits = state->newest_bits;
    one.has_pair = state->pair != 0;
    if (one.has_pair) one.pair = pairs_[state->pair - 1];
    out.push_back(std::move(one));
  }
  return out;
}

// --------------------------------------------------------------------------------------------------------------
// blocks

std::vector<std::shared_ptr<const HeadBlock>> Head::detach(
    const std::function<bool(const HeadBlock&)>& wanted) {
  // Older than the active blocks of their spans, so they go first.
  std::vector<std::shared_ptr<const HeadBlock>> out = std::exchange(set_aside_, {});
  for (auto it = active_.begin(); it != active_.end();) {
    if (!wanted(*it->second)) {
      ++it;
      continue;
    }
    out.push_back(it->second);
    it = active_.erase(it);
  }
  recent_ = nullptr;
  return out;
}

void Head::drop(const std::shared_ptr<const HeadBlock>& block) {
  blocks_.with([&](std::shared_ptr<const HeadBlocks>& blocks) {
    auto changed = std::make_shared<HeadBlocks>(*blocks);
    std::erase(*changed, block);
    blocks = std::move(changed);
  });
}

LogPosition Head::first_unsealed(LogPosition end) const {
  const auto all = blocks();
  for (const auto& block : *all) end = std::min(end, block->birth().position);
  return end;
}

uint64_t Head::samples() const {
  uint64_t n = 0;
  const auto all = blocks();
  for (const auto& block : *all) n += block->samples();
  return n;
}

size_t Head::sweep(model::TimestampMs before_t) {
  model::TimestampMs oldest_span = model::kMaxTimestamp;
  const auto all = blocks();
  for (const auto& block : *all) oldest_span = std::min(oldest_span, block->span().first);
  std::vector<uint32_t> idle;
  for (uint32_t slot = 0; slot < index_.slot_limit(); ++slot) {
    SeriesState& state = *index_.state(slot);
    if ((state.generation.load(std::memory_order_acquire) & 1) == 0) continue;
    if (state.has_sample) {
      if (state.newest_t >= oldest_span || state.newest_t >= before_t) continue;
    } else if (!std::exchange(state.idle_seen, true)) {
      continue;  // just resolved; its first sample may be on its way
    }
    if (state.pair != 0) free_pairs_.push_back(state.pair);
    idle.push_back(slot);
  }
  if (!idle.empty()) index_.remove(idle);
  return idle.size();
}

}  // namespace aerie::store
