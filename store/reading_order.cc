#include "store/reading_order.h"

#include <algorithm>

namespace aerie::store {

void into_reading_order(std::vector<std::shared_ptr<const Partition>>& partitions) {
  using PartitionPtr = std::shared_ptr<const Partition>;
  const auto samples = [](const PartitionPtr& one) { return one->info().samples; };
  std::stable_sort(partitions.begin(), partitions.end(), [&](const auto& a, const auto& b) {
    return samples(a).first != samples(b).first ? samples(a).first < samples(b).first
                                                : a->info().sequence < b->info().sequence;
  });
  for (auto group = partitions.begin(); group != partitions.end();) {
    model::TimestampMs last = samples(*group).last;
    auto end = group + 1;
    for (; end != partitions.end() && samples(*end).first <= last; ++end)
      last = std::max(last, samples(*end).last);
    std::stable_sort(group, end, [](const auto& a, const auto& b) {
      return a->info().sequence < b->info().sequence;
    });
    group = end;
  }
}

}  // namespace aerie::store
