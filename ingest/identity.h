#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "ingest/options.h"
#include "ingest/refusal.h"
#include "ingest/relabel.h"
#include "model/labels.h"
#include "model/matcher.h"

namespace aerie::ingest {

/// Which cluster a credential speaks for. Immutable, thread-safe.
class BindingTable {
 public:
  /// Errors: InvalidArgument naming the cluster for a bad token digest, a name, token or
  /// certificate used twice, a missing name, bad rules.
  static Result<BindingTable> create(const std::vector<ClusterBinding>& clusters);

  bool open_to_all() const { return bindings_.empty(); }
  /// The binding whose list holds the token's SHA-256, or null. Compares in constant time.
  const ClusterBinding* find_token(std::string_view bearer_token) const;
  /// The binding that one of the names in a verified certificate belongs to, or null.
  const ClusterBinding* find_certificate(std::span<const std::string> names) const;
  /// Who sent a request: its token says so, or its certificate if there is no token. Null: nobody.
  const ClusterBinding* find_caller(const http::Request& request) const;
  /// The binding with this name, or null.
  const ClusterBinding* find_name(std::string_view name) const;

  /// A hash of everything in a binding that decides what its series become; 0 for null. Two tables
  /// with the same binding agree on it.
  uint64_t fingerprint(const ClusterBinding* binding) const;
  /// The rules of a binding; empty for null.
  const Relabeller& relabeller(const ClusterBinding* binding) const;
  /// True if the binding forwards series of `cluster`, which is not its own.
  bool forwards(const ClusterBinding& binding, std::string_view cluster) const;

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Token {
    Digest digest;
    size_t binding;
  };
  struct Compiled {
    uint64_t fingerprint = 0;
    Relabeller relabeller;
    std::vector<model::Matcher> may_write;
  };
  Status add(const ClusterBinding& cluster);
  Status add_credentials(const ClusterBinding& cluster);
  const Compiled& compiled_of(const ClusterBinding& binding) const;

  std::vector<ClusterBinding> bindings_;  // with the `cluster` label filled in
  std::vector<Compiled> compiled_;        // of the same binding each
  std::vector<Token> tokens_;
  std::map<std::string, size_t, std::less<>> names_;
  std::map<std::string, size_t, std::less<>> certificates_;
  Relabeller no_rules_;
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
/// ClusterMismatch, ReservedName. `binding` may be null. Relabelling and forwarding are the
/// caller's.
std::variant<SeriesIdentity, Refused> identify(std::vector<model::LabelView> sent,
                                               const ClusterBinding* binding,
                                               const IngestOptions& options);

/// True for the names of series that only aerie itself writes: verdicts and what it knows about
/// clusters. A closed list, docs/remote-write.md. What aerie shows on /metrics is not on it, nor
/// are the ALERTS of a member.
bool is_reserved_name(std::string_view metric_name);

/// The servers of one group scrape the same targets. That is the value of the group label
/// (prometheus-operator: `prometheus="<namespace>/<name>"`) plus the shard if the replica is a pod
/// of a sharded one (`…-shard-3-0`): the shards of one Prometheus carry the same group label, but
/// scrape different targets.
std::string ha_group(std::string_view group_label_value, std::string_view replica);

}  // namespace aerie::ingest
