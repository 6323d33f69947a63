#include "store/head_selections.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "store/series_table.h"

namespace aerie::store {
namespace {

struct Difference {
  std::vector<bool> kept;           // of the old table's series
  std::vector<SeriesHandle> fresh;  // not in the old table
};

/// `now` ascends by slot.
Difference compare(const HeadTable& old, const std::vector<SeriesHandle>& now) {
  Difference out;
  out.kept.resize(old.labels.size());
  size_t i = 0;
  for (const SeriesHandle handle : now) {
    while (i < old.by_slot.size() && old.handles[old.by_slot[i]].slot < handle.slot) ++i;
    if (i < old.by_slot.size() && old.handles[old.by_slot[i]] == handle) {
      out.kept[old.by_slot[i]] = true;
    } else {
      out.fresh.push_back(handle);
    }
  }
  return out;
}

/// What is kept of the old table and the new series, in one order.
HeadTable merge(const HeadTable& old, const std::vector<bool>& kept,
                std::vector<SeriesIndex::Match> fresh) {
  std::sort(fresh.begin(), fresh.end(),
            [](const auto& a, const auto& b) { return a.labels < b.labels; });
  HeadTable table;
  const size_t most = old.labels.size() + fresh.size();
  table.labels.reserve(most);
  table.handles.reserve(most);
  size_t next = 0;
  const auto add_fresh = [&] {
    table.labels.push_back(std::move(fresh[next].labels));
    table.handles.push_back(fresh[next++].handle);
  };
  for (size_t i = 0; i < old.labels.size(); ++i) {
    if (!kept[i]) continue;
    while (next < fresh.size() && fresh[next].labels < old.labels[i]) add_fresh();
    table.labels.push_back(old.labels[i]);
    table.handles.push_back(old.handles[i]);
  }
  while (next < fresh.size()) add_fresh();
  table.by_slot.resize(table.labels.size());
  std::iota(table.by_slot.begin(), table.by_slot.end(), 0);
  std::sort(table.by_slot.begin(), table.by_slot.end(),
            [&](uint32_t a, uint32_t b) { return table.handles[a].slot < table.handles[b].slot; });
  return table;
}

}  // namespace

size_t HeadTable::memory_bytes() const {
  size_t bytes = sizeof(*this) + labels.capacity() * sizeof(model::Labels) +
                 handles.capacity() * sizeof(SeriesHandle) + by_slot.capacity() * sizeof(uint32_t);
  for (const model::Labels& one : labels) bytes += one.encoded().size() + kSharedLabelsOverhead;
  return bytes;
}

std::shared_ptr<const HeadTable> HeadSelections::select(const model::Matchers& matchers) {
  std::string key;
  put_matchers(key, matchers);
  // Read first: what comes after it is seen by the next query at the latest.
  const uint64_t version = index_.version();
  auto old = tables_.find(key);
  if (old && old->version == version) return old;
  if (!old) old = std::make_shared<const HeadTable>();
  Difference difference = compare(*old, index_.handles(matchers));
  auto table =
      std::make_shared<HeadTable>(merge(*old, difference.kept, index_.describe(difference.fresh)));
  table->version = version;
  tables_.put(key, table, table->memory_bytes() + key.size());
  return table;
}

}  // namespace aerie::store
