#include <algorithm>
#include <map>
#include <set>

#include "base/log.h"
#include "store/byte_io.h"
#include "store/erasures.h"
#include "store/merge_stream.h"
#include "store/partition.h"
#include "store/partition_builder.h"
#include "store/partition_check.h"
#include "store/partition_set.h"
#include "store/read_cache.h"
#include "store/rocks_database.h"
#include "store/sound_source.h"

namespace aerie::store {
namespace {

using Family = RocksDatabase::Family;
using PartitionPtr = std::shared_ptr<const Partition>;
using Partitions = std::vector<PartitionPtr>;

/// Of a tier-2 partition: what an unreadable one can hold at most.
constexpr model::DurationMs kLongestSpan = 24LL * 3600 * 1000;

bool by_name(const PartitionPtr& a, const PartitionPtr& b) {
  return name_of(a->info()) < name_of(b->info());
}

/// Index first: without its commit record a partition is gone, whatever happens next.
Status remove_partition(RocksDatabase& database, const std::string& prefix,
                        const StepHook& on_step) {
  const std::string end = prefix_end(prefix);
  if (Status status = database.delete_files(Family::Index, prefix, end); !status) return status;
  reached(on_step, "remove.index_gone");
  return database.delete_files(Family::Data, prefix, end);
}

/// The partitions that have files in a family, with the sizes of these.
Result<std::map<PartitionName, uint64_t>> list_partitions(const RocksDatabase& database,
                                                          Family family) {
  std::map<PartitionName, uint64_t> names;
  for (const RocksDatabase::FileSize& file : database.files(family)) {
    Result<PartitionName> name = parse_prefix(file.first_key);
    if (!name) return std::move(name).error();
    names[*name] += file.bytes;
  }
  return names;
}

/// What the parts said of the log, as they are, without those that another one includes.
std::vector<SealedPart> sealed_parts(const Partitions& parts) {
  std::vector<SealedPart> all;
  for (const PartitionPtr& part : parts) {
    const PartitionInfo& info = part->info();
    if (info.sealed_parts.empty() && info.tier == 0) all.push_back({info.samples, info.log_end});
    all.insert(all.end(), info.sealed_parts.begin(), info.sealed_parts.end());
  }
  std::vector<SealedPart> out;
  for (const SealedPart& one : all) {
    const auto includes = [&](const SealedPart& other) {
      return other.samples.first <= one.samples.first && one.samples.last <= other.samples.last &&
             one.log_end <= other.log_end;
    };
    const bool known = std::any_of(out.begin(), out.end(), includes);
    const bool beaten = std::any_of(all.begin(), all.end(), [&](const SealedPart& other) {
      return !(other == one) && includes(other);
    });
    if (!known && !beaten) out.push_back(one);
  }
  return out;
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
  RocksPartitionSet(std::shared_ptr<RocksDatabase> database, const Options& options)
      : database_(std::move(database)),
        on_step_(options.on_step),
        on_removed_(options.on_removed),
        read_only_(options.read_only) {}
  ~RocksPartitionSet() override {
    sweep().ignore("what stays is removed after the next open and drop");
  }

  Status load();

  std::vector<DamagedPartition> damaged() const override;
  Status check(const std::function<bool(uint64_t)>& pace, CheckReport& report) const override;
  Status checkpoint(const std::string& folder) const override {
    return database_->checkpoint(folder);
  }

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
  Result<PartitionInfo> merge(const MergeRequest& request) override;
  Result<bool> concerned(const PartitionInfo& partition, const Erasures& erasures) const override;
  Status drop_before(model::TimestampMs t) override {
    return drop_if([=](const PartitionInfo& info) { return info.samples.last < t; });
  }
  Status drop(const std::vector<PartitionInfo>& partitions) override {
    std::set<PartitionName> names;
    for (const PartitionInfo& info : partitions) names.insert(name_of(info));
    return drop_if([&](const PartitionInfo& info) { return names.contains(name_of(info)); });
  }

  std::shared_ptr<const model::SampleSource> pin(ErasuresPtr erasures) const override {
    return make_sound_source(snapshot(), cache_, std::move(erasures), damaged());
  }

  uint64_t cached_bytes() const override { return cache_->bytes() + database_->cached_bytes(); }

  Result<std::shared_ptr<KeyedTable>> table(const std::string& name) override {
    return std::shared_ptr<KeyedTable>(std::make_shared<RocksKeyedTable>(database_, name));
  }

 private:
  /// What is on disk without a commit record that can be read.
  struct Unreadable {
    PartitionInfo info;  // of the name; samples: all that one of that tier can hold
    std::string reason;
  };
  struct Catalog {
    Partitions live;  // sorted by name
    std::vector<Unreadable> unreadable;
    Partitions dropped;             // still pinned, or waiting for the next sweep
    std::set<PartitionName> taken;  // being built, or being removed
    std::set<PartitionName> merging;
    std::map<uint16_t, LogPosition> sealed_end;
    uint64_t next_sequence = 1;
  };

  /// Keeps names from being used, or partitions from being dropped, until it is destroyed.
  class Claim {
   public:
    Claim(Guarded<Catalog>& catalog, std::set<PartitionName> Catalog::*list,
          std::set<PartitionName> names)
        : catalog_(catalog), list_(list), names_(std::move(names)) {}
    ~Claim() {
      catalog_.with([&](Catalog& catalog) {
        for (const PartitionName& name : names_) (catalog.*list_).erase(name);
      });
    }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    Guarded<Catalog>& catalog_;
    std::set<PartitionName> Catalog::*list_;
    const std::set<PartitionName> names_;
  };

  /// Without the damaged ones.
  Partitions snapshot() const {
    Partitions all = catalog_.with([](const Catalog& catalog) { return catalog.live; });
    std::erase_if(all, [](const PartitionPtr& one) { return one->is_damaged(); });
    return all;
  }
  static Unreadable unreadable(const PartitionName& name, const Error& error);
  Status drop_unreadable(const std::function<bool(const PartitionInfo&)>& unwanted);
  void mark_set_aside(const Partitions& live) const;
  PartitionName take_name(const PartitionInfo& info);
  Result<CommitRecord> read_commit(const PartitionName& name) const;
  Result<Partitions> begin_merge(const MergeRequest& request);
  Result<CommitRecord> write_merged(const MergeRequest& request, const Partitions& parts,
                                    CommitRecord record);
  void add(Catalog& catalog, const PartitionPtr& partition);
  Status drop_if(const std::function<bool(const PartitionInfo&)>& unwanted);
  Status sweep();

  const std::shared_ptr<RocksDatabase> database_;
  const StepHook on_step_;
  const std::function<void()> on_removed_;
  const std::shared_ptr<ReadCache> cache_ = std::make_shared<ReadCache>();
  const bool read_only_;
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
  auto indexed = list_partitions(*database_, Family::Index);
  if (!indexed) return std::move(indexed).error();
  std::vector<CommitRecord> records;
  std::set<PartitionName> replaced;
  Catalog catalog;
  std::set<PartitionName> wanted;
  for (const auto& [name, bytes] : *indexed) {
    Result<CommitRecord> record = read_commit(name);
    if (!record && record.error().code() == ErrorCode::Corruption) {
      AERIE_LOG(Error, "a partition is damaged and left out", {"name", to_string(name)},
                {"error", record.error().message()});
      catalog.unreadable.push_back(unreadable(name, record.error()));
      wanted.insert(name);
      continue;
    }
    if (!record) return std::move(record).error().with(to_string(name));
    record->info.bytes += bytes;
    replaced.insert(record->replaces.begin(), record->replaces.end());
    records.push_back(std::move(*record));
  }
  for (CommitRecord& record : records) {
    catalog.next_sequence = std::max(catalog.next_sequence, record.info.sequence + 1);
    LogPosition& end = catalog.sealed_end[record.info.shard];
    end = std::max(end, record.info.log_end);
    const PartitionName name = name_of(record.info);
    if (replaced.contains(name)) {
      if (read_only_) continue;
      AERIE_LOG(Info, "removing a replaced partition", {"name", to_string(name)});
      if (Status status = remove_partition(*database_, partition_prefix(name), on_step_); !status)
        return status;
      continue;
    }
    wanted.insert(name);
    catalog.live.push_back(std::make_shared<const Partition>(database_, std::move(record)));
  }
  auto stored = list_partitions(*database_, Family::Data);
  if (!stored) return std::move(stored).error();
  for (const auto& [name, bytes] : *stored) {
    if (wanted.contains(name) || read_only_) continue;
    AERIE_LOG(Info, "removing columns without a commit record", {"name", to_string(name)});
    const std::string prefix = partition_prefix(name);
    if (Status status = database_->delete_files(Family::Data, prefix, prefix_end(prefix)); !status)
      return status;
  }
  std::sort(catalog.live.begin(), catalog.live.end(), by_name);
  mark_set_aside(catalog.live);
  catalog_.with([&](Catalog& mine) { mine = std::move(catalog); });
  return {};
}

/// A name that no file on disk, no partition under construction and no `replaces` has: a partition
/// named there would be taken for a replaced one at the next open.
PartitionName RocksPartitionSet::take_name(const PartitionInfo& info) {
  return catalog_.with([&](Catalog& catalog) {
    PartitionName name = name_of(info);
    uint32_t last = 0;
    const auto avoid = [&](const PartitionName& other) {
      if (other.shard == name.shard && other.tier == name.tier && other.start == name.start)
        last = std::max(last, other.generation);
    };
    for (const Partitions* list : {&catalog.live, &catalog.dropped})
      for (const PartitionPtr& partition : *list) {
        avoid(name_of(partition->info()));
        for (const PartitionName& replaced : partition->record().replaces) avoid(replaced);
      }
    for (const PartitionName& taken : catalog.taken) avoid(taken);
    for (const Unreadable& one : catalog.unreadable) avoid(name_of(one.info));
    name.generation = last + 1;
    catalog.taken.insert(name);
    return name;
  });
}

void RocksPartitionSet::add(Catalog& catalog, const PartitionPtr& partition) {
  const PartitionInfo& info = partition->info();
  catalog.live.insert(
      std::upper_bound(catalog.live.begin(), catalog.live.end(), partition, by_name), partition);
  LogPosition& end = catalog.sealed_end[info.shard];
  end = std::max(end, info.log_end);
}

Result<PartitionInfo> RocksPartitionSet::seal(PartitionInfo info,
                                              const std::function<bool(SealSeries&)>& next) {
  sweep().ignore("tried again at the next seal");
  CommitRecord record;
  const PartitionName name = take_name(info);
  const Claim claim(catalog_, &Catalog::taken, {name});
  record.info = std::move(info);
  record.info.generation = name.generation;
  record.info.sequence = catalog_.with([](Catalog& catalog) { return catalog.next_sequence++; });
  record.seed = database_->seed();
  const std::string context = "seal " + to_string(name);
  PartitionBuilder builder(*database_, record, {});
  SealSeries series;
  while (next(series)) {
    if (Status status = builder.add(series); !status)
      return std::move(status).error().with(context);
  }
  Result<CommitRecord> committed =
      builder.commit([this] { reached(on_step_, "seal.files_built"); });
  if (!committed) return std::move(committed).error().with(context);
  reached(on_step_, "seal.committed");
  auto partition = std::make_shared<const Partition>(database_, std::move(*committed));
  catalog_.with([&](Catalog& catalog) { add(catalog, partition); });
  return partition->info();
}

// -------------------------------------------------------------------------------------------------
// merging

/// Finds the parts and marks them, so that they stay.
Result<Partitions> RocksPartitionSet::begin_merge(const MergeRequest& request) {
  if (request.parts.empty()) return Error(ErrorCode::InvalidArgument, "nothing to merge");
  return catalog_.with([&](Catalog& catalog) -> Result<Partitions> {
    Partitions parts;
    for (const PartitionInfo& info : request.parts) {
      const PartitionName name = name_of(info);
      const auto same = [&](const PartitionPtr& one) { return name_of(one->info()) == name; };
      const auto at = std::find_if(catalog.live.begin(), catalog.live.end(), same);
      if (at == catalog.live.end() || catalog.merging.contains(name))
        return Error(ErrorCode::NotFound, "not live: " + to_string(name));
      if (name.shard != request.parts[0].shard)
        return Error(ErrorCode::InvalidArgument, "merge across shards: " + to_string(name));
      parts.push_back(*at);
    }
    for (const PartitionPtr& part : parts) catalog.merging.insert(name_of(part->info()));
    return parts;
  });
}

/// Nothing is committed if no series is left: the record then has no samples.
Result<CommitRecord> RocksPartitionSet::write_merged(const MergeRequest& request,
                                                     const Partitions& parts, CommitRecord record) {
  PartitionBuilder builder(*database_, record, {});
  MergeStream stream(parts, request.erasures);
  SealSeries series;
  while (true) {
    Result<bool> more = stream.next(series);
    if (!more) return std::move(more).error();
    if (!*more) break;
    if (Status status = builder.add(series); !status) return std::move(status).error();
    if (!request.pause) continue;
    if (Status status = request.pause(); !status) return std::move(status).error();
  }
  if (builder.empty()) return record;
  return builder.commit([this] { reached(on_step_, "merge.files_built"); });
}

Result<PartitionInfo> RocksPartitionSet::merge(const MergeRequest& request) {
  sweep().ignore("tried again at the next merge");
  Result<Partitions> parts = begin_merge(request);
  if (!parts) return std::move(parts).error();
  CommitRecord record;
  std::set<PartitionName> names;
  PartitionInfo& info = record.info;
  info.shard = (*parts)[0]->info().shard;
  info.tier = request.tier;
  info.start = request.start;
  info.log_first = (*parts)[0]->info().log_first;
  for (const PartitionPtr& part : *parts) {
    names.insert(name_of(part->info()));
    info.log_first = std::min(info.log_first, part->info().log_first);
    info.log_end = std::max(info.log_end, part->info().log_end);
    // Not a new one: against a partition that is not part of this merge it must stay as it was.
    info.sequence = std::max(info.sequence, part->info().sequence);
    info.erasures = std::max(info.erasures, part->info().erasures);
  }
  if (request.erasures) info.erasures = std::max(info.erasures, request.erasures->last_number());
  info.sealed_parts = sealed_parts(*parts);
  record.replaces.assign(names.begin(), names.end());
  record.seed = database_->seed();
  const Claim merging(catalog_, &Catalog::merging, names);
  const PartitionName name = take_name(info);
  const Claim claim(catalog_, &Catalog::taken, {name});
  info.generation = name.generation;

  Result<CommitRecord> written = write_merged(request, *parts, record);
  if (!written) return std::move(written).error().with("merge into " + to_string(name));
  const bool empty = written->info.sample_count == 0;
  if (!empty) reached(on_step_, "merge.committed");
  const PartitionInfo result = written->info;
  PartitionPtr partition;
  if (!empty) partition = std::make_shared<const Partition>(database_, std::move(*written));
  catalog_.with([&](Catalog& catalog) {
    if (partition) add(catalog, partition);
    const auto replaced = [&](const PartitionPtr& one) {
      return names.contains(name_of(one->info()));
    };
    std::erase_if(catalog.live, replaced);
    catalog.dropped.insert(catalog.dropped.end(), parts->begin(), parts->end());
  });
  parts->clear();  // the last owner but readers is the catalog
  sweep().ignore("tried again at the next merge");
  reached(on_step_, "merge.parts_removed");
  return result;
}

Result<bool> RocksPartitionSet::concerned(const PartitionInfo& partition,
                                          const Erasures& erasures) const {
  const PartitionName name = name_of(partition);
  for (const PartitionPtr& one : snapshot()) {
    if (name_of(one->info()) != name) continue;
    const auto concerning = erasures.concerning(one->info().erasures, one->info().samples);
    if (concerning.empty()) return false;
    auto index = one->index();
    if (!index) return std::move(index).error();
    for (const Erasure* erasure : concerning)
      for (const model::Matchers& selector : erasure->selectors) {
        Result<SeriesSet> set = (*index)->match(selector);
        if (!set) return std::move(set).error();
        if (!set->empty()) return true;
      }
  }
  return false;
}

// -------------------------------------------------------------------------------------------------
// removing

Status RocksPartitionSet::drop_if(const std::function<bool(const PartitionInfo&)>& unwanted) {
  const bool any = catalog_.with([&](Catalog& catalog) {
    const auto old = std::stable_partition(
        catalog.live.begin(), catalog.live.end(), [&](const PartitionPtr& one) {
          return !unwanted(one->info()) || catalog.merging.contains(name_of(one->info()));
        });
    const bool found = old != catalog.live.end();
    std::move(old, catalog.live.end(), std::back_inserter(catalog.dropped));
    catalog.live.erase(old, catalog.live.end());
    return found;
  });
  if (any && on_removed_) on_removed_();
  if (Status dropped = drop_unreadable(unwanted); !dropped) return dropped;
  return sweep();
}

Status RocksPartitionSet::drop_unreadable(
    const std::function<bool(const PartitionInfo&)>& unwanted) {
  std::vector<Unreadable> old;
  catalog_.with([&](Catalog& catalog) {
    const auto at =
        std::stable_partition(catalog.unreadable.begin(), catalog.unreadable.end(),
                              [&](const Unreadable& one) { return !unwanted(one.info); });
    std::move(at, catalog.unreadable.end(), std::back_inserter(old));
    catalog.unreadable.erase(at, catalog.unreadable.end());
  });
  for (const Unreadable& one : old) {
    const std::string prefix = partition_prefix(name_of(one.info));
    if (Status status = remove_partition(*database_, prefix, on_step_); !status) return status;
  }
  return {};
}

// -------------------------------------------------------------------------------------------------
// damage

RocksPartitionSet::Unreadable RocksPartitionSet::unreadable(const PartitionName& name,
                                                            const Error& error) {
  Unreadable out;
  out.info.shard = name.shard;
  out.info.tier = name.tier;
  out.info.start = name.start;
  out.info.generation = name.generation;
  out.info.samples = {name.start, name.start + kLongestSpan - 1};
  out.reason = error.message();
  return out;
}

/// The commit record can be read, but columns are in a file that was set aside.
void RocksPartitionSet::mark_set_aside(const Partitions& live) const {
  for (const RocksDatabase::FileSize& file : database_->files(Family::Data)) {
    if (!file.set_aside) continue;
    for (const PartitionPtr& partition : live) {
      if (!file.first_key.starts_with(partition->prefix())) continue;
      // Logged where it is made; here it only has to be known.
      static_cast<void>(
          partition->failed(Error(ErrorCode::Corruption, file.path + " was set aside")));
    }
  }
}

std::vector<DamagedPartition> RocksPartitionSet::damaged() const {
  std::vector<DamagedPartition> out;
  Partitions all;
  catalog_.with([&](const Catalog& catalog) {
    for (const Unreadable& one : catalog.unreadable)
      out.push_back({to_string(name_of(one.info)), one.info.samples, one.reason});
    for (const PartitionPtr& one : catalog.live)
      if (one->is_damaged()) all.push_back(one);
  });
  for (const PartitionPtr& one : all) out.push_back(one->damaged());
  return out;
}

Status RocksPartitionSet::check(const std::function<bool(uint64_t)>& pace,
                                CheckReport& report) const {
  for (const DamagedPartition& one : damaged())
    report.problems.push_back(one.name + ": " + one.reason);
  for (const PartitionPtr& partition : snapshot())
    if (!check_partition(*partition, *database_, pace, report))
      return Error(ErrorCode::Cancelled, "the check was stopped");
  auto rows = database_->scan(Family::Meta, {});
  if (!rows) {
    report.problems.push_back(rows.error().message());
    return {};
  }
  report.rows += rows->size();
  return {};
}

/// Removes the files of dropped partitions that nobody reads any more.
Status RocksPartitionSet::sweep() {
  // Only readers that have them already can hold dropped partitions: who is alone stays alone.
  Partitions unread;
  std::set<PartitionName> names;
  catalog_.with([&](Catalog& catalog) {
    std::erase_if(catalog.dropped, [&](PartitionPtr& one) {
      if (one.use_count() != 1) return false;
      names.insert(name_of(one->info()));
      catalog.taken.insert(name_of(one->info()));
      for (const PartitionName& replaced : one->record().replaces) {
        names.insert(replaced);
        catalog.taken.insert(replaced);
      }
      unread.push_back(std::move(one));
      return true;
    });
  });
  const Claim claim(catalog_, &Catalog::taken, names);
  Status result;
  for (PartitionPtr& partition : unread) {
    Status status = remove_partition(*database_, partition->prefix(), on_step_);
    if (status) continue;
    result = std::move(status);
    catalog_.with([&](Catalog& catalog) { catalog.dropped.push_back(std::move(partition)); });
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<PartitionSet>> PartitionSet::open(Options options) {
  auto database = RocksDatabase::open(
      options.path, options.block_cache_bytes,
      {.read_only = options.read_only, .on_step = options.on_step, .env = options.env});
  if (!database) return std::move(database).error();
  auto set = std::make_unique<RocksPartitionSet>(std::move(*database), options);
  if (Status status = set->load(); !status)
    return std::move(status).error().with("open " + options.path);
  return std::unique_ptr<PartitionSet>(std::move(set));
}

}  // namespace aerie::store
