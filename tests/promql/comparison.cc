#include "tests/promql/comparison.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "model/sample.h"
#include "tests/promql/histogram_text.h"

namespace aerie::promqltest {
namespace {

constexpr double kEpsilon = 1e-6;

Error mismatch(std::string text) { return {ErrorCode::Execution, std::move(text)}; }

/// The values of each expected series; of a repeated one the last line counts.
const SeriesLine* expected_for(const Eval& eval, const model::Labels& labels, size_t* position) {
  for (size_t i = eval.series.size(); i-- > 0;) {
    if (eval.series[i].labels == labels) {
      if (position) *position = i;
      return &eval.series[i];
    }
  }
  return nullptr;
}

bool same_buckets(const std::map<int32_t, double>& a, const std::map<int32_t, double>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const auto& left, const auto& right) {
           return left.first == right.first && almost_equal(left.second, right.second);
         });
}

bool same_histogram(const SequenceValue& expected, const model::NativeHistogram& actual) {
  const model::NativeHistogram& wanted = *expected.histogram;
  return wanted.schema == actual.schema && almost_equal(wanted.count, actual.count) &&
         almost_equal(wanted.sum, actual.sum) &&
         almost_equal(wanted.zero_count, actual.zero_count) &&
         wanted.zero_threshold == actual.zero_threshold &&
         (wanted.schema != model::kCustomBucketsSchema ||
          wanted.custom_values == actual.custom_values) &&
         same_buckets(bucket_map(wanted.positive_spans, wanted.positive_buckets),
                      bucket_map(actual.positive_spans, actual.positive_buckets)) &&
         same_buckets(bucket_map(wanted.negative_spans, wanted.negative_buckets),
                      bucket_map(actual.negative_spans, actual.negative_buckets)) &&
         (!expected.reset_hint_written || wanted.reset_hint == actual.reset_hint);
}

Status compare_point(const model::Labels& labels, const SequenceValue& expected, double value,
                     const query::HistogramPtr& histogram) {
  if (expected.histogram) {
    if (histogram && same_histogram(expected, *histogram)) return {};
    return mismatch(fmt::format("{}: expected {} but got {}", labels.to_string(),
                                to_text(*expected.histogram),
                                histogram ? to_text(*histogram) : fmt::format("{}", value)));
  }
  if (histogram) {
    return mismatch(fmt::format("{}: expected {} but got {}", labels.to_string(), expected.value,
                                to_text(*histogram)));
  }
  if (almost_equal(expected.value, value)) return {};
  return mismatch(
      fmt::format("{}: expected {} but got {}", labels.to_string(), expected.value, value));
}

Status check_sorted(const query::MatrixValue& matrix) {
  for (size_t i = 1; i < matrix.size(); ++i) {
    if (matrix[i].labels < matrix[i - 1].labels) {
      return mismatch(fmt::format("{} stands behind {}", matrix[i].labels.to_string(),
                                  matrix[i - 1].labels.to_string()));
    }
  }
  return {};
}

Status all_seen(const Eval& eval, const std::set<model::Labels>& seen) {
  for (const auto& series : eval.series) {
    if (!seen.contains(series.labels))
      return mismatch(fmt::format("expected {} not found", series.labels.to_string()));
  }
  return {};
}

Status compare_series(const Eval& eval, const SeriesLine& expected,
                      const query::MatrixSeries& actual) {
  size_t next_float = 0;
  size_t next_histogram = 0;
  model::TimestampMs t = eval.start;
  const std::string name = actual.labels.to_string();
  for (const auto& value : expected.values) {
    if (t > eval.end)
      return mismatch(fmt::format("{}: more values than the range has steps", name));
    const bool has_float =
        next_float < actual.timestamps.size() && actual.timestamps[next_float] == t;
    const bool has_histogram =
        next_histogram < actual.histograms.size() && actual.histograms[next_histogram].first == t;
    if (value.omitted != !(has_float || has_histogram))
      return mismatch(
          fmt::format("{}: {} value at {}", name, value.omitted ? "unexpected" : "expected a", t));
    if (!value.omitted) {
      const auto status =
          compare_point(actual.labels, value, has_float ? actual.values[next_float] : 0,
                        has_histogram ? actual.histograms[next_histogram].second : nullptr);
      if (!status) return Error(status.error()).with(fmt::format("at {}", t));
      next_float += has_float ? 1 : 0;
      next_histogram += has_histogram ? 1 : 0;
    }
    t += eval.step;
  }
  if (next_float < actual.timestamps.size() || next_histogram < actual.histograms.size())
    return mismatch(fmt::format("{}: more values than expected", name));
  return {};
}

Status compare(const Eval& eval, const query::MatrixValue& matrix) {
  if (eval.ordered) return mismatch("expected an ordered result but got a matrix");
  if (eval.scalar) return mismatch("expected a scalar but got a matrix");
  if (auto status = check_sorted(matrix); !status) return status;
  std::set<model::Labels> seen;
  for (const auto& series : matrix) {
    const SeriesLine* expected = expected_for(eval, series.labels, nullptr);
    if (!expected) {
      return mismatch(fmt::format("unexpected series {} with {} values", series.labels.to_string(),
                                  series.values.size() + series.histograms.size()));
    }
    seen.insert(series.labels);
    if (auto status = compare_series(eval, *expected, series); !status) return status;
  }
  return all_seen(eval, seen);
}

Status compare(const Eval& eval, const query::VectorValue& vector) {
  if (eval.scalar) return mismatch("expected a scalar but got a vector");
  std::set<model::Labels> seen;
  for (size_t i = 0; i < vector.size(); ++i) {
    const auto& element = vector[i];
    size_t position = 0;
    const SeriesLine* expected = expected_for(eval, element.labels, &position);
    if (!expected || expected->values.empty()) {
      return mismatch(fmt::format("unexpected series {} with value {}", element.labels.to_string(),
                                  element.value));
    }
    if (eval.ordered && position != i) {
      return mismatch(fmt::format("{} stands at {} instead of {}", element.labels.to_string(),
                                  i + 1, position + 1));
    }
    const auto status =
        compare_point(element.labels, expected->values[0], element.value, element.histogram);
    if (!status) return status;
    seen.insert(element.labels);
  }
  return all_seen(eval, seen);
}

Status compare(const Eval& eval, const query::ScalarValue& scalar) {
  if (!eval.scalar) return mismatch("expected a vector or matrix but got a scalar");
  if (almost_equal(*eval.scalar, scalar.value)) return {};
  return mismatch(fmt::format("expected {} but got {}", *eval.scalar, scalar.value));
}

Status compare(const Eval& eval, const query::StringValue& text) {
  if (eval.text.value_or("") == text.value) return {};
  return mismatch(fmt::format("expected {} but got {}", eval.text.value_or(""), text.value));
}

bool fits(const TextCondition& condition, const std::string& text) {
  switch (condition.kind) {
    case TextCondition::Kind::Any: return true;
    case TextCondition::Kind::Message: return condition.text == text;
    case TextCondition::Kind::Pattern: return RE2::PartialMatch(text, condition.text);
  }
  return false;
}

std::vector<TextCondition> conditions_of(const Eval& eval, Expectation kind) {
  std::vector<TextCondition> out;
  const auto [begin, end] = eval.conditions.equal_range(kind);
  for (auto at = begin; at != end; ++at) out.push_back(at->second);
  return out;
}

Status compare_notices(const Eval& eval, Expectation wanted, Expectation unwanted,
                       const std::vector<std::string>& notices, std::string_view kind) {
  const std::string first = notices.empty() ? std::string("none") : notices.front();
  if (!conditions_of(eval, unwanted).empty() && !notices.empty())
    return mismatch(fmt::format("unexpected {}: {}", kind, first));
  const auto conditions = conditions_of(eval, wanted);
  if (conditions.empty()) return {};
  for (const auto& condition : conditions) {
    const bool found = std::any_of(notices.begin(), notices.end(),
                                   [&](const auto& notice) { return fits(condition, notice); });
    if (!found) {
      return mismatch(fmt::format("expected {} {} but got {}", kind, condition.text, first));
    }
  }
  for (const auto& notice : notices) {
    const bool expected =
        std::any_of(conditions.begin(), conditions.end(),
                    [&](const auto& condition) { return fits(condition, notice); });
    if (!expected) return mismatch(fmt::format("unexpected {}: {}", kind, notice));
  }
  return {};
}

}  // namespace

bool almost_equal(double a, double b) {
  if (model::is_stale(a) || model::is_stale(b)) return model::is_stale(a) && model::is_stale(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double size = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  constexpr double kSmallest = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || size < kSmallest) return difference < kEpsilon * kSmallest;
  return difference / std::fmin(size, std::numeric_limits<double>::max()) < kEpsilon;
}

Status compare_value(const Eval& eval, const query::Value& value) {
  return std::visit([&](const auto& actual) { return compare(eval, actual); }, value);
}

Status compare_annotations(const Eval& eval, const query::Annotations& annotations) {
  auto status = compare_notices(eval, Expectation::Warn, Expectation::NoWarn, annotations.warnings,
                                "warning");
  if (!status) return status;
  return compare_notices(eval, Expectation::Info, Expectation::NoInfo, annotations.infos, "info");
}

Status compare_failure(const Eval& eval, const std::string& message) {
  const auto conditions = conditions_of(eval, Expectation::Fail);
  if (conditions.empty()) return mismatch("failed: " + message);
  if (fits(conditions.front(), message)) return {};
  return mismatch(fmt::format("expected failure {} but got {}", conditions.front().text, message));
}

Result<query::VectorValue> slice_at(const query::MatrixValue& matrix, model::TimestampMs t) {
  if (auto status = check_sorted(matrix); !status) return std::move(status).error();
  query::VectorValue out;
  for (const auto& series : matrix) {
    query::VectorElement element;
    element.labels = series.labels;
    element.t = t;
    for (size_t i = 0; i < series.timestamps.size(); ++i) {
      if (series.timestamps[i] != t) continue;
      element.value = series.values[i];
      out.push_back(element);
      break;
    }
    for (const auto& [at, histogram] : series.histograms) {
      if (at != t) continue;
      element.histogram = histogram;
      out.push_back(element);
      break;
    }
  }
  return out;
}

}  // namespace aerie::promqltest
