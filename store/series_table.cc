#include "store/series_table.h"

#include <algorithm>
#include <numeric>

#include <xxhash.h>

#include "store/byte_io.h"

namespace aerie::store {
namespace {

/// Sorts numbers by their labels. What comes from a partition is in long ascending runs (in
/// SealOrder, which is Labels order but for clusters and bucket bounds), so runs are found and
/// merged: n comparisons for one run, n log(runs) for more.
void sort_by_runs(std::vector<uint32_t>& numbers, const std::vector<model::Labels>& labels) {
  const auto less = [&](uint32_t a, uint32_t b) { return labels[a] < labels[b]; };
  std::vector<std::ptrdiff_t> ends;
  for (auto at = numbers.begin(); at != numbers.end();) {
    at = std::is_sorted_until(at, numbers.end(), less);
    ends.push_back(at - numbers.begin());
  }
  while (ends.size() > 1) {
    std::vector<std::ptrdiff_t> merged;
    std::ptrdiff_t start = 0;
    for (size_t i = 0; i < ends.size(); i += 2) {
      const std::ptrdiff_t end = i + 1 < ends.size() ? ends[i + 1] : ends[i];
      std::inplace_merge(numbers.begin() + start, numbers.begin() + ends[i], numbers.begin() + end,
                         less);
      merged.push_back(end);
      start = end;
    }
    ends = std::move(merged);
  }
}

}  // namespace

void put_matchers(std::string& key, const model::Matchers& matchers) {
  for (const model::Matcher& matcher : matchers) {
    put_u8(key, static_cast<uint8_t>(matcher.type()));
    put_bytes(key, matcher.name());
    put_bytes(key, matcher.value());
  }
}

size_t SeriesTable::memory_bytes() const {
  size_t bytes = sizeof(*this) + starts_.capacity() * sizeof(uint32_t) +
                 places_.capacity() * sizeof(SeriesPlace) +
                 labels_.capacity() * sizeof(model::Labels);
  for (const model::Labels& labels : labels_)
    bytes += labels.encoded().size() + kSharedLabelsOverhead;
  return bytes;
}

size_t SeriesTableBuilder::Hash::operator()(uint32_t number) const {
  return builder->labels_[number].hash();
}
size_t SeriesTableBuilder::Hash::operator()(std::string_view encoded) const {
  return XXH3_64bits(encoded.data(), encoded.size());
}
bool SeriesTableBuilder::Equal::operator()(std::string_view a, uint32_t b) const {
  return builder->labels_[b].encoded() == a;
}

void SeriesTableBuilder::begin(uint32_t partition) {
  first_ = labels_.empty();
  partition_ = partition;
  expected_ = 0;
}

void SeriesTableBuilder::add(std::string_view encoded, uint32_t series) {
  uint32_t number = static_cast<uint32_t>(labels_.size());
  if (!first_) number = number_of(encoded);
  if (number == labels_.size())
    labels_.push_back(model::Labels::from_encoded(std::string(encoded)));
  found_.push_back({number, {partition_, series}});
}

/// Of two partitions mostly the same series follow each other, so that nothing needs to be hashed.
uint32_t SeriesTableBuilder::number_of(std::string_view encoded) {
  const auto count = static_cast<uint32_t>(labels_.size());
  if (expected_ < count && labels_[expected_].encoded() == encoded) return expected_++;
  for (; known_end_ < count; ++known_end_) known_.insert(known_end_);
  const auto at = known_.find(encoded);
  if (at == known_.end()) return count;
  expected_ = *at + 1;
  return *at;
}

std::shared_ptr<const SeriesTable> SeriesTableBuilder::finish() {
  std::vector<uint32_t> order(labels_.size());
  std::iota(order.begin(), order.end(), 0);
  sort_by_runs(order, labels_);
  std::vector<model::Labels> labels;
  labels.reserve(order.size());
  std::vector<uint32_t> rank(order.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    labels.push_back(std::move(labels_[order[i]]));
  }
  // Counting sort by rank; found_ is in the order of the partitions and stays so.
  std::vector<uint32_t> next(order.size() + 1, 0);
  for (const Found& one : found_) ++next[rank[one.number] + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<uint32_t> starts = next;
  std::vector<SeriesPlace> places(found_.size());
  for (const Found& one : found_) places[next[rank[one.number]]++] = one.place;
  return std::make_shared<const SeriesTable>(std::move(labels), std::move(starts),
                                             std::move(places));
}

}  // namespace aerie::store
