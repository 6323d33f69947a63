#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "store/backfill_budget.h"
#include "store/erasures.h"
#include "store/head.h"
#include "store/partition_set.h"

namespace aerie::store {

/// Knows what the head's writer no longer sees: samples in cut blocks and partitions. Before a
/// batch is logged it takes out the rows whose time is taken there, so that what the log holds can
/// be judged from the head alone (docs/decisions/0110). Rows in the order of their series cost one
/// comparison; the others are looked up, which may read from the disk. Applier's thread.
class LateGuard {
 public:
  struct Options {
    model::DurationMs retention = 0;        ///< older rows are left to the head, which refuses them
    size_t backfill_days_per_hour = 64;     ///< per cluster; 0: no limit
    size_t generations_per_day = 256;       ///< of one past day; then the merge has to come first
    std::function<ErasuresPtr()> erasures;  ///< their times are free; may be empty, or return null
  };
  /// All references outlive the guard.
  LateGuard(Options options, Head& head, const PartitionSet& partitions, MetricRegistry& metrics);

  /// Repeats are counted as written, other values at a time that is taken and days beyond the
  /// budget as rejected. Series without a newest sample get the one that partitions have: named in
  /// `revived`. Handles must be alive. Errors: Unavailable when a partition cannot be read.
  Status screen(WriteBatch& batch, model::TimestampMs now, WriteOutcome& outcome,
                std::vector<SeriesNewest>& revived);
  /// Before a record is replayed: takes out late rows that partitions hold already.
  Status screen_replayed(WriteBatch& batch, model::TimestampMs arrived);

 private:
  struct Suspect {
    uint32_t slot;
    model::TimestampMs t;
    uint64_t bits;
    bool histogram;
    size_t index;  // in its rows
    bool operator<(const Suspect& other) const;
  };
  struct Pass;
  enum class Found : uint8_t { Nothing, Same, Other };

  std::vector<Suspect> suspects(const WriteBatch& batch, model::TimestampMs now,
                                bool replayed) const;
  bool expired(model::TimestampMs t, model::TimestampMs now) const;
  Status settle_series(Pass& pass, size_t first, size_t end);
  Result<model::SeriesSamples> look_up(Pass& pass, uint32_t slot, model::TimeRange range);
  Status look_up_sealed(Pass& pass, const model::Labels& labels, model::TimeRange range,
                        model::SeriesSamples& out);
  void refuse_past_days(WriteBatch& batch, Pass& pass);
  static Found compare(const model::SeriesSamples& there, const Suspect& suspect);

  const Options options_;
  Head& head_;
  const PartitionSet& partitions_;
  BackfillBudget budget_;
  Counter& looked_up_;
  Counter& unreadable_;
};

}  // namespace aerie::store
