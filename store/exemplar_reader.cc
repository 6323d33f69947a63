#include "store/exemplar_reader.h"

#include <iterator>
#include <utility>

namespace aerie::store {
namespace {

using model::TimeRange;

// Exemplars lie in the span of a partition, but not always between its samples.
constexpr model::DurationMs kSlack = 24LL * 60 * 60 * 1000;

bool may_have(const PartitionInfo& info, TimeRange range) {
  if (info.samples.overlaps(range)) return true;
  const bool near_after =
      range.first > info.samples.last &&
      static_cast<uint64_t>(range.first) - static_cast<uint64_t>(info.samples.last) <=
          static_cast<uint64_t>(kSlack);
  const bool near_before =
      range.last < info.samples.first &&
      static_cast<uint64_t>(info.samples.first) - static_cast<uint64_t>(range.last) <=
          static_cast<uint64_t>(kSlack);
  return near_after || near_before;
}

Result<SeriesSet> matching(const IndexReader& index,
                           const std::vector<model::Matchers>& selectors) {
  SeriesSet all(index.series_count());
  for (const model::Matchers& matchers : selectors) {
    Result<SeriesSet> set = index.match(matchers);
    if (!set) return set;
    for (uint32_t id = set->next(0); id < set->size(); id = set->next(id + 1)) all.add(id);
  }
  return all;
}

Status add_block(const IndexReader& index, const SeriesSet& wanted, TimeRange range,
                 std::vector<BlockExemplars> block,
                 const std::function<TimeRanges(const model::Labels&)>& erased,
                 FoundExemplars& found) {
  SeriesSet named(index.series_count());
  std::map<uint32_t, std::vector<model::Exemplar>> kept;
  for (BlockExemplars& one : block) {
    if (!wanted.contains(one.series)) continue;
    std::erase_if(one.exemplars,
                  [&](const model::Exemplar& exemplar) { return !range.contains(exemplar.t); });
    if (one.exemplars.empty()) continue;
    named.add(one.series);
    kept[one.series] = std::move(one.exemplars);
  }
  return index.labels(named, [&](uint32_t series, std::string_view encoded) {
    const model::Labels labels = model::Labels::from_encoded(std::string(encoded));
    auto& some = kept[series];
    erase_exemplars(some, erased(labels));
    if (some.empty()) return;
    auto& all = found[labels];
    std::move(some.begin(), some.end(), std::back_inserter(all));
  });
}

}  // namespace

Status find_exemplars(const Partition& partition, const std::vector<model::Matchers>& selectors,
                      TimeRange range, const ErasuresPtr& erasures, FoundExemplars& found) {
  if (!may_have(partition.info(), range)) return {};
  const auto erased = [&](const model::Labels& labels) {
    return erasures ? erasures->ranges(labels, partition.info().erasures, range) : TimeRanges();
  };
  SeriesSet wanted;
  for (uint32_t number = 0;; ++number) {
    auto block = partition.exemplars(number);
    if (!block) return std::move(block).error();
    if (block->empty()) return {};
    auto index = partition.index();
    if (!index) return std::move(index).error();
    if (number == 0) {
      auto matched = matching(**index, selectors);
      if (!matched) return std::move(matched).error();
      wanted = std::move(*matched);
    }
    if (wanted.empty()) return {};
    if (Status added = add_block(**index, wanted, range, std::move(*block), erased, found); !added)
      return added;
  }
}

std::vector<model::SeriesExemplars> tidy(FoundExemplars found) {
  std::vector<model::SeriesExemplars> out;
  for (auto& [labels, exemplars] : found) {
    if (exemplars.empty()) continue;
    tidy_exemplars(exemplars);
    out.push_back({labels, std::move(exemplars)});
  }
  return out;
}

}  // namespace aerie::store
