#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/applier.h"
#include "store/changes.h"
#include "store/deletions.h"
#include "store/erased_now.h"
#include "store/head.h"
#include "store/head_selections.h"
#include "store/late_guard.h"
#include "store/local_log.h"
#include "store/merger.h"
#include "store/metadata_cache.h"
#include "store/partition_set.h"
#include "store/scrubber.h"
#include "store/sealer.h"
#include "store/space_guard.h"
#include "store/store.h"
#include "store/store_folder.h"

namespace aerie::store {

/// The store of one machine: one shard, local files.
class LocalStore final : public Store {
 public:
  using OpenPartitions =
      std::function<Result<std::unique_ptr<PartitionSet>>(PartitionSet::Options)>;
  /// As Store::open, with the partitions that `open_partitions` gives (tests pass their own).
  static Result<std::unique_ptr<LocalStore>> open(StoreOptions options, const Clock& clock,
                                                  FileSystem& files, MetricRegistry& metrics,
                                                  const OpenPartitions& open_partitions);
  ~LocalStore() override;

  SeriesHandle resolve(const model::Labels& labels) override {
    return head_.index().resolve(labels);
  }
  bool knows(const model::Labels& labels) const override { return head_.index().knows(labels); }
  void append(WriteBatch batch, Done done) override {
    applier_->append(std::move(batch), std::move(done));
  }
  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   model::TimeRange range) const override;
  Result<std::vector<std::string>> label_names(const model::Matchers& matchers,
                                               model::TimeRange range) const override;
  Result<std::vector<std::string>> label_values(std::string_view name,
                                                const model::Matchers& matchers,
                                                model::TimeRange range) const override;
  Result<std::vector<model::SeriesExemplars>> exemplars(
      const std::vector<model::Matchers>& selectors, model::TimeRange range) const override;
  std::vector<FamilyMetadata> metadata(std::string_view metric_family) const override;
  Arrivals& arrivals() override { return arrivals_; }
  const Changes* changes() const override { return &changes_; }
  Result<std::shared_ptr<KeyedTable>> table(const std::string& name) override {
    return partitions_->table(name);
  }
  Status flush() override { return sealer_->flush(); }
  Result<SnapshotInfo> snapshot(SnapshotScope scope) override;
  Result<CheckReport> check(const CheckPace& pace) override;
  Status delete_series(std::vector<model::Matchers> selectors, model::TimeRange range) override;
  Status clean_tombstones() override;
  void set_cluster_retention(std::vector<ClusterRetention> rules) override {
    erased_->set_cluster_retention(std::move(rules));
  }
  uint64_t active_series() const override { return head_.index().size(); }
  model::TimeRange extent() const override;
  Status close() override;

  const Head& head() const { return head_; }
  /// Merges what is due and applies the limits; waits.
  Status merge() { return merger_->run(Merger::Work::Merge); }

 private:
  LocalStore(const StoreOptions& options, const Clock& clock);
  Status start(FileSystem& files, MetricRegistry& metrics, const OpenPartitions& open_partitions);
  void start_background(MetricRegistry& metrics);
  Status replay(const LogFrame& frame, const SealedRanges& sealed);
  Status replay_batch(const LogFrame& frame, const SealedRanges& sealed);
  Status fill_snapshot(const std::string& folder, SnapshotScope scope, SnapshotInfo& info);
  void replay_loss(const LogLoss& loss);
  size_t drop_undefined(WriteBatch& rows) const;
  Status open_deletions();
  Status forget_deleted();
  Result<std::vector<SeriesHandle>> left_nowhere(const Erasure& deletion,
                                                 std::vector<SeriesIndex::Match> hidden) const;
  Status carried_out(const Erasure& deletion);

  const StoreOptions options_;
  const Clock& clock_;
  // In the order of their making; closed in the opposite order.
  std::unique_ptr<StoreFolder> folder_;
  FileSystem* files_ = nullptr;
  std::unique_ptr<SpaceGuard> space_;
  std::unique_ptr<PartitionSet> partitions_;
  std::unique_ptr<MetadataCache> metadata_;
  std::unique_ptr<Deletions> deletions_;
  std::unique_ptr<ErasedNow> erased_;
  Arrivals arrivals_;
  Changes changes_;
  Head head_;
  mutable HeadSelections head_selections_{head_.index()};
  std::unique_ptr<LateGuard> late_guard_;
  std::unique_ptr<MemoryLimit> memory_;
  std::unique_ptr<LocalLog> log_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Sealer> sealer_;
  std::unique_ptr<Merger> merger_;
  std::unique_ptr<Scrubber> scrubber_;
  bool replayed_batches_ = false;
  size_t losses_ = 0;   // stretches of the log that were passed over
  size_t orphans_ = 0;  // rows whose series was defined in one of them
};

}  // namespace aerie::store
