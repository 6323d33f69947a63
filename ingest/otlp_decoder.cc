#include "ingest/otlp_decoder.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <protozero/pbf_reader.hpp>
#include <utility>

#include "ingest/otlp_names.h"

namespace aerie::ingest {
namespace {

using protozero::pbf_wire_type;
using protozero::tag_and_type;

constexpr int32_t kHighestSchema = 8;
constexpr int32_t kLowestSchema = -4;
// What Prometheus takes where a sender names no width of the zero bucket.
constexpr double kZeroThreshold = 1e-128;
constexpr uint64_t kCumulative = 2;
constexpr const char* kNotCumulative =
    "aggregation temporality is not cumulative; set it at the exporter, or add a deltatocumulative "
    "processor";
constexpr const char* kTooCoarse = "exponential histogram of a scale below -4";

constexpr std::string_view kSchema = "an OTLP ExportMetricsServiceRequest";

std::string_view view_of(protozero::data_view view) { return {view.data(), view.size()}; }
protozero::pbf_reader reader_of(std::string_view message) {
  return {message.data(), message.size()};
}

Error malformed(const char* what) { return ingest::malformed(kSchema, what); }

model::TimestampMs milliseconds(uint64_t nanoseconds) {
  return static_cast<model::TimestampMs>(nanoseconds / 1'000'000);
}

// As Go prints a bound: never with an exponent.
std::string bound_text(double bound) {
  std::string text = fmt::format("{}", bound);
  if (text.find('e') == std::string::npos) return text;
  text = fmt::format("{:.17f}", bound);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// Buckets (offset + i) of OTLP are the indexes offset + i + 1 of Prometheus; `steps` halvings of
// the resolution join neighbours.
void convert_buckets(const OtlpBuckets& buckets, int32_t steps,
                     std::vector<model::BucketSpan>& spans, std::vector<double>& counts) {
  int64_t last = 0;
  for (size_t i = 0; i < buckets.counts.size(); ++i) {
    if (buckets.counts[i] == 0) continue;
    const int64_t index = ((int64_t{buckets.offset} + static_cast<int64_t>(i)) >> steps) + 1;
    const auto count = static_cast<double>(buckets.counts[i]);
    if (!counts.empty() && index == last) {
      counts.back() += count;
      continue;
    }
    if (counts.empty()) {
      spans.push_back({static_cast<int32_t>(index), 1});
    } else if (index == last + 1) {
      ++spans.back().length;
    } else {
      spans.push_back({static_cast<int32_t>(index - last - 1), 1});
    }
    counts.push_back(count);
    last = index;
  }
}

struct Aggregation {
  uint64_t temporality = 0;
  bool monotonic = false;
};

// Of a Sum, Histogram or ExponentialHistogram; a summary has always been cumulative.
Aggregation aggregation_of(std::string_view message, OtlpPointKind kind) {
  Aggregation aggregation;
  if (kind == OtlpPointKind::Summary) return {kCumulative, false};
  auto reader = reader_of(message);
  while (reader.next()) {
    if (reader.tag_and_type() == tag_and_type(2, pbf_wire_type::varint)) {
      aggregation.temporality = reader.get_uint64();
    } else if (reader.tag_and_type() == tag_and_type(3, pbf_wire_type::varint)) {
      aggregation.monotonic = reader.get_bool();
    } else {
      reader.skip();
    }
  }
  return aggregation;
}

}  // namespace

// Who sends, as labels.
struct OtlpDecoder::Resource {
  std::string job;
  std::string instance;
  OtlpAttributes attributes;  // the others
  model::TimestampMs newest = 0;

  void take(std::string_view message);
};

struct OtlpDecoder::Metric {
  std::string_view name;
  std::string_view description;
  std::string_view unit;
  OtlpPointKind kind = OtlpPointKind::Number;
  model::MetricType type = model::MetricType::Gauge;
  OtlpKind naming = OtlpKind::Other;
  const char* defect = nullptr;
  std::string series_name;
};

void OtlpDecoder::Resource::take(std::string_view message) {
  std::string service_namespace;
  auto reader = reader_of(message);
  while (reader.next(1, pbf_wire_type::length_delimited)) {
    auto attribute = decode_otlp_attribute(view_of(reader.get_view()));
    if (attribute.first == "service.name") {
      job = std::move(attribute.second);
    } else if (attribute.first == "service.namespace") {
      service_namespace = std::move(attribute.second);
    } else if (attribute.first == "service.instance.id") {
      instance = std::move(attribute.second);
    } else if (attributes.size() < RequestLimits::kLabels) {
      attributes.push_back(std::move(attribute));
    }
  }
  if (!service_namespace.empty() && !job.empty()) job.insert(0, service_namespace + "/");
}

Status OtlpDecoder::decode(std::string_view body) {
  clear();
  texts_.clear();
  labels_.clear();
  of_series_.clear();
  histograms_.clear();
  exemplars_.clear();
  try {
    auto reader = reader_of(body);
    while (reader.next(1, pbf_wire_type::length_delimited))
      decode_resource_metrics(view_of(reader.get_view()));
  } catch (const protozero::exception& broken) {
    return malformed(broken.what());
  }
  return status();
}

void OtlpDecoder::decode_resource_metrics(std::string_view message) {
  Resource resource;
  auto first = reader_of(message);
  while (first.next(1, pbf_wire_type::length_delimited)) resource.take(view_of(first.get_view()));
  auto reader = reader_of(message);
  while (reader.next(2, pbf_wire_type::length_delimited)) {
    auto scope = reader.get_message();
    while (scope.next(2, pbf_wire_type::length_delimited))
      decode_metric(view_of(scope.get_view()), resource);
  }
  add_target_info(resource);
}

void OtlpDecoder::decode_metric(std::string_view message, Resource& resource) {
  Metric metric;
  std::vector<std::string_view> data;
  auto reader = reader_of(message);
  const auto take_data = [&](OtlpPointKind kind, model::MetricType type) {
    metric.kind = kind;
    metric.type = type;
    data.push_back(view_of(reader.get_view()));
  };
  while (reader.next()) {
    if (reader.wire_type() != pbf_wire_type::length_delimited) {
      reader.skip();
      continue;
    }
    switch (reader.tag()) {
      case 1: metric.name = view_of(reader.get_view()); break;
      case 2: metric.description = view_of(reader.get_view()); break;
      case 3: metric.unit = view_of(reader.get_view()); break;
      case 5:
        take_data(OtlpPointKind::Number, model::MetricType::Gauge);
        metric.naming = OtlpKind::Gauge;
        break;
      case 7: take_data(OtlpPointKind::Number, model::MetricType::Counter); break;
      case 9: take_data(OtlpPointKind::Histogram, model::MetricType::Histogram); break;
      case 10: take_data(OtlpPointKind::ExponentialHistogram, model::MetricType::Histogram); break;
      case 11: take_data(OtlpPointKind::Summary, model::MetricType::Summary); break;
      default: reader.skip();
    }
  }
  for (const std::string_view one : data) {
    const Aggregation aggregation = aggregation_of(one, metric.kind);
    if (metric.naming != OtlpKind::Gauge && aggregation.temporality != kCumulative)
      metric.defect = kNotCumulative;
    if (metric.type == model::MetricType::Counter) {
      if (aggregation.monotonic) metric.naming = OtlpKind::MonotonicSum;
      if (!aggregation.monotonic) metric.type = model::MetricType::Gauge;
    }
    metric.series_name = otlp_metric_name(metric.name, metric.unit, metric.naming);
    decode_points(one, resource, metric);
  }
}

void OtlpDecoder::decode_points(std::string_view message, Resource& resource,
                                const Metric& metric) {
  const auto first = static_cast<uint32_t>(series_.size());
  auto reader = reader_of(message);
  while (reader.next(1, pbf_wire_type::length_delimited)) {
    const OtlpPoint point = decode_otlp_point(view_of(reader.get_view()), metric.kind);
    resource.newest = std::max(resource.newest, milliseconds(point.time_ns));
    add_point(point, resource, metric);
  }
  if (series_.size() == first || !room(metadata_.size(), RequestLimits::kMetadata, "metadata"))
    return;
  metadata_.push_back({metric.type, keep(metric.series_name), metric.description,
                       keep(otlp_unit(metric.unit)), first});
}

void OtlpDecoder::add_point(const OtlpPoint& point, const Resource& resource,
                            const Metric& metric) {
  const std::string& name = metric.series_name;
  if (metric.defect != nullptr) {
    if (DecodedSeries* series = begin(name, point.attributes, resource, {}))
      series->defect = metric.defect;
    return;
  }
  switch (metric.kind) {
    case OtlpPointKind::Number:
      add_sample(name, point, resource, point.no_value ? model::stale_marker() : point.value, {});
      add_exemplars(point.exemplars);
      break;
    case OtlpPointKind::Histogram: add_classic(point, resource, name); break;
    case OtlpPointKind::ExponentialHistogram: add_native(point, resource, name); break;
    case OtlpPointKind::Summary: add_summary(point, resource, name); break;
  }
}

void OtlpDecoder::add_classic(const OtlpPoint& point, const Resource& resource,
                              const std::string& name) {
  const auto value = [&](double number) { return point.no_value ? model::stale_marker() : number; };
  if (point.has_sum) add_sample(name + "_sum", point, resource, value(point.sum), {});
  const auto count = static_cast<double>(point.count);
  add_sample(name + "_count", point, resource, value(count), {});
  // Each bucket has the exemplars up to its bound, the last all that are left.
  std::vector<OtlpExemplar> exemplars = point.exemplars;
  std::sort(exemplars.begin(), exemplars.end(),
            [](const auto& a, const auto& b) { return a.value < b.value; });
  size_t used = 0;
  double cumulative = 0;
  const size_t buckets = std::min(point.bounds.size(), point.bucket_counts.size());
  for (size_t i = 0; i <= buckets; ++i) {
    const bool last = i == buckets;
    if (!last) cumulative += static_cast<double>(point.bucket_counts[i]);
    const double bound = last ? std::numeric_limits<double>::infinity() : point.bounds[i];
    add_sample(name + "_bucket", point, resource, value(last ? count : cumulative),
               {"le", last ? "+Inf" : bound_text(bound)});
    size_t end = used;
    while (end < exemplars.size() && (last || exemplars[end].value <= bound)) ++end;
    add_exemplars(std::span(exemplars).subspan(used, end - used));
    used = end;
  }
}

void OtlpDecoder::add_native(const OtlpPoint& point, const Resource& resource,
                             const std::string& name) {
  DecodedSeries* series = begin(name, point.attributes, resource, {});
  if (series == nullptr) return;
  if (point.scale < kLowestSchema) {
    series->defect = kTooCoarse;
    return;
  }
  auto histogram = std::make_shared<model::NativeHistogram>();
  histogram->is_float = false;
  histogram->schema = std::min(point.scale, kHighestSchema);
  const int32_t steps = std::min(point.scale - histogram->schema, 62);
  histogram->zero_threshold = point.zero_threshold > 0 ? point.zero_threshold : kZeroThreshold;
  histogram->zero_count = static_cast<double>(point.zero_count);
  histogram->count = static_cast<double>(point.count);
  histogram->sum = point.no_value ? model::stale_marker() : point.sum;
  convert_buckets(point.positive, steps, histogram->positive_spans, histogram->positive_buckets);
  convert_buckets(point.negative, steps, histogram->negative_spans, histogram->negative_buckets);
  series->has_histograms = true;
  const auto index = static_cast<uint32_t>(series_.size() - 1);
  histograms_.emplace(index, DecodedHistogram{milliseconds(point.time_ns),
                                              milliseconds(point.start_ns), std::move(histogram)});
  add_exemplars(point.exemplars);
}

void OtlpDecoder::add_summary(const OtlpPoint& point, const Resource& resource,
                              const std::string& name) {
  const auto value = [&](double number) { return point.no_value ? model::stale_marker() : number; };
  add_sample(name + "_sum", point, resource, value(point.sum), {});
  add_sample(name + "_count", point, resource, value(static_cast<double>(point.count)), {});
  for (const auto& [quantile, number] : point.quantiles)
    add_sample(name, point, resource, value(number), {"quantile", bound_text(quantile)});
}

void OtlpDecoder::add_target_info(const Resource& resource) {
  const bool anonymous = resource.job.empty() && resource.instance.empty();
  if (anonymous || resource.attributes.empty() || resource.newest == 0) return;
  OtlpPoint point;
  point.attributes = resource.attributes;
  point.time_ns = static_cast<uint64_t>(resource.newest) * 1'000'000;
  add_sample("target_info", point, resource, 1, {});
}

DecodedSeries* OtlpDecoder::begin(const std::string& name, const OtlpAttributes& attributes,
                                  const Resource& resource, const Extra& extra) {
  if (!room(series_.size(), RequestLimits::kSeries, "series")) return nullptr;
  if (!room(labels_.size(), RequestLimits::kReferences, "labels")) return nullptr;
  // Names that become the same name share it, in the order of the names as sent.
  OtlpAttributes sorted = attributes;
  std::sort(sorted.begin(), sorted.end());
  std::map<std::string, std::string> labels;
  for (const auto& [key, value] : sorted) {
    std::string& text = labels[otlp_label_name(key)];
    text.append(text.empty() ? "" : ";").append(value);
  }
  if (!resource.job.empty()) labels["job"] = resource.job;
  if (!resource.instance.empty()) labels["instance"] = resource.instance;
  if (!extra.name.empty()) labels[std::string(extra.name)] = extra.value;
  labels[std::string(model::kMetricName)] = name;
  const auto first = static_cast<uint32_t>(labels_.size());
  for (auto& [label, value] : labels) {
    const std::string_view kept_name = keep(label);
    labels_.push_back({kept_name, keep(std::move(value))});
  }
  of_series_.push_back({first, static_cast<uint32_t>(labels.size())});
  DecodedSeries& series = series_.emplace_back();
  series.first_sample = static_cast<uint32_t>(samples_.size());
  return &series;
}

void OtlpDecoder::add_sample(const std::string& name, const OtlpPoint& point,
                             const Resource& resource, double value, const Extra& extra) {
  DecodedSeries* series = begin(name, point.attributes, resource, extra);
  if (series == nullptr || !room(samples_.size(), RequestLimits::kSamples, "samples")) return;
  samples_.push_back({milliseconds(point.time_ns), value});
  series->samples = 1;
  if (point.start_ns == 0 && starts_.empty()) return;
  starts_.resize(samples_.size());
  starts_.back() = milliseconds(point.start_ns);
}

// Of the series begun last.
void OtlpDecoder::add_exemplars(std::span<const OtlpExemplar> exemplars) {
  if (exemplars.empty() || series_.empty()) return;
  if (!room(exemplars_.size(), RequestLimits::kExemplars, "exemplars")) return;
  series_.back().has_exemplars = true;
  auto& all = exemplars_[static_cast<uint32_t>(series_.size() - 1)];
  for (const OtlpExemplar& one : exemplars) {
    DecodedExemplar& exemplar = all.emplace_back();
    exemplar.value = one.value;
    exemplar.t = milliseconds(one.time_ns);
    const auto add = [&](std::string_view name, const std::string& value) {
      if (!value.empty()) exemplar.labels.push_back({keep(std::string(name)), keep(value)});
    };
    add("trace_id", one.trace_id);
    add("span_id", one.span_id);
    for (const auto& [key, value] : one.attributes) add(otlp_label_name(key), value);
  }
}

std::string_view OtlpDecoder::keep(std::string text) {
  return texts_.emplace_back(std::move(text));
}

void OtlpDecoder::series_keys(uint64_t seed, std::vector<SeriesKey>& keys) const {
  keys.resize(series_.size());
  std::string text;
  for (size_t i = 0; i < series_.size(); ++i) {
    text.clear();
    const Range& range = of_series_[i];
    for (uint32_t l = range.first; l < range.first + range.count; ++l) {
      text.append(labels_[l].name).append(1, '\xff').append(labels_[l].value).append(1, '\xff');
    }
    keys[i] = series_key(text, seed ^ 0x94d049bb133111eb);
  }
}

Result<std::vector<model::LabelView>> OtlpDecoder::labels(uint32_t series) const {
  const Range& range = of_series_[series];
  const auto begin = labels_.begin() + range.first;
  return std::vector<model::LabelView>(begin, begin + range.count);
}

Result<std::vector<DecodedExemplar>> OtlpDecoder::exemplars(uint32_t series) const {
  const auto found = exemplars_.find(series);
  return found == exemplars_.end() ? std::vector<DecodedExemplar>() : found->second;
}

Result<std::vector<HistogramOrRefused>> OtlpDecoder::histograms(uint32_t series) const {
  std::vector<HistogramOrRefused> all;
  if (const auto found = histograms_.find(series); found != histograms_.end())
    all.push_back(found->second);
  return all;
}

}  // namespace aerie::ingest
