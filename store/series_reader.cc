#include "store/series_reader.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "store/columns.h"
#include "store/start_times.h"

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
  out.timestamps.insert(out.timestamps.end(), first, last);
  if (const auto constant = constant_of(column.head)) {
    out.values.resize(out.timestamps.size(), *constant);
    out.pad_starts();
    return {};
  }
  const size_t before = out.values.size();
  out.values.resize(before + clock.size());
  FloatDecoder decoder;
  ColumnReader reader{ByteReader(column.head), ByteReader(column.body)};
  if (Status status = decoder.get(reader, std::span(out.values).subspan(before)); !status)
    return status;
  const auto begin = out.values.begin() + static_cast<std::ptrdiff_t>(before);
  out.values.erase(begin + (last - clock.begin()), out.values.end());
  out.values.erase(begin, begin + (first - clock.begin()));
  out.pad_starts();
  return {};
}

/// Appends the rows of values that lie in the range.
void copy_floats(const std::vector<double>& values, const Partition::Clock& clock, TimeRange range,
                 model::SeriesSamples& out) {
  const auto first = std::lower_bound(clock.begin(), clock.end(), range.first);
  const auto last = std::upper_bound(first, clock.end(), range.last);
  out.timestamps.insert(out.timestamps.end(), first, last);
  out.values.insert(out.values.end(), values.begin() + (first - clock.begin()),
                    values.begin() + (last - clock.begin()));
  out.pad_starts();
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

/// Sets the starts of what the column before it has just given.
Status read_starts(const GroupColumn& column, ColumnRole of, const Partition::Clock& clock,
                   TimeRange range, model::SeriesSamples& out) {
  const auto first = std::lower_bound(clock.begin(), clock.end(), range.first);
  const auto last = std::upper_bound(first, clock.end(), range.last);
  if (first == last) return {};
  std::vector<TimestampMs> all;
  ColumnReader reader{ByteReader(column.head), ByteReader(column.body)};
  if (Status status = get_start_column(reader, clock, all); !status) return status;
  const auto count = static_cast<size_t>(last - first);
  const TimestampMs* starts = all.data() + (first - clock.begin());
  if (of == ColumnRole::Floats) {
    out.starts.resize(out.values.size());
    std::copy_n(starts, count, out.starts.end() - static_cast<std::ptrdiff_t>(count));
  } else {
    model::HistogramSample* samples = out.histograms.data() + (out.histograms.size() - count);
    for (size_t i = 0; i < count; ++i) samples[i].start = starts[i];
  }
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
  Result<GroupPtr> group =
      shared_ == nullptr ? partition.group(number) : shared_->group(partition, number);
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
  Result<ClockPtr> clock =
      shared_ == nullptr ? partition.clock(number) : shared_->clock(partition, number);
  if (!clock) return clock;
  clocks_.with([&](Clocks& clocks) {
    if (clocks.rows > kMaxRows) clocks = {};
    if (clocks.by_key.emplace(key, *clock).second) clocks.rows += (*clock)->size();
  });
  return clock;
}

Result<SeriesReader::ChainPtr> SeriesReader::chain(const ColumnGroup& group, uint32_t place,
                                                   uint32_t series, size_t rows) {
  const uint64_t key = uint64_t{place} << 32 | series;
  const auto find = [&](Chains& chains) {
    const auto at = chains.by_series.find(key);
    return at == chains.by_series.end() ? nullptr : at->second;
  };
  if (ChainPtr known = chains_.with(find)) return known;
  Result<ChainPtr> decoded = decode_chain(group, series, rows);
  if (!decoded) return decoded;
  const size_t length = (*decoded)->values.size();
  chains_.with([&](Chains& chains) {
    if (chains.values > kMaxChained) chains = {};
    chains.values += length * rows;
    for (size_t i = 0; i < length; ++i)
      chains.by_series.insert_or_assign(uint64_t{place} << 32 | ((*decoded)->first + i), *decoded);
  });
  return decoded;
}

Status SeriesReader::read(const Partition& partition, uint32_t place, uint32_t series,
                          TimeRange range, model::SeriesSamples& out) {
  auto index = partition.index();
  if (!index) return std::move(index).error();
  Result<GroupPtr> found = group(partition, place, (*index)->group_of(series));
  if (!found) return std::move(found).error();
  ColumnRole before = ColumnRole::Floats;
  for (const GroupColumn& column : (*found)->columns(series)) {
    Result<ClockPtr> times = clock(partition, place, column.clock);
    if (!times) return std::move(times).error();
    Status status;
    switch (column.role) {
      case ColumnRole::Floats: {
        if (!is_chained(column.head)) {
          status = read_floats(column, **times, range, out);
          break;
        }
        auto values = chain(**found, place, series, (*times)->size());
        if (values) copy_floats((*values)->values[series - (*values)->first], **times, range, out);
        status = values ? Status() : Status(std::move(values).error());
        break;
      }
      case ColumnRole::Histograms: status = read_histograms(column, **times, range, out); break;
      case ColumnRole::StartTimestamps:
        status = read_starts(column, before, **times, range, out);
        break;
      case ColumnRole::Exemplars: break;  // never in a group
    }
    before = column.role;
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

}  // namespace aerie::store
