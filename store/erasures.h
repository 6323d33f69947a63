#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/labels.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "model/time.h"
#include "store/partition_set.h"

namespace aerie::store {

/// Samples that must not be seen any more: those of `range` (both ends inclusive) of the series
/// that one of `selectors` matches, if they were written before it.
struct Erasure {
  /// Of an expiry: what it says holds for every block and partition.
  static constexpr uint64_t kAlways = UINT64_MAX;

  uint64_t number = 0;      ///< deletions are counted from 1
  LogPosition log_end = 0;  ///< samples at this position and later are not meant
  std::vector<model::Matchers> selectors;
  model::TimeRange range;

  bool matches(const model::Labels& labels) const;
  bool operator==(const Erasure&) const = default;
};

/// Ascending, disjoint, not adjacent.
using TimeRanges = std::vector<model::TimeRange>;

/// A list of erasures, constant, ascending by number. A block or partition says up to which number
/// deletions were applied to it or came before its first sample (`applied`): those do not concern
/// it.
class Erasures {
 public:
  Erasures() = default;
  explicit Erasures(std::vector<Erasure> all) : all_(std::move(all)) {}

  const std::vector<Erasure>& all() const { return all_; }
  /// Those that may concern samples within `extent`.
  std::vector<const Erasure*> concerning(uint64_t applied, model::TimeRange extent) const;
  /// What is erased of a series, within `extent`.
  TimeRanges ranges(const model::Labels& labels, uint64_t applied, model::TimeRange extent) const;
  /// The greatest number of a deletion, 0 if there is none.
  uint64_t last_number() const;

 private:
  std::vector<Erasure> all_;
};

/// May be null: nothing is erased.
using ErasuresPtr = std::shared_ptr<const Erasures>;

/// Sorts and joins; adjacent milliseconds join too.
TimeRanges united(TimeRanges ranges);
bool contains(const TimeRanges& ranges, model::TimestampMs t);
/// True if one of `ranges` holds all of `range`.
bool covers(const TimeRanges& ranges, model::TimeRange range);
/// Removes the samples, or exemplars, inside `ranges`.
void erase_samples(model::SeriesSamples& samples, const TimeRanges& ranges);
void erase_exemplars(std::vector<model::Exemplar>& exemplars, const TimeRanges& ranges);

}  // namespace aerie::store
