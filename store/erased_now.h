#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "model/matcher.h"
#include "store/deletions.h"
#include "store/erasures.h"

namespace aerie::store {

/// A shorter retention for some clusters.
struct ClusterRetention {
  model::Matcher cluster;  ///< on the label `cluster`
  model::DurationMs retention = 0;
  bool operator==(const ClusterRetention&) const = default;
};

/// What must not be seen at this moment: what was deleted and what has expired. Thread-safe.
class ErasedNow {
 public:
  /// Samples expire in steps of so long, so that answers computed in between hold.
  static constexpr model::DurationMs kExpiryStep = 10LL * 60 * 1000;

  /// Both outlive this. `expired` is called, without a lock, when more or less has expired than
  /// current() said before.
  ErasedNow(const Deletions& deletions, const Clock& clock, std::function<void()> expired)
      : deletions_(deletions), clock_(clock), expired_(std::move(expired)) {}

  /// Of several that match a cluster the shortest counts.
  void set_cluster_retention(std::vector<ClusterRetention> rules);
  /// Null if there is nothing.
  ErasuresPtr current() const;

 private:
  struct State {
    std::vector<ClusterRetention> rules;
    std::shared_ptr<const Erasures> deletions;  // that `made` holds
    model::TimestampMs made_at = 0;             // a whole step
    ErasuresPtr made;
  };

  const Deletions& deletions_;
  const Clock& clock_;
  const std::function<void()> expired_;
  mutable Guarded<State> state_;
};

}  // namespace aerie::store
