#include "ingest/metadata_memo.h"

namespace aerie::ingest {

std::vector<bool> MetadataMemo::known(const std::vector<uint64_t>& keys) const {
  return keys_.with([&](const std::unordered_set<uint64_t>& all) {
    std::vector<bool> answers;
    answers.reserve(keys.size());
    for (const uint64_t key : keys) answers.push_back(all.contains(key));
    return answers;
  });
}

void MetadataMemo::remember(const std::vector<uint64_t>& keys) {
  if (keys.empty()) return;
  keys_.with([&](std::unordered_set<uint64_t>& all) {
    if (all.size() + keys.size() > kMost) all.clear();
    all.insert(keys.begin(), keys.end());
  });
}

}  // namespace aerie::ingest
