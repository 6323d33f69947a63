#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/request_decoder.h"

namespace aerie::ingest {

/// Walks a prometheus.WriteRequest (Remote-Write 1.0). Format: the protobuf wire format and field
/// numbers of prometheus/prompb (types.proto, remote.proto).
class WriteRequestDecoder final : public RequestDecoder {
 public:
  Status decode(std::string_view body) override;
  /// The series at the beginning of a body of which only a part is there, up to the first that is
  /// cut off or anything else.
  void decode_beginning(std::string_view part);
  /// XXH3-128 of the label bytes as sent.
  void series_keys(uint64_t seed, std::vector<SeriesKey>& keys) const override;
  Result<std::vector<model::LabelView>> labels(uint32_t series) const override;
  Result<std::vector<DecodedExemplar>> exemplars(uint32_t series) const override;
  Result<std::vector<HistogramOrRefused>> histograms(uint32_t series) const override;

 private:
  bool decode_plain_series(std::string_view message);
  void decode_series(std::string_view message);
  void decode_metadata(std::string_view message);

  std::deque<std::string> gathered_labels_;  // of series whose label records do not lie together
};

/// Splits label records (DecodedSeries::labels) into pairs, in the order sent. Errors:
/// InvalidArgument.
Result<std::vector<model::LabelView>> parse_labels(std::string_view records);

/// A sample of either version; only 2.0 has a start.
struct WireSample {
  model::Sample sample;
  model::TimestampMs start = 0;
};
/// Throws protozero::exception.
WireSample decode_sample(std::string_view message);

}  // namespace aerie::ingest
