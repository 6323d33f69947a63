#include "query/mapped.h"

#include <algorithm>

#include "query/unique_series.h"

namespace aerie::query {
namespace {

class MappedStream final : public SeriesStream {
 public:
  MappedStream(StreamPtr input, std::vector<SeriesInfo> series, RowKernel kernel)
      : SeriesStream(std::move(series)), input_(std::move(input)), kernel_(std::move(kernel)) {}

  Status produce(Row& row) override {
    if (auto read = input_->next(row); !read) return read;
    return kernel_(row);
  }
  Status pass(Row& row) override { return input_->skip(row); }

 private:
  const StreamPtr input_;
  const RowKernel kernel_;
};

class RowsStream final : public SeriesStream {
 public:
  RowsStream(std::vector<SeriesInfo> series, std::vector<Row> rows)
      : SeriesStream(std::move(series)), rows_(std::move(rows)) {}

  Status produce(Row& row) override {
    row = std::move(rows_[index_++]);
    return {};
  }
  bool is_silent() const override { return true; }
  Status pass(Row&) override {
    ++index_;
    return {};
  }

 private:
  std::vector<Row> rows_;
  size_t index_ = 0;
};

class RepeatedStream final : public SeriesStream {
 public:
  RepeatedStream(StreamPtr input, std::vector<SeriesInfo> series, size_t steps)
      : SeriesStream(std::move(series)), input_(std::move(input)), steps_(steps) {}

  Status produce(Row& row) override {
    if (auto read = input_->next(once_); !read) return read;
    row.reset(steps_);
    if (!once_.has(0)) return {};
    mark_all_present(row.present, steps_);
    std::fill(row.values.begin(), row.values.end(), once_.values[0]);
    if (once_.is_histogram(0)) row.histograms.assign(steps_, once_.histograms[0]);
    return {};
  }
  Status pass(Row&) override { return input_->skip(once_); }

 private:
  const StreamPtr input_;
  const size_t steps_;
  Row once_;
};

}  // namespace

StreamPtr map_series(StreamPtr input, MetricName name, const Steps& steps, QueryContext& context,
                     RowKernel kernel) {
  std::vector<SeriesInfo> series = input->take_series();
  if (name == MetricName::Drop)
    for (SeriesInfo& info : series) info.drop_name = true;
  StreamPtr mapped =
      std::make_unique<MappedStream>(std::move(input), std::move(series), std::move(kernel));
  if (name == MetricName::Keep) return mapped;
  return unique_series(std::move(mapped), EqualSeries::MergeSteps, LabelChange::NameOnly, steps,
                       context);
}

StreamPtr from_rows(std::vector<SeriesInfo> series, std::vector<Row> rows) {
  return std::make_unique<RowsStream>(std::move(series), std::move(rows));
}

StreamPtr repeat(StreamPtr input, const Steps& steps) {
  std::vector<SeriesInfo> series = input->take_series();
  return std::make_unique<RepeatedStream>(std::move(input), std::move(series), steps.count);
}

}  // namespace aerie::query
