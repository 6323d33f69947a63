#include "ingest/unread_standbys.h"

#include <algorithm>

namespace aerie::ingest {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMixedFor = 3600 * kSecond;
// A standby's requests are kept for more than a minute: what is found in one that is read can still
// be looked for in those that were not.
constexpr int64_t kLongestUnread = 30 * kSecond;
constexpr size_t kMostReplicas = 16;

}  // namespace

bool UnreadStandbys::note(const Read& read) {
  const int64_t now_ns = clock_.monotonic_ns();
  return groups_.with([&](std::map<HaGroup, Group>& groups) {
    if (groups.size() >= kMostGroups && !groups.contains(read.who->group)) return false;
    Group& group = groups[read.who->group];
    if (read.mixed) {
      const bool news = group.mixed_until_ns <= now_ns;
      group.mixed_until_ns = now_ns + kMixedFor;
      group.replicas.clear();
      return news;
    }
    if (group.replicas.size() >= kMostReplicas && !group.replicas.contains(read.who->replica))
      group.replicas.clear();  // pods with a new name at every restart: learned anew
    Replica& replica = group.replicas[read.who->replica];
    ++replica.reads;
    replica.skipped = 0;
    replica.read_ns = now_ns;
    replica.samples_per_byte =
        static_cast<double>(read.samples) / static_cast<double>(std::max<size_t>(read.bytes, 1));
    return false;
  });
}

std::optional<uint32_t> UnreadStandbys::skip(const Sender& who, size_t bytes) {
  const int64_t now_ns = clock_.monotonic_ns();
  return groups_.with([&](std::map<HaGroup, Group>& groups) -> std::optional<uint32_t> {
    const auto group = groups.find(who.group);
    if (group == groups.end() || group->second.mixed_until_ns > now_ns) return std::nullopt;
    const auto found = group->second.replicas.find(who.replica);
    if (found == group->second.replicas.end()) return std::nullopt;
    Replica& replica = found->second;
    const bool due =
        replica.skipped + 1 >= kReadOneIn || now_ns - replica.read_ns >= kLongestUnread;
    if (replica.reads < kReadsBefore || due) return std::nullopt;
    ++replica.skipped;
    return static_cast<uint32_t>(replica.samples_per_byte * static_cast<double>(bytes));
  });
}

}  // namespace aerie::ingest
