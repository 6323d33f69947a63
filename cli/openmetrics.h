#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/time.h"

namespace aerie::cli {

/// One line that is a sample. The views live until the next line is read.
struct OpenMetricsSample {
  std::string_view series;  ///< name and labels as written; parse_series() opens it
  double value = 0;
  model::TimestampMs t = 0;
  std::string_view exemplar_labels;  ///< `{…}` as written; empty: no exemplar
  double exemplar_value = 0;
  std::optional<model::TimestampMs> exemplar_t;
};

/// What a file says about a metric family.
struct OpenMetricsFamily {
  std::string name;
  model::MetricMetadata metadata;
};

/// Reads OpenMetrics 1.0 text line by line, in constant memory. Every sample needs a timestamp and
/// the text ends with `# EOF`: without these a history cannot be trusted to be whole. One owner.
class OpenMetricsReader {
 public:
  /// `text` outlives the reader.
  explicit OpenMetricsReader(std::istream& text) : text_(text) {}
  /// The next sample, or nothing behind `# EOF`. Errors: InvalidArgument naming the line and what
  /// was expected there.
  Result<std::optional<OpenMetricsSample>> next();
  /// The families that are over and were not returned by an earlier call.
  std::vector<OpenMetricsFamily> take_families();
  /// Bytes read, for progress.
  uint64_t bytes() const { return bytes_; }

 private:
  Error wrong(std::string_view expected) const;
  Status read_comment(std::string_view line);
  Result<OpenMetricsSample> read_sample(std::string_view line) const;

  std::istream& text_;
  std::string line_;
  uint64_t number_ = 0;
  uint64_t bytes_ = 0;
  bool ended_ = false;
  OpenMetricsFamily family_;
  std::vector<OpenMetricsFamily> finished_;
};

/// Opens `name{a="b"}`, `{"a.name", c="d"}` or `{a="b"}` (exemplars). Errors: InvalidArgument.
Result<model::Labels> parse_series(std::string_view text);

}  // namespace aerie::cli
