#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "ingest/options.h"
#include "ingest/refusal.h"
#include "model/labels.h"

namespace aerie::ingest {

/// Which cluster a credential speaks for. Immutable, thread-safe.
class BindingTable {
 public:
  /// Errors: InvalidArgument naming the cluster for a bad token digest, a name or token used twice,
  /// a missing name.
  static Result<BindingTable> create(const std::vector<ClusterBinding>& clusters);

  bool open_to_all() const { return bindings_.empty(); }
  /// The binding whose list holds the token's SHA-256, or null. Compares in constant time.
  const ClusterBinding* find_token(std::string_view bearer_token) const;
  /// A number per binding, for hashing: 0 is nobody's.
  uint64_t number_of(const ClusterBinding* binding) const;

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Token {
    Digest digest;
    size_t binding;
  };
  std::vector<ClusterBinding> bindings_;  // with the `cluster` label filled in
  std::vector<Token> tokens_;
};

/// A series as it is stored, and who sent it.
struct SeriesIdentity {
  model::Labels labels;
  std::string cluster;  ///< empty: it has no cluster label
  std::string group;    ///< HA group inside the cluster, see ha_group()
  std::string replica;  ///< empty: no replica label
};

/// Turns label pairs as sent into the stored identity: drops empty values, sorts, takes the replica
/// label away (only together with a cluster; without one nobody can say whose pair it is), sets the
/// binding's labels. Pure. Refused: MissingName, DuplicateLabel, InvalidLabel, LabelLimit,
/// ClusterMismatch. `binding` may be null.
std::variant<SeriesIdentity, Refused> identify(std::vector<model::LabelView> sent,
                                               const ClusterBinding* binding,
                                               const IngestOptions& options);

/// The servers of one group scrape the same targets. That is the value of the group label
/// (prometheus-operator: `prometheus="<namespace>/<name>"`) plus the shard if the replica is a pod
/// of a sharded one (`…-shard-3-0`): the shards of one Prometheus carry the same group label, but
/// scrape different targets.
std::string ha_group(std::string_view group_label_value, std::string_view replica);

}  // namespace aerie::ingest
