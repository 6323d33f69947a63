#include <algorithm>

#include "model/sample_source.h"
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
      merge_later(out, part);
    }
    return {};
  }

 private:
  Status read_place(Place place, TimeRange range, model::SeriesSamples& out) const {
    return reader_.read(*partitions_[place.partition], place.partition, place.series, range, out);
  }

  const Partitions partitions_;
  std::vector<model::Labels> labels_;
  std::vector<uint32_t> starts_;  // of each series in places_, and the end
  std::vector<Place> places_;
  mutable SeriesReader reader_;
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
