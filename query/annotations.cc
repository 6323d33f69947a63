#include "query/annotations.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/labels.h"

namespace aerie::query {
namespace {

/// `line:col` of a byte offset, both from 1.
std::string render_position(std::string_view query, int32_t offset) {
  if (offset < 0 || (!query.empty() && static_cast<size_t>(offset) > query.size()))
    return "invalid position";
  int line = 1;
  int32_t line_start = 0;
  for (int32_t i = 0; i < offset && static_cast<size_t>(i) < query.size(); ++i) {
    if (query[static_cast<size_t>(i)] != '\n') continue;
    ++line;
    line_start = i + 1;
  }
  return fmt::format("{}:{}", line, offset - line_start + 1);
}

/// RFC 3339 in whole seconds, as the notice about monotonicity prints its times.
std::string format_seconds(model::TimestampMs t) { return model::format_rfc3339(t / 1000 * 1000); }

constexpr std::string_view kMonotonicity =
    "input to histogram_quantile needed to be fixed for monotonicity (see "
    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";

/// Operands are evaluated from left to right and before what they belong to.
bool evaluated_later(PositionRange a, PositionRange b) {
  return a.end != b.end ? a.end > b.end : a.start < b.start;
}

std::string go_special(double value) {
  return std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

}  // namespace

AnnotationSet::Notice& AnnotationSet::add(bool warning, std::string message, const Place& place,
                                          bool& is_new) {
  ++noted_;
  const auto [found, inserted] = by_message_.try_emplace(message, notices_.size());
  is_new = inserted;
  if (inserted)
    notices_.push_back(
        {warning, std::move(message), place.position, place.evaluated, std::nullopt, 1});
  Notice& notice = notices_[found->second];
  if (evaluated_later(place.evaluated, notice.evaluated)) {
    notice.position = place.position;
    notice.evaluated = place.evaluated;
  }
  return notice;
}

void AnnotationSet::warn(std::string message, PositionRange position) {
  warn_of_argument(std::move(message), position, position);
}

void AnnotationSet::warn_of_argument(std::string message, PositionRange position,
                                     PositionRange evaluated) {
  bool is_new = false;
  add(true, std::move(message), {position, evaluated}, is_new);
}

void AnnotationSet::inform(std::string message, PositionRange position) {
  bool is_new = false;
  add(false, std::move(message), {position, position}, is_new);
}

void AnnotationSet::monotonicity_forced(std::string_view metric_name, const MonotonicityFix& fix,
                                        PositionRange position) {
  bool is_new = false;
  Notice& notice = add(false, std::string(kMonotonicity) + for_metric_name(metric_name),
                       {position, position}, is_new);
  if (is_new) {
    notice.monotonicity = Monotonicity{fix, fix.t, 1};
    return;
  }
  Monotonicity& all = *notice.monotonicity;
  all.extremes.t = std::min(all.extremes.t, fix.t);
  all.last_t = std::max(all.last_t, fix.t);
  all.extremes.min_bucket = std::min(all.extremes.min_bucket, fix.min_bucket);
  all.extremes.max_bucket = std::max(all.extremes.max_bucket, fix.max_bucket);
  all.extremes.max_difference = std::max(all.extremes.max_difference, fix.max_difference);
  ++all.samples;
}

void AnnotationSet::start_time_overlap(std::string_view metric_name, PositionRange position) {
  bool is_new = false;
  Notice& notice =
      add(true,
          "sample has start time that overlaps with previous sample timestamp for metric " +
              model::go_quote(metric_name),
          {position, position}, is_new);
  if (!is_new) ++notice.occurrences;
}

void AnnotationSet::missing(const std::vector<std::string>& sentences) {
  for (const std::string& one : sentences)
    if (std::find(missing_.begin(), missing_.end(), one) == missing_.end()) missing_.push_back(one);
}

Annotations AnnotationSet::render(std::string_view query) const {
  Annotations out;
  out.warnings = missing_;
  for (const Notice& notice : notices_) {
    std::string text = (notice.warning ? "PromQL warning: " : "PromQL info: ") + notice.message;
    if (notice.monotonicity) {
      const Monotonicity& all = *notice.monotonicity;
      text += fmt::format(
          ", from buckets {} to {}, with a max diff of {:.2g}, over {} samples from {} to {}",
          go_format_g(all.extremes.min_bucket), go_format_g(all.extremes.max_bucket),
          all.extremes.max_difference, all.samples, format_seconds(all.extremes.t),
          format_seconds(all.last_t));
    }
    if (notice.occurrences > 1) text += fmt::format(" ({} occurrences)", notice.occurrences);
    text += " (" + render_position(query, notice.position.start) + ")";
    (notice.warning ? out.warnings : out.infos).push_back(std::move(text));
  }
  return out;
}

std::string for_metric_name(std::string_view metric_name) {
  return metric_name.empty() ? std::string() : " for metric name " + model::go_quote(metric_name);
}

std::string mixed_floats_histograms(std::string_view metric_name) {
  return "encountered a mix of histograms and floats for metric name " +
         model::go_quote(metric_name);
}

std::string histogram_ignored_in_mixed_range(std::string_view metric_name) {
  return "ignored histograms in a range containing both floats and histograms for metric name " +
         model::go_quote(metric_name);
}

std::string histogram_ignored_in_aggregation(std::string_view operation) {
  return fmt::format("ignored histogram in {} aggregation", operation);
}

std::string incompatible_types(std::string_view left, std::string_view op, std::string_view right) {
  return fmt::format("incompatible sample types encountered for binary operator {}: {} {} {}",
                     model::go_quote(op), left, op, right);
}

std::string invalid_quantile(double quantile) {
  return "quantile value should be between 0 and 1, got " + go_format_g(quantile);
}

std::string go_format_g(double value) {
  if (!std::isfinite(value)) return go_special(value);
  // Shortest digits; exponent form below 1e-4 and from 1e6 on, as Go's %g decides for shortest
  // digits.
  const double magnitude = std::fabs(value);
  const bool scientific = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e6);
  char buffer[64];
  const auto end =
      scientific
          ? std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific)
          : std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return {buffer, end.ptr};
}

}  // namespace aerie::query
