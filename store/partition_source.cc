#include <algorithm>
#include <utility>

#include "model/sample_source.h"
#include "store/erasures.h"
#include "store/exemplar_reader.h"
#include "store/partition.h"
#include "store/read_cache.h"
#include "store/reading_order.h"
#include "store/series_reader.h"

namespace aerie::store {
namespace {

using model::TimeRange;
using Partitions = std::vector<std::shared_ptr<const Partition>>;

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
        if (set->empty()) continue;
        const bool deletion = erasure->number != Erasure::kAlways;
        out.all_.push_back({std::move(*set), erasure->range, deletion});
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
  /// Whether nothing of a series is left in `range`. Samples are read only where a deletion took a
  /// part of that; such a part that expired leaves the series in.
  Result<bool> hides(const Partition& partition, SeriesPlace place, TimeRange range,
                     SeriesReader& reader) const {
    const TimeRanges erased = ranges(place.series);
    if (erased.empty()) return false;
    if (covers(erased, range)) return true;
    const bool deleted = std::any_of(all_.begin(), all_.end(), [&](const One& one) {
      return one.deletion && one.series.contains(place.series);
    });
    if (!deleted) return false;
    model::SeriesSamples samples;
    Status read = reader.read(partition, place.partition, place.series, range, samples);
    if (!read) return std::move(read).error();
    erase_samples(samples, erased);
    return samples.empty();
  }
  /// Takes out of `set` what has nothing left in `range`.
  Status remove_hidden(SeriesSet& set, TimeRange range, const Partition& partition) const {
    SeriesSet hidden(set.size());
    SeriesReader reader;
    for (const One& one : all_) {
      SeriesSet touched = one.series;
      touched.intersect(set);
      for (uint32_t id = touched.next(0); id < touched.size(); id = touched.next(id + 1)) {
        if (hidden.contains(id)) continue;
        auto gone = hides(partition, {0, id}, range, reader);
        if (!gone) return std::move(gone).error();
        if (*gone) hidden.add(id);
      }
    }
    set.subtract(hidden);
    return {};
  }

 private:
  struct One {
    SeriesSet series;
    TimeRange range;
    bool deletion;
  };
  std::vector<One> all_;
};

TimeRange common(TimeRange a, TimeRange b) {
  return {std::max(a.first, b.first), std::min(a.last, b.last)};
}

class PartitionSelection final : public model::Selection {
 public:
  /// `erased` has an entry for each partition, or none.
  PartitionSelection(Partitions partitions, std::shared_ptr<const SeriesTable> table,
                     std::vector<ErasedSeries> erased, std::shared_ptr<ReadCache> cache)
      : partitions_(std::move(partitions)),
        table_(std::move(table)),
        erased_(std::move(erased)),
        cache_(std::move(cache)),
        reader_(*cache_) {}

  size_t size() const override { return table_->size(); }
  const model::Labels& labels(size_t index) const override { return table_->labels(index); }

  Status read(size_t index, TimeRange range, model::SeriesSamples& out) const override {
    out.clear();
    model::SeriesSamples part;
    for (const SeriesPlace place : table_->places(index)) {
      const PartitionInfo& info = partitions_[place.partition]->info();
      if (!info.samples.overlaps(range)) continue;
      const TimeRanges erased = erased_ranges(place);
      const bool appends = erased.empty() && (out.empty() || last_time(out) < info.samples.first);
      if (appends) {
        const size_t before = out.histograms.size();
        if (Status status = read_place(place, range, out); !status) return status;
        // Something that came late may lie between the two.
        if (before > 0 && out.histograms.size() > before)
          out.histograms[before] = model::forget_neighbour(std::move(out.histograms[before]));
        continue;
      }
      part.clear();
      if (Status status = read_place(place, range, part); !status) return status;
      erase_samples(part, erased);
      model::merge_samples(out, std::move(part));
    }
    return {};
  }

 private:
  TimeRanges erased_ranges(SeriesPlace place) const {
    if (place.partition >= erased_.size() || erased_[place.partition].empty()) return {};
    return erased_[place.partition].ranges(place.series);
  }
  Status read_place(SeriesPlace place, TimeRange range, model::SeriesSamples& out) const {
    return reader_.read(*partitions_[place.partition], place.partition, place.series, range, out);
  }

  const Partitions partitions_;  // places count in it
  const std::shared_ptr<const SeriesTable> table_;
  const std::vector<ErasedSeries> erased_;
  const std::shared_ptr<ReadCache> cache_;
  mutable SeriesReader reader_;
};

class PartitionSource final : public model::SampleSource {
 public:
  PartitionSource(Partitions partitions, std::shared_ptr<ReadCache> cache, ErasuresPtr erasures)
      : partitions_(std::move(partitions)),
        cache_(std::move(cache)),
        erasures_(std::move(erasures)) {
    into_reading_order(partitions_);
  }

  Result<std::unique_ptr<model::Selection>> select(const model::Matchers& matchers,
                                                   TimeRange range) const override {
    Partitions touched;
    std::copy_if(partitions_.begin(), partitions_.end(), std::back_inserter(touched),
                 [&](const auto& one) { return one->info().samples.overlaps(range); });
    auto table = cache_->table(matchers, touched);
    if (!table) return std::move(table).error();
    auto erased = find_erased(touched);
    if (!erased) return std::move(erased).error();
    if (!erased->empty()) {
      table = without_hidden(**table, touched, *erased, range);
      if (!table) return std::move(table).error();
    }
    return std::unique_ptr<model::Selection>(std::make_unique<PartitionSelection>(
        std::move(touched), std::move(*table), std::move(*erased), cache_));
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

  Result<std::vector<model::SeriesExemplars>> exemplars(
      const std::vector<model::Matchers>& selectors, TimeRange range) const override {
    FoundExemplars found;
    for (const auto& partition : partitions_)
      if (Status status = find_exemplars(*partition, selectors, range, erasures_, found); !status)
        return std::move(status).error();
    return tidy(std::move(found));
  }

 private:
  /// An entry for each partition; none if nothing in them is erased.
  Result<std::vector<ErasedSeries>> find_erased(const Partitions& partitions) const {
    std::vector<ErasedSeries> out;
    if (!erasures_) return out;
    for (const auto& partition : partitions) {
      auto index = partition->index();
      if (!index) return std::move(index).error();
      auto gone = ErasedSeries::find(partition->info(), **index, *erasures_);
      if (!gone) return std::move(gone).error();
      out.push_back(std::move(*gone));
    }
    if (std::all_of(out.begin(), out.end(), [](const auto& one) { return one.empty(); }))
      out.clear();
    return out;
  }

  /// Leaves out the places where nothing of `range` is left, and series that have no other.
  static Result<std::shared_ptr<const SeriesTable>> without_hidden(
      const SeriesTable& table, const Partitions& partitions,
      const std::vector<ErasedSeries>& erased, TimeRange range) {
    SeriesReader reader;
    std::vector<model::Labels> labels;
    std::vector<uint32_t> starts{0};
    std::vector<SeriesPlace> places;
    for (size_t i = 0; i < table.size(); ++i) {
      for (const SeriesPlace place : table.places(i)) {
        const Partition& partition = *partitions[place.partition];
        const TimeRange wanted = common(partition.info().samples, range);
        auto hidden = erased[place.partition].hides(partition, place, wanted, reader);
        if (!hidden) return std::move(hidden).error();
        if (!*hidden) places.push_back(place);
      }
      if (places.size() == starts.back()) continue;
      labels.push_back(table.labels(i));
      starts.push_back(static_cast<uint32_t>(places.size()));
    }
    return std::make_shared<const SeriesTable>(std::move(labels), std::move(starts),
                                               std::move(places));
  }

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
        Status removed = gone->remove_hidden(set, common(info.samples, range), *partition);
        if (!removed) return std::move(removed).error();
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
  const std::shared_ptr<ReadCache> cache_;
  const ErasuresPtr erasures_;
};

}  // namespace

std::shared_ptr<const model::SampleSource> make_partition_source(Partitions partitions,
                                                                 std::shared_ptr<ReadCache> cache,
                                                                 ErasuresPtr erasures) {
  return std::make_shared<const PartitionSource>(std::move(partitions), std::move(cache),
                                                 std::move(erasures));
}

}  // namespace aerie::store
