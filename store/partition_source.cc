#include <algorithm>

#include "model/sample_source.h"
#include "store/erasures.h"
#include "store/partition.h"
#include "store/series_reader.h"

namespace aerie::store {
namespace {

using model::TimeRange;
using Partitions = std::vector<std::shared_ptr<const Partition>>;

/// A series inside one partition.
struct Place {
  uint32_t partition = 0;
  uint32_t series = 0;
};

struct Found {
  model::Labels labels;
  Place place;
};

/// What erasures take from one partition.
class ErasedSeries {
 public:
  static Result<ErasedSeries> find(const PartitionInfo& info, const IndexReader& index,
                                   const Erasures& erasures) {
    ErasedSeries out;
    for (const Erasure* erasure : erasures.concerning(info.erasures, info.samples))
      for (const model::Matchers& selector : erasure->selectors) {
        Result<SeriesSet> set = index.match(selector);
        if (!set) return std::move(set).error();
        if (!set->empty()) out.all_.push_back({std::move(*set), erasure->range});
      }
    return out;
  }

  bool empty() const { return all_.empty(); }
  TimeRanges ranges(uint32_t series) const {
    TimeRanges out;
    for (const One& one : all_)
      if (one.series.contains(series)) out.push_back(one.range);
    return united(std::move(out));
  }
  /// Takes out of `set` what is erased in all of `range`.
  void remove_hidden(SeriesSet& set, TimeRange range) const {
    SeriesSet hidden(set.size());
    for (const One& one : all_) {
      SeriesSet touched = one.series;
      touched.intersect(set);
      for (uint32_t id = touched.next(0); id < touched.size(); id = touched.next(id + 1))
        if (!hidden.contains(id) && covers(ranges(id), range)) hidden.add(id);
    }
    set.subtract(hidden);
  }

 private:
  struct One {
    SeriesSet series;
    TimeRange range;
  };
  std::vector<One> all_;
};

TimeRange common(TimeRange a, TimeRange b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}

class PartitionSelection final : public model::Selection {
 public:
  /// `found` is sorted by labels, then by commit; `erased` has an entry for each partition, or
  /// none.
  PartitionSelection(Partitions partitions, std::vector<Found> found,
                     std::vector<ErasedSeries> erased)
      : partitions_(std::move(partitions)), erased_(std::move(erased)) {
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
      const TimeRanges erased = erased_ranges(places_[i]);
      const bool appends = erased.empty() && (out.empty() || last_time(out) < info.samples.first);
      if (appends) {
        if (Status status = read_place(places_[i], range, out); !status) return status;
        continue;
      }
      part.clear();
      if (Status status = read_place(places_[i], range, part); !status) return status;
      erase_samples(part, erased);
      merge_later(out, part);
    }
    return {};
  }

 private:
  TimeRanges erased_ranges(Place place) const {
    if (place.partition >= erased_.size() || erased_[place.partition].empty()) return {};
    return erased_[place.partition].ranges(place.series);
  }
  Status read_place(Place place, TimeRange range, model::SeriesSamples& out) const {
    return reader_.read(*partitions_[place.partition], place.partition, place.series, range, out);
  }

  const Partitions partitions_;
  const std::vector<ErasedSeries> erased_;
  std::vector<model::Labels> labels_;
  std::vector<uint32_t> starts_;  // of each series in places_, and the end
  std::vector<Place> places_;
  mutable SeriesReader reader_;
};

class PartitionSource final : public model::SampleSource {
 public:
  PartitionSource(Partitions partitions, ErasuresPtr erasures)
      : partitions_(std::move(partitions)), erasures_(std::move(erasures)) {
    // Later commits win, so they are read last.
    std::stable_sort(partitions_.begin(), partitions_.end(), [](const auto& a, const auto& b) {
      return a->info().sequence < b->info().sequence;
    });
  }

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   TimeRange range) const override {
    std::vector<Found> found;
    std::vector<ErasedSeries> erased(erasures_ ? partitions_.size() : 0);
    for (uint32_t i = 0; i < partitions_.size(); ++i) {
      const PartitionInfo& info = partitions_[i]->info();
      if (!info.samples.overlaps(range)) continue;
      auto index = partitions_[i]->index();
      if (!index) return std::move(index).error();
      Result<SeriesSet> set = (*index)->match(matchers);
      if (!set) return std::move(set).error();
      if (erasures_) {
        auto gone = ErasedSeries::find(info, **index, *erasures_);
        if (!gone) return std::move(gone).error();
        gone->remove_hidden(*set, common(info.samples, range));
        erased[i] = std::move(*gone);
      }
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
        std::make_unique<PartitionSelection>(partitions_, std::move(found), std::move(erased)));
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
      const PartitionInfo& info = partition->info();
      if (!info.samples.overlaps(range)) continue;
      auto index = partition->index();
      if (!index) return std::move(index).error();
      Result<ErasedSeries> gone = ErasedSeries();
      if (erasures_) gone = ErasedSeries::find(info, **index, *erasures_);
      if (!gone) return std::move(gone).error();
      SeriesSet set;
      const bool restricted = !matchers.empty() || !gone->empty();
      if (restricted) {
        Result<SeriesSet> matched = (*index)->match(matchers);
        if (!matched) return std::move(matched).error();
        set = std::move(*matched);
        gone->remove_hidden(set, common(info.samples, range));
      }
      Result<std::vector<std::string>> some = ask(**index, restricted ? &set : nullptr);
      if (!some) return std::move(some).error();
      const auto middle = static_cast<std::ptrdiff_t>(all.size());
      std::move(some->begin(), some->end(), std::back_inserter(all));
      std::inplace_merge(all.begin(), all.begin() + middle, all.end());
      all.erase(std::unique(all.begin(), all.end()), all.end());
    }
    return all;
  }

  Partitions partitions_;  // in commit order
  const ErasuresPtr erasures_;
};

}  // namespace

std::shared_ptr<const model::SampleSource> make_partition_source(Partitions partitions,
                                                                 ErasuresPtr erasures) {
  return std::make_shared<const PartitionSource>(std::move(partitions), std::move(erasures));
}

}  // namespace aerie::store
