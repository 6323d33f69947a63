#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace aerie::ingest {

/// The message that a body holds.
enum class WireFormat : uint8_t {
  RemoteWrite1,  ///< prometheus.WriteRequest
  RemoteWrite2,  ///< io.prometheus.write.v2.Request
  Otlp           ///< opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest
};

enum class BodyEncoding : uint8_t {
  Snappy,   ///< block format
  Zstd,     ///< one frame: vmagent's variant of Remote-Write 1.0
  Gzip,     ///< OTLP
  Identity  ///< OTLP
};

/// What a sender says it sends.
struct BodyKind {
  WireFormat format = WireFormat::RemoteWrite1;
  BodyEncoding encoding = BodyEncoding::Snappy;
  bool operator==(const BodyKind&) const = default;
};

/// Decides from the headers alone, before the body is looked at, what is being sent. The format
/// follows from Content-Type only, never from the version header (Remote-Write specifications 1.0
/// and 2.0, "Protocol"): application/x-protobuf, whose `proto` parameter is prometheus.WriteRequest
/// or io.prometheus.write.v2.Request; without it, or without any type, it is 1.0. Content-Encoding:
/// snappy, zstd, or none for snappy. Errors: InvalidArgument, to be answered 415 so that a sender
/// that can speak something older falls back to it.
Result<BodyKind> negotiate(std::string_view content_type, std::string_view content_encoding);

/// The same for OTLP: application/x-protobuf, with gzip or without.
Result<BodyKind> negotiate_otlp(std::string_view content_type, std::string_view content_encoding);

/// Seconds for Retry-After: 2 s doubled per attempt of the sender (its Retry-Attempt header), at
/// most 30, spread by half in both directions with `random` so that a fleet does not come back in
/// one wave. Between 1 and 45.
int retry_after_seconds(std::string_view retry_attempt, uint64_t random);

}  // namespace aerie::ingest
