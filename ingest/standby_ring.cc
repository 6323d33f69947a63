#include "ingest/standby_ring.h"

#include <utility>

namespace aerie::ingest {

void StandbyRing::keep(uint32_t sender, KeptRequest request, int64_t now_ms) {
  rings_.with([&](Rings& rings) {
    std::deque<KeptRequest>& ring = rings.of_sender[sender];
    const auto drop_oldest = [&] {
      rings.bytes -= ring.front().body.size();
      ring.pop_front();
    };
    while (!ring.empty() && ring.front().until_ms < now_ms) drop_oldest();
    while (!ring.empty() && rings.bytes + request.body.size() > limit_bytes_) {
      drop_oldest();
      ++rings.dropped;
    }
    if (rings.bytes + request.body.size() > limit_bytes_) {
      ++rings.dropped;
      return;
    }
    rings.bytes += request.body.size();
    ring.push_back(std::move(request));
  });
}

std::vector<KeptRequest> StandbyRing::take(uint32_t sender, int64_t now_ms) {
  return rings_.with([&](Rings& rings) {
    std::vector<KeptRequest> taken;
    const auto found = rings.of_sender.find(sender);
    if (found == rings.of_sender.end()) return taken;
    for (KeptRequest& request : found->second) {
      rings.bytes -= request.body.size();
      if (request.until_ms >= now_ms) taken.push_back(std::move(request));
    }
    rings.of_sender.erase(found);
    return taken;
  });
}

size_t StandbyRing::bytes() const {
  return rings_.with([](const Rings& rings) { return rings.bytes; });
}

uint64_t StandbyRing::dropped() const {
  return rings_.with([](const Rings& rings) { return rings.dropped; });
}

}  // namespace aerie::ingest
