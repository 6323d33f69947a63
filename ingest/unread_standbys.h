#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "ingest/ha_tracker.h"
#include "ingest/sender_table.h"

namespace aerie::ingest {

/// Which requests of standbys may be kept without reading them. A standby's request is worth
/// reading only for what in it is not the standby's: series of another cluster, of another replica,
/// without one (federation, relays). So a request is kept unread only if its beginning is the
/// standby's, the last requests of that standby held nothing else, and no request of its group, the
/// lead's above all, which are read whole, did for an hour. One in thirty-two is read all the
/// same, and one in half a minute. docs/decisions/0154. Thread-safe, lock rank 27.
class UnreadStandbys {
 public:
  explicit UnreadStandbys(const Clock& clock) : clock_(clock) {}  // `clock` outlives it

  /// One request that was read.
  struct Read {
    const Sender* who = nullptr;  ///< the sender of its first series
    bool mixed = false;           ///< others have series in it too
    uint64_t samples = 0;
    size_t bytes = 0;  ///< as it came, compressed
  };
  /// True if its group was not known for mixed requests until now: what is kept unread of its
  /// standbys is then to be read. `who` with a replica.
  bool note(const Read& read);
  /// How many samples a request of so many bytes holds, about, if it may be kept unread; counts it.
  /// Nothing: read it.
  std::optional<uint32_t> skip(const Sender& who, size_t bytes);

  static constexpr uint32_t kReadsBefore = 8;    ///< in a row without anything else in them
  static constexpr uint32_t kReadOneIn = 32;     ///< of a standby's requests
  static constexpr size_t kMostGroups = 10'000;  ///< of further ones all requests are read

 private:
  struct Replica {
    uint32_t reads = 0;
    uint32_t skipped = 0;  // since the last read
    int64_t read_ns = 0;   // monotonic
    double samples_per_byte = 0;
  };
  struct Group {
    int64_t mixed_until_ns = 0;
    std::map<std::string, Replica> replicas;
  };

  const Clock& clock_;
  Guarded<std::map<HaGroup, Group>> groups_;
};

}  // namespace aerie::ingest
