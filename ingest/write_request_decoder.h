#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace aerie::ingest {

/// One TimeSeries of a prometheus.WriteRequest. The views live as long as the body that was
/// decoded.
struct DecodedSeries {
  std::string_view labels;    ///< the label records one after the other, exactly as sent: what
                              ///< identifies the series to a cache
  std::string_view message;   ///< the whole TimeSeries
  uint32_t first_sample = 0;  ///< index into samples()
  uint32_t samples = 0;
  bool has_exemplars = false;
  bool has_histograms = false;
};

struct DecodedMetadata {
  model::MetricType type = model::MetricType::Unknown;
  std::string_view metric_family;
  std::string_view help;
  std::string_view unit;
};

struct DecodedExemplar {
  std::vector<model::LabelView> labels;
  double value = 0;
  model::TimestampMs t = 0;
};

/// Uncompressed bytes of one request after the other in one buffer that is kept between requests.
/// One owner at a time.
class SnappyBuffer {
 public:
  /// The length that a snappy block declares. Errors: InvalidArgument if there is none or it
  /// exceeds `limit_bytes`. Looks at the first bytes only: to be called before anything is
  /// allocated.
  static Result<size_t> declared_length(std::string_view compressed, size_t limit_bytes);
  /// Uncompresses; the view holds until the next call. Errors: InvalidArgument for anything but a
  /// whole snappy block.
  Result<std::string_view> uncompress(std::string_view compressed, size_t limit_bytes);

 private:
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
};

/// Walks a prometheus.WriteRequest (Remote-Write 1.0) without copying strings; keeps its arrays
/// between requests. One owner at a time. Unknown fields are skipped, fields may come in any order,
/// repeated scalars packed or not. Format: the protobuf wire format and field numbers of
/// prometheus/prompb (types.proto, remote.proto).
class WriteRequestDecoder {
 public:
  /// Replaces what the last call found. `body` must outlive the use of the results. Errors:
  /// InvalidArgument when the body is not well-formed protobuf of this schema (samples and labels;
  /// exemplars and histograms are looked into by their own functions).
  Status decode(std::string_view body);

  const std::vector<DecodedSeries>& series() const { return series_; }
  const std::vector<model::Sample>& samples() const { return samples_; }
  const std::vector<DecodedMetadata>& metadata() const { return metadata_; }

 private:
  bool decode_plain_series(std::string_view message);
  void decode_series(std::string_view message);
  void decode_metadata(std::string_view message);

  std::vector<DecodedSeries> series_;
  std::vector<model::Sample> samples_;
  std::vector<DecodedMetadata> metadata_;
  std::deque<std::string> gathered_labels_;  // of series whose label records do not lie together
};

/// Splits label records (DecodedSeries::labels) into pairs, in the order sent. Errors:
/// InvalidArgument.
Result<std::vector<model::LabelView>> parse_labels(std::string_view records);
/// The exemplars of a TimeSeries message. Errors: InvalidArgument.
Result<std::vector<DecodedExemplar>> parse_exemplars(std::string_view message);
/// The encoded Histogram messages of a TimeSeries message, for parse_histogram(). Errors:
/// InvalidArgument.
Result<std::vector<std::string_view>> find_histograms(std::string_view message);

}  // namespace aerie::ingest
