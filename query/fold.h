#pragma once

#include <memory>
#include <vector>

#include "query/annotations.h"
#include "query/ast.h"
#include "query/histogram_sum.h"
#include "query/row.h"

namespace aerie::query {

/// The histograms of one group at one step, for sum and avg.
struct HistogramFold {
  HistogramSum sum;
  HistogramMean mean;
  bool reset_seen = false;
  bool no_reset_seen = false;
  bool incompatible = false;  ///< exponential met custom buckets: the group has no result
};

/// The running state of one group over all steps, one column per quantity. Empty until its first
/// series.
struct GroupFold {
  std::vector<double> values;        ///< sum, extreme, count, or Welford's sum of squares
  std::vector<double> compensation;  ///< of sum and avg; Welford's mean
  std::vector<double> counts;        ///< of avg, stddev, stdvar
  std::vector<uint64_t> present;     ///< steps that have a float
  std::vector<uint64_t>
      incremental;  ///< steps where avg had to change to the incremental mean; empty if none
  std::vector<std::unique_ptr<HistogramFold>> histograms;  ///< by step; empty if there are none
};

struct FoldNotices {
  PositionRange operand;         ///< the aggregated expression
  std::string_view metric_name;  ///< of the series that is being added
  AnnotationSet& annotations;
};

/// Adds one series, in order: the sums are compensated and depend on the order bit by bit.
void fold_row(AggregateOp op, GroupFold& fold, const Row& row, const FoldNotices& notices);
/// Writes the group's result.
void finish_fold(AggregateOp op, GroupFold& fold, Row& row, const FoldNotices& notices);

}  // namespace aerie::query
