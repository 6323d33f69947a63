#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "ingest/accounting.h"
#include "ingest/body_buffer.h"
#include "ingest/ha_tracker.h"
#include "ingest/identity.h"
#include "ingest/limit_keeper.h"
#include "ingest/metadata_memo.h"
#include "ingest/negotiation.h"
#include "ingest/options.h"
#include "ingest/otlp_decoder.h"
#include "ingest/pair_detector.h"
#include "ingest/sender_table.h"
#include "ingest/series_cache.h"
#include "ingest/settings.h"
#include "ingest/write_request_decoder.h"
#include "ingest/write_v2_decoder.h"
#include "store/store.h"

namespace aerie::ingest {

/// The part of one request that one sender (cluster, group, replica) has in it.
struct SenderShare {
  uint32_t sender = 0;
  const Sender* who = nullptr;
  HaTracker::Decision decision;
  model::TimestampMs newest = model::kMinTimestamp;  ///< of all its samples, kept or not
  uint32_t rows = 0;                                 ///< put into the batch
  ClusterShare counts;
};

/// Whether a request has just come, or was kept back while its sender was the standby.
enum class Origin : uint8_t { Sender, Standby };

/// A body as it came and what its headers say it is.
struct WireBody {
  std::string_view bytes;
  BodyKind kind;
};

/// Whose request one is, as far as its beginning tells.
struct Glimpse {
  const Sender* who = nullptr;
  model::TimestampMs newest = model::kMinTimestamp;  ///< of the samples seen
};

/// What a request has become before the store sees it.
struct PreparedWrite {
  store::WriteBatch batch;
  std::vector<SenderShare> senders;
  const Sender* first_sender = nullptr;  ///< of the first series that is not refused or dropped
  bool mixed = false;                    ///< and others have some too
  uint64_t samples = 0;                  ///< floats of all series
  std::vector<uint64_t> metadata_keys;   ///< for remember(), once the batch is durable
  // Not for the store, but for the sender in safe hands: a standby's, and what relabelling drops.
  uint32_t floats_settled = 0;
  uint32_t histograms_settled = 0;
  uint32_t exemplars_settled = 0;
  RefusalCounts refused{};
  std::string first_refusal;
};

/// Rows that the store refused because their series had left the head, and what is needed to build
/// exactly them again.
struct StaleRows {
  std::vector<uint32_t>
      indexes;          ///< as in WriteOutcome::stale_handles, of the batch built with `decisions`
  uint32_t floats = 0;  ///< float rows of that batch
  std::vector<SenderShare> senders;
};

/// Memory that one request after the other uses; one owner at a time.
struct Workspace {
  struct Miss {
    uint32_t series = 0;
    SeriesIdentity identity;
  };
  BodyBuffer buffer;
  WriteRequestDecoder version1;
  WriteV2Decoder version2;
  OtlpDecoder otlp;
  RequestDecoder* decoder = nullptr;  // the one of them that holds the request
  std::vector<SeriesKey> keys;
  std::vector<CachedSeries> found;
  std::vector<Miss> misses;
  std::vector<SeriesCache::Entry> learned;
  std::vector<PairDetector::Observation> watched;

  /// What it keeps for the next request, about.
  size_t kept_bytes() const {
    return buffer.kept_bytes() + version1.kept_bytes() + version2.kept_bytes() + otlp.kept_bytes() +
           keys.capacity() * sizeof(SeriesKey) + found.capacity() * sizeof(CachedSeries) +
           learned.capacity() * sizeof(SeriesCache::Entry);
  }
};

/// Turns the body of a remote-write request into a batch for the store: decodes, finds the series,
/// decides about replicas and identity. Thread-safe; everything per request is in the workspace.
/// Per sample it does nothing but copy it.
class RequestProcessor {
 public:
  struct Parts {
    store::Store& store;
    HaTracker& ha;
    PairDetector& pairs;
    LimitKeeper& limits;
    const Clock& clock;
    size_t series_cache_entries;
  };
  explicit RequestProcessor(Parts parts);  // all of them outlive it

  /// Errors: InvalidArgument (not compressed, not protobuf, far too much of something): nothing may
  /// be stored.
  Result<PreparedWrite> prepare(const WireBody& body, const Caller& caller, Origin origin,
                                Workspace& work);
  /// The sender of the first series of a body of version 1.0 in snappy, if they are known and all
  /// of one sender with a replica; reads a few kilobytes and stores nothing.
  std::optional<Glimpse> glimpse(const WireBody& body, const Caller& caller, Workspace& work) const;
  /// Builds the batch of the stale rows alone, with their series resolved again.
  Result<PreparedWrite> prepare_again(const WireBody& body, const Caller& caller,
                                      const StaleRows& stale, Workspace& work);
  /// The metadata of a prepared write is durable and need not be stored again.
  void remember(const std::vector<uint64_t>& metadata_keys) { metadata_.remember(metadata_keys); }
  /// Series with a sample in the last ten minutes, by cluster as stored. Takes milliseconds.
  std::map<std::string, uint64_t, std::less<>> active_series() const;
  size_t cached_series() const { return cache_.size(); }
  uint64_t cache_misses() const { return misses_.value(); }

 private:
  struct Pass;

  Status find_series(const WireBody& body, Pass& pass);
  Status identify_misses(Pass& pass);
  void refuse_series(Pass& pass, uint32_t index, std::string_view cluster, const Refused& refused);
  void gather_senders(Pass& pass);
  void decide(Pass& pass);
  Status build_rows(Pass& pass);
  Status resolve(Pass& pass, uint32_t series, const SeriesIdentity* identity);
  bool has_stale_rows(const Pass& pass, uint32_t series, const SenderShare& share) const;
  std::variant<SeriesIdentity, Refused> identify_labels(const Pass& pass,
                                                        const std::vector<model::LabelView>& labels,
                                                        bool& dropped) const;
  bool admit(Pass& pass, uint32_t series, const model::Labels& labels, SenderShare& share);
  Status drop(Pass& pass, uint32_t series);
  void add_floats(Pass& pass, uint32_t series, SenderShare& share);
  Status add_histograms(Pass& pass, uint32_t series, SenderShare& share);
  Status add_exemplars(Pass& pass, uint32_t series, SenderShare& share);
  void add_metadata(Pass& pass);
  std::string_view cluster_of_metadata(const Pass& pass, const DecodedMetadata& entry) const;
  void watch_pairs(Pass& pass);

  const Parts parts_;
  SenderTable senders_;
  SeriesCache cache_;
  MetadataMemo metadata_;
  Counter misses_;
};

}  // namespace aerie::ingest
