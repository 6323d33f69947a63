#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "query/extended_windows.h"
#include "query/info_function.h"
#include "query/label_projection.h"
#include "query/mapped.h"
#include "query/planner.h"
#include "query/window_functions.h"

namespace aerie::query {
namespace {

Row scalar_row(const ScalarColumn& scalar, const Steps& steps) {
  Row row;
  row.reset(steps.count);
  for (size_t i = 0; i < steps.count; ++i) row.set(i, scalar.at(i));
  return row;
}

StreamPtr one_series(model::Labels labels, Row row) {
  std::vector<Row> rows;
  rows.push_back(std::move(row));
  return from_rows({SeriesInfo{std::move(labels), false}}, std::move(rows));
}

Result<StreamPtr> vector(const CallSite& site) {
  auto scalar = site.planner.scalar(site.argument(0), site.steps);
  if (!scalar) return std::move(scalar).error();
  return one_series({}, scalar_row(*scalar, site.steps));
}

/// The only float of the vector at each step; NaN where there is none or more than one.
Result<ScalarColumn> scalar(const CallSite& site) {
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return std::move(input).error();
  std::vector<double> values(site.steps.count, std::numeric_limits<double>::quiet_NaN());
  std::vector<uint8_t> seen(site.steps.count, 0);
  Row row;
  for (size_t i = 0; i < (*input)->size(); ++i) {
    if (auto read = (*input)->next(row); !read) return std::move(read).error();
    row.drop_histograms();
    for_each_present(row.present, [&](size_t step) {
      values[step] = seen[step] == 0 ? row.values[step] : std::numeric_limits<double>::quiet_NaN();
      seen[step] = 1;
    });
  }
  return ScalarColumn(std::move(values));
}

Result<ScalarColumn> time(const CallSite& site) {
  std::vector<double> values(site.steps.count);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(site.steps.at(i)) / 1000;
  return ScalarColumn(std::move(values));
}

Result<ScalarColumn> start(const CallSite& site) {
  return ScalarColumn(static_cast<double>(site.context().request().start) / 1000);
}
Result<ScalarColumn> end(const CallSite& site) {
  return ScalarColumn(static_cast<double>(site.context().request().end) / 1000);
}
Result<ScalarColumn> range(const CallSite& site) {
  return ScalarColumn(
      static_cast<double>(site.context().request().end - site.context().request().start) / 1000);
}
Result<ScalarColumn> step(const CallSite& site) {
  const auto& request = site.context().request();
  return ScalarColumn(request.start == request.end ? 0 : static_cast<double>(request.step) / 1000);
}

Result<StreamPtr> timestamp(const CallSite& site) {
  const Expr& argument = unwrap(site.argument(0));
  if (const auto* selector = std::get_if<VectorSelector>(&argument.node)) {
    auto times = open_instant_selector(*selector, argument.position, site.steps,
                                       SelectorYields::Timestamps, site.context());
    if (!times) return times;
    return map_series(std::move(times).value(), MetricName::Drop, site.steps, site.context(),
                      [](Row&) -> Status { return {}; });
  }
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  return map_series(std::move(input).value(), MetricName::Drop, site.steps, site.context(),
                    [steps = site.steps](Row& row) -> Status {
                      row.histograms.clear();
                      for (size_t i = 0; i < row.steps(); ++i)
                        row.values[i] = static_cast<double>(steps.at(i)) / 1000;
                      return {};
                    });
}

/// Nothing of anything but a selector: an expression's values have no start.
Result<StreamPtr> start_timestamp(const CallSite& site) {
  const Expr& argument = unwrap(site.argument(0));
  const auto* selector = std::get_if<VectorSelector>(&argument.node);
  if (selector == nullptr || !site.context().features().use_start_timestamps) {
    auto input = site.planner.vector(argument, site.steps);
    if (!input) return input;
    return map_series(std::move(input).value(), MetricName::Drop, site.steps, site.context(),
                      [](Row& row) -> Status {
                        row.reset(row.steps());
                        return {};
                      });
  }
  auto starts = open_instant_selector(*selector, argument.position, site.steps,
                                      SelectorYields::Starts, site.context());
  if (!starts) return starts;
  return map_series(std::move(starts).value(), MetricName::Drop, site.steps, site.context(),
                    [](Row&) -> Status { return {}; });
}

/// What `absent(selector)` is called: the labels that the selector fixes with exactly one equality.
model::Labels labels_of_absent(const Expr& expr) {
  const Expr& inner = unwrap(expr);
  const VectorSelector* selector = std::get_if<VectorSelector>(&inner.node);
  if (const auto* matrix = std::get_if<MatrixSelector>(&inner.node))
    selector = std::get_if<VectorSelector>(&matrix->selector->node);
  if (selector == nullptr) return {};
  model::LabelsBuilder builder;
  std::set<std::string_view> seen;
  for (const model::Matcher& matcher : selector->matchers) {
    if (matcher.name() == model::kMetricName) continue;
    if (matcher.type() == model::MatchType::Equal && seen.insert(matcher.name()).second) {
      builder.set(matcher.name(), matcher.value());
    } else {
      builder.remove(matcher.name());
    }
  }
  return builder.build();
}

/// 1 at the steps where no series of the input has a sample.
Result<StreamPtr> absence(StreamPtr input, model::Labels labels, const Steps& steps) {
  std::vector<uint64_t> found(steps.words(), 0);
  Row row;
  for (size_t i = 0; i < input->size() && !all_present(found, steps.count); ++i) {
    if (auto read = input->next(row); !read) return std::move(read).error();
    for (size_t w = 0; w < found.size(); ++w) found[w] |= row.present[w];
  }
  if (auto finished = input->finish(); !finished) return std::move(finished).error();
  Row absent;
  absent.reset(steps.count);
  for (size_t i = 0; i < steps.count; ++i)
    if (!is_present(found.data(), i)) absent.set(i, 1);
  return one_series(std::move(labels), std::move(absent));
}

Result<StreamPtr> absent(const CallSite& site) {
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  return absence(std::move(input).value(), labels_of_absent(site.argument(0)), site.steps);
}

Result<StreamPtr> absent_over_time(const CallSite& site) {
  auto opened = site.planner.range(site.argument(0), site.steps);
  if (!opened) return std::move(opened).error();
  if (auto fits = check_range_mode((*opened)->grid().mode, "absent_over_time"); !fits)
    return std::move(fits).error();
  StreamPtr present = apply_window_function(
      *find_window_function("present_over_time"), std::move(opened).value(), {},
      {site.argument(0).position}, site.argument(0).position, site.context());
  return absence(std::move(present), labels_of_absent(site.argument(0)), site.steps);
}

/// The order of an instant query's result; a range query's is always by labels.
template <class Before>
Result<StreamPtr> sorted(const CallSite& site, bool floats_only, Before before) {
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  if (site.context().request().step != 0 &&
      site.context().request().start != site.context().request().end)
    site.context().annotations().warn(
        "sort is ineffective for range queries since results are always ordered by labels",
        site.position);
  std::vector<SeriesInfo> series = (*input)->take_series();
  std::vector<Row> rows(series.size());
  std::vector<size_t> order;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (auto read = (*input)->next(rows[i]); !read) return std::move(read).error();
    if (floats_only) rows[i].drop_histograms();
    if (any_present(rows[i].present)) order.push_back(i);
  }
  if (site.steps.count == 1)
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return before(series[a], rows[a], series[b], rows[b]);
    });
  std::vector<SeriesInfo> sorted_series;
  std::vector<Row> sorted_rows;
  for (const size_t i : order) {
    sorted_series.push_back(std::move(series[i]));
    sorted_rows.push_back(std::move(rows[i]));
  }
  return from_rows(std::move(sorted_series), std::move(sorted_rows));
}

/// NaN comes last either way.
template <class Compare>
Result<StreamPtr> sort_by_value(const CallSite& site) {
  return sorted(site, true, [](const SeriesInfo&, const Row& a, const SeriesInfo&, const Row& b) {
    if (std::isnan(a.values[0]) || std::isnan(b.values[0])) return !std::isnan(a.values[0]);
    return Compare()(a.values[0], b.values[0]);
  });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Splits off a run of digits or of other characters.
std::string_view take_chunk(std::string_view& text) {
  size_t length = 1;
  while (length < text.size() && is_digit(text[length]) == is_digit(text[0])) ++length;
  const std::string_view chunk = text.substr(0, length);
  text.remove_prefix(length);
  return chunk;
}

/// `a2` before `a10`: runs of digits compare as numbers, the rest bytewise; of equal numbers the
/// shorter writing comes first.
bool natural_less(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view left = take_chunk(a);
    const std::string_view right = take_chunk(b);
    if (left == right) continue;
    if (!is_digit(left[0]) || !is_digit(right[0])) return left < right;
    const std::string_view left_digits =
        left.substr(std::min(left.find_first_not_of('0'), left.size()));
    const std::string_view right_digits =
        right.substr(std::min(right.find_first_not_of('0'), right.size()));
    if (left_digits.size() != right_digits.size()) return left_digits.size() < right_digits.size();
    if (left_digits != right_digits) return left_digits < right_digits;
    return left.size() < right.size();
  }
  return a.empty() && !b.empty();
}

template <bool descending>
Result<StreamPtr> sort_by_label(const CallSite& site) {
  std::vector<std::string> names;
  for (size_t i = 1; i < site.call.args.size(); ++i)
    names.push_back(text_argument(site.argument(i)));
  return sorted(site, false,
                [names](const SeriesInfo& a, const Row&, const SeriesInfo& b, const Row&) {
                  for (const std::string& name : names) {
                    const std::string_view left = a.labels.get(name);
                    const std::string_view right = b.labels.get(name);
                    if (left == right) continue;
                    return natural_less(left, right) != descending;
                  }
                  const auto order = a.labels <=> b.labels;
                  return descending ? order > 0 : order < 0;
                });
}

constexpr FunctionImplementation kFunctions[] = {
    {"vector", vector},
    {"scalar", nullptr, scalar},
    {"time", nullptr, time},
    {"start", nullptr, start},
    {"end", nullptr, end},
    {"range", nullptr, range},
    {"step", nullptr, step},
    {"timestamp", timestamp},
    {"start_timestamp", start_timestamp},
    {"info", info},
    {"absent", absent},
    {"absent_over_time", absent_over_time},
    {"sort", sort_by_value<std::less<>>},
    {"sort_desc", sort_by_value<std::greater<>>},
    {"sort_by_label", sort_by_label<false>},
    {"sort_by_label_desc", sort_by_label<true>},
};

}  // namespace

std::span<const FunctionImplementation> vector_functions() { return kFunctions; }

}  // namespace aerie::query
