#include "store/head.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "store/head_erasures.h"
#include "store/kind_order.h"

namespace aerie::store {
namespace {

constexpr uint8_t kDayTier = 2;
constexpr int64_t kSpansOfDay = 48;  // as the merges make them (merge_plan.cc)
constexpr int64_t kGraceSpans = 4;   // then a day counts as over

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

/// `there` holds the one sample at the row's time.
bool same_sample(const model::SeriesSamples& there, const RowToJudge& row) {
  if (row.histogram != !there.histograms.empty()) return false;
  return row.bits == (row.histogram ? histogram_bits(*there.histograms[0].histogram)
                                    : std::bit_cast<uint64_t>(there.values[0]));
}

bool before(const std::shared_ptr<const HeadBlock>& a, const std::shared_ptr<const HeadBlock>& b) {
  return a->span().first != b->span().first ? a->span().first < b->span().first
                                            : a->serial() < b->serial();
}

}  // namespace

uint64_t histogram_bits(const model::NativeHistogram& histogram) {
  std::string bytes;
  // What is said of the sample before is not part of a sample's identity: the head derives it anew.
  if (histogram.reset_hint == model::ResetHint::Yes ||
      histogram.reset_hint == model::ResetHint::No) {
    model::NativeHistogram plain = histogram;
    plain.reset_hint = model::ResetHint::Unknown;
    encode_histogram(bytes, plain);
  } else {
    encode_histogram(bytes, histogram);
  }
  return XXH3_64bits(bytes.data(), bytes.size());
}

SealedRanges::SealedRanges(const std::vector<PartitionInfo>& partitions, ReplayDeletions* deletions)
    : deletions_(deletions) {
  for (const PartitionInfo& info : partitions) {
    end_ = std::max(end_, info.log_end);
    parts_.insert(parts_.end(), info.sealed_parts.begin(), info.sealed_parts.end());
    const bool from_head = info.sealed_parts.empty() && info.tier == 0;
    if (from_head && info.sample_count > 0) parts_.push_back({info.samples, info.log_end});
  }
  std::sort(parts_.begin(), parts_.end(),
            [](const SealedPart& a, const SealedPart& b) { return a.log_end > b.log_end; });
}

bool SealedRanges::deleted(const SeriesIndex& index, uint32_t slot, model::TimestampMs t,
                           LogPosition position) const {
  return deletions_ != nullptr && deletions_->deleted(index, slot, t, position);
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
  context.limits.late_window = std::max<model::DurationMs>(batch.late_window, 0);
  if (options_.retention > 0) context.limits.oldest = minus_saturating(arrived, options_.retention);
  if (options_.future_limit > 0)
    context.limits.latest = plus_saturating(arrived, options_.future_limit);
  if (!held_.empty()) let_markers_stand(context);
  const auto take_histogram = [&](const HistogramRow& row) {
    const RowToJudge judged{row.t, histogram_bits(*row.histogram), true,
                            model::is_stale(row.histogram->sum)};
    const model::HistogramSample sample{row.t, row.histogram, row.start};
    take(*index_.state(row.series.slot), row.series.slot, judged, {row.start, &sample},
         outcome.histograms_written, context);
  };
  HistogramTurns histograms(batch);
  constexpr size_t kAhead = 8;
  const size_t n = batch.floats.size();
  for (size_t i = 0; i < n; ++i) {
    // The states of a batch's series are scattered over memory: fetched while the rows before are
    // worked on.
    if (i + kAhead < n) __builtin_prefetch(index_.state(batch.floats[i + kAhead].series.slot), 1);
    if (i + kAhead / 2 < n)
      __builtin_prefetch(index_.state(batch.floats[i + kAhead / 2].series.slot)->column, 1);
    const FloatRow& row = batch.floats[i];
    histograms.before(row, take_histogram);
    const RowToJudge judged{row.t, std::bit_cast<uint64_t>(row.value), false,
                            model::is_stale(row.value)};
    take(*index_.state(row.series.slot), row.series.slot, judged, {batch.start_of(i), nullptr},
         outcome.floats_written, context);
  }
  histograms.rest(take_histogram);
  if (!batch.exemplars.empty()) apply_exemplars(batch.exemplars, context);
}

void Head::take(SeriesState& state, uint32_t slot, const RowToJudge& row, Kept kept,
                uint32_t& written, const RowContext& context) {
  const Verdict verdict = decide(state, slot, row, context);
  model::HistogramSample hinted;
  switch (verdict) {
    case Verdict::Keep:
      if (kept.histogram != nullptr) {
        hinted = with_hint(state, slot, *kept.histogram);
        kept.histogram = &hinted;
      }
      if (!held_.empty()) held_.forget(slot);
      keep(state, slot, row, kept, context);
      ++written;
      break;
    case Verdict::Hold:
      hold(state, slot, row, context);
      ++written;
      break;
    case Verdict::Late:
      if (kept.histogram != nullptr) {  // what its sender said of the sample before may be wrong
        hinted = model::forget_neighbour(*kept.histogram);
        kept.histogram = &hinted;
      }
      keep_late(state, slot, row, kept, context);
      ++written;
      break;
    case Verdict::Repeat: ++written; break;
    case Verdict::Deduplicated: ++context.outcome->deduplicated; break;
    default: count_rejection(verdict, slot, row.t, *context.outcome);
  }
}

Verdict Head::decide(SeriesState& state, uint32_t slot, const RowToJudge& row,
                     const RowContext& context) {
  const bool stale =
      state.has_sample && !state.was_histogram && state.newest_bits == model::kStaleNanBits;
  const NewestSample newest{state.has_sample, state.was_histogram, stale, state.newest_t,
                            state.newest_bits};
  switch (context.policy) {
    case ReplicaPolicy::UnlabelledPair:
      return guard_counter(judge_pair(newest, pair_of(state), row, context.limits), state, slot,
                           row, newest, context.policy);
    case ReplicaPolicy::ChangeOfLead:
      return guard_counter(judge_change_of_lead(newest, pair_of(state), row, context.limits), state,
                           slot, row, newest, context.policy);
    case ReplicaPolicy::ElectedReplica: note_interval(newest, pair_of(state), row); break;
    case ReplicaPolicy::SingleSender: break;
  }
  const Verdict verdict = judge_single_sender(newest, row, context.limits);
  return verdict == Verdict::Late ? decide_late(state, slot, row) : verdict;
}

/// A counter must not go down because a scrape was answered late. Skipped for that: an inverted
/// sample; of a pair without labels also one of which nothing is known, for its next one says the
/// truth.
Verdict Head::guard_counter(Verdict verdict, SeriesState& state, uint32_t slot,
                            const RowToJudge& row, const NewestSample& newest,
                            ReplicaPolicy policy) {
  RivalSample& rival = rivals_[state.pair - 1];
  if (verdict == Verdict::Deduplicated && !row.histogram && !row.stale && row.t > rival.t)
    rival = {row.t, std::bit_cast<double>(row.bits)};
  if (verdict != Verdict::Keep) return verdict;
  const Step step = step_of(newest, pair_of(state), rival, row);
  const bool skip =
      step == Step::Inverted || (step == Step::Unknown && policy == ReplicaPolicy::UnlabelledPair);
  if (!skip || !is_counter_name(index_.label(slot, model::kMetricName))) return verdict;
  rival = {row.t, std::bit_cast<double>(row.bits)};
  return Verdict::Deduplicated;
}

void Head::hold(SeriesState& state, uint32_t slot, const RowToJudge& row,
                const RowContext& context) {
  const uint32_t generation = state.generation.load(std::memory_order_relaxed);
  const model::TimestampMs due =
      plus_saturating(context.record.arrived, marker_patience(pair_of(state)));
  if (held_.hold({slot, generation, row.t, due}) == HeldMarkers::Answer::Stands)
    keep(state, slot, row, {}, context);
}

void Head::let_markers_stand(const RowContext& context) {
  while (const auto marker = held_.take_due(context.record.arrived)) {
    SeriesState* state = index_.state(marker->slot);
    if (state == nullptr || !state->has_sample || state->newest_t >= marker->t ||
        state->generation.load(std::memory_order_relaxed) != marker->generation)
      continue;
    keep(*state, marker->slot, {marker->t, model::kStaleNanBits, false, true}, {}, context);
  }
}

/// Samples outside of the writer's blocks were looked at before the record was logged
/// (LateGuard).
Verdict Head::decide_late(const SeriesState& state, uint32_t slot, const RowToJudge& row) {
  const uint32_t generation = state.generation.load(std::memory_order_relaxed);
  const auto verdict_in = [&](const HeadBlock& block) {
    const Column* column = block.find(slot);
    if (column == nullptr || column->generation != generation) return Verdict::Late;
    model::SeriesSamples there;
    block.read(slot, *column, {row.t, row.t}, there);
    if (there.empty()) return Verdict::Late;
    return same_sample(there, row) ? Verdict::Repeat : Verdict::DuplicateValue;
  };
  for (const BlockKey& key : {BlockKey{0, span_start(row.t, options_.partition_span)},
                              BlockKey{kDayTier, day_start(row.t)}}) {
    const auto block = active_.find(key);
    if (block == active_.end()) continue;
    if (const Verdict verdict = verdict_in(*block->second); verdict != Verdict::Late)
      return verdict;
  }
  for (const auto& block : set_aside_) {
    if (const Verdict verdict = verdict_in(*block); verdict != Verdict::Late) return verdict;
  }
  return Verdict::Late;
}

PairState& Head::pair_of(SeriesState& state) {
  if (state.pair == 0) {
    if (free_pairs_.empty()) {
      pairs_.emplace_back();
      rivals_.emplace_back();
      state.pair = static_cast<uint32_t>(pairs_.size());
    } else {
      state.pair = free_pairs_.back();
      free_pairs_.pop_back();
      pairs_[state.pair - 1] = {};
      rivals_[state.pair - 1] = {};
    }
  }
  return pairs_[state.pair - 1];
}

model::HistogramSample Head::with_hint(const SeriesState& state, uint32_t slot,
                                       const model::HistogramSample& row) {
  auto& newest = newest_histograms_[slot];
  const model::ResetHint hint =
      model::hint_after(state.was_histogram ? newest.get() : nullptr, *row.histogram);
  newest = row.histogram;
  if (hint != row.histogram->reset_hint) {
    auto copy = std::make_shared<model::NativeHistogram>(*row.histogram);
    copy->reset_hint = hint;
    newest = std::move(copy);
  }
  return {row.t, newest, row.start};
}

void Head::keep(SeriesState& state, uint32_t slot, const RowToJudge& row, Kept kept,
                const RowContext& context) {
  if (state.was_histogram && !row.histogram) newest_histograms_.erase(slot);
  state.has_sample = true;
  state.was_histogram = row.histogram;
  state.idle_seen = false;
  state.newest_t = row.t;
  state.newest_bits = row.bits;
  if (needs_no_replay(slot, row.t, context)) return;
  HeadBlock& block = block_for(row.t, context.record);
  if (state.block != block.serial()) {
    Column& column = block.column(slot);
    column.generation = state.generation.load(std::memory_order_relaxed);
    state.column = &column;
    state.block = block.serial();
  }
  block.note_start(slot, row.t, kept.start);
  if (kept.histogram != nullptr) {
    block.append_histogram(*state.column, *kept.histogram);
  } else {
    block.append(*state.column, row.t, row.bits);
  }
}

void Head::keep_late(const SeriesState& state, uint32_t slot, const RowToJudge& row, Kept kept,
                     const RowContext& context) {
  if (needs_no_replay(slot, row.t, context)) return;
  HeadBlock& block = block_for(row.t, context.record);
  Column& column = block.column(slot);
  if (column.empty()) column.generation = state.generation.load(std::memory_order_relaxed);
  if (!block.ascends(column, row.t)) {
    block.insert_late(column, {row.t, row.bits, kept.start,
                               kept.histogram != nullptr ? kept.histogram->histogram : nullptr});
    return;
  }
  block.note_start(slot, row.t, kept.start);
  if (kept.histogram != nullptr) {
    block.append_histogram(column, *kept.histogram);
  } else {
    block.append(column, row.t, row.bits);
  }
}

/// A partition holds it, or it was deleted later.
bool Head::needs_no_replay(uint32_t slot, model::TimestampMs t, const RowContext& context) const {
  if (context.sealed == nullptr) return false;
  const HeadBlock::Birth& record = context.record;
  return (!of_past_day(t, record.arrived) && context.sealed->covers(t, record.position)) ||
         context.sealed->deleted(index_, slot, t, record.position);
}

model::TimestampMs Head::day_start(model::TimestampMs t) const {
  return span_start(t, options_.partition_span * kSpansOfDay);
}

bool Head::of_past_day(model::TimestampMs t, model::TimestampMs arrived) const {
  const model::DurationMs over = options_.partition_span * (kSpansOfDay + kGraceSpans);
  return t <= minus_saturating(arrived, over - options_.partition_span * kSpansOfDay) &&
         plus_saturating(day_start(t), over) <= arrived;
}

Head::BlockKey Head::key_of(model::TimestampMs t, model::TimestampMs arrived) const {
  if (of_past_day(t, arrived)) return {kDayTier, day_start(t)};
  return {0, span_start(t, options_.partition_span)};
}

HeadBlock& Head::block_for(model::TimestampMs t, HeadBlock::Birth record) {
  if (recent_ != nullptr && recent_->span().contains(t) && !of_past_day(t, record.arrived))
    return *recent_;
  const BlockKey key = key_of(t, record.arrived);
  auto& block = active_[key];
  if (!block) {
    record.tier = key.first;
    const model::DurationMs length =
        options_.partition_span * (key.first == kDayTier ? kSpansOfDay : 1);
    const model::TimeRange span{key.second, plus_saturating(key.second, length - 1)};
    block = std::make_shared<HeadBlock>(next_serial_++, span, record);
    block->pass_erasures(erasures_);
    publish(block);
  }
  if (key.first == 0) recent_ = block.get();
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

/// Kept beside the samples of its series while their block is open: the request's own, as a rule.
void Head::apply_exemplars(const std::vector<ExemplarRow>& rows, const RowContext& context) {
  for (const ExemplarRow& row : rows) {
    if (needs_no_replay(row.series.slot, row.t, context)) continue;
    const auto block = active_.find(key_of(row.t, context.record.arrived));
    if (block == active_.end()) continue;
    const bool kept = block->second->add_exemplar(row.series.slot, {row.t, row.value, row.labels},
                                                  options_.max_exemplars);
    context.outcome->exemplars_written += kept ? 1 : 0;
  }
}

std::vector<model::SeriesExemplars> Head::exemplars(const std::vector<model::Matchers>& selectors,
                                                    model::TimeRange range,
                                                    const HeadErasures& erased) const {
  const auto all = blocks();
  const bool any = std::any_of(all->begin(), all->end(),
                               [](const auto& block) { return block->has_exemplars(); });
  if (!any) return {};
  std::map<model::Labels, std::vector<model::Exemplar>> found;
  for (const model::Matchers& matchers : selectors) {
    for (const SeriesIndex::Match& match : index_.describe(index_.handles(matchers))) {
      auto [at, added] = found.try_emplace(match.labels);
      if (!added) continue;  // another selector found it
      for (const auto& block : *all) {
        const Column* column = block->find(match.handle.slot);
        if (column == nullptr || column->generation != match.handle.generation) continue;
        const TimeRanges gone = erased.ranges(*block, match.labels);
        for (model::Exemplar& one : block->exemplars(match.handle.slot))
          if (range.contains(one.t) && !contains(gone, one.t)) at->second.push_back(std::move(one));
      }
    }
  }
  std::vector<model::SeriesExemplars> out;
  for (auto& [labels, exemplars] : found)
    if (!exemplars.empty()) out.push_back({labels, std::move(exemplars)});
  return out;
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

void Head::define(uint32_t slot, const model::Labels& labels, LogPosition position) {
  SeriesState* known = index_.state(slot);
  if (known != nullptr && !known->defined && holds(slot, labels)) {
    known->defined = true;  // was distrusted: it is what it was, and keeps its samples
    return;
  }
  index_.define(slot, labels);
  newest_histograms_.erase(slot);
  index_.state(slot)->defined = true;
  // A block holds one series per slot: what a former holder left stays in a block of its own. It is
  // hardly ever there, because a slot is freed only when all its samples are sealed.
  for (auto it = active_.begin(); it != active_.end();) {
    if (it->second->find(slot) == nullptr) {
      ++it;
      continue;
    }
    it->second->cut_at(position);
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

void Head::revive(const SeriesNewest& newest) {
  SeriesState& state = *index_.state(newest.id);
  state.has_sample = true;
  state.was_histogram = newest.histogram;
  state.newest_t = newest.t;
  state.newest_bits = newest.bits;
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
  out.insert(out.end(), cut_.begin(), cut_.end());
  cut_.clear();
  for (auto it = active_.begin(); it != active_.end();) {
    if (!wanted(*it->second)) {
      ++it;
      continue;
    }
    out.push_back(it->second);
    it = active_.erase(it);
  }
  recent_ = nullptr;
  for (const auto& block : out) note_cut(block->extent().last);
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

uint64_t Head::bytes() const {
  uint64_t n = 0;
  const auto all = blocks();
  for (const auto& block : *all) n += block->bytes();
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
    newest_histograms_.erase(slot);
    idle.push_back(slot);
  }
  if (!idle.empty()) index_.remove(idle);
  return idle.size();
}

}  // namespace aerie::store
