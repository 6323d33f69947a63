#include "tests/promql/histogram_text.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "query/literals.h"

namespace aerie::promqltest {
namespace {

std::optional<double> number(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  const auto parsed = query::parse_number(text);
  if (!parsed) return std::nullopt;
  return negative ? -*parsed : *parsed;
}

std::optional<std::vector<double>> numbers(std::string_view text) {
  std::vector<double> out;
  size_t at = 0;
  while ((at = text.find_first_not_of(' ', at)) != std::string_view::npos) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const auto value = number(text.substr(at, end - at));
    if (!value) return std::nullopt;
    out.push_back(*value);
    at = end;
  }
  return out;
}

struct Layout {
  int32_t offset = 0;
  std::vector<double> buckets;
};

void apply(const Layout& layout, std::vector<model::BucketSpan>& spans,
           std::vector<double>& buckets) {
  if (layout.buckets.empty()) return;
  spans = {{layout.offset, static_cast<uint32_t>(layout.buckets.size())}};
  buckets = layout.buckets;
}

bool set_hint(std::string_view text, model::ResetHint& hint) {
  if (text == "unknown") {
    hint = model::ResetHint::Unknown;
  } else if (text == "reset") {
    hint = model::ResetHint::Yes;
  } else if (text == "not_reset") {
    hint = model::ResetHint::No;
  } else if (text == "gauge") {
    hint = model::ResetHint::Gauge;
  } else {
    return false;
  }
  return true;
}

class DescriptionParser {
 public:
  Result<HistogramText> parse(std::string_view text) {
    size_t at = 0;
    while ((at = text.find_first_not_of(' ', at)) != std::string_view::npos) {
      const size_t colon = text.find(':', at);
      if (colon == std::string_view::npos) return fail(text.substr(at));
      const std::string_view key = text.substr(at, colon - at);
      const bool list = colon + 1 < text.size() && text[colon + 1] == '[';
      const size_t end = std::min(text.find(list ? ']' : ' ', colon), text.size());
      const std::string_view value =
          list ? text.substr(colon + 2, end - colon - 2) : text.substr(colon + 1, end - colon - 1);
      if (!(list ? set_list(key, value) : set_value(key, value))) return fail(key);
      at = list ? end + 1 : end;
      if (at > text.size()) break;
    }
    apply(positive_, out_.histogram.positive_spans, out_.histogram.positive_buckets);
    apply(negative_, out_.histogram.negative_spans, out_.histogram.negative_buckets);
    return out_;
  }

 private:
  static Error fail(std::string_view key) {
    return {ErrorCode::InvalidArgument, fmt::format("bad histogram descriptor: {}", key)};
  }

  bool set_list(std::string_view key, std::string_view value) {
    auto list = numbers(value);
    if (!list) return false;
    if (key == "buckets") {
      positive_.buckets = *list;
    } else if (key == "n_buckets") {
      negative_.buckets = *list;
    } else if (key == "custom_values") {
      out_.histogram.custom_values = *list;
    } else {
      return false;
    }
    return true;
  }

  bool set_value(std::string_view key, std::string_view value) {
    if (key == "counter_reset_hint") {
      out_.reset_hint_written = true;
      return set_hint(value, out_.histogram.reset_hint);
    }
    const auto parsed = number(value);
    if (!parsed) return false;
    model::NativeHistogram& histogram = out_.histogram;
    if (key == "schema") {
      histogram.schema = static_cast<int32_t>(*parsed);
    } else if (key == "offset") {
      positive_.offset = static_cast<int32_t>(*parsed);
    } else if (key == "n_offset") {
      negative_.offset = static_cast<int32_t>(*parsed);
    } else if (key == "sum") {
      histogram.sum = *parsed;
    } else if (key == "count") {
      histogram.count = *parsed;
    } else if (key == "z_bucket") {
      histogram.zero_count = *parsed;
    } else if (key == "z_bucket_w") {
      histogram.zero_threshold = *parsed;
    } else {
      return false;
    }
    return true;
  }

  HistogramText out_;
  Layout positive_;
  Layout negative_;
};

void set_buckets(const std::map<int32_t, double>& counts, std::vector<model::BucketSpan>& spans,
                 std::vector<double>& buckets) {
  spans.clear();
  buckets.clear();
  int32_t next = 0;
  for (const auto& [index, count] : counts) {
    if (spans.empty() || index != next) spans.push_back({index - next, 0});
    ++spans.back().length;
    buckets.push_back(count);
    next = index + 1;
  }
}

/// The index that bucket `index` of schema `from` has in the coarser schema `to`.
int32_t coarser(int32_t index, int32_t from, int32_t to) {
  if (from == to) return index;
  return ((index - 1) >> (from - to)) + 1;
}

void add_buckets(std::vector<model::BucketSpan>& spans, std::vector<double>& buckets,
                 std::map<int32_t, double> other, int32_t from, int32_t to, double sign) {
  auto counts = bucket_map(spans, buckets);
  for (const auto& [index, count] : other) counts[coarser(index, from, to)] += sign * count;
  set_buckets(counts, spans, buckets);
}

}  // namespace

Result<HistogramText> parse_histogram(std::string_view text) {
  return DescriptionParser().parse(text);
}

std::map<int32_t, double> bucket_map(const std::vector<model::BucketSpan>& spans,
                                     const std::vector<double>& buckets) {
  std::map<int32_t, double> out;
  int32_t index = 0;
  size_t at = 0;
  for (const auto& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && at < buckets.size(); ++i, ++index, ++at) {
      if (buckets[at] != 0) out[index] = buckets[at];
    }
  }
  return out;
}

model::NativeHistogram combine(const model::NativeHistogram& base,
                               const model::NativeHistogram& other, double sign) {
  model::NativeHistogram out = base;
  out.count += sign * other.count;
  out.sum += sign * other.sum;
  out.zero_count += sign * other.zero_count;
  out.zero_threshold = std::fmax(base.zero_threshold, other.zero_threshold);
  if (sign < 0) out.reset_hint = model::ResetHint::Gauge;
  add_buckets(out.positive_spans, out.positive_buckets,
              bucket_map(other.positive_spans, other.positive_buckets), other.schema, base.schema,
              sign);
  add_buckets(out.negative_spans, out.negative_buckets,
              bucket_map(other.negative_spans, other.negative_buckets), other.schema, base.schema,
              sign);
  return out;
}

model::NativeHistogram from_classic(const std::map<double, double>& cumulative, double count,
                                    double sum) {
  model::NativeHistogram out;
  out.schema = model::kCustomBucketsSchema;
  out.sum = sum;
  out.count = count;
  std::map<int32_t, double> counts;
  double below = 0;
  int32_t index = 0;
  for (const auto& [bound, total] : cumulative) {
    if (std::isinf(bound) && bound > 0) {
      if (count == 0) out.count = total;
      continue;
    }
    out.custom_values.push_back(bound);
    if (total != below) counts[index] = total - below;
    below = total;
    ++index;
  }
  if (out.count != below) counts[index] = out.count - below;
  set_buckets(counts, out.positive_spans, out.positive_buckets);
  return out;
}

std::string to_text(const model::NativeHistogram& histogram) {
  std::string out = fmt::format("{{{{schema:{} count:{} sum:{} z:{}/{} hint:{}", histogram.schema,
                                histogram.count, histogram.sum, histogram.zero_count,
                                histogram.zero_threshold, static_cast<int>(histogram.reset_hint));
  for (const auto& [index, count] :
       bucket_map(histogram.positive_spans, histogram.positive_buckets))
    out += fmt::format(" {}:{}", index, count);
  for (const auto& [index, count] :
       bucket_map(histogram.negative_spans, histogram.negative_buckets))
    out += fmt::format(" -{}:{}", index, count);
  for (const double bound : histogram.custom_values) out += fmt::format(" <={}", bound);
  return out + "}}";
}

}  // namespace aerie::promqltest
