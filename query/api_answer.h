#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/compression.h"
#include "http/message.h"
#include "http/stream_compressor.h"
#include "model/matcher.h"
#include "model/time.h"
#include "query/value.h"

namespace aerie::query {

/// The answer under construction. Its data is appended in place, so that a large result is written
/// once; with a coding, what is written of a large one can be compressed on the way.
class ApiAnswer {
 public:
  explicit ApiAnswer(http::Coding coding = http::Coding::Identity)
      : coding_(coding), body_("{\"status\":\"success\",\"data\":") {}
  std::string& data() { return body_; }
  /// Compresses what stands in data() if it is much, and empties it.
  void pack();
  void warn(std::string text) { notices_.warnings.push_back(std::move(text)); }
  void add(Annotations notices) { notices_ = std::move(notices); }
  /// At most ten notices of each kind are shown. 200.
  http::Response finish() &&;

 private:
  const http::Coding coding_;
  std::string body_;
  std::unique_ptr<http::StreamCompressor> packed_;  // what came before body_; null: nothing
  Annotations notices_;
};

/// `{"status":"error",…}` with the code that belongs to the error.
http::Response error_answer(const Error& error);
/// The same for a bad parameter: `invalid parameter "step": …`.
http::Response bad_parameter(std::string_view name, const Error& error);

/// A count: 0 or absent means no limit. Errors: InvalidArgument with Go's text.
Result<size_t> limit_parameter(const http::Parameters& params);
/// Seconds or RFC 3339; `fallback` when absent.
Result<model::TimestampMs> time_parameter(const http::Parameters& params, std::string_view name,
                                          std::optional<model::TimestampMs> fallback);
/// Seconds or a duration, in seconds.
Result<double> duration_seconds(std::string_view text);
/// All `match[]`.
Result<std::vector<model::Matchers>> match_parameters(const http::Parameters& params);
/// Both ends of `start` and `end`, everything when absent; the response when one is bad.
struct TimeRangeParameter {
  model::TimeRange range;
  std::optional<http::Response> refusal;
};
TimeRangeParameter range_parameters(const http::Parameters& params);

/// Undoes the escaping of names in URLs: `U__a_2e_b` is `a.b`. What is not well escaped stays as it
/// is.
std::string unescape_name(std::string_view name);

inline constexpr std::string_view kTruncated = "results truncated due to limit";

}  // namespace aerie::query
