#include <algorithm>
#include <cmath>

#include "query/classic_histogram.h"
#include "query/label_projection.h"
#include "query/mapped.h"
#include "query/native_histogram.h"
#include "query/planner.h"
#include "query/unique_series.h"

namespace aerie::query {
namespace {

constexpr std::string_view kBucketLabel = "le";

/// A function of one native histogram; floats are ignored.
template <double (*function)(const model::NativeHistogram&)>
Result<StreamPtr> of_native(const CallSite& site) {
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  return map_series(std::move(input).value(), MetricName::Drop, site.steps, site.context(),
                    [](Row& row) -> Status {
                      Row result;
                      result.reset(row.steps());
                      for_each_present(row.present, [&](size_t step) {
                        if (row.is_histogram(step))
                          result.set(step, function(*row.histograms[step]));
                      });
                      row = std::move(result);
                      return {};
                    });
}

double count_of(const model::NativeHistogram& histogram) { return histogram.count; }
double sum_of(const model::NativeHistogram& histogram) { return histogram.sum; }
double mean_of(const model::NativeHistogram& histogram) { return histogram.sum / histogram.count; }
double deviation_of(const model::NativeHistogram& histogram) {
  return std::sqrt(native_variance(histogram));
}

/// The series of one histogram: classic ones differ in `le` only; a native one has the same labels
/// without it.
struct HistogramSeries {
  struct Bucket {
    double upper_bound = 0;
    uint32_t row = 0;
  };
  SeriesInfo info;                // without `le`
  std::vector<Bucket> classic;    // ascending by bound
  std::vector<uint32_t> natives;  // rows that may hold native histograms under exactly these labels
};

/// The whole input of a histogram function, sorted into histograms once for all steps.
class HistogramInput {
 public:
  static Result<HistogramInput> read(const CallSite& site, const Expr& argument) {
    auto input = site.planner.vector(argument, site.steps);
    if (!input) return std::move(input).error();
    HistogramInput out(site, argument);
    Row row;
    for (size_t i = 0; i < (*input)->size(); ++i) {
      if (auto read = (*input)->next(row); !read) return std::move(read).error();
      if (auto appended = out.rows_.append(row.view()); !appended)
        return std::move(appended).error();
      if (any_present(row.present))
        out.sort_in((*input)->series()[i], static_cast<uint32_t>(i), row);
    }
    for (HistogramSeries& histogram : out.histograms_)
      std::stable_sort(histogram.classic.begin(), histogram.classic.end(),
                       [](const auto& a, const auto& b) { return a.upper_bound < b.upper_bound; });
    return out;
  }

  std::vector<HistogramSeries>& histograms() { return histograms_; }
  PositionRange position() const { return position_; }
  size_t steps() const { return rows_.steps(); }
  std::string_view name_of(const HistogramSeries& histogram) const {
    return delayed_ ? histogram.info.labels.metric_name() : std::string_view();
  }

  /// The rows of one histogram, borrowed.
  struct Rows {
    std::vector<std::pair<double, RowView>> classic;
    std::vector<RowView> natives;
    std::string_view name;
  };
  Rows rows_of(const HistogramSeries& histogram) const {
    Rows rows;
    for (const auto& [bound, row] : histogram.classic)
      rows.classic.emplace_back(bound, rows_.row(row));
    for (const uint32_t row : histogram.natives) rows.natives.push_back(rows_.row(row));
    rows.name = name_of(histogram);
    return rows;
  }

  /// The native histogram at a step, or the classic buckets. Both at once is an error of the data:
  /// then neither.
  const model::NativeHistogram* at(const Rows& rows, size_t step,
                                   std::vector<ClassicBucket>& buckets) const {
    buckets.clear();
    for (const auto& [bound, row] : rows.classic)
      if (row.has(step) && !row.is_histogram(step)) buckets.push_back({bound, row.values[step]});
    for (const RowView& row : rows.natives) {
      if (!row.has(step) || !row.is_histogram(step)) continue;
      if (buckets.empty()) return row.histograms[step].get();
      context_->annotations().warn(
          "vector contains a mix of classic and native histograms" + for_metric_name(rows.name),
          position_);
      buckets.clear();
      return nullptr;
    }
    return nullptr;
  }

 private:
  HistogramInput(const CallSite& site, const Expr& argument)
      : context_(&site.context()),
        position_(argument.position),
        delayed_(site.context().features().delayed_name_removal),
        rows_(site.steps.count, site.context().budget()),
        exactly_(LabelProjection::Keep::AllButNamed, {}, true) {}

  void sort_in(const SeriesInfo& series, uint32_t index, const Row& row) {
    bool has_float = row.histograms.empty();
    bool has_native = false;
    for_each_present(row.present, [&](size_t step) {
      (row.is_histogram(step) ? has_native : has_float) = true;
    });
    const SeriesInfo visible{visible_labels(series, delayed_), series.drop_name};
    if (has_native) histogram_for(visible.labels, visible.drop_name).natives.push_back(index);
    if (!has_float) return;
    const std::string_view bound_text = visible.labels.get(kBucketLabel);
    const auto bound = parse_bound(bound_text);
    if (!bound) {
      const std::string_view name = delayed_ ? visible.labels.metric_name() : std::string_view();
      context_->annotations().warn("bucket label \"le\" is missing or has a malformed value of " +
                                       model::go_quote(bound_text) + for_metric_name(name),
                                   position_);
      return;
    }
    builder_.reset(visible.labels);
    builder_.remove(kBucketLabel);
    histogram_for(builder_.build(), visible.drop_name).classic.push_back({*bound, index});
  }

  HistogramSeries& histogram_for(const model::Labels& labels, bool drop_name) {
    const uint32_t id = exactly_.id_of({labels, false});
    if (id == histograms_.size()) histograms_.push_back({{labels, drop_name}, {}, {}});
    return histograms_[id];
  }

  QueryContext* context_;
  PositionRange position_;
  bool delayed_;
  Block rows_;
  LabelProjection exactly_;
  model::LabelsBuilder builder_;
  std::vector<HistogramSeries> histograms_;
};

void warn_about_quantile(double quantile, const Expr& argument, const CallSite& site) {
  if (std::isnan(quantile) || quantile < 0 || quantile > 1)
    site.context().annotations().warn_of_argument(invalid_quantile(quantile), argument.position,
                                                  site.position);
}

/// One output row: the quantile of one histogram at every step.
Row quantile_row(const HistogramInput& input, const HistogramSeries& histogram,
                 const ScalarColumn& quantile, const CallSite& site) {
  AnnotationSet& annotations = site.context().annotations();
  const NativeNotices notices{input.name_of(histogram), input.position(), annotations};
  Row row;
  row.reset(input.steps());
  const HistogramInput::Rows rows = input.rows_of(histogram);
  std::vector<ClassicBucket> buckets;
  for (size_t step = 0; step < input.steps(); ++step) {
    const model::NativeHistogram* native = input.at(rows, step, buckets);
    if (native != nullptr) {
      row.set(step, native_quantile(quantile.at(step), *native, notices));
    } else if (!buckets.empty()) {
      ClassicQuantile result = classic_quantile(quantile.at(step), buckets);
      if (result.forced_monotonic) {
        result.fix.t = site.steps.at(step);
        annotations.monotonicity_forced(notices.metric_name, result.fix, input.position());
      }
      row.set(step, result.value);
    }
  }
  return row;
}

StreamPtr dropping_names(std::vector<SeriesInfo> series, std::vector<Row> rows,
                         const CallSite& site) {
  for (SeriesInfo& info : series) info.drop_name = true;
  return unique_series(from_rows(std::move(series), std::move(rows)), EqualSeries::MergeSteps,
                       LabelChange::Any, site.steps, site.context());
}

Result<StreamPtr> histogram_quantile(const CallSite& site) {
  auto quantile = site.planner.scalar(site.argument(0), site.steps);
  if (!quantile) return std::move(quantile).error();
  for (size_t i = 0; i < site.steps.count; ++i)
    warn_about_quantile(quantile->at(i), site.argument(0), site);
  auto input = HistogramInput::read(site, site.argument(1));
  if (!input) return std::move(input).error();
  std::vector<SeriesInfo> series;
  std::vector<Row> rows;
  for (HistogramSeries& histogram : input->histograms()) {
    if (auto alive = site.context().check(); !alive) return std::move(alive).error();
    rows.push_back(quantile_row(*input, histogram, *quantile, site));
    series.push_back(std::move(histogram.info));
  }
  return dropping_names(std::move(series), std::move(rows), site);
}

/// OpenMetrics' way to write a number: never an integer.
std::string open_metrics_number(double value) {
  std::string text = go_format_g(value);
  if (std::isfinite(value) && text.find_first_of("e.") == std::string::npos) text += ".0";
  return text;
}

Result<StreamPtr> histogram_quantiles(const CallSite& site) {
  const std::string& label = text_argument(site.argument(1));
  std::vector<ScalarColumn> quantiles;
  for (size_t i = 2; i < site.call.args.size(); ++i) {
    auto quantile = site.planner.scalar(site.argument(i), site.steps);
    if (!quantile) return std::move(quantile).error();
    for (size_t step = 0; step < site.steps.count; ++step)
      warn_about_quantile(quantile->at(step), site.argument(i), site);
    quantiles.push_back(*quantile);
  }
  auto input = HistogramInput::read(site, site.argument(0));
  if (!input) return std::move(input).error();
  std::vector<SeriesInfo> series;
  std::vector<Row> rows;
  model::LabelsBuilder builder;
  const bool delayed = site.context().features().delayed_name_removal;
  for (const ScalarColumn& quantile : quantiles) {
    // A quantile that changes from step to step changes the label with it.
    for (size_t step = 0; step < (quantile.is_constant() ? 1 : site.steps.count); ++step) {
      const std::string text = open_metrics_number(quantile.at(step));
      for (const HistogramSeries& histogram : input->histograms()) {
        Row row = quantile_row(*input, histogram, quantile, site);
        if (!quantile.is_constant()) {
          const bool had = row.has(step);
          std::fill(row.present.begin(), row.present.end(), 0);
          if (had) mark_present(row.present.data(), step);
        }
        const model::Labels base = visible_labels({histogram.info.labels, true}, delayed);
        builder.reset(base);
        builder.set(label, text);
        series.push_back({builder.build(), true});
        rows.push_back(std::move(row));
      }
    }
  }
  return dropping_names(std::move(series), std::move(rows), site);
}

Result<StreamPtr> histogram_fraction(const CallSite& site) {
  auto lower = site.planner.scalar(site.argument(0), site.steps);
  if (!lower) return std::move(lower).error();
  auto upper = site.planner.scalar(site.argument(1), site.steps);
  if (!upper) return std::move(upper).error();
  auto input = HistogramInput::read(site, site.argument(2));
  if (!input) return std::move(input).error();
  std::vector<SeriesInfo> series;
  std::vector<Row> rows;
  std::vector<ClassicBucket> buckets;
  for (HistogramSeries& histogram : input->histograms()) {
    const NativeNotices notices{input->name_of(histogram), input->position(),
                                site.context().annotations()};
    const HistogramInput::Rows sources = input->rows_of(histogram);
    Row& row = rows.emplace_back();
    row.reset(input->steps());
    for (size_t step = 0; step < input->steps(); ++step) {
      const model::NativeHistogram* native = input->at(sources, step, buckets);
      if (native != nullptr) {
        row.set(step, native_fraction(lower->at(step), upper->at(step), *native, notices));
      } else if (!buckets.empty()) {
        row.set(step, classic_fraction(lower->at(step), upper->at(step), buckets));
      }
    }
    series.push_back(std::move(histogram.info));
  }
  return dropping_names(std::move(series), std::move(rows), site);
}

constexpr FunctionImplementation kFunctions[] = {
    {"histogram_count", of_native<count_of>},
    {"histogram_sum", of_native<sum_of>},
    {"histogram_avg", of_native<mean_of>},
    {"histogram_stddev", of_native<deviation_of>},
    {"histogram_stdvar", of_native<native_variance>},
    {"histogram_quantile", histogram_quantile},
    {"histogram_quantiles", histogram_quantiles},
    {"histogram_fraction", histogram_fraction},
};

}  // namespace

std::span<const FunctionImplementation> histogram_functions() { return kFunctions; }

}  // namespace aerie::query
