#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/matcher.h"
#include "model/time.h"

namespace aerie::cli {

/// A prometheus.ReadRequest with one query that asks for plain samples. `range`: both ends
/// inclusive.
std::string encode_read_request(const model::Matchers& matchers, model::TimeRange range);

/// The encoded TimeSeries in a prometheus.ReadResponse, as views into it. They are what a
/// WriteRequest is made of. Errors: Corruption.
Result<std::vector<std::string_view>> series_of_read_response(std::string_view response);

/// What an importer has to know about an encoded TimeSeries.
struct EncodedSeries {
  size_t samples = 0;  ///< floats and histograms
  std::vector<std::string_view> label_names;
};
/// Errors: Corruption.
Result<EncodedSeries> inspect_series(std::string_view series);

}  // namespace aerie::cli
