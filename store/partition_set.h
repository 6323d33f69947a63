#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "model/sample_source.h"
#include "store/damage.h"
#include "store/keyed_table.h"
#include "store/steps.h"

namespace rocksdb {
class Env;
}

namespace aerie::store {

/// Bytes from the start of a shard's log; what a partition covers is counted in it.
/// docs/formats/log.md.
using LogPosition = uint64_t;

/// A part of the log that needs no replay: samples of `samples` at positions before `log_end`.
struct SealedPart {
  model::TimeRange samples;
  LogPosition log_end = 0;
  bool operator==(const SealedPart&) const = default;
};

class Erasures;
struct CheckReport;

/// One commit record. docs/formats/partition.md.
struct PartitionInfo {
  uint16_t shard = 0;
  uint8_t tier = 0;              ///< 0: 30 min, 1: 2 h, 2: 1 day
  model::TimestampMs start = 0;  ///< aligned to the tier's span
  uint32_t generation = 0;  ///< unique for (shard, tier, start); a later one adds to an earlier one
  model::TimeRange samples;   ///< of the samples inside, inclusive
  LogPosition log_first = 0;  ///< [first, end) of the log this partition makes unnecessary
  LogPosition log_end = 0;
  uint64_t series_count = 0;
  uint64_t sample_count = 0;
  uint64_t bytes = 0;  ///< of its files
  /// Of the commit; where two partitions hold a sample of one time, that of the greater one counts.
  uint64_t sequence = 0;
  uint64_t erasures = 0;  ///< deletions up to this number are carried out or came before
  /// Of a merged one: what its parts said of the log. Empty: it was sealed from the head.
  std::vector<SealedPart> sealed_parts;
};

/// One series to be sealed. Samples strictly ascending in time.
struct SealSeries {
  model::Labels labels;
  model::SeriesSamples samples;
  std::vector<model::Exemplar> exemplars;  ///< ascending in time; kept only beside samples
};

/// What becomes one partition. docs/formats/partition.md.
struct MergeRequest {
  std::vector<PartitionInfo> parts;  ///< live, of one shard; one alone is written anew
  uint8_t tier = 0;
  model::TimestampMs start = 0;
  std::shared_ptr<const Erasures> erasures;  ///< carried out; may be null
  /// Called between series; may take its time. An error ends the merge, and nothing has changed.
  std::function<Status()> pause;
};

/// The immutable partitions on disk and the `meta` tables beside them: RocksDB behind one door.
/// Thread-safe; seal() is called by one thread at a time, merge() by another.
class PartitionSet {
 public:
  struct Options {
    std::string path;  ///< folder of the RocksDB database; created if missing
    uint64_t block_cache_bytes = 64u << 20;
    bool read_only = false;            ///< changes nothing on disk; for checks
    std::function<void()> on_removed;  ///< samples went: partitions were dropped; may be empty
    StepHook on_step;                  ///< empty but in crash tests
    rocksdb::Env* env = nullptr;       ///< of fault-injecting tests; outlives the set
  };
  /// Opens, finishes or removes what a crash left half-done, reads the commit records.
  /// Errors: AlreadyExists (another process holds it), Corruption, IoError, InvalidArgument (format
  /// version from the future).
  static Result<std::unique_ptr<PartitionSet>> open(Options options);
  virtual ~PartitionSet() = default;

  /// Those that cannot be read: left out of live() and of every answer, and never merged.
  virtual std::vector<DamagedPartition> damaged() const = 0;
  /// Live partitions, ordered by (shard, tier, start, generation).
  virtual std::vector<PartitionInfo> live() const = 0;
  /// The log of `shard` up to here is covered by durable partitions.
  virtual LogPosition sealed_end(uint16_t shard) const = 0;

  /// Writes one partition. `next` fills the next series and returns false at the end; series come
  /// sorted by SealOrder, each once. `info` carries shard, tier, start, log range; the rest is
  /// filled in. Every column is decoded and compared before the partition is committed. When this
  /// returns, the partition is durable and visible to later pin() calls.
  virtual Result<PartitionInfo> seal(PartitionInfo info,
                                     const std::function<bool(SealSeries&)>& next) = 0;

  /// Writes one partition that replaces `request.parts`: every sample of theirs that is not erased,
  /// verified as seal() does, series by series in bounded memory. Readers see either all parts or
  /// the new one. What is returned has no samples if nothing was left: then the parts are gone and
  /// nothing came in their place. Errors: NotFound (a part is not live, or being merged), those of
  /// reading and of the disk.
  virtual Result<PartitionInfo> merge(const MergeRequest& request) = 0;
  /// True if the partition holds a series that one of the erasures concerns which it has not yet
  /// carried out. Reads its index only. False if it is not live.
  virtual Result<bool> concerned(const PartitionInfo& partition,
                                 const Erasures& erasures) const = 0;

  /// Removes partitions whose newest sample lies before `t`. Pinned ones stay readable until
  /// unpinned; those that are just being merged stay.
  virtual Status drop_before(model::TimestampMs t) = 0;
  /// Removes the partitions of this list that are live and not just being merged.
  virtual Status drop(const std::vector<PartitionInfo>& partitions) = 0;

  /// A source over all partitions live now, without what `erasures` (may be null) says. Holds them
  /// until destroyed.
  virtual std::shared_ptr<const model::SampleSource> pin(
      std::shared_ptr<const Erasures> erasures) const = 0;
  std::shared_ptr<const model::SampleSource> pin() const { return pin(nullptr); }

  /// Memory that reading left behind for the next query, and of RocksDB's block cache.
  virtual uint64_t cached_bytes() const = 0;

  /// Reads everything that is stored and adds what it finds; `pace` (may be empty) is called
  /// between pieces of work. Errors: Cancelled when `pace` said stop.
  virtual Status check(const std::function<bool(uint64_t)>& pace, CheckReport& report) const = 0;
  /// Everything as it is now, in a new folder on the same disk: files are linked, not copied.
  virtual Status checkpoint(const std::string& folder) const = 0;

  /// The durable table called `name`; made on first use.
  virtual Result<std::shared_ptr<KeyedTable>> table(const std::string& name) = 0;
};

/// The order of series inside a partition: metric name, cluster, then all other labels; what
/// differs in `le` alone by its number, so that the buckets of a histogram are neighbours.
struct SealOrder {
  bool operator()(const model::Labels& a, const model::Labels& b) const;
};

}  // namespace aerie::store
