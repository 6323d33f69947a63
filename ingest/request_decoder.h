#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "ingest/histogram_decoder.h"
#include "ingest/series_cache.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace aerie::ingest {

/// One series of a request. The views live as long as the body that was decoded.
struct DecodedSeries {
  std::string_view labels;    ///< Remote-Write 1.0: the label records one after the other, exactly
                              ///< as sent
  std::string_view message;   ///< the whole TimeSeries
  uint32_t first_sample = 0;  ///< index into samples()
  uint32_t samples = 0;
  bool has_exemplars = false;
  bool has_histograms = false;
  const char* defect = nullptr;  ///< why none of it can be used; null: nothing is wrong
};

struct DecodedMetadata {
  static constexpr uint32_t kNoSeries = UINT32_MAX;
  model::MetricType type = model::MetricType::Unknown;
  std::string_view metric_family;
  std::string_view help;
  std::string_view unit;
  uint32_t series = kNoSeries;  ///< 2.0: the first series that it came with
};

struct DecodedExemplar {
  std::vector<model::LabelView> labels;
  double value = 0;
  model::TimestampMs t = 0;
  const char* defect = nullptr;  ///< as in DecodedSeries
};

using HistogramOrRefused = std::variant<DecodedHistogram, Refused>;

/// What one request may hold. Far above what any sender packs (2,000 samples by default, vmagent
/// 10,000); an empty element takes two bytes on the wire and a hundred in memory.
struct RequestLimits {
  static constexpr size_t kSeries = 200'000;
  static constexpr size_t kSamples = 1'000'000;
  static constexpr size_t kSymbols = 1'000'000;
  static constexpr size_t kReferences = 4'000'000;
  static constexpr size_t kMetadata = 100'000;
  static constexpr size_t kHistograms = 100'000;
  static constexpr size_t kExemplars = 100'000;
  static constexpr size_t kLabels = 4096;  ///< per series; what is kept is bounded by its cluster
};

/// A request taken apart without copying strings, whatever its format. Series, samples and metadata
/// lie in arrays; what few series have is decoded when it is asked for. One owner at a time, used
/// for one request after the other so that its arrays keep their memory.
class RequestDecoder {
 public:
  RequestDecoder() = default;
  virtual ~RequestDecoder() = default;
  RequestDecoder(const RequestDecoder&) = delete;
  RequestDecoder& operator=(const RequestDecoder&) = delete;

  /// Replaces what the last call found. `body` must outlive the use of the results. Unknown fields
  /// are skipped, fields may come in any order, repeated scalars packed or not. Errors:
  /// InvalidArgument when the body is not well-formed protobuf of this schema, or past
  /// RequestLimits.
  virtual Status decode(std::string_view body) = 0;
  /// One key per series: equal keys mean equal labels, the same sender always makes the same one.
  virtual void series_keys(uint64_t seed, std::vector<SeriesKey>& keys) const = 0;
  /// As sent: unsorted, unchecked. `series` has no defect. Errors: InvalidArgument.
  virtual Result<std::vector<model::LabelView>> labels(uint32_t series) const = 0;
  /// Errors: InvalidArgument.
  virtual Result<std::vector<DecodedExemplar>> exemplars(uint32_t series) const = 0;
  /// Errors: InvalidArgument.
  virtual Result<std::vector<HistogramOrRefused>> histograms(uint32_t series) const = 0;

  /// Bytes that its arrays keep for the next request, about.
  virtual size_t kept_bytes() const {
    return series_.capacity() * sizeof(DecodedSeries) +
           samples_.capacity() * sizeof(model::Sample) +
           starts_.capacity() * sizeof(model::TimestampMs) +
           metadata_.capacity() * sizeof(DecodedMetadata);
  }

  /// What a series with a defect is refused for.
  virtual Refusal defect_reason() const { return Refusal::InvalidReference; }

  const std::vector<DecodedSeries>& series() const { return series_; }
  const std::vector<model::Sample>& samples() const { return samples_; }
  /// When the counting of a sample began, 0: not said. Empty if no sample says so, else one for
  /// each.
  const std::vector<model::TimestampMs>& starts() const { return starts_; }
  const std::vector<DecodedMetadata>& metadata() const { return metadata_; }

 protected:
  void clear() {
    series_.clear();
    samples_.clear();
    starts_.clear();
    metadata_.clear();
    past_limit_ = nullptr;
  }
  /// False if `size` elements are all there may be of `what`; status() then says so.
  bool room(size_t size, size_t limit, const char* what) {
    if (size < limit) return true;
    past_limit_ = what;
    return false;
  }
  Status status() const;

  std::vector<DecodedSeries> series_;
  std::vector<model::Sample> samples_;
  std::vector<model::TimestampMs> starts_;
  std::vector<DecodedMetadata> metadata_;

 private:
  const char* past_limit_ = nullptr;  // what there was too much of
};

/// The error of a request with too many of something.
Error past_limit(const char* what);
/// The error of a body that is not what it is sent as: `schema` with its article.
Error malformed(std::string_view schema, const char* what);
/// The native histograms of a series, which both versions of remote write encode alike, each in
/// one field with this number of `message`. Errors: as RequestDecoder::histograms().
Result<std::vector<HistogramOrRefused>> decode_histograms(std::string_view message, uint32_t field,
                                                          std::string_view schema);

}  // namespace aerie::ingest
