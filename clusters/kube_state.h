#pragma once

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "clusters/evidence.h"
#include "clusters/series_meaning.h"
#include "model/labels.h"
#include "model/time.h"

namespace aerie::clusters {

/// The newest sample of one series, wherever it was read. `labels` is borrowed for the call.
struct LatestSample {
  const model::Labels* labels = nullptr;
  model::TimestampMs t = 0;
  double value = 0;     ///< a stale marker says that the series has ended
  double increase = 0;  ///< of a restart counter over the ten minutes before: taken at first sight
};

/// What the series of one cluster say at this moment, kept up to date sample by sample: taking a
/// sample that changes nothing costs one look-up, evidence is built for what changed only.
/// Not thread-safe. Memory: about 100 bytes a series. docs/decisions/0160.
class KubeState {
 public:
  explicit KubeState(std::string cluster);
  KubeState(KubeState&&) noexcept;
  ~KubeState();

  /// Takes a sample; series that tell nothing and samples older than the last are passed over.
  /// `exported_*` labels, which Prometheus makes of a target's own labels without honor_labels, are
  /// preferred.
  void set(const LatestSample& sample);
  /// Forgets series whose last sample lies before `oldest`: they ended without saying so.
  void purge(model::TimestampMs oldest);

  /// From now on set() hears of changes only, and of one sample a scrape of each target: what it
  /// does not hear of is as it was, and as old as its target's newest sample.
  void follow_changes() { following_ = true; }

  /// How often nodes changed between ready and not since this state was begun; only those that did.
  const std::map<std::string, uint64_t>& node_transitions() const { return node_transitions_; }

  /// Newest sample of kube-state-metrics (not of `up`); min: none.
  model::TimestampMs scraped_at() const { return scraped_at_; }
  /// True while some series lack the sample that others of their target have: the scrape arrives in
  /// pieces.
  bool torn() const;
  /// Workloads of which anything changed since the last call, those that ended among them.
  std::vector<WorkloadKey> take_changed();
  std::vector<WorkloadKey> workloads() const;
  /// The record of one workload. Samples older than `bound` against the newest are not believed.
  /// Empty: no series speaks of it.
  std::optional<DeploymentEvidence> evidence(const WorkloadKey& key, model::DurationMs bound) const;
  /// All but the workloads.
  ClusterEvidence cluster(model::DurationMs bound) const;
  size_t series() const { return index_.size(); }

 private:
  using Text = uint32_t;
  struct Object;
  struct Series {
    Object* object = nullptr;
    const Meaning* meaning = nullptr;
    uint64_t hash = 0;
    model::TimestampMs at = 0;
    model::TimestampMs risen_at = 0;  // Family::Listing: when it last grew
    double value = 0;
    Text a = 0;
    Text b = 0;
    Text c = 0;
    uint32_t target = 0;
  };
  struct Bump {
    model::TimestampMs at;
    double by;
    Family family;
  };
  struct Object {
    Subject subject;
    Kind kind;
    std::string space;
    std::string name;
    std::vector<uint32_t> series;
    std::vector<Bump> bumps;  // restarts of the last ten minutes
  };
  struct TargetClock {
    Target target;
    model::TimestampMs newest = model::kMinTimestamp;
    uint32_t live = 0;       // series it has
    uint32_t current = 0;    // of these, with a sample at `newest`
    uint32_t workloads = 0;  // of these, that speak of workloads
  };

  uint32_t bind(const Meaning& meaning, const LatestSample& sample, uint64_t hash);
  void read_texts(const model::Labels& labels, Series& series);
  void end(uint32_t number);
  void touch(Series& series, model::TimestampMs t);
  void note(const Object& object);
  void link(const Series& series, int by);
  static std::string object_id(Subject subject, Kind kind, std::string_view space,
                               std::string_view name);
  Object* find(Subject subject, Kind kind, std::string_view space, std::string_view name) const;
  Object& object_of(const Meaning& meaning, const model::Labels& labels);
  const Object* owner_of(const Object& object) const;
  Text intern(std::string_view text);
  void compact_texts();
  model::TimestampMs at_of(const Series& series) const {
    return following_ ? std::max(series.at, targets_[series.target].newest) : series.at;
  }
  const std::string& text(Text id) const { return *texts_[id]; }
  uint32_t target_of(const model::Labels& labels);

  // Evidence, kube_state_evidence.cc.
  template <class Use>
  void each(const Object& object, model::TimestampMs oldest, Use&& use) const;
  void read_workload(const Object& object, model::TimestampMs oldest,
                     DeploymentEvidence& out) const;
  void read_replica_sets(const Object& object, model::TimestampMs oldest,
                         DeploymentEvidence& out) const;
  void read_pods(const Object& owner, model::TimestampMs oldest, DeploymentEvidence& out) const;
  PodEvidence read_pod(const Object& object, model::TimestampMs oldest) const;
  void read_surroundings(model::TimestampMs oldest, DeploymentEvidence& out) const;
  bool node_lost(const std::string& node, model::TimestampMs oldest) const;

  std::string cluster_;
  model::TimestampMs scraped_at_ = model::kMinTimestamp;
  std::string environment_;
  std::string zone_;
  boost::unordered_flat_map<uint64_t, uint32_t> index_;  // hash of the labels -> series
  std::vector<Series> series_;
  std::vector<uint32_t> free_;
  std::unordered_map<std::string, std::unique_ptr<Object>> objects_;
  std::unordered_map<std::string, std::map<const Object*, int>> owned_;  // by owner
  std::unordered_set<const Object*> workloads_;
  std::unordered_set<WorkloadKey, WorkloadKeyHash> changed_;
  bool all_changed_ = false;
  bool following_ = false;
  std::map<std::string, uint64_t> node_transitions_;
  std::vector<TargetClock> targets_;
  std::unordered_map<std::string, uint32_t> target_numbers_;
  std::unordered_map<std::string, Text> text_numbers_;
  std::vector<const std::string*> texts_;
};

/// Builds the records of one cluster from the newest samples of its series, all at once.
ClusterEvidence assemble(std::string cluster, const std::vector<LatestSample>& samples,
                         model::DurationMs bound);

}  // namespace aerie::clusters
