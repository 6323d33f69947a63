#include "store/read_cache.h"

#include "store/byte_io.h"

namespace aerie::store {
namespace {

/// Names a table: what was asked of which partitions.
std::string table_key(const model::Matchers& matchers, const ReadCache::Partitions& partitions) {
  std::string key;
  for (const auto& partition : partitions) put_varint(key, partition->id());
  put_u8(key, 0);  // no id is 0
  put_matchers(key, matchers);
  return key;
}

Result<std::shared_ptr<const SeriesTable>> make_table(const model::Matchers& matchers,
                                                      const ReadCache::Partitions& partitions) {
  SeriesTableBuilder builder;
  for (uint32_t i = 0; i < partitions.size(); ++i) {
    auto index = partitions[i]->index();
    if (!index) return std::move(index).error();
    Result<SeriesSet> set = (*index)->match(matchers);
    if (!set) return std::move(set).error();
    builder.begin(i);
    Status status = (*index)->labels(
        *set, [&](uint32_t series, std::string_view encoded) { builder.add(encoded, series); });
    if (!status) return std::move(status).error();
  }
  return builder.finish();
}

/// Of a group or a clock.
uint64_t number_key(const Partition& partition, uint32_t number) {
  return partition.id() << 32 | number;
}

}  // namespace

Result<std::shared_ptr<const SeriesTable>> ReadCache::table(const model::Matchers& matchers,
                                                            const Partitions& partitions) {
  const std::string key = table_key(matchers, partitions);
  if (auto known = tables_.find(key)) return known;
  auto table = make_table(matchers, partitions);
  if (table) tables_.put(key, *table, (*table)->memory_bytes() + key.size());
  return table;
}

Result<std::shared_ptr<const ColumnGroup>> ReadCache::group(const Partition& partition,
                                                            uint32_t number) {
  const uint64_t key = number_key(partition, number);
  if (auto known = groups_.find(key)) return known;
  auto group = partition.group(number);
  if (group) groups_.put(key, *group, (*group)->memory_bytes());
  return group;
}

Result<std::shared_ptr<const Partition::Clock>> ReadCache::clock(const Partition& partition,
                                                                 uint32_t number) {
  const uint64_t key = number_key(partition, number);
  if (auto known = clocks_.find(key)) return known;
  auto clock = partition.clock(number);
  if (clock) clocks_.put(key, *clock, sizeof(**clock) + (*clock)->size() * sizeof((**clock)[0]));
  return clock;
}

}  // namespace aerie::store
