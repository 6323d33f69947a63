#include "store/partition_builder.h"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>
#include <xxhash.h>

#include "store/bucket_chain.h"
#include "store/checksum.h"
#include "store/start_times.h"

namespace aerie::store {
namespace {

constexpr uint8_t kClocksVersion = 0;
constexpr size_t kExemplarBlockBytes = 64u << 10;  // before compression

Error invalid(std::string message) { return Error(ErrorCode::InvalidArgument, std::move(message)); }

template <class Rows, class Time>
bool ascends(const Rows& rows, Time time) {
  for (size_t i = 1; i < rows.size(); ++i)
    if (time(rows[i]) <= time(rows[i - 1])) return false;
  return true;
}

}  // namespace

PartitionBuilder::PartitionBuilder(RocksDatabase& database, CommitRecord record, Options options)
    : database_(database),
      options_(options),
      record_(std::move(record)),
      prefix_(partition_prefix(name_of(record_.info))),
      group_(record_.seed) {
  record_.info.samples = {model::kMaxTimestamp, model::kMinTimestamp};
  record_.info.series_count = record_.info.sample_count = record_.info.bytes = 0;
}

Status PartitionBuilder::check_order(const SealSeries& series) const {
  const model::SeriesSamples& samples = series.samples;
  if (index_.series_count() != 0 && !SealOrder{}(last_labels_, series.labels))
    return invalid("series are not in seal order: " + series.labels.to_string());
  if (samples.timestamps.size() != samples.values.size())
    return invalid("timestamps and values differ in number: " + series.labels.to_string());
  if (!samples.starts.empty() && samples.starts.size() != samples.values.size())
    return invalid("values and their starts differ in number: " + series.labels.to_string());
  if (samples.timestamps.size() > kMaxColumnRows || samples.histograms.size() > kMaxColumnRows)
    return invalid(fmt::format("more than {} samples in one partition: {}", kMaxColumnRows,
                               series.labels.to_string()));
  if (!ascends(samples.timestamps, [](model::TimestampMs t) { return t; }) ||
      !ascends(samples.histograms, [](const model::HistogramSample& sample) { return sample.t; }))
    return invalid("samples are not in time order: " + series.labels.to_string());
  for (const model::HistogramSample& sample : samples.histograms)
    if (!sample.histogram || !storable(*sample.histogram))
      return invalid("buckets of a histogram do not fit its spans: " + series.labels.to_string());
  return {};
}

Result<uint32_t> PartitionBuilder::clock_of(const std::vector<model::TimestampMs>& timestamps) {
  if (!clocks_.empty() && timestamps == last_timestamps_) return last_clock_;
  const uint64_t hash = XXH3_64bits_withSeed(
      timestamps.data(), timestamps.size() * sizeof timestamps[0], record_.seed);
  const auto [first, last] = clock_numbers_.equal_range(hash);
  std::vector<model::TimestampMs> known;
  for (auto at = first; at != last; ++at) {
    if (Status status = decode_clock(clocks_[at->second], known); !status)
      return std::move(status).error();
    if (known != timestamps) continue;
    last_clock_ = at->second;
    last_timestamps_ = timestamps;
    return last_clock_;
  }
  std::string encoded = encode_clock(clock_encoder_, timestamps);
  Status status = decode_clock(encoded, known);
  if (!status || known != timestamps)
    return Error(ErrorCode::Internal, "a clock did not come back as it was");
  last_clock_ = static_cast<uint32_t>(clocks_.size());
  last_timestamps_ = timestamps;
  clocks_.push_back(std::move(encoded));
  clock_numbers_.emplace(hash, last_clock_);
  return last_clock_;
}

bool PartitionBuilder::may_chain(const SealSeries& series) const {
  return chain_ > 0 && chain_ < kLongestChain && series.samples.histograms.empty() &&
         series.samples.values.size() == below_.size() &&
         same_histogram_buckets(last_labels_, series.labels) &&
         series.samples.timestamps == last_timestamps_;
}

Status PartitionBuilder::add_floats(uint32_t series, const SealSeries& added) {
  const model::SeriesSamples& samples = added.samples;
  const bool chainable = may_chain(added);
  Result<uint32_t> clock = clock_of(samples.timestamps);
  if (!clock) return std::move(clock).error();
  column_.clear();
  encoder_.put(samples.values, column_);
  bool chained = false;
  if (chainable) {
    ColumnBytes above;
    chained = put_chained(encoder_, below_, samples.values, above) && above.size() < column_.size();
    if (chained) column_ = std::move(above);
  }
  // What is sealed leaves the log: it must be proven readable first.
  back_.resize(samples.values.size());
  ColumnReader reader{ByteReader(column_.head), ByteReader(column_.body)};
  Status status = decoder_.get(reader, back_);
  if (status && chained) add_below(below_, back_);
  if (!status || !reader.head.at_end() || !reader.body.at_end() ||
      std::memcmp(back_.data(), samples.values.data(), back_.size() * sizeof(double)) != 0)
    return Error(ErrorCode::Internal, "a column did not come back bit for bit");
  group_.add(series, ColumnRole::Floats, *clock, column_);
  chain_ = chained ? chain_ + 1 : 1;
  below_ = samples.values;
  return samples.starts.empty() ? Status() : add_starts(series, samples.timestamps, samples.starts);
}

Status PartitionBuilder::add_starts(uint32_t series,
                                    const std::vector<model::TimestampMs>& timestamps,
                                    const std::vector<model::TimestampMs>& starts) {
  if (std::all_of(starts.begin(), starts.end(), [](auto start) { return start == 0; })) return {};
  column_.clear();
  put_start_column(clock_encoder_, timestamps, starts, column_);
  ColumnReader reader{ByteReader(column_.head), ByteReader(column_.body)};
  std::vector<model::TimestampMs> back;
  Status status = get_start_column(reader, timestamps, back);
  if (!status || !reader.head.at_end() || !reader.body.at_end() || back != starts)
    return Error(ErrorCode::Internal, "start timestamps did not come back as they were");
  group_.add(series, ColumnRole::StartTimestamps, last_clock_, column_);
  return {};
}

Status PartitionBuilder::add_histograms(uint32_t series, const model::SeriesSamples& samples) {
  std::vector<model::TimestampMs> timestamps;
  std::vector<model::TimestampMs> starts;
  for (const model::HistogramSample& sample : samples.histograms) {
    timestamps.push_back(sample.t);
    starts.push_back(sample.start);
  }
  Result<uint32_t> clock = clock_of(timestamps);
  if (!clock) return std::move(clock).error();
  column_.clear();
  put_histograms(samples.histograms, column_);
  ColumnReader reader{ByteReader(column_.head), ByteReader(column_.body)};
  std::vector<model::HistogramSample> back;
  Status status = get_histograms(reader, timestamps, back);
  bool same = status.ok() && reader.head.at_end() && reader.body.at_end() &&
              back.size() == timestamps.size();
  for (size_t i = 0; same && i < back.size(); ++i)
    same = same_histogram(*back[i].histogram, *samples.histograms[i].histogram);
  if (!same) return Error(ErrorCode::Internal, "a histogram column did not come back bit for bit");
  group_.add(series, ColumnRole::Histograms, *clock, column_);
  return add_starts(series, timestamps, starts);
}

Status PartitionBuilder::add(const SealSeries& series) {
  const model::SeriesSamples& samples = series.samples;
  if (samples.empty()) return {};
  if (Status status = check_order(series); !status) return status;
  const bool metric_changes = series.labels.metric_name() != last_labels_.metric_name();
  const bool full = group_.bytes() >= options_.group_bytes ||
                    group_.columns() >= options_.group_columns ||
                    (metric_changes && group_.bytes() >= options_.least_group_bytes);
  if (!group_.empty() && full && !may_chain(series))
    if (Status status = close_group(); !status) return status;

  const uint32_t number = index_.series_count();
  if (number == UINT32_MAX - kSeriesPerBlock) return invalid("too many series in one partition");
  model::TimeRange& range = record_.info.samples;
  if (!samples.timestamps.empty()) {
    if (Status status = add_floats(number, series); !status)
      return std::move(status).error().with(series.labels.to_string());
    range.first = std::min(range.first, samples.timestamps.front());
    range.last = std::max(range.last, samples.timestamps.back());
  }
  if (samples.timestamps.empty() || !samples.histograms.empty()) chain_ = 0;
  if (!samples.histograms.empty()) {
    if (Status status = add_histograms(number, samples); !status)
      return std::move(status).error().with(series.labels.to_string());
    range.first = std::min(range.first, samples.histograms.front().t);
    range.last = std::max(range.last, samples.histograms.back().t);
  }
  if (!series.exemplars.empty()) {
    exemplars_.add(number, series.exemplars);
    if (exemplars_.bytes() >= kExemplarBlockBytes)
      if (Status status = close_exemplars(); !status) return status;
  }
  index_.add(series.labels);
  last_labels_ = series.labels;
  ++record_.info.series_count;
  record_.info.sample_count += samples.timestamps.size() + samples.histograms.size();
  return {};
}

Status PartitionBuilder::close_group() {
  const uint32_t series = group_.series_count();
  chain_ = 0;
  Result<std::string> bytes = group_.finish();
  if (!bytes) return std::move(bytes).error();
  const auto number = static_cast<uint32_t>(group_sizes_.size());
  group_sizes_.push_back(series);
  return put_data(record_key(prefix_, RecordKind::Group, number), *bytes);
}

Status PartitionBuilder::put_data(const std::string& key, std::string_view value) {
  if (!data_) {
    auto file = database_.build(RocksDatabase::Family::Data, file_name("data", data_files_.size()));
    if (!file) return std::move(file).error();
    data_ = std::move(*file);
  }
  if (Status status = data_->put(key, value); !status) return status;
  return data_->bytes() >= options_.file_bytes ? finish_data_file() : Status();
}

Status PartitionBuilder::finish_data_file() {
  if (!data_) return {};
  Result<uint64_t> size = data_->finish();
  if (!size) return std::move(size).error();
  record_.info.bytes += *size;
  data_files_.push_back(std::move(data_));
  return {};
}

Status PartitionBuilder::put_clocks() {
  for (size_t first = 0; first < clocks_.size(); first += kClocksPerBlock) {
    const size_t end = std::min<size_t>(clocks_.size(), first + kClocksPerBlock);
    std::string block;
    put_u8(block, kClocksVersion);
    put_varint(block, end - first);
    for (size_t i = first; i < end; ++i) put_varint(block, clocks_[i].size());
    for (size_t i = first; i < end; ++i) block += clocks_[i];
    append_checksum(block, record_.seed);
    const auto number = static_cast<uint32_t>(first / kClocksPerBlock);
    if (Status status = put_data(record_key(prefix_, RecordKind::Clocks, number), block); !status)
      return status;
  }
  return {};
}

Status PartitionBuilder::close_exemplars() {
  if (exemplars_.empty()) return {};
  Result<std::string> block = exemplars_.finish();
  if (!block) return std::move(block).error();
  append_checksum(*block, record_.seed);
  exemplar_blocks_.push_back(std::move(*block));
  return {};
}

Status PartitionBuilder::put_exemplars() {
  if (Status status = close_exemplars(); !status) return status;
  for (size_t i = 0; i < exemplar_blocks_.size(); ++i) {
    const std::string key = record_key(prefix_, RecordKind::Exemplars, static_cast<uint32_t>(i));
    if (Status status = put_data(key, exemplar_blocks_[i]); !status) return status;
  }
  return finish_data_file();
}

Status PartitionBuilder::write_index() {
  auto file = database_.build(RocksDatabase::Family::Index, file_name("index", 0));
  if (!file) return std::move(file).error();
  index_file_ = std::move(*file);
  record_.groups = static_cast<uint32_t>(group_sizes_.size());
  record_.clocks = static_cast<uint32_t>(clocks_.size());
  if (Status status =
          index_file_->put(record_key(prefix_, RecordKind::Commit), encode_commit(record_));
      !status)
    return status;
  const auto put = [&](IndexRecord kind, uint32_t name, uint32_t block,
                       std::string value) -> Status {
    append_checksum(value, record_.seed);
    const auto key_kind = static_cast<RecordKind>(kind);
    return index_file_->put(kind == IndexRecord::Names ? record_key(prefix_, key_kind)
                            : kind == IndexRecord::Series
                                ? record_key(prefix_, key_kind, block)
                                : record_key(prefix_, key_kind, name, block),
                            value);
  };
  if (Status status = index_.finish(group_sizes_, put); !status) return status;
  Result<uint64_t> size = index_file_->finish();
  if (!size) return std::move(size).error();
  record_.info.bytes += *size;  // not in the record on disk, which is inside
  return {};
}

/// Partitions are built beside each other: sealed and merged.
std::string PartitionBuilder::file_name(const char* kind, size_t number) const {
  const PartitionInfo& info = record_.info;
  return fmt::format("{}-{}-{}-{}-{}-{}.sst", info.shard, info.tier, info.start, info.generation,
                     kind, number);
}

Result<CommitRecord> PartitionBuilder::commit(const std::function<void()>& built) {
  if (index_.series_count() == 0) return invalid("a partition needs at least one sample");
  if (Status status = close_group(); !status) return std::move(status).error();
  if (Status status = put_clocks(); !status) return std::move(status).error();
  if (Status status = put_exemplars(); !status) return std::move(status).error();
  if (Status status = write_index(); !status) return std::move(status).error();
  std::vector<std::string> data;
  for (const auto& file : data_files_) data.push_back(file->path());
  if (built) built();
  if (Status status = database_.ingest(data, {index_file_->path()}); !status)
    return std::move(status).error();
  return record_;
}

}  // namespace aerie::store
