#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/ingest/support/write_request.h"

namespace aerie::ingest::test {

struct V2Exemplar {
  Pairs labels;
  double value = 0;
  int64_t t = 0;
};

/// One TimeSeries of an io.prometheus.write.v2.Request.
struct V2Series {
  Pairs labels;
  std::vector<model::Sample> samples;
  std::vector<std::string> histograms;  ///< encoded, see test_histogram()
  std::vector<V2Exemplar> exemplars;
  std::optional<TestMetadata> metadata;  ///< its family is not used
  int64_t start = 0;                     ///< of every sample
  int64_t created = 0;                   ///< field 6 of drafts
};

struct V2Layout {
  bool packed = true;
  bool symbols_last = false;
  bool labels_last = false;  ///< behind the samples
};

/// An encoded request.
std::string write_v2_request(const std::vector<V2Series>& series, V2Layout layout = {});
/// As a snappy block.
std::string write_v2_body(const std::vector<V2Series>& series);

}  // namespace aerie::ingest::test
