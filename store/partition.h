#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "store/column_group.h"
#include "store/damage.h"
#include "store/exemplar_block.h"
#include "store/index_reader.h"
#include "store/partition_record.h"
#include "store/rocks_database.h"

namespace aerie::store {

/// One committed partition. Immutable, thread-safe; its files stay as long as somebody holds it.
/// Every error names it.
class Partition {
 public:
  using Clock = std::vector<model::TimestampMs>;

  Partition(std::shared_ptr<RocksDatabase> database, CommitRecord record);

  /// No two partitions of an open database ever have the same: for caches.
  uint64_t id() const { return id_; }
  const PartitionInfo& info() const { return record_.info; }
  const CommitRecord& record() const { return record_; }
  const std::string& prefix() const { return prefix_; }

  /// Something in it could not be read although the disk answered.
  bool is_damaged() const { return damage_->found(); }
  DamagedPartition damaged() const;
  /// Names the partition; if it is Corruption, marks it as damaged (and logs that, once).
  Error failed(Error error) const;

  /// Read from disk at the first call, then kept.
  Result<std::shared_ptr<const IndexReader>> index() const;
  Result<std::shared_ptr<const ColumnGroup>> group(uint32_t number) const;
  Result<std::shared_ptr<const Clock>> clock(uint32_t number) const;
  /// Block `number` of the exemplars, series ascending from block to block; none behind the last.
  Result<std::vector<BlockExemplars>> exemplars(uint32_t number) const;

 private:
  Result<std::string> record(RocksDatabase::Family family, const std::string& key,
                             const char* what) const;

  const std::shared_ptr<RocksDatabase> database_;
  const uint64_t id_;
  const CommitRecord record_;
  const std::string prefix_;
  const std::shared_ptr<Damage> damage_ = std::make_shared<Damage>();
  mutable Guarded<std::shared_ptr<const IndexReader>> index_;
};

class ReadCache;

/// A source over partitions, which it keeps alive, without what `erasures` (may be null) says. On
/// equal timestamps the later commit wins. `cache` is shared with other sources over partitions of
/// the same database.
std::shared_ptr<const model::SampleSource> make_partition_source(
    std::vector<std::shared_ptr<const Partition>> partitions, std::shared_ptr<ReadCache> cache,
    std::shared_ptr<const Erasures> erasures = nullptr);

}  // namespace aerie::store
