#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "model/sample_source.h"
#include "store/columns.h"
#include "store/partition.h"

namespace aerie::store {
namespace {

using model::TimeRange;
using model::TimestampMs;
using Partitions = std::vector<std::shared_ptr<const Partition>>;
using GroupPtr = std::shared_ptr<const ColumnGroup>;
using ClockPtr = std::shared_ptr<const Partition::Clock>;

/// A series inside one partition.
struct Place {
  uint32_t partition = 0;
  uint32_t series = 0;
};

struct Found {
  model::Labels labels;
  Place place;
};

/// Recently used groups and clocks of a selection. Thread-safe; loading happens outside the locks.
class ReadCache {
 public:
  Result<GroupPtr> group(const Partition& partition, Place place, uint32_t number) {
    const uint64_t key = uint64_t{place.partition} << 32 | number;
    const auto find = [&](Groups& groups) {
      const auto at = groups.find(key);
      return at == groups.end() ? nullptr : at->second;
    };
    if (GroupPtr known = groups_.with(find)) return known;
    Result<GroupPtr> group = partition.group(number);
    if (!group) return group;
    groups_.with([&](Groups& groups) {
      // Series are read in the order in which they lie: what is forgotten here is mostly done with.
      if (groups.size() >= kMaxGroups) groups.clear();
      groups.emplace(key, *group);
    });
    return group;
  }

  Result<ClockPtr> clock(const Partition& partition, Place place, uint32_t number) {
    const uint64_t key = uint64_t{place.partition} << 32 | number;
    const auto find = [&](Clocks& clocks) {
      const auto at = clocks.by_key.find(key);
      return at == clocks.by_key.end() ? nullptr : at->second;
    };
    if (ClockPtr known = clocks_.with(find)) return known;
    Result<ClockPtr> clock = partition.clock(number);
    if (!clock) return clock;
    clocks_.with([&](Clocks& clocks) {
      if (clocks.rows > kMaxRows) clocks = {};
      if (clocks.by_key.emplace(key, *clock).second) clocks.rows += (*clock)->size();
    });
    return clock;
  }

 private:
  static constexpr size_t kMaxGroups = 512;     // of 32 KiB, rarely more
  static constexpr size_t kMaxRows = 4u << 20;  // 32 MiB of timestamps
  struct Clocks {
    std::unordered_map<uint64_t, ClockPtr> by_key;
    size_t rows = 0;
  };
  // A series is read from all its partitions before the next: a table in which groups of two
  // partitions displace each other would decompress a group for every series.
  using Groups = std::unordered_map<uint64_t, GroupPtr>;
  Guarded<Groups> groups_;
  Guarded<Clocks> clocks_;
};

/// Appends the rows of one column that lie in the range.
Status read_floats(const GroupColumn& column, const Partition::Clock& clock, TimeRange range,
                   model::SeriesSamples& out) {
  const auto first = std::lower_bound(clock.begin(), clock.end(), range.first);
  const auto last = std::upper_bound(first, clock.end(), range.last);
  if (first == last) return {};
  const size_t before = out.values.size();
  out.values.resize(before + clock.size());
  FloatDecoder decoder;
  ColumnReader reader{ByteReader(column.head), ByteReader(column.body)};
  if (Status status = decoder.get(reader, std::span(out.values).subspan(before)); !status)
    return status;
  const auto begin = out.values.begin() + static_cast<std::ptrdiff_t>(before);
  out.values.erase(begin + (last - clock.begin()), out.values.end());
  out.values.erase(begin, begin + (first - clock.begin()));
  out.timestamps.insert(out.timestamps.end(), first, last);
  return {};
}

Status read_histograms(const GroupColumn& column, const Partition::Clock& clock, TimeRange range,
                       model::SeriesSamples& out) {
  std::vector<model::HistogramSample> all;
  ColumnReader reader{ByteReader(column.head), ByteReader(column.body)};
  if (Status status = get_histograms(reader, clock, all); !status) return status;
  for (model::HistogramSample& sample : all)
    if (range.contains(sample.t)) out.histograms.push_back(std::move(sample));
  return {};
}

TimestampMs last_time(const model::SeriesSamples& samples) {
  TimestampMs last = model::kMinTimestamp;
  if (!samples.timestamps.empty()) last = samples.timestamps.back();
  if (!samples.histograms.empty()) last = std::max(last, samples.histograms.back().t);
  return last;
}

TimestampMs first_time(const model::SeriesSamples& samples) {
  TimestampMs first = model::kMaxTimestamp;
  if (!samples.timestamps.empty()) first = samples.timestamps.front();
  if (!samples.histograms.empty()) first = std::min(first, samples.histograms.front().t);
  return first;
}

/// Merges `later` into `out`; where both have a sample at a time, `later` wins.
void merge_samples(model::SeriesSamples& out, const model::SeriesSamples& later) {
  if (later.empty()) return;
  if (out.empty() || last_time(out) < first_time(later)) {
    out.timestamps.insert(out.timestamps.end(), later.timestamps.begin(), later.timestamps.end());
    out.values.insert(out.values.end(), later.values.begin(), later.values.end());
    out.histograms.insert(out.histograms.end(), later.histograms.begin(), later.histograms.end());
    return;
  }
  struct Row {
    TimestampMs t;
    int rank;  // 0: later, which comes first and wins
    const double* value;
    const model::HistogramSample* histogram;
  };
  std::vector<Row> rows;
  for (const model::SeriesSamples* part :
       {&later, static_cast<const model::SeriesSamples*>(&out)}) {
    const int rank = part == &later ? 0 : 1;
    for (size_t i = 0; i < part->timestamps.size(); ++i)
      rows.push_back({part->timestamps[i], rank, &part->values[i], nullptr});
    for (const model::HistogramSample& sample : part->histograms)
      rows.push_back({sample.t, rank, nullptr, &sample});
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.t, a.rank) < std::tie(b.t, b.rank);
  });
  model::SeriesSamples merged;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && rows[i].t == rows[i - 1].t) continue;
    if (rows[i].value != nullptr) {
      merged.timestamps.push_back(rows[i].t);
      merged.values.push_back(*rows[i].value);
    } else {
      merged.histograms.push_back(*rows[i].histogram);
    }
  }
  out = std::move(merged);
}

class PartitionSelection final : public model::Selection {
 public:
  /// `found` is sorted by labels, then by commit.
  PartitionSelection(Partitions partitions, std::vector<Found> found)
      : partitions_(std::move(partitions)) {
    places_.reserve(found.size());
    for (Found& one : found) {
      if (labels_.empty() || labels_.back() != one.labels) {
        labels_.push_back(std::move(one.labels));
        starts_.push_back(static_cast<uint32_t>(places_.size()));
      }
      places_.push_back(one.place);
    }
    starts_.push_back(static_cast<uint32_t>(places_.size()));
  }

  size_t size() const override { return labels_.size(); }
  const model::Labels& labels(size_t index) const override { return labels_[index]; }

  Status read(size_t index, TimeRange range, model::SeriesSamples& out) const override {
    out.clear();
    model::SeriesSamples part;
    for (uint32_t i = starts_[index]; i < starts_[index + 1]; ++i) {
      const PartitionInfo& info = partitions_[places_[i].partition]->info();
      if (!info.samples.overlaps(range)) continue;
      const bool appends = out.empty() || last_time(out) < info.samples.first;
      if (appends) {
        if (Status status = read_place(places_[i], range, out); !status) return status;
        continue;
      }
      part.clear();
      if (Status status = read_place(places_[i], range, part); !status) return status;
      merge_samples(out, part);
    }
    return {};
  }

 private:
  Status read_place(Place place, TimeRange range, model::SeriesSamples& out) const {
    const Partition& partition = *partitions_[place.partition];
    auto index = partition.index();
    if (!index) return std::move(index).error();
    const uint32_t number = (*index)->group_of(place.series);
    Result<GroupPtr> group = cache_.group(partition, place, number);
    if (!group) return std::move(group).error();
    for (const GroupColumn& column : (*group)->columns(place.series)) {
      Result<ClockPtr> clock = cache_.clock(partition, place, column.clock);
      if (!clock) return std::move(clock).error();
      Status status = column.role == ColumnRole::Floats
                          ? read_floats(column, **clock, range, out)
                          : read_histograms(column, **clock, range, out);
      if (!status)
        return std::move(status).error().with(to_string(name_of(partition.info())) + ": " +
                                              labels_text(place));
    }
    return {};
  }

  std::string labels_text(Place place) const { return "series " + std::to_string(place.series); }

  const Partitions partitions_;
  std::vector<model::Labels> labels_;
  std::vector<uint32_t> starts_;  // of each series in places_, and the end
  std::vector<Place> places_;
  mutable ReadCache cache_;
};

class PartitionSource final : public model::SampleSource {
 public:
  explicit PartitionSource(Partitions partitions) : partitions_(std::move(partitions)) {
    // Later commits win, so they are read last.
    std::stable_sort(partitions_.begin(), partitions_.end(), [](const auto& a, const auto& b) {
      return a->record().sequence < b->record().sequence;
    });
  }

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   TimeRange range) const override {
    std::vector<Found> found;
    for (uint32_t i = 0; i < partitions_.size(); ++i) {
      if (!partitions_[i]->info().samples.overlaps(range)) continue;
      auto index = partitions_[i]->index();
      if (!index) return std::move(index).error();
      Result<SeriesSet> set = (*index)->match(matchers);
      if (!set) return std::move(set).error();
      Status status = (*index)->labels(*set, [&](uint32_t series, model::Labels labels) {
        found.push_back({std::move(labels), {i, series}});
      });
      if (!status) return std::move(status).error();
    }
    std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
      if (const auto order = a.labels <=> b.labels; order != 0) return order < 0;
      return a.place.partition < b.place.partition;
    });
    return std::unique_ptr<model::Selection>(
        std::make_unique<PartitionSelection>(partitions_, std::move(found)));
  }

  Result<std::vector<std::string>> label_names(const model::Matchers& matchers,
                                               TimeRange range) const override {
    return collect(matchers, range, [](const IndexReader& index, const SeriesSet* set) {
      return index.label_names(set);
    });
  }

  Result<std::vector<std::string>> label_values(std::string_view name,
                                                const model::Matchers& matchers,
                                                TimeRange range) const override {
    return collect(matchers, range, [=](const IndexReader& index, const SeriesSet* set) {
      return index.label_values(name, set);
    });
  }

 private:
  template <class Ask>
  Result<std::vector<std::string>> collect(const model::Matchers& matchers, TimeRange range,
                                           Ask&& ask) const {
    std::vector<std::string> all;
    for (const auto& partition : partitions_) {
      if (!partition->info().samples.overlaps(range)) continue;
      auto index = partition->index();
      if (!index) return std::move(index).error();
      SeriesSet set;
      if (!matchers.empty()) {
        Result<SeriesSet> matched = (*index)->match(matchers);
        if (!matched) return std::move(matched).error();
        set = std::move(*matched);
      }
      Result<std::vector<std::string>> some = ask(**index, matchers.empty() ? nullptr : &set);
      if (!some) return std::move(some).error();
      const auto middle = static_cast<std::ptrdiff_t>(all.size());
      std::move(some->begin(), some->end(), std::back_inserter(all));
      std::inplace_merge(all.begin(), all.begin() + middle, all.end());
      all.erase(std::unique(all.begin(), all.end()), all.end());
    }
    return all;
  }

  Partitions partitions_;  // in commit order
};

}  // namespace

std::shared_ptr<const model::SampleSource> make_partition_source(Partitions partitions) {
  return std::make_shared<const PartitionSource>(std::move(partitions));
}

}  // namespace aerie::store
