#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"

namespace aerie::store {

/// Names a series of the head. Stays valid until the series leaves the head; a stale handle is
/// recognised by its generation and refused with WriteOutcome::stale_handles, upon which the caller
/// resolves the labels again.
struct SeriesHandle {
  uint32_t slot = 0;
  uint32_t generation = 0;
  bool operator==(const SeriesHandle&) const = default;
};

/// How two senders of the same series are told apart.
enum class ReplicaPolicy : uint8_t {
  SingleSender,    ///< every sample is wanted; equal timestamps are duplicates
  UnlabelledPair,  ///< an HA pair that dropped its replica label: keep a sample only if t - last >=
                   ///< 0.75 interval, per series
  ElectedReplica,  ///< as SingleSender, and the interval of each series is learned for the next
                   ///< change of lead
  ChangeOfLead     ///< shortly after another replica took over: keep a sample only if t - last >=
                   ///< 0.5 interval, per series
};

/// True where samples are judged by their distance: nothing is taken late then.
inline bool keeps_distance(ReplicaPolicy policy) {
  return policy == ReplicaPolicy::UnlabelledPair || policy == ReplicaPolicy::ChangeOfLead;
}

struct FloatRow {
  SeriesHandle series;
  model::TimestampMs t = 0;
  double value = 0;
};

struct HistogramRow {
  SeriesHandle series;
  model::TimestampMs t = 0;
  std::shared_ptr<const model::NativeHistogram> histogram;
  model::TimestampMs start = 0;  ///< when its counter began; 0: not said
};

struct ExemplarRow {
  SeriesHandle series;
  model::TimestampMs t = 0;
  double value = 0;
  model::Labels labels;
};

struct MetadataRow {
  std::string cluster;  ///< empty: none
  std::string metric_family;
  model::MetricMetadata metadata;
};

/// Everything one request wants to write. Applied as a whole in one place of the log, row by row:
/// bad rows are refused, good rows are kept. Rows of one series must be in time order within the
/// batch.
struct WriteBatch {
  static constexpr model::DurationMs kStoresWindow = -1;
  static constexpr model::DurationMs kBackfill = INT64_MAX;

  ReplicaPolicy replicas = ReplicaPolicy::SingleSender;
  /// How far behind the newest sample of its series a row may lie. kStoresWindow: what the store
  /// was opened with. kBackfill: anywhere within the retention (imports). Not for pairs.
  model::DurationMs late_window = kStoresWindow;
  std::vector<FloatRow> floats;
  /// When the counters of `floats` began: empty if none says so (as a rule), else one for each, 0:
  /// not said.
  std::vector<model::TimestampMs> float_starts;
  std::vector<HistogramRow> histograms;
  std::vector<ExemplarRow> exemplars;
  std::vector<MetadataRow> metadata;

  model::TimestampMs start_of(size_t float_row) const {
    return float_starts.empty() ? 0 : float_starts[float_row];
  }
  bool empty() const {
    return floats.empty() && histograms.empty() && exemplars.empty() && metadata.empty();
  }
};

enum class RejectReason : uint8_t {
  OutOfOrder,      ///< older than the newest sample of its series (beyond the out-of-order window)
  DuplicateValue,  ///< same timestamp, other value
  TooOld,          ///< before the retention
  TooFarInFuture,  ///< more than 10 minutes ahead of our clock
  BackfillLimit    ///< more days of the past at once than the store takes
};
inline constexpr size_t kRejectReasons = 5;

/// What became of a batch. Written + deduplicated + rejected + stale_handles = rows sent.
struct WriteOutcome {
  uint32_t floats_written = 0;  ///< exact repeats of the newest sample count as written
  uint32_t histograms_written = 0;
  uint32_t exemplars_written = 0;
  uint32_t deduplicated = 0;  ///< dropped by UnlabelledPair or ChangeOfLead
  uint32_t rejected[kRejectReasons] = {};
  bool try_later = false;  ///< some of the rejected rows would be taken later: a day of the past
                           ///< waits to be merged
  std::vector<uint32_t> stale_handles;  ///< indexes into floats (then histograms, continued):
                                        ///< resolve again and resend these
  std::string first_rejection;  ///< text for the sender, with series and timestamp; empty if
                                ///< nothing was rejected

  uint32_t rejected_total() const {
    uint32_t total = 0;
    for (const uint32_t n : rejected) total += n;
    return total;
  }
};

}  // namespace aerie::store
