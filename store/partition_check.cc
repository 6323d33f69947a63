#include "store/partition_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "store/byte_io.h"
#include "store/series_reader.h"

namespace aerie::store {
namespace {

using Family = RocksDatabase::Family;

/// Enough of a set of series to compare it with another, whatever the order of adding.
struct Fingerprint {
  uint64_t count = 0;
  uint64_t sum = 0;
  void add(uint32_t series) {
    uint64_t x = series + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    sum += x ^ (x >> 31);
    ++count;
  }
  bool operator==(const Fingerprint&) const = default;
};

class PartitionChecker {
 public:
  PartitionChecker(const Partition& partition, const RocksDatabase& database, const CheckPace& pace,
                   CheckReport& report)
      : partition_(partition), database_(database), pace_(pace), report_(report) {}

  /// False: told to stop.
  bool run() {
    const size_t before = report_.problems.size();
    const bool whole = check_files() && check_index() && check_columns();
    if (report_.problems.size() == before && whole) ++report_.partitions;
    return !stopped_;
  }

 private:
  /// Notes it; the partition is left out of queries from now on.
  bool problem(Error error) {
    const Error named = partition_.failed(std::move(error));
    report_.problems.push_back(named.message());
    return false;
  }
  bool damaged(std::string text) { return problem(Error(ErrorCode::Corruption, std::move(text))); }

  bool go_on(uint64_t bytes) {
    if (pace_ && !pace_(bytes)) stopped_ = true;
    return !stopped_;
  }

  bool check_files() {
    uint64_t bytes = 0;
    for (const Family family : {Family::Index, Family::Data}) {
      for (const RocksDatabase::FileSize& file : database_.files(family)) {
        if (!file.first_key.starts_with(partition_.prefix())) continue;
        if (Status status = database_.verify_file(file); !status)
          return problem(std::move(status).error());
        bytes += file.bytes;
        report_.bytes += file.bytes;
        if (!go_on(file.bytes)) return false;
      }
    }
    if (bytes != partition_.info().bytes)
      return damaged(fmt::format("files have {} bytes, the commit record says {}", bytes,
                                 partition_.info().bytes));
    return true;
  }

  /// Labels in order; postings say of every pair what the series say.
  bool check_index() {
    auto index = partition_.index();
    if (!index) return problem(std::move(index).error());
    const uint32_t count = (*index)->series_count();
    std::unordered_map<std::string, Fingerprint> by_pair;
    model::Labels last;
    uint32_t expected = 0;
    std::string wrong;
    const SealOrder less;
    auto read =
        (*index)->labels(SeriesSet::all(count), [&](uint32_t series, std::string_view encoded) {
          model::Labels labels = model::Labels::from_encoded(std::string(encoded));
          if (series != expected++) wrong = "series are missing in the index";
          if (series > 0 && !less(last, labels))
            wrong = "series are not in order: " + labels.to_string();
          for (const model::LabelView& label : labels) by_pair[key(label)].add(series);
          last = std::move(labels);
        });
    if (!read) return problem(std::move(read).error());
    if (wrong.empty() && expected != count) wrong = "series are missing in the index";
    if (!wrong.empty()) return damaged(wrong);
    report_.series += count;
    return go_on(0) && check_postings(**index, by_pair);
  }

  bool check_postings(const IndexReader& index,
                      std::unordered_map<std::string, Fingerprint>& by_pair) {
    auto names = index.label_names(nullptr);
    if (!names) return problem(std::move(names).error());
    for (const std::string& name : *names) {
      auto values = index.label_values(name, nullptr);
      if (!values) return problem(std::move(values).error());
      for (const std::string& value : *values) {
        auto set = index.match({model::Matcher::equal(name, value)});
        if (!set) return problem(std::move(set).error());
        Fingerprint found;
        for (uint32_t id = set->next(0); id < set->size(); id = set->next(id + 1)) found.add(id);
        const auto said = by_pair.find(key({name, value}));
        if (said == by_pair.end() || !(said->second == found))
          return damaged(fmt::format("postings of {}=\"{}\" name {} series, the series say {}",
                                     name, value, found.count,
                                     said == by_pair.end() ? 0 : said->second.count));
        by_pair.erase(said);
      }
      if (!go_on(0)) return false;
    }
    if (!by_pair.empty()) return damaged("a label pair of a series has no postings");
    return true;
  }

  static std::string key(const model::LabelView& label) {
    std::string out;
    put_bytes(out, label.name);
    out += label.value;
    return out;
  }

  bool check_columns() {
    const PartitionInfo& info = partition_.info();
    for (uint32_t number = 0; number < partition_.record().clocks; ++number) {
      auto clock = partition_.clock(number);
      if (!clock) return problem(std::move(clock).error());
      if (std::adjacent_find((*clock)->begin(), (*clock)->end(), std::greater_equal<>()) !=
          (*clock)->end())
        return damaged(fmt::format("clock {} does not go forward", number));
    }
    for (uint32_t number = 0;; ++number) {
      auto exemplars = partition_.exemplars(number);
      if (!exemplars) return problem(std::move(exemplars).error());
      if (exemplars->empty()) break;
    }
    SeriesReader reader;
    model::SeriesSamples samples;
    uint64_t total = 0;
    model::TimeRange seen{model::kMaxTimestamp, model::kMinTimestamp};
    for (uint32_t series = 0; series < info.series_count; ++series) {
      samples.clear();
      if (Status status = reader.read(partition_, 0, series, {}, samples); !status)
        return problem(std::move(status).error());
      if (samples.empty()) return damaged(fmt::format("series {} has no sample", series));
      total += samples.timestamps.size() + samples.histograms.size();
      seen.first = std::min(seen.first, first_time(samples));
      seen.last = std::max(seen.last, last_time(samples));
      if (series % 256 == 0 && !go_on(0)) return false;
    }
    report_.samples += total;
    if (total != info.sample_count)
      return damaged(
          fmt::format("holds {} samples, the commit record says {}", total, info.sample_count));
    if (!(seen == info.samples))
      return damaged(fmt::format("samples lie in {}..{}, the commit record says {}..{}", seen.first,
                                 seen.last, info.samples.first, info.samples.last));
    return true;
  }

  const Partition& partition_;
  const RocksDatabase& database_;
  const CheckPace& pace_;
  CheckReport& report_;
  bool stopped_ = false;
};

}  // namespace

bool check_partition(const Partition& partition, const RocksDatabase& database,
                     const CheckPace& pace, CheckReport& report) {
  return PartitionChecker(partition, database, pace, report).run();
}

}  // namespace aerie::store
