#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/otlp_fields.h"
#include "ingest/request_decoder.h"

namespace aerie::ingest {

/// Walks an OTLP ExportMetricsServiceRequest and makes of it the series that Prometheus 3 makes by
/// default: names and labels escaped with underscores, unit and type as suffixes, histograms with
/// explicit bounds as classic ones, exponential ones as native ones, summaries as quantiles;
/// `service.namespace`/`service.name` and `service.instance.id` as `job` and `instance`, the other
/// attributes of the resource on `target_info`. Cumulative temporality only: points of the other
/// are series with a defect. Format: opentelemetry/proto/metrics/v1.
class OtlpDecoder final : public RequestDecoder {
 public:
  Status decode(std::string_view body) override;
  void series_keys(uint64_t seed, std::vector<SeriesKey>& keys) const override;
  Result<std::vector<model::LabelView>> labels(uint32_t series) const override;
  Result<std::vector<DecodedExemplar>> exemplars(uint32_t series) const override;
  Result<std::vector<HistogramOrRefused>> histograms(uint32_t series) const override;
  Refusal defect_reason() const override { return Refusal::UnsupportedPoint; }

 private:
  struct Resource;
  struct Metric;
  struct Range {
    uint32_t first = 0;
    uint32_t count = 0;
  };
  /// A label besides the point's own: `le` or `quantile`.
  struct Extra {
    std::string_view name;
    std::string value;
  };

  void decode_resource_metrics(std::string_view message);
  void decode_metric(std::string_view message, Resource& resource);
  void decode_points(std::string_view message, Resource& resource, const Metric& metric);
  void add_point(const OtlpPoint& point, const Resource& resource, const Metric& metric);
  void add_classic(const OtlpPoint& point, const Resource& resource, const std::string& name);
  void add_native(const OtlpPoint& point, const Resource& resource, const std::string& name);
  void add_summary(const OtlpPoint& point, const Resource& resource, const std::string& name);
  void add_target_info(const Resource& resource);
  /// Begins a series with these labels; null past the limit.
  DecodedSeries* begin(const std::string& name, const OtlpAttributes& attributes,
                       const Resource& resource, const Extra& extra);
  void add_sample(const std::string& name, const OtlpPoint& point, const Resource& resource,
                  double value, const Extra& extra);
  void add_exemplars(std::span<const OtlpExemplar> exemplars);
  std::string_view keep(std::string text);

  std::deque<std::string> texts_;
  std::vector<model::LabelView> labels_;
  std::vector<Range> of_series_;
  std::map<uint32_t, HistogramOrRefused> histograms_;
  std::map<uint32_t, std::vector<DecodedExemplar>> exemplars_;
};

}  // namespace aerie::ingest
