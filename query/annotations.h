#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/time.h"
#include "query/ast.h"
#include "query/value.h"

namespace aerie::query {

/// Collects the notices of one query. Equal messages are kept once (the position is that of the
/// part of the query that is evaluated last, as in Prometheus); notices about forced monotonicity
/// are merged into one with the extremes. One query, one thread.
class AnnotationSet {
 public:
  /// `message` without the prefix `PromQL warning: `.
  void warn(std::string message, PositionRange position);
  /// The same about an argument of what stands at `evaluated`, which comes after its arguments.
  void warn_of_argument(std::string message, PositionRange position, PositionRange evaluated);
  void inform(std::string message, PositionRange position);
  /// A sentence of the source itself: shown as it is, once.
  void missing(const std::vector<std::string>& sentences);

  struct MonotonicityFix {
    model::TimestampMs t = 0;
    double min_bucket = 0;
    double max_bucket = 0;
    double max_difference = 0;
  };
  void monotonicity_forced(std::string_view metric_name, const MonotonicityFix& fix,
                           PositionRange position);
  void start_time_overlap(std::string_view metric_name, PositionRange position);

  /// Appends ` (line:col)` counted in `query`; without the text everything is taken to stand on one
  /// line.
  Annotations render(std::string_view query) const;

  /// How often something was noticed, repetitions included.
  uint64_t noted() const { return noted_; }

 private:
  struct Monotonicity {
    MonotonicityFix extremes;
    model::TimestampMs last_t = 0;
    uint64_t samples = 0;
  };
  struct Notice {
    bool warning = false;
    std::string message;
    PositionRange position;
    PositionRange evaluated;  // what evaluation noticed it: orders equal messages
    std::optional<Monotonicity> monotonicity;
    uint64_t occurrences = 1;
  };
  struct Place {
    PositionRange position;
    PositionRange evaluated;
  };
  Notice& add(bool warning, std::string message, const Place& place, bool& is_new);

  uint64_t noted_ = 0;
  std::vector<std::string> missing_;
  std::vector<Notice> notices_;  // in order of first appearance
  std::unordered_map<std::string, size_t> by_message_;
};

/// ` for metric name "x"`, or nothing when the name is empty.
std::string for_metric_name(std::string_view metric_name);

/// The texts that more than one place needs; each as in Prometheus's util/annotations.
std::string mixed_floats_histograms(std::string_view metric_name);
std::string histogram_ignored_in_mixed_range(std::string_view metric_name);
std::string histogram_ignored_in_aggregation(std::string_view operation);
std::string incompatible_types(std::string_view left, std::string_view op, std::string_view right);
std::string invalid_quantile(double quantile);

/// Go's `%g` of a double: `0.1`, `1e+06`, `+Inf`, `NaN`.
std::string go_format_g(double value);

}  // namespace aerie::query
