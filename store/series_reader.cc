#include "store/series_reader.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "store/columns.h"

namespace aerie::store {
namespace {

using model::TimeRange;
using model::TimestampMs;

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

}  // namespace

Result<SeriesReader::GroupPtr> SeriesReader::group(const Partition& partition, uint32_t place,
                                                   uint32_t number) {
  const uint64_t key = uint64_t{place} << 32 | number;
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

Result<SeriesReader::ClockPtr> SeriesReader::clock(const Partition& partition, uint32_t place,
                                                   uint32_t number) {
  const uint64_t key = uint64_t{place} << 32 | number;
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

Status SeriesReader::read(const Partition& partition, uint32_t place, uint32_t series,
                          TimeRange range, model::SeriesSamples& out) {
  auto index = partition.index();
  if (!index) return std::move(index).error();
  Result<GroupPtr> found = group(partition, place, (*index)->group_of(series));
  if (!found) return std::move(found).error();
  for (const GroupColumn& column : (*found)->columns(series)) {
    Result<ClockPtr> times = clock(partition, place, column.clock);
    if (!times) return std::move(times).error();
    Status status = column.role == ColumnRole::Floats
                        ? read_floats(column, **times, range, out)
                        : read_histograms(column, **times, range, out);
    if (!status)
      return partition.failed(std::move(status).error().with("series " + std::to_string(series)));
  }
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

void merge_later(model::SeriesSamples& out, const model::SeriesSamples& later) {
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

}  // namespace aerie::store
