// What columns cost: of captured scrapes (text files of one target, one a scrape) or of the
// simulated workloads. column_sizes --captured DIR | --workload node|kubernetes|histograms [targets
// [scrapes]]

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "bench/load/simulated_series.h"
#include "store/columns.h"
#include "store/partition_set.h"

namespace {

using namespace aerie;
using Series = std::vector<store::SealSeries>;

constexpr model::DurationMs kInterval = 15'000;
constexpr model::TimestampMs kStart = 1'700'000'100'000;

/// `name{a="b",…}`; nothing if it is not of this form.
std::optional<model::Labels> parse_labels(std::string_view text) {
  model::LabelsBuilder builder;
  std::deque<std::string> values;  // the builder looks at them until the end
  const size_t brace = text.find('{');
  builder.set(model::kMetricName, text.substr(0, brace));
  if (brace == std::string_view::npos) return builder.build();
  size_t at = brace + 1;
  while (at < text.size() && text[at] != '}') {
    const size_t equals = text.find("=\"", at);
    if (equals == std::string_view::npos) return std::nullopt;
    std::string& value = values.emplace_back();
    size_t i = equals + 2;
    for (; i < text.size() && text[i] != '"'; ++i) {
      if (text[i] == '\\' && i + 1 < text.size()) ++i;
      value += text[i];
    }
    builder.set(text.substr(at, equals - at), value);
    at = i + 1;
    if (at < text.size() && text[at] == ',') ++at;
  }
  return builder.build();
}

/// Series that are there in every scrape.
Series captured(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    files.push_back(file.path().string());
  std::sort(files.begin(), files.end());
  std::map<std::string, model::SeriesSamples> all;
  for (size_t scrape = 0; scrape < files.size(); ++scrape) {
    std::ifstream in(files[scrape]);
    for (std::string line; std::getline(in, line);) {
      const size_t space = line.rfind(' ');
      if (line.empty() || line[0] == '#' || space == std::string::npos) continue;
      all[line.substr(0, space)].add(kStart + static_cast<int64_t>(scrape) * kInterval,
                                     std::strtod(line.c_str() + space + 1, nullptr));
    }
  }
  Series out;
  for (auto& [text, samples] : all) {
    auto labels = parse_labels(text);
    if (labels && samples.values.size() == files.size())
      out.push_back({std::move(*labels), std::move(samples), {}});
  }
  return out;
}

Series simulated(bench::Workload workload, uint32_t targets, int scrapes) {
  Series out;
  const auto& plans = bench::plans_of(workload);
  for (uint32_t target = 0; target < targets; ++target) {
    for (uint32_t i = 0; i < plans.size(); ++i) {
      const std::string cluster = fmt::format("c{}", target % 4);
      const std::string instance = fmt::format("10.0.{}.1:9100", target);
      model::LabelsBuilder builder;
      builder.set(model::kMetricName, plans[i].name);
      for (const auto& [name, value] : plans[i].labels) builder.set(name, value);
      builder.set("cluster", cluster);
      builder.set("instance", instance);
      bench::SimulatedSeries series(workload, target, i, 1);
      model::SeriesSamples samples;
      for (int scrape = 0; scrape < scrapes; ++scrape)
        samples.add(kStart + scrape * kInterval + bench::scrape_phase_ms(target, kInterval),
                    series.next());
      out.push_back({builder.build(), std::move(samples), {}});
    }
  }
  return out;
}

std::string kind_of(const store::ColumnBytes& column) {
  static const std::map<int, std::string> names = {
      {1, "constant"}, {2, "runs"}, {3, "change mask"},  {4, "integers"},
      {5, "decimals"}, {6, "xor"},  {8, "ordered bits"}, {7, "raw"}};
  const int kind = column.head[0];
  if (kind != 5) return names.at(kind);
  static const char* methods[] = {"m / 10^e", "m * 10^-e", "two divisions", "seconds + ns"};
  const int code = static_cast<unsigned char>(column.head[1]);
  return fmt::format("decimals, {}{}", methods[code >> 5], (code & 31) > 2 ? ", e > 2" : "");
}

void print_columns(const Series& series, size_t samples) {
  struct Sum {
    size_t columns = 0;
    size_t bytes = 0;
    size_t rows = 0;
  };
  std::map<std::string, Sum> sums;
  store::FloatEncoder encoder;
  for (const store::SealSeries& one : series) {
    store::ColumnBytes column;
    encoder.put(one.samples.values, column);
    Sum& sum = sums[kind_of(column)];
    ++sum.columns;
    sum.bytes += column.size();
    sum.rows += one.samples.values.size();
  }
  fmt::print("{:32} {:>8} {:>12} {:>14}\n", "kind", "columns", "bits/value", "B/sample of all");
  for (const auto& [name, sum] : sums)
    fmt::print("{:32} {:8} {:12.2f} {:14.4f}\n", name, sum.columns,
               static_cast<double>(sum.bytes) * 8 / static_cast<double>(sum.rows),
               static_cast<double>(sum.bytes) / static_cast<double>(samples));
}

/// Bytes of a partition with all of it.
uint64_t sealed_bytes(Series series) {
  std::string root = (std::filesystem::temp_directory_path() / "aerie-sizes-XXXXXX").string();
  if (::mkdtemp(root.data()) == nullptr) return 0;
  uint64_t bytes = 0;
  {
    store::PartitionSet::Options options;
    options.path = root + "/db";
    auto set = store::PartitionSet::open(options);
    const store::SealOrder less;
    std::sort(series.begin(), series.end(),
              [&](const auto& a, const auto& b) { return less(a.labels, b.labels); });
    size_t next = 0;
    store::PartitionInfo info;
    info.log_end = 1;
    const auto sealed = (*set)->seal(info, [&](store::SealSeries& out) {
      if (next == series.size()) return false;
      out = std::move(series[next++]);
      return true;
    });
    if (sealed.ok()) bytes = sealed->bytes;
    if (!sealed.ok()) fmt::print("{}\n", sealed.error().message());
  }
  std::filesystem::remove_all(root);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  const auto number = [&](int i, uint32_t otherwise) {
    return argc > i ? static_cast<uint32_t>(std::strtoul(argv[i], nullptr, 10)) : otherwise;
  };
  Series series;
  if (mode == "--captured") {
    series = captured(argv[2]);
  } else if (mode == "--workload") {
    const std::string name = argv[2];
    const auto workload = name == "kubernetes"   ? bench::Workload::Kubernetes
                          : name == "histograms" ? bench::Workload::Histograms
                                                 : bench::Workload::Node;
    series = simulated(workload, number(3, 4), static_cast<int>(number(4, 120)));
  } else {
    fmt::print(
        "column_sizes --captured DIR | --workload node|kubernetes|histograms [targets "
        "[scrapes]]\n");
    return 1;
  }
  size_t samples = 0;
  for (const store::SealSeries& one : series) samples += one.samples.values.size();
  if (samples == 0) return 1;
  fmt::print("{} series, {} samples\n", series.size(), samples);
  print_columns(series, samples);
  const uint64_t bytes = sealed_bytes(std::move(series));
  fmt::print("partition, index included: {} bytes, {:.4f} B/sample\n", bytes,
             static_cast<double>(bytes) / static_cast<double>(samples));
  return 0;
}
