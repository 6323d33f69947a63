#include "cli/write_request.h"

#include <utility>

#include "cli/protobuf_fields.h"

namespace aerie::cli {
namespace {

// Field numbers of prometheus/prompb/{remote,types}.proto.
constexpr uint32_t kRequestSeries = 1;
constexpr uint32_t kRequestMetadata = 3;
constexpr uint32_t kSeriesLabels = 1;
constexpr uint32_t kSeriesSamples = 2;
constexpr uint32_t kSeriesExemplars = 3;

void put_labels(std::string& out, uint32_t field, const model::Labels& labels) {
  for (const auto& [name, value] : labels) {
    std::string pair;
    put_bytes(pair, 1, name);
    put_bytes(pair, 2, value);
    put_bytes(out, field, pair);
  }
}

}  // namespace

void WriteRequest::begin_series(const model::Labels& labels) {
  end_series();
  put_labels(series_, kSeriesLabels, labels);
}

void WriteRequest::add_sample(model::TimestampMs t, double value) {
  std::string sample;
  put_double(sample, 1, value);
  put_number(sample, 2, static_cast<uint64_t>(t));
  put_bytes(series_, kSeriesSamples, sample);
  ++samples_;
}

void WriteRequest::add_exemplar(const model::Labels& labels, model::TimestampMs t, double value) {
  std::string exemplar;
  put_labels(exemplar, 1, labels);
  put_double(exemplar, 2, value);
  put_number(exemplar, 3, static_cast<uint64_t>(t));
  put_bytes(series_, kSeriesExemplars, exemplar);
}

void WriteRequest::add_metadata(const OpenMetricsFamily& family) {
  std::string metadata;
  put_number(metadata, 1, static_cast<uint64_t>(family.metadata.type));
  put_bytes(metadata, 2, family.name);
  put_bytes(metadata, 4, family.metadata.help);
  put_bytes(metadata, 5, family.metadata.unit);
  put_bytes(bytes_, kRequestMetadata, metadata);
}

void WriteRequest::add_encoded_series(std::string_view series, size_t samples,
                                      const model::Labels& extra) {
  end_series();
  series_ = series;
  put_labels(series_, kSeriesLabels, extra);
  samples_ += samples;
}

void WriteRequest::end_series() {
  if (!series_.empty()) put_bytes(bytes_, kRequestSeries, std::exchange(series_, {}));
}

std::string WriteRequest::finish() {
  end_series();
  samples_ = 0;
  return std::exchange(bytes_, {});
}

}  // namespace aerie::cli
