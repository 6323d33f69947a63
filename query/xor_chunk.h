#pragma once

#include <span>
#include <string>

#include "model/time.h"

namespace aerie::query {

/// Samples a chunk may hold, as Prometheus cuts them.
inline constexpr size_t kXorChunkSamples = 120;

/// Prometheus's XOR chunk (tsdb/chunkenc/xor.go; Pelkonen et al., Gorilla, VLDB 2015): two bytes
/// with the number of samples, then timestamps as deltas of deltas and values as XOR with the one
/// before. At least one sample, at most 65,535; both spans of the same length.
std::string encode_xor_chunk(std::span<const model::TimestampMs> timestamps,
                             std::span<const double> values);

}  // namespace aerie::query
