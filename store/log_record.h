#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "store/write_batch.h"

namespace aerie::store {

/// What a HA pair without replica label has shown of one series; see sample_rules.h.
struct PairState {
  model::TimestampMs newest_seen = 0;
  uint32_t previous_delta_ms = 0;
  uint32_t interval_ms = 0;  ///< 0: not learned yet
  uint32_t candidate_ms = 0;
  uint8_t confirmations = 0;
  bool operator==(const PairState&) const = default;
};

/// Everything a later decision about a series depends on.
struct SeriesSnapshot {
  uint32_t id = 0;
  model::Labels labels;
  bool has_sample = false;
  bool was_histogram = false;
  bool has_pair = false;
  model::TimestampMs newest_t = 0;
  uint64_t newest_bits = 0;  ///< of the value; XXH3 of a histogram's encoding
  PairState pair;
};

struct SeriesDefinition {
  uint32_t id = 0;
  model::Labels labels;
};

/// The newest sample of a series that came back to the head, as partitions have it.
struct SeriesNewest {
  uint32_t id = 0;
  bool histogram = false;
  model::TimestampMs t = 0;
  uint64_t bits = 0;  ///< as in SeriesSnapshot
};

/// A batch read back from the log. Handles carry the id as slot and generation 0.
struct LoggedBatch {
  model::TimestampMs arrived = 0;
  std::vector<SeriesDefinition> definitions;
  std::vector<SeriesNewest> newest;
  WriteBatch rows;
};

struct ClusterWatermark {
  std::string cluster;
  model::TimestampMs watermark = 0;
};

/// Payloads of docs/formats/log.md. Decoding checks everything: bytes that are not what the page
/// says are Corruption, never more.
void encode_batch(std::string& out, model::TimestampMs arrived,
                  const std::vector<SeriesDefinition>& definitions,
                  const std::vector<SeriesNewest>& newest, const WriteBatch& rows);
Status decode_batch(std::string_view payload, LoggedBatch& out);

void encode_checkpoint_part(std::string& out, const std::vector<SeriesSnapshot>& series, bool last);
Status decode_checkpoint_part(std::string_view payload, std::vector<SeriesSnapshot>& out);
/// Without decoding the rest.
inline bool is_last_checkpoint_part(std::string_view payload) { return payload.starts_with('\1'); }

void encode_arrivals(std::string& out, const std::vector<ClusterWatermark>& clusters);
Status decode_arrivals(std::string_view payload, std::vector<ClusterWatermark>& out);

/// One histogram as it stands in a row, without id and time. Also what its repeat is recognised by.
void encode_histogram(std::string& out, const model::NativeHistogram& histogram);

}  // namespace aerie::store
