#include <algorithm>
#include <map>
#include <set>

#include "base/log.h"
#include "store/byte_io.h"
#include "store/partition.h"
#include "store/partition_builder.h"
#include "store/partition_set.h"
#include "store/rocks_database.h"

namespace aerie::store {
namespace {

using Family = RocksDatabase::Family;
using PartitionPtr = std::shared_ptr<const Partition>;
using Partitions = std::vector<PartitionPtr>;

bool by_name(const PartitionPtr& a, const PartitionPtr& b) {
  return name_of(a->info()) < name_of(b->info());
}

/// Index first: without its commit record a partition is gone, whatever happens next.
Status remove_partition(RocksDatabase& database, const std::string& prefix) {
  const std::string end = prefix_end(prefix);
  if (Status status = database.delete_files(Family::Index, prefix, end); !status) return status;
  return database.delete_files(Family::Data, prefix, end);
}

/// The partitions that have files in a family.
Result<std::set<PartitionName>> list_partitions(const RocksDatabase& database, Family family) {
  std::set<PartitionName> names;
  for (const std::string& key : database.first_keys(family)) {
    Result<PartitionName> name = parse_prefix(key);
    if (!name) return std::move(name).error();
    names.insert(*name);
  }
  return names;
}

class RocksKeyedTable final : public KeyedTable {
 public:
  RocksKeyedTable(std::shared_ptr<RocksDatabase> database, std::string_view name)
      : database_(std::move(database)) {
    prefix_ = "t";
    put_bytes(prefix_, name);
  }

  Result<std::optional<std::string>> get(std::string_view key) const override {
    return database_->get(Family::Meta, full(key));
  }

  Status apply(const std::vector<std::pair<std::string, std::string>>& puts,
               const std::vector<std::string>& removals) override {
    std::vector<std::pair<std::string, std::string>> full_puts;
    std::vector<std::string> full_removals;
    for (const auto& [key, value] : puts) full_puts.emplace_back(full(key), value);
    for (const std::string& key : removals) full_removals.push_back(full(key));
    return database_->write_meta(full_puts, full_removals);
  }

  Result<std::vector<std::pair<std::string, std::string>>> scan(
      std::string_view prefix) const override {
    auto rows = database_->scan(Family::Meta, full(prefix));
    if (!rows) return rows;
    for (auto& [key, value] : *rows) key.erase(0, prefix_.size());
    return rows;
  }

 private:
  std::string full(std::string_view key) const { return prefix_ + std::string(key); }

  const std::shared_ptr<RocksDatabase> database_;
  std::string prefix_;
};

class RocksPartitionSet final : public PartitionSet {
 public:
  explicit RocksPartitionSet(std::shared_ptr<RocksDatabase> database)
      : database_(std::move(database)) {}
  ~RocksPartitionSet() override {
    sweep().ignore("what stays is removed after the next open and drop");
  }

  Status load();

  std::vector<PartitionInfo> live() const override {
    std::vector<PartitionInfo> out;
    for (const PartitionPtr& partition : snapshot()) out.push_back(partition->info());
    return out;
  }

  LogPosition sealed_end(uint16_t shard) const override {
    return catalog_.with([&](const Catalog& catalog) {
      const auto at = catalog.sealed_end.find(shard);
      return at == catalog.sealed_end.end() ? LogPosition{0} : at->second;
    });
  }

  Result<PartitionInfo> seal(PartitionInfo info,
                             const std::function<bool(SealSeries&)>& next) override;
  Status drop_before(model::TimestampMs t) override;

  std::shared_ptr<const model::SampleSource> pin() const override {
    return make_partition_source(snapshot());
  }

  Result<std::shared_ptr<KeyedTable>> table(const std::string& name) override {
    return std::shared_ptr<KeyedTable>(std::make_shared<RocksKeyedTable>(database_, name));
  }

 private:
  struct Catalog {
    Partitions live;     // sorted by name
    Partitions dropped;  // still pinned, or waiting for the next sweep
    std::map<uint16_t, LogPosition> sealed_end;
    uint64_t next_sequence = 1;
  };

  Partitions snapshot() const {
    return catalog_.with([](const Catalog& catalog) { return catalog.live; });
  }
  uint32_t next_generation(const PartitionInfo& info) const;
  Result<CommitRecord> read_commit(const PartitionName& name) const;
  Status sweep();

  const std::shared_ptr<RocksDatabase> database_;
  Guarded<Catalog> catalog_;
};

Result<CommitRecord> RocksPartitionSet::read_commit(const PartitionName& name) const {
  auto value =
      database_->get(Family::Index, record_key(partition_prefix(name), RecordKind::Commit));
  if (!value) return std::move(value).error();
  if (!value->has_value()) return Error(ErrorCode::Corruption, "index without a commit record");
  Result<CommitRecord> record = decode_commit(**value);
  if (record && name_of(record->info) != name)
    return Error(ErrorCode::Corruption, "commit record names another partition");
  return record;
}

Status RocksPartitionSet::load() {
  Result<std::set<PartitionName>> indexed = list_partitions(*database_, Family::Index);
  if (!indexed) return std::move(indexed).error();
  std::vector<CommitRecord> records;
  std::set<PartitionName> replaced;
  for (const PartitionName& name : *indexed) {
    Result<CommitRecord> record = read_commit(name);
    if (!record) return std::move(record).error().with(to_string(name));
    replaced.insert(record->replaces.begin(), record->replaces.end());
    records.push_back(std::move(*record));
  }
  Catalog catalog;
  std::set<PartitionName> wanted;
  for (CommitRecord& record : records) {
    catalog.next_sequence = std::max(catalog.next_sequence, record.sequence + 1);
    LogPosition& end = catalog.sealed_end[record.info.shard];
    end = std::max(end, record.info.log_end);
    const PartitionName name = name_of(record.info);
    if (replaced.contains(name)) {
      AERIE_LOG(Info, "removing a replaced partition", {"name", to_string(name)});
      if (Status status = remove_partition(*database_, partition_prefix(name)); !status)
        return status;
      continue;
    }
    wanted.insert(name);
    catalog.live.push_back(std::make_shared<const Partition>(database_, std::move(record)));
  }
  Result<std::set<PartitionName>> stored = list_partitions(*database_, Family::Data);
  if (!stored) return std::move(stored).error();
  for (const PartitionName& name : *stored) {
    if (wanted.contains(name)) continue;
    AERIE_LOG(Info, "removing columns without a commit record", {"name", to_string(name)});
    const std::string prefix = partition_prefix(name);
    if (Status status = database_->delete_files(Family::Data, prefix, prefix_end(prefix)); !status)
      return status;
  }
  std::sort(catalog.live.begin(), catalog.live.end(), by_name);
  catalog_.with([&](Catalog& mine) { mine = std::move(catalog); });
  return {};
}

uint32_t RocksPartitionSet::next_generation(const PartitionInfo& info) const {
  return catalog_.with([&](const Catalog& catalog) {
    uint32_t last = 0;
    for (const Partitions* list : {&catalog.live, &catalog.dropped})
      for (const PartitionPtr& partition : *list) {
        const PartitionInfo& other = partition->info();
        if (other.shard == info.shard && other.tier == info.tier && other.start == info.start)
          last = std::max(last, other.generation);
      }
    return last + 1;
  });
}

Result<PartitionInfo> RocksPartitionSet::seal(PartitionInfo info,
                                              const std::function<bool(SealSeries&)>& next) {
  sweep().ignore("tried again at the next seal");
  CommitRecord record;
  record.info = info;
  record.info.generation = next_generation(info);
  record.sequence = catalog_.with([](Catalog& catalog) { return catalog.next_sequence++; });
  record.seed = database_->seed();
  const std::string context = "seal " + to_string(name_of(record.info));
  PartitionBuilder builder(*database_, record, {});
  SealSeries series;
  while (next(series)) {
    if (Status status = builder.add(series); !status)
      return std::move(status).error().with(context);
  }
  Result<CommitRecord> committed = builder.commit();
  if (!committed) return std::move(committed).error().with(context);
  auto partition = std::make_shared<const Partition>(database_, std::move(*committed));
  catalog_.with([&](Catalog& catalog) {
    catalog.live.insert(
        std::upper_bound(catalog.live.begin(), catalog.live.end(), partition, by_name), partition);
    LogPosition& end = catalog.sealed_end[info.shard];
    end = std::max(end, info.log_end);
  });
  return partition->info();
}

Status RocksPartitionSet::drop_before(model::TimestampMs t) {
  catalog_.with([&](Catalog& catalog) {
    const auto old = std::stable_partition(
        catalog.live.begin(), catalog.live.end(),
        [=](const PartitionPtr& one) { return one->info().samples.last >= t; });
    std::move(old, catalog.live.end(), std::back_inserter(catalog.dropped));
    catalog.live.erase(old, catalog.live.end());
  });
  return sweep();
}

/// Removes the files of dropped partitions that nobody reads any more.
Status RocksPartitionSet::sweep() {
  // The list is taken out of the catalog so that nobody can pin what is found free; generations
  // stay unique because seal() and drop_before() do not run at the same time.
  Partitions dropped =
      catalog_.with([](Catalog& catalog) { return std::exchange(catalog.dropped, {}); });
  Partitions kept;
  Status result;
  for (PartitionPtr& partition : dropped) {
    if (partition.use_count() == 1) {
      Status status = remove_partition(*database_, partition->prefix());
      if (status) continue;
      result = std::move(status);
    }
    kept.push_back(std::move(partition));
  }
  catalog_.with([&](Catalog& catalog) {
    std::move(kept.begin(), kept.end(), std::back_inserter(catalog.dropped));
  });
  return result;
}

}  // namespace

Result<std::unique_ptr<PartitionSet>> PartitionSet::open(Options options) {
  auto database = RocksDatabase::open(options.path, options.block_cache_bytes);
  if (!database) return std::move(database).error();
  auto set = std::make_unique<RocksPartitionSet>(std::move(*database));
  if (Status status = set->load(); !status)
    return std::move(status).error().with("open " + options.path);
  return std::unique_ptr<PartitionSet>(std::move(set));
}

}  // namespace aerie::store
