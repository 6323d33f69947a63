#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "ingest/negotiation.h"
#include "ingest/settings.h"
#include "model/time.h"

namespace aerie::ingest {

/// A standby's request as it came, acknowledged and not stored.
struct KeptRequest {
  std::string body;  ///< still compressed
  Caller caller;
  int64_t until_ms = 0;  ///< monotonic; not needed any more after that
  WireFormat format = WireFormat::RemoteWrite1;
};

/// Keeps what standbys send until their lead is known to have outlived it, so that a failover
/// leaves no gap. Bounded in bytes: when full, a sender's own oldest requests go first, and if
/// those do not make enough room the new request is not kept. In memory: a crash loses it, and with
/// it only what the lead was sending as well. Thread-safe, lock rank 23.
class StandbyRing {
 public:
  explicit StandbyRing(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  /// `sender` is a SenderTable id.
  void keep(uint32_t sender, KeptRequest request, int64_t now_ms);
  /// Everything still kept of a sender, oldest first; it is not kept any more.
  std::vector<KeptRequest> take(uint32_t sender, int64_t now_ms);
  size_t bytes() const;
  /// Requests that had to go before their time.
  uint64_t dropped() const;

 private:
  struct Rings {
    std::map<uint32_t, std::deque<KeptRequest>> of_sender;
    size_t bytes = 0;
    uint64_t dropped = 0;
  };
  const size_t limit_bytes_;
  Guarded<Rings> rings_;
};

}  // namespace aerie::ingest
