#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "base/guarded.h"
#include "ingest/ha_tracker.h"

namespace aerie::ingest {

/// Where series come from, as far as their labels tell. Immutable once in the table.
struct Sender {
  std::string cluster;  ///< as stored; empty: no cluster label
  HaGroup group;
  std::string replica;  ///< empty: no replica label
};

/// Numbers senders, so that a cached series needs four bytes for its own. Never forgets: there are
/// as many as replicas of clusters. Thread-safe, lock rank 21.
class SenderTable {
 public:
  uint32_t intern(const std::string& cluster, const std::string& group, const std::string& replica);
  /// `id` comes from intern(). The reference holds as long as the table.
  const Sender& at(uint32_t id) const;

 private:
  struct Rows {
    std::deque<Sender> senders;
    std::map<std::string, uint32_t>
        ids;  // by the three names, joined with a byte that no label value has
  };
  Guarded<Rows> rows_;
};

}  // namespace aerie::ingest
