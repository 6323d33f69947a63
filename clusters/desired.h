#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "clusters/workload.h"
#include "model/time.h"

namespace aerie {
class YamlNode;
}

namespace aerie::clusters {

/// What should be, for one Deployment in one cluster, and who says so.
struct Desired {
  std::optional<int64_t>
      replicas;          ///< empty: nobody manages the number, the Deployment's own spec holds
  std::string source;    ///< "file desired.yaml", "inferred: also in gondor, rohan"
  bool binding = false;  ///< true: its absence is a fault; false: inferred from what runs elsewhere
  model::TimestampMs as_of = 0;  ///< our clock, when it was read
  bool wanted = true;            ///< false: it must not be in this cluster
  std::string image;             ///< that one of its containers must run; empty: any
};

/// The content of a desired-state file: clusters/README.md. Immutable.
class DesiredFile {
 public:
  /// Strict: unknown or repeated keys, wrong types and negative numbers are errors that name line
  /// and column. `name` stands in errors and in Desired::source. Errors: InvalidArgument.
  static Result<DesiredFile> parse(const std::string& name, const std::string& text,
                                   model::TimestampMs as_of);
  /// `environment`: of the cluster, for entries that select by it.
  std::optional<Desired> find(const WorkloadKey& key, const std::string& environment) const;
  /// All that is desired in this cluster.
  std::vector<WorkloadKey> in_cluster(const std::string& cluster,
                                      const std::string& environment) const;
  /// True if the file says anything about it, for whichever cluster.
  bool knows(const std::string& space, const std::string& name) const {
    return entries_.contains({space, name});
  }
  const std::string& name() const { return name_; }
  model::TimestampMs as_of() const { return as_of_; }
  /// Clusters that are named, whether or not they have ever written.
  std::vector<std::string> clusters() const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::optional<int64_t> replicas;
    std::map<std::string, std::optional<int64_t>> clusters;  // cluster -> its own number
    std::string environment;                                 // all clusters of it, unless empty
    std::string image;
    bool unwanted_elsewhere = false;
  };
  Status add(const YamlNode& row);
  static Status read_clusters(const YamlNode& node, Entry& entry);

  std::string name_;
  model::TimestampMs as_of_ = 0;
  std::map<std::pair<std::string, std::string>, Entry> entries_;  // namespace, name
};

}  // namespace aerie::clusters
