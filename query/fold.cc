#include "query/fold.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "query/histogram_windows.h"
#include "query/kahan.h"
#include "query/vector_clones.h"

namespace aerie::query {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// One compensated addition on every step: the loop that dashboards spend their time in. No
/// branches, so it vectorises.
AERIE_VECTOR_CLONES
void add_columns(double* __restrict sums, double* __restrict compensation,
                 const double* __restrict values, size_t steps) {
  for (size_t i = 0; i < steps; ++i) {
    const double sum = sums[i];
    const double value = values[i];
    const double total = sum + value;
    const bool sum_is_larger = std::fabs(sum) >= std::fabs(value);
    const double larger = sum_is_larger ? sum : value;
    const double smaller = sum_is_larger ? value : sum;
    const double next = compensation[i] + ((larger - total) + smaller);
    compensation[i] = std::fabs(total) > std::numeric_limits<double>::max() ? 0.0 : next;
    sums[i] = total;
  }
}

void add_at(GroupFold& fold, size_t step, double value) {
  KahanSum sum{fold.values[step], fold.compensation[step]};
  sum.add(value);
  fold.values[step] = sum.sum;
  fold.compensation[step] = sum.compensation;
}

/// Calls `first(step)` where the group has no float yet and `more(step)` where it has; marks the
/// steps present.
template <class First, class More>
void visit(GroupFold& fold, const Row& row, First first, More more) {
  for (size_t w = 0; w < row.present.size(); ++w) {
    const uint64_t fresh = row.present[w] & ~fold.present[w];
    for (uint64_t bits = row.present[w]; bits != 0; bits &= bits - 1) {
      const size_t step = w * 64 + static_cast<size_t>(std::countr_zero(bits));
      if (fresh >> (step % 64) & 1) {
        first(step);
      } else {
        more(step);
      }
    }
    fold.present[w] |= row.present[w];
  }
}

bool all_steps(const GroupFold& fold, const Row& row) {
  return all_present(row.present, row.steps()) && all_present(fold.present, row.steps());
}

void fold_sum(GroupFold& fold, const Row& row) {
  if (all_steps(fold, row)) {
    add_columns(fold.values.data(), fold.compensation.data(), row.values.data(), row.steps());
    return;
  }
  visit(
      fold, row, [&](size_t i) { fold.values[i] = row.values[i]; },
      [&](size_t i) { add_at(fold, i, row.values[i]); });
}

/// avg past an overflow: promql/engine.go changes to the incremental mean from that sample on.
void add_to_mean(GroupFold& fold, size_t i, double value) {
  const double count = ++fold.counts[i];
  const bool was_incremental = !fold.incremental.empty() && is_present(fold.incremental.data(), i);
  if (!was_incremental) {
    KahanSum next{fold.values[i], fold.compensation[i]};
    next.add(value);
    if (!std::isinf(next.sum)) {
      fold.values[i] = next.sum;
      fold.compensation[i] = next.compensation;
      return;
    }
    if (fold.incremental.empty()) fold.incremental.assign(fold.present.size(), 0);
    mark_present(fold.incremental.data(), i);
    fold.values[i] /= count - 1;
    fold.compensation[i] /= count - 1;
  }
  const double weight = (count - 1) / count;
  fold.values[i] *= weight;
  fold.compensation[i] *= weight;
  add_at(fold, i, value / count);
}

/// True if no sum of the two columns can overflow.
bool far_from_overflow(const double* sums, const double* values, size_t steps) {
  constexpr double kSafe = std::numeric_limits<double>::max() / 2;
  int risky = 0;
  for (size_t i = 0; i < steps; ++i)
    risky |= static_cast<int>(!(std::fabs(sums[i]) + std::fabs(values[i]) < kSafe));
  return risky == 0;
}

void fold_avg(GroupFold& fold, const Row& row) {
  const size_t steps = row.steps();
  if (fold.incremental.empty() && all_steps(fold, row) &&
      far_from_overflow(fold.values.data(), row.values.data(), steps)) {
    add_columns(fold.values.data(), fold.compensation.data(), row.values.data(), steps);
    for (double& count : fold.counts) count += 1;
    return;
  }
  visit(
      fold, row,
      [&](size_t i) {
        fold.values[i] = row.values[i];
        fold.counts[i] = 1;
      },
      [&](size_t i) { add_to_mean(fold, i, row.values[i]); });
}

template <class Better>
void fold_extreme(GroupFold& fold, const Row& row, Better better) {
  if (all_steps(fold, row)) {
    double* best = fold.values.data();
    const double* values = row.values.data();
    for (size_t i = 0; i < row.steps(); ++i)
      best[i] = better(values[i], best[i]) || best[i] != best[i] ? values[i] : best[i];
    return;
  }
  visit(
      fold, row, [&](size_t i) { fold.values[i] = row.values[i]; },
      [&](size_t i) {
        if (better(row.values[i], fold.values[i]) || std::isnan(fold.values[i]))
          fold.values[i] = row.values[i];
      });
}

void fold_count(GroupFold& fold, const Row& row) {
  if (all_steps(fold, row)) {
    for (double& count : fold.values) count += 1;
    return;
  }
  visit(
      fold, row, [&](size_t i) { fold.values[i] = 1; }, [&](size_t i) { fold.values[i] += 1; });
}

void fold_variance(GroupFold& fold, const Row& row) {
  if (all_steps(fold, row)) {
    double* squares = fold.values.data();
    double* means = fold.compensation.data();
    double* counts = fold.counts.data();
    const double* values = row.values.data();
    for (size_t i = 0; i < row.steps(); ++i) {
      counts[i] += 1;
      const double delta = values[i] - means[i];
      means[i] += delta / counts[i];
      squares[i] += delta * (values[i] - means[i]);
    }
    return;
  }
  visit(
      fold, row,
      [&](size_t i) {
        fold.values[i] = std::isfinite(row.values[i]) ? 0 : kNan;
        fold.compensation[i] = row.values[i];
        fold.counts[i] = 1;
      },
      [&](size_t i) {
        fold.counts[i] += 1;
        const double delta = row.values[i] - fold.compensation[i];
        fold.compensation[i] += delta / fold.counts[i];
        fold.values[i] += delta * (row.values[i] - fold.compensation[i]);
      });
}

void note_hint(HistogramFold& fold, const model::NativeHistogram& histogram) {
  fold.reset_seen = fold.reset_seen || histogram.reset_hint == model::ResetHint::Yes;
  fold.no_reset_seen = fold.no_reset_seen || histogram.reset_hint == model::ResetHint::No;
}

/// sum and avg of one step's histograms.
void fold_histogram(AggregateOp op, std::unique_ptr<HistogramFold>& fold,
                    const model::NativeHistogram& histogram, const FoldNotices& notices) {
  if (fold == nullptr) {
    fold = std::make_unique<HistogramFold>(
        HistogramFold{HistogramSum(histogram), HistogramMean(histogram)});
    note_hint(*fold, histogram);
    return;
  }
  if (fold->incompatible) return;
  note_hint(*fold, histogram);
  const HistogramSum::Outcome outcome =
      op == AggregateOp::Sum ? fold->sum.add(histogram, HistogramSum::Rounding::Compensated)
                             : fold->mean.add(histogram);
  if (outcome.incompatible) {
    fold->incompatible = true;
    notices.annotations.warn(mixed_exponential_custom(notices.metric_name), notices.operand);
  }
  if (outcome.bounds_reconciled)
    notices.annotations.inform(bounds_reconciled("aggregation"), notices.operand);
}

void open_columns(AggregateOp op, GroupFold& fold, size_t steps) {
  fold.present.assign((steps + 63) / 64, 0);
  fold.values.assign(steps, 0);
  const bool variance = op == AggregateOp::Stddev || op == AggregateOp::Stdvar;
  if (op == AggregateOp::Sum || op == AggregateOp::Avg || variance)
    fold.compensation.assign(steps, 0);
  if (op == AggregateOp::Avg || variance) fold.counts.assign(steps, 0);
}

void fold_floats(AggregateOp op, GroupFold& fold, const Row& row) {
  switch (op) {
    case AggregateOp::Sum: return fold_sum(fold, row);
    case AggregateOp::Avg: return fold_avg(fold, row);
    case AggregateOp::Min: return fold_extreme(fold, row, [](double a, double b) { return a < b; });
    case AggregateOp::Max: return fold_extreme(fold, row, [](double a, double b) { return a > b; });
    case AggregateOp::Count: return fold_count(fold, row);
    case AggregateOp::Stddev:
    case AggregateOp::Stdvar: return fold_variance(fold, row);
    default: break;
  }
  visit(
      fold, row, [&](size_t i) { fold.values[i] = 1; }, [](size_t) {});
}

/// A sum of floats and histograms is neither.
void finish_histogram(AggregateOp op, const HistogramFold& fold, size_t step, Row& row,
                      const FoldNotices& notices) {
  if (row.has(step)) {
    notices.annotations.warn("encountered a mix of histograms and floats for aggregation",
                             notices.operand);
    row.remove(step);
    return;
  }
  if (fold.incompatible) return;
  if (fold.reset_seen && fold.no_reset_seen)
    notices.annotations.warn(resets_collide("aggregation"), notices.operand);
  if (op == AggregateOp::Sum) {
    row.set(step, fold.sum.result());
  } else {
    row.set(step, fold.mean.mean());
  }
}

/// What set operators and ranks have made absent may still stand in the row.
bool has_histogram(const Row& row) {
  bool any = false;
  for_each_present(row.present, [&](size_t step) { any = any || row.is_histogram(step); });
  return any;
}

}  // namespace

void fold_row(AggregateOp op, GroupFold& fold, const Row& row, const FoldNotices& notices) {
  if (fold.values.empty()) open_columns(op, fold, row.steps());
  if (row.histograms.empty() || op == AggregateOp::Count || op == AggregateOp::Group)
    return fold_floats(op, fold, row);
  Row floats = row;
  if (op == AggregateOp::Sum || op == AggregateOp::Avg) {
    if (fold.histograms.empty()) fold.histograms.resize(row.steps());
    for_each_present(row.present, [&](size_t step) {
      if (row.is_histogram(step))
        fold_histogram(op, fold.histograms[step], *row.histograms[step], notices);
    });
  } else if (has_histogram(row)) {
    notices.annotations.inform(histogram_ignored_in_aggregation(aggregate_op_name(op)),
                               notices.operand);
  }
  floats.drop_histograms();
  fold_floats(op, fold, floats);
}

void finish_fold(AggregateOp op, GroupFold& fold, Row& row, const FoldNotices& notices) {
  if (fold.values.empty()) return;
  const size_t steps = fold.values.size();
  for (size_t i = 0; i < steps; ++i) {
    if (!is_present(fold.present.data(), i)) continue;
    switch (op) {
      case AggregateOp::Sum: fold.values[i] += fold.compensation[i]; break;
      case AggregateOp::Avg: {
        const bool incremental =
            !fold.incremental.empty() && is_present(fold.incremental.data(), i);
        fold.values[i] =
            incremental ? fold.values[i] + fold.compensation[i]
                        : fold.values[i] / fold.counts[i] + fold.compensation[i] / fold.counts[i];
        break;
      }
      case AggregateOp::Stdvar: fold.values[i] /= fold.counts[i]; break;
      case AggregateOp::Stddev: fold.values[i] = std::sqrt(fold.values[i] / fold.counts[i]); break;
      default: break;
    }
  }
  row.histograms.clear();
  row.values = std::move(fold.values);
  row.present = std::move(fold.present);
  for (size_t i = 0; i < fold.histograms.size(); ++i)
    if (fold.histograms[i] != nullptr) finish_histogram(op, *fold.histograms[i], i, row, notices);
}

}  // namespace aerie::query
