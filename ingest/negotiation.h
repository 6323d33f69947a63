#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace aerie::ingest {

/// Decides from the headers alone, before the body is looked at, whether we understand what is
/// being sent. The schema follows from Content-Type only, never from the version header
/// (Remote-Write specifications 1.0 and 2.0, "Protocol"). Accepted: application/x-protobuf, with or
/// without `proto=prometheus.WriteRequest`, or no type at all; Content-Encoding snappy or none.
/// Errors: InvalidArgument, to be answered 415 so that a sender that can speak something older
/// falls back to it.
Status check_negotiation(std::string_view content_type, std::string_view content_encoding);

/// Seconds for Retry-After: 2 s doubled per attempt of the sender (its Retry-Attempt header), at
/// most 30, spread by half in both directions with `random` so that a fleet does not come back in
/// one wave. Between 1 and 45.
int retry_after_seconds(std::string_view retry_attempt, uint64_t random);

}  // namespace aerie::ingest
