#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "clusters/evidence.h"
#include "clusters/kubernetes/pod_table.h"
#include "clusters/kubernetes/text_pool.h"

namespace aerie::clusters::kubernetes {

/// The collections that are watched. Verdicts need those before Quotas; without the others causes
/// are told less exactly.
enum class Collection : uint8_t {
  Deployments,
  ReplicaSets,
  Pods,
  Nodes,
  Quotas,
  Namespaces,
  Events
};
inline constexpr size_t kCollections = 7;

/// "/apis/apps/v1/deployments".
std::string_view collection_path(Collection collection);
bool is_required(Collection collection);

/// What list and watch of one cluster have seen: takes API objects as they come, gives evidence of
/// one Deployment at a time. Objects are strangers' input: what is missing or of another type is
/// absent. Not thread-safe. `now`: our clock, milliseconds.
class ClusterState {
 public:
  explicit ClusterState(std::string cluster);

  void put(Collection collection, const boost::json::object& object, int64_t now);
  void remove(Collection collection, const boost::json::object& object);
  /// Between these two every object that exists is put; what is not is dropped at the end.
  void begin_list(Collection collection);
  void end_list(Collection collection);

  /// Deployments whose evidence may have changed since the last call, each once.
  std::vector<WorkloadKey> take_changed();
  std::vector<WorkloadKey> workloads() const;
  /// Empty: there is no such Deployment. `at` is the time that all facts bear. Messages are
  /// Kubernetes' own words: of conditions, of waiting containers, else of the newest warning event.
  std::optional<DeploymentEvidence> evidence(const WorkloadKey& key, int64_t now,
                                             model::TimestampMs at) const;
  /// True if namespaces were listed and this is none of them.
  bool lacks_namespace(const std::string& space) const {
    return !namespaces_.empty() && !namespaces_.contains(space);
  }

  size_t pods() const { return pods_.size(); }
  /// Memory that grows with pods.
  size_t pod_bytes() const { return pods_.bytes() + texts_.bytes(); }

 private:
  using Name = std::pair<std::string, std::string>;  // namespace, name
  struct ConditionWords {
    Truth status = Truth::Unknown;
    std::string reason;
    std::string message;
    bool operator==(const ConditionWords&) const = default;
  };
  struct DeploymentRecord {
    std::map<std::string, int64_t>
        numbers;  // spec and status, by the names used in cluster_state.cc
    std::map<std::string, ConditionWords> conditions;
    bool listed = true;
    bool same(const DeploymentRecord& o) const {
      return numbers == o.numbers && conditions == o.conditions;
    }
  };
  struct ReplicaSetRecord {
    std::string deployment;
    int64_t spec = 0;
    int64_t status = 0;
    int64_t ready = 0;
    int64_t created = 0;
    int64_t revision = 0;  // 0: not told
    std::string warning;   // of its newest warning event
    bool listed = true;
  };
  struct NodeRecord {
    Truth ready = Truth::Unknown;
    bool listed = true;
  };
  struct QuotaRecord {
    std::map<std::string, std::pair<std::optional<double>, std::optional<double>>>
        rows;  // hard, used
    bool listed = true;
  };
  struct Warning {
    std::string text;
    int64_t at = 0;  // seconds, the member's clock
  };

  void put_deployment(const Name& name, const boost::json::object& object);
  void put_replica_set(const Name& name, const boost::json::object& object);
  void put_node(const std::string& name, const boost::json::object& object);
  void put_quota(const Name& name, const boost::json::object& object);
  void put_event(const boost::json::object& object);
  void note(const std::string& space, const std::string& deployment);
  void note_owners(const std::vector<std::string>& replica_sets);
  void note_space(const std::string& space);
  void note_node(const std::string& node);
  void read_replica_sets(const Name& name, int64_t now, model::TimestampMs at,
                         DeploymentEvidence& out) const;
  void read_pods(const Name& set, int64_t now, model::TimestampMs at,
                 DeploymentEvidence& out) const;

  const std::string cluster_;
  TextPool texts_;
  PodTable pods_{texts_};
  std::map<Name, DeploymentRecord> deployments_;
  std::map<Name, ReplicaSetRecord> replica_sets_;
  std::map<Name, std::set<std::string>> sets_of_;  // Deployment -> its ReplicaSets
  std::map<std::string, NodeRecord> nodes_;
  std::map<Name, QuotaRecord> quotas_;
  std::map<std::string, bool> namespaces_;  // name -> listed
  std::map<Name, Warning> pod_warnings_;    // at most kMostWarnings
  std::set<Name> changed_;
};

}  // namespace aerie::clusters::kubernetes
