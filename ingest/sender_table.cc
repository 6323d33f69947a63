#include "ingest/sender_table.h"

namespace aerie::ingest {

uint32_t SenderTable::intern(const std::string& cluster, const std::string& group,
                             const std::string& replica) {
  std::string key = cluster;
  key.append(1, '\xff').append(group).append(1, '\xff').append(replica);
  return rows_.with([&](Rows& rows) {
    const auto [found, added] =
        rows.ids.emplace(std::move(key), static_cast<uint32_t>(rows.senders.size()));
    if (added) rows.senders.push_back({cluster, {cluster, group}, replica});
    return found->second;
  });
}

const Sender& SenderTable::at(uint32_t id) const {
  return *rows_.with([id](const Rows& rows) { return &rows.senders[id]; });
}

}  // namespace aerie::ingest
