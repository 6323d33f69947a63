#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ingest/request_decoder.h"

namespace aerie::ingest {

/// Walks an io.prometheus.write.v2.Request (Remote-Write 2.0): labels, help and units are numbers
/// of strings in the request's own table, which may stand behind the series. Format: the protobuf
/// wire format and field numbers of prometheus/prompb/io/prometheus/write/v2/types.proto; field 6
/// of a series, its created timestamp in drafts of the specification, is read as well.
class WriteV2Decoder final : public RequestDecoder {
 public:
  Status decode(std::string_view body) override;
  /// The sum over the labels of a mix of the hashes of name and value: it does not depend on the
  /// order of the labels, nor on the numbers of the strings, which differ between requests.
  void series_keys(uint64_t seed, std::vector<SeriesKey>& keys) const override;
  Result<std::vector<model::LabelView>> labels(uint32_t series) const override;
  Result<std::vector<DecodedExemplar>> exemplars(uint32_t series) const override;
  Result<std::vector<HistogramOrRefused>> histograms(uint32_t series) const override;
  size_t kept_bytes() const override {
    return RequestDecoder::kept_bytes() +
           (symbols_.capacity() + messages_.capacity()) * sizeof(std::string_view) +
           references_.capacity() * sizeof(uint32_t) + of_series_.capacity() * sizeof(References) +
           symbol_hashes_.capacity() * sizeof(SeriesKey);
  }

 private:
  struct References {
    uint32_t first = 0;  // into references_
    uint32_t count = 0;
  };
  struct Metadata {
    uint32_t type = 0;
    uint32_t help = 0;
    uint32_t unit = 0;
    bool operator==(const Metadata&) const = default;
  };

  void decode_series(std::string_view message);
  bool decode_plain_series(std::string_view message);
  void finish_series(DecodedSeries& series, uint32_t first_reference, const Metadata& metadata);
  static Metadata decode_metadata(std::string_view message);
  void add_sample(std::string_view message);
  void settle_starts(uint32_t first_sample, model::TimestampMs created);
  bool read_packed(std::string_view packed);
  bool add_plain_sample(std::string_view message);
  const char* defect_of(const References& references, const Metadata& metadata) const;
  std::string_view metric_name(const References& references) const;
  void note_metadata(const Metadata& metadata);

  std::vector<std::string_view> symbols_;
  std::vector<std::string_view> messages_;
  std::vector<uint32_t> references_;
  uint32_t largest_reference_ = 0;  // of the series being decoded, if it is a plain one
  std::vector<References> of_series_;
  Metadata last_metadata_;  // of the series before, and its family: series of one come together
  std::string_view last_family_;
  mutable std::vector<SeriesKey> symbol_hashes_;
  mutable std::vector<SeriesKey> label_hashes_;  // of the series before
};

/// `http_request_duration_seconds_bucket` belongs to a family without the suffix, if the type says
/// so.
std::string_view metric_family_of(std::string_view metric_name, model::MetricType type);

}  // namespace aerie::ingest
