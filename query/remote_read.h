#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sample_source.h"

namespace aerie::query {

enum class RemoteReadFormat : uint8_t { Samples, StreamedXorChunks };

/// Prometheus's remote read: one query is the samples of a time range, both ends inclusive.
struct RemoteReadQuery {
  model::TimeRange range;
  model::Matchers matchers;
};
struct RemoteReadRequest {
  std::vector<RemoteReadQuery> queries;
  std::vector<RemoteReadFormat> accepted;  ///< in the order of preference; empty means samples
};

struct RemoteReadLimits {
  uint64_t max_samples = 50'000'000;    ///< of an answer of samples
  size_t max_frame_bytes = 1u << 20;    ///< of a streamed frame, before its own framing
  size_t max_request_bytes = 4u << 20;  ///< decompressed
};

/// Decompresses (snappy block) and decodes. Errors: InvalidArgument.
Result<RemoteReadRequest> decode_remote_read(std::string_view body, const RemoteReadLimits& limits);

/// A ReadResponse, snappy compressed. Errors: InvalidArgument past the limit of samples, and what
/// the source answers.
Result<std::string> remote_read_samples(const RemoteReadRequest& request,
                                        const model::SampleSource& source,
                                        const RemoteReadLimits& limits);

/// Frames of ChunkedReadResponse: length as a varint, CRC-32C big-endian, message. Nothing if some
/// series has native histograms, whose chunks aerie does not write: then only samples can carry the
/// answer. Errors: what the source answers.
Result<std::optional<std::string>> remote_read_chunks(const RemoteReadRequest& request,
                                                      const model::SampleSource& source,
                                                      const RemoteReadLimits& limits);

}  // namespace aerie::query
