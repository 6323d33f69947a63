#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "store/erasures.h"
#include "store/head_block.h"
#include "store/held_markers.h"
#include "store/log_record.h"
#include "store/replay_deletions.h"
#include "store/sample_rules.h"
#include "store/series_index.h"

namespace aerie::store {

class HeadErasures;

/// The blocks that a reader sees, ordered by (span, serial). Immutable.
using HeadBlocks = std::vector<std::shared_ptr<const HeadBlock>>;

/// What the repeat of a histogram is recognised by.
uint64_t histogram_bits(const model::NativeHistogram& histogram);

/// Parts of the log that partitions cover; asked only during a replay.
class SealedRanges {
 public:
  /// Of blocks of tier 0 only: those of past days and partitions that were merged say nothing here,
  /// repeats are removed when reading. `deletions` (may be null) outlives this.
  explicit SealedRanges(const std::vector<PartitionInfo>& partitions,
                        ReplayDeletions* deletions = nullptr);
  /// True if the row of a slot was deleted later.
  bool deleted(const SeriesIndex& index, uint32_t slot, model::TimestampMs t,
               LogPosition position) const;
  bool covers(model::TimestampMs t, LogPosition position) const;
  LogPosition end() const { return end_; }

 private:
  std::vector<SealedPart> parts_;  // by descending log_end
  LogPosition end_ = 0;
  ReplayDeletions* deletions_;
};

/// Everything that is not sealed yet: series, their newest state, blocks of samples per partition
/// span, which is half an hour, and a day for days that are over. Writing functions belong to one
/// thread (the applier); index(), blocks(), and everything reached through them may be read from
/// any thread.
class Head {
 public:
  struct Options {
    model::DurationMs partition_span = 30LL * 60 * 1000;
    model::DurationMs retention = 0;     ///< 0: none
    model::DurationMs future_limit = 0;  ///< 0: none
    size_t max_exemplars = 100'000;      ///< of one block; further ones are dropped
  };
  explicit Head(Options options)
      : options_(options), blocks_(std::make_shared<const HeadBlocks>()) {}

  SeriesIndex& index() { return index_; }
  const SeriesIndex& index() const { return index_; }
  /// Keep the pointer while you walk: `for (… : *head.blocks())` lets go of it before the first
  /// step.
  std::shared_ptr<const HeadBlocks> blocks() const { return blocks_.copy(); }

  /// Applies the rows of the record at `position`: decides about each, keeps what is kept. Handles
  /// must be alive. `sealed` (may be null): samples it covers only move the series' state.
  void apply(LogPosition position, model::TimestampMs arrived, const WriteBatch& batch,
             const SealedRanges* sealed, WriteOutcome& outcome);

  /// Hints about neighbours begin anew, held markers are let go. Called where the log holds a
  /// checkpoint, so that a replay that begins there decides the same.
  void forget_neighbours() {
    newest_histograms_.clear();
    held_.forget_all();
    std::fill(rivals_.begin(), rivals_.end(), RivalSample{});
  }

  /// Replay: binds a slot to labels. Whoever had the slot or the labels is forgotten. `position` is
  /// that of the record.
  void define(uint32_t slot, const model::Labels& labels, LogPosition position = 0);
  void restore(const SeriesSnapshot& series);
  /// Replay over a loss: until it is defined or restored again, no id is believed.
  void distrust_ids();
  /// Series that are alive and have a definition in the log, in slot order; `from` is moved on; at
  /// most `limit`.
  std::vector<SeriesSnapshot> snapshot(uint32_t& from, size_t limit) const;

  /// Takes blocks out of the writer's hands: later samples of their span get new blocks. They stay
  /// readable until drop().
  std::vector<std::shared_ptr<const HeadBlock>> detach(
      const std::function<bool(const HeadBlock&)>& wanted);
  /// Forgets a detached block: readers that hold it keep it.
  void drop(const std::shared_ptr<const HeadBlock>& block);
  /// Everything before this position is sealed; `end` if nothing is unsealed.
  LogPosition first_unsealed(LogPosition end) const;

  /// No sample outside of the writer's blocks is newer. Applier only.
  model::TimestampMs cut_last() const { return cut_last_; }
  void note_cut(model::TimestampMs last) { cut_last_ = std::max(cut_last_, last); }
  /// Whether a sample that arrives now goes to the block of a whole past day.
  bool of_past_day(model::TimestampMs t, model::TimestampMs arrived) const;
  model::TimestampMs day_start(model::TimestampMs t) const;
  /// What a series that came back left in partitions. Applier only.
  void revive(const SeriesNewest& newest);

  /// Removes series without unsealed samples whose newest sample is older than `before`. Returns
  /// how many.
  size_t sweep(model::TimestampMs before);

  /// Cuts the blocks that hold samples of a deletion: what comes after it goes to new ones. Blocks
  /// that hold none go on; both say that it takes nothing from them. Before the deletion becomes
  /// durable: should it be in spite of an error, it means no later sample.
  void cut_for(const Erasure& deletion);
  /// cut_for(), and from now on rows are judged as if the deleted samples had never been. The same
  /// in a replay, at the same position.
  void carry_out(const Erasure& deletion);
  /// Series that the deletion left without any sample here and that got none since; `erasures` are
  /// all deletions.
  std::vector<SeriesIndex::Match> hidden(const Erasure& deletion, const Erasures& erasures) const;
  /// Forgets those of `series` that are still as the deletion left them. Not while something is
  /// being sealed.
  void forget(const Erasure& deletion, const std::vector<SeriesHandle>& series);
  /// Replay: deletions up to this number will be carried out in it, so blocks hold nothing of them.
  void expect_deletions(uint64_t last_number) { erasures_ = last_number; }

  uint64_t samples() const;
  /// Memory of the blocks, those that wait to be sealed included.
  uint64_t bytes() const;
  size_t active_blocks() const { return active_.size(); }
  /// Of the series that match one of `selectors`, sorted by series, without what is `erased`.
  std::vector<model::SeriesExemplars> exemplars(const std::vector<model::Matchers>& selectors,
                                                model::TimeRange range,
                                                const HeadErasures& erased) const;

 private:
  struct RowContext {
    HeadBlock::Birth record;
    const SealedRanges* sealed;
    TimeLimits limits;
    ReplicaPolicy policy;
    WriteOutcome* outcome;
  };
  bool needs_no_replay(uint32_t slot, model::TimestampMs t, const RowContext& context) const;
  bool holds(uint32_t slot, const model::Labels& labels) const;
  using BlockKey = std::pair<uint8_t, model::TimestampMs>;  // tier, start
  BlockKey key_of(model::TimestampMs t, model::TimestampMs arrived) const;
  Verdict decide(SeriesState& state, uint32_t slot, const RowToJudge& row,
                 const RowContext& context);
  Verdict decide_late(const SeriesState& state, uint32_t slot, const RowToJudge& row);
  /// What a kept row holds beside what it was judged by.
  struct Kept {
    model::TimestampMs start = 0;
    const model::HistogramSample* histogram = nullptr;
  };
  void take(SeriesState& state, uint32_t slot, const RowToJudge& row, Kept kept, uint32_t& written,
            const RowContext& context);
  void keep_late(const SeriesState& state, uint32_t slot, const RowToJudge& row, Kept kept,
                 const RowContext& context);
  void keep(SeriesState& state, uint32_t slot, const RowToJudge& row, Kept kept,
            const RowContext& context);
  void hold(SeriesState& state, uint32_t slot, const RowToJudge& row, const RowContext& context);
  void let_markers_stand(const RowContext& context);
  Verdict guard_counter(Verdict verdict, SeriesState& state, uint32_t slot, const RowToJudge& row,
                        const NewestSample& newest, ReplicaPolicy policy);
  model::HistogramSample with_hint(const SeriesState& state, uint32_t slot,
                                   const model::HistogramSample& row);
  void count_rejection(Verdict verdict, uint32_t slot, model::TimestampMs t, WriteOutcome& outcome);
  void apply_exemplars(const std::vector<ExemplarRow>& rows, const RowContext& context);
  HeadBlock& block_for(model::TimestampMs t, HeadBlock::Birth record);
  PairState& pair_of(SeriesState& state);
  void publish(const std::shared_ptr<HeadBlock>& block);
  std::vector<uint32_t> matching_slots(const Erasure& deletion) const;
  bool reset_by(const Erasure& deletion, const SeriesState& state) const;

  const Options options_;
  SeriesIndex index_;
  uint32_t next_serial_ = 1;
  uint64_t erasures_ = 0;                                  // the latest deletion
  std::map<BlockKey, std::shared_ptr<HeadBlock>> active_;  // the applier writes to these
  std::vector<std::shared_ptr<const HeadBlock>>
      set_aside_;  // by define(); the next detach() takes them
  /// By a deletion; the next detach() takes them. Rows that come later were compared with them
  /// before they were logged, as with partitions.
  std::vector<std::shared_ptr<const HeadBlock>> cut_;
  HeadBlock* recent_ = nullptr;  // of tier 0, the block of the row before
  model::TimestampMs cut_last_ = model::kMinTimestamp;
  /// By slot, of series whose newest sample is one: what the next one is compared with.
  std::unordered_map<uint32_t, std::shared_ptr<const model::NativeHistogram>> newest_histograms_;
  HeldMarkers held_;
  std::vector<PairState> pairs_;
  std::vector<RivalSample> rivals_;  // of the same series
  std::vector<uint32_t> free_pairs_;
  Guarded<std::shared_ptr<const HeadBlocks>> blocks_;
};

}  // namespace aerie::store
