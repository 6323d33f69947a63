#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "query/row.h"

namespace aerie::query {

/// What a series of an instant vector is called. With `drop_name`, `__name__`, `__type__` and
/// `__unit__` are as good as gone: they stay in `labels` only so that nobody has to rebuild them
/// before the end (and, with delayed name removal, so that label functions still see them). Read
/// labels through visible_labels() unless the latter is meant.
struct SeriesInfo {
  model::Labels labels;
  bool drop_name = false;
};

/// An evaluated instant vector over all steps: which series it may have is known when it is built,
/// their samples come one series at a time, so that an aggregation never holds the whole matrix.
/// Series without any sample are allowed. Belongs to one query, on one thread.
class SeriesStream {
 public:
  explicit SeriesStream(std::vector<SeriesInfo> series)
      : size_(series.size()), series_(std::move(series)) {}
  virtual ~SeriesStream() = default;
  SeriesStream(const SeriesStream&) = delete;
  SeriesStream& operator=(const SeriesStream&) = delete;

  size_t size() const { return size_; }
  /// In the order in which next() delivers them. Valid until take_series().
  const std::vector<SeriesInfo>& series() const { return series_; }
  /// Moves the list out, for a consumer that keeps or changes it.
  std::vector<SeriesInfo> take_series() { return std::move(series_); }

  /// Fills `row` with the next series; called at most size() times. Errors: Execution,
  /// ResourceExhausted, DeadlineExceeded, Cancelled, and what the source answers.
  Status next(Row& row) {
    ++delivered_;
    return produce(row);
  }
  /// Passes over the next series, whose samples do not matter: they are not read where reading has
  /// no other effect. `row` is scratch. Counts as a call of next().
  Status skip(Row& row) {
    ++delivered_;
    return pass(row);
  }
  /// Evaluates what nobody will read, because it may still fail or leave a notice: Prometheus
  /// evaluates every operand, whether or not its samples matter. Costs nothing where nothing can
  /// happen.
  Status finish() {
    if (is_silent()) return {};
    Row row;
    while (delivered_ < size_)
      if (auto read = next(row); !read) return read;
    return {};
  }

 private:
  virtual Status produce(Row& row) = 0;
  /// As produce(), when nobody looks at the row.
  virtual Status pass(Row& row) { return produce(row); }
  /// True if reading samples has no other effect than to read samples.
  virtual bool is_silent() const { return false; }

  const size_t size_;
  size_t delivered_ = 0;
  std::vector<SeriesInfo> series_;
};

using StreamPtr = std::unique_ptr<SeriesStream>;

/// A scalar expression over all steps: evaluated when planned, one value if it does not change.
class ScalarColumn {
 public:
  explicit ScalarColumn(double constant) : values_{constant} {}
  explicit ScalarColumn(std::vector<double> values) : values_(std::move(values)) {}
  bool is_constant() const { return values_.size() == 1; }
  double at(size_t step) const { return values_[values_.size() == 1 ? 0 : step]; }

 private:
  std::vector<double> values_;
};

}  // namespace aerie::query
