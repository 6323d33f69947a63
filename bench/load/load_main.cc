#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bench/load/sender.h"

// aerie_load: plays the remote write of many targets against a receiver on this machine, prints
// what happened as one JSON line.
int main(int argc, char** argv) {
  aerie::bench::LoadOptions options;
  CLI::App app(
      "Sends the samples of simulated targets by remote write to a receiver on this machine.");
  app.add_option("url", options.url, "for example http://127.0.0.1:9707/api/v1/write")->required();
  const std::map<std::string, aerie::bench::Workload> workloads = {
      {"node", aerie::bench::Workload::Node},
      {"kubernetes", aerie::bench::Workload::Kubernetes},
      {"histograms", aerie::bench::Workload::Histograms},
      {"dashboard", aerie::bench::Workload::Dashboard}};
  app.add_option("--workload", options.workload,
                 "node: 507 series a target; kubernetes: 2,688; histograms: 3,120; "
                 "dashboard: 1,614")
      ->transform(CLI::CheckedTransformer(workloads).description(""));
  app.add_option("--churn-scrapes", options.churn_scrapes,
                 "replace a tenth of the targets after so many scrapes; 0: none");
  app.add_option("--targets", options.targets, "how many")->check(CLI::Range(1, 10'000));
  app.add_option("--scrapes", options.scrapes, "of every target")->check(CLI::Range(1, 100'000));
  app.add_option("--interval-ms", options.interval_ms, "between scrapes")
      ->check(CLI::Range(100, 3'600'000));
  app.add_option("--start-ms", options.first_scrape_ms,
                 "time of the first scrape; default: so that the last is now");
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 64));
  app.add_option("--samples-per-request", options.samples_per_request)
      ->check(CLI::Range(1, 100'000));
  app.add_option("--seed", options.seed, "of the values");
  app.add_option("--bearer-token", options.bearer_token);
  app.add_flag("--version2", options.version2, "Remote-Write 2.0 instead of 1.0");
  app.add_option("--samples-per-second", options.samples_per_second,
                 "of all connections; default: as fast as the receiver takes it");
  std::vector<std::string> labels;
  app.add_option("--label", labels, "of every series, name=value");
  CLI11_PARSE(app, argc, argv);
  for (const std::string& label : labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos) return app.exit(CLI::ValidationError("--label", label));
    options.labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  if (options.first_scrape_ms == 0) {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    options.first_scrape_ms = now.count() - options.scrapes * options.interval_ms;
  }
  auto result = aerie::bench::run_load(options);
  if (!result) {
    fmt::print(stderr, "aerie_load: {}\n", result.error().message());
    return 1;
  }
  std::vector<float>& times = result->request_seconds;
  std::sort(times.begin(), times.end());
  const float p99 = times.empty() ? 0 : times[times.size() * 99 / 100];
  std::string rounds;
  for (const double seconds : result->round_seconds)
    rounds += fmt::format("{}{:.3f}", rounds.empty() ? "" : ", ", seconds);
  fmt::print(
      "{{\"series\": {}, \"samples\": {}, \"requests\": {}, \"retries\": {}, \"encoded_bytes\": "
      "{}, \"decoded_bytes\": {}, "
      "\"seconds\": {:.3f}, \"slowest_request_seconds\": {:.3f}, "
      "\"p99_request_seconds\": {:.4f}, \"round_seconds\": [{}], "
      "\"start_ms\": {}}}\n",
      result->series, result->samples, result->requests, result->retries, result->encoded_bytes,
      result->decoded_bytes, result->seconds, result->slowest_request_seconds, p99, rounds,
      options.first_scrape_ms);
  return 0;
}
