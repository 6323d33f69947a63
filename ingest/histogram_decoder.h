#pragma once

#include <memory>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "ingest/refusal.h"
#include "model/histogram.h"
#include "model/time.h"

namespace aerie::ingest {

struct DecodedHistogram {
  model::TimestampMs t = 0;
  model::TimestampMs start = 0;  ///< when its counting began, 0: not said (Remote-Write 2.0)
  std::shared_ptr<const model::NativeHistogram> histogram;
};

/// Decodes an encoded prompb Histogram: integer (deltas) or float (absolute), exponential or with
/// custom buckets, and checks it by the rules of Prometheus's histogram.Validate: buckets cover the
/// spans, counts are not negative, integer counts add up, custom bounds ascend. Schemas 9..52 are
/// brought down to 8; below -4 is refused. Result errors (InvalidArgument): broken protobuf.
/// Refused: a histogram that no query could use.
Result<std::variant<DecodedHistogram, Refused>> parse_histogram(std::string_view message);

}  // namespace aerie::ingest
