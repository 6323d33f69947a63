// promql_serve: loads the samples of promqltest scripts into a real store, moved to a time of day,
// and serves the query API over them. The same samples can be written as OpenMetrics, for another
// server to load. Ends when its standard input does.

#include <fmt/core.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "http/server.h"
#include "query/api.h"
#include "query/literals.h"
#include "store/file_system.h"
#include "store/store.h"
#include "tests/promql/storage.h"

namespace {

using namespace aerie;
using namespace aerie::promqltest;

struct Arguments {
  std::string script;
  std::string openmetrics;
  int64_t base_seconds = 0;
};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "promql-serve-XXXXXX").string();
    if (mkdtemp(pattern.data())) path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// All float series of the script; a series loaded twice comes twice.
Result<std::vector<std::pair<model::DurationMs, SeriesLine>>> series_in(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto script = parse_script(text);
  if (!script) return std::move(script).error();
  std::vector<std::pair<model::DurationMs, SeriesLine>> out;
  for (const auto& command : *script) {
    const auto* load = std::get_if<Load>(&command);
    if (!load) continue;
    for (auto& series : series_of(*load)) out.emplace_back(load->interval, std::move(series));
  }
  return out;
}

std::string label_set(const model::Labels& labels) {
  std::string out(labels.metric_name());
  char before = '{';
  for (const auto& label : labels) {
    if (label.name == model::kMetricName) continue;
    out += fmt::format("{}{}={}", before, label.name, model::go_quote(label.value));
    before = ',';
  }
  return before == '{' ? out : out + '}';
}

Status write_samples(const Arguments& arguments, store::Store& store) {
  auto all = series_in(arguments.script);
  if (!all) return std::move(all).error();
  std::ofstream text;
  if (!arguments.openmetrics.empty()) text.open(arguments.openmetrics);
  for (const auto& [interval, series] : *all) {
    store::WriteBatch batch;
    const auto handle = store.resolve(series.labels);
    const std::string name = label_set(series.labels);
    model::TimestampMs t = arguments.base_seconds * 1000;
    for (const auto& value : series.values) {
      if (!value.omitted && !value.histogram) {
        batch.floats.push_back({handle, t, value.value});
        if (text.is_open()) {
          text << fmt::format("{} {} {}.{:03}\n", name, query::format_float(value.value), t / 1000,
                              t % 1000);
        }
      }
      t += interval;
    }
    auto outcome = store.append_and_wait(std::move(batch));
    if (!outcome) return std::move(outcome).error();
    if (outcome->rejected_total() > 0) return Error(ErrorCode::Execution, outcome->first_rejection);
  }
  if (text.is_open()) text << "# EOF\n";
  return {};
}

int fail(const Error& error) {
  fmt::print(stderr, "promql_serve: {}\n", error.message());
  return 1;
}

int serve(const Arguments& arguments) {
  TemporaryFolder folder;
  ManualClock clock(arguments.base_seconds * 1000);
  store::PosixFileSystem files;
  MetricRegistry metrics;
  store::StoreOptions options;
  options.path = folder.path() + "/data";
  options.retention = 0;
  options.sync = store::SyncMode::Off;
  options.future_limit = 0;
  auto store = store::Store::open(std::move(options), clock, files, metrics);
  if (!store) return fail(store.error());
  if (auto status = write_samples(arguments, **store); !status) return fail(status.error());
  if (auto status = (*store)->flush(); !status) return fail(status.error());
  const query::Engine engine({}, **store, clock);
  query::QueryApi api({}, engine, **store, clock);
  http::Router router;
  WorkPool pool({.name = "query", .threads = 2});
  api.register_routes(router, pool);
  http::Server::Options server_options;
  server_options.listen_address = "127.0.0.1:0";
  auto server = http::Server::start(server_options, router, metrics);
  if (!server) return fail(server.error());
  fmt::print("{}\n", (*server)->port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  (*server)->stop(std::chrono::milliseconds(100));
  pool.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Serves the samples of a promqltest script over the query API.");
  app.add_option("--script", arguments.script, "load commands")->required();
  app.add_option("--base-seconds", arguments.base_seconds, "Unix time of the script's time 0");
  app.add_option("--openmetrics", arguments.openmetrics, "file to write the samples to");
  CLI11_PARSE(app, argc, argv);
  return serve(arguments);
}
