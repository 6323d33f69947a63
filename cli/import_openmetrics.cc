#include <fmt/core.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "cli/import_command.h"
#include "cli/import_job.h"
#include "cli/openmetrics.h"

namespace aerie::cli {
namespace {

constexpr int kFileIsWrong = 3;
// Partitions of history span a day: each is written once, whatever the order of the file.
constexpr model::DurationMs kWindow = 24LL * 3600 * 1000;

model::TimestampMs window_of(model::TimestampMs t) {
  const model::TimestampMs rest = t % kWindow;
  return t - (rest < 0 ? rest + kWindow : rest);
}

struct Survey {
  std::map<model::TimestampMs, uint64_t> samples;  // by the start of the window
  uint64_t bytes = 0;
};

Result<std::ifstream> open_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error(ErrorCode::InvalidArgument, "cannot read " + file);
  return in;
}

/// Reads the whole file before anything is sent: grammar, labels, times.
Result<Survey> survey(const std::string& file) {
  auto in = open_file(file);
  if (!in) return std::move(in).error();
  OpenMetricsReader reader(*in);
  Survey found;
  std::string last_series;
  while (true) {
    auto sample = reader.next();
    if (!sample) return std::move(sample).error().with(file);
    if (!*sample) break;
    if ((*sample)->series != last_series) {
      last_series = (*sample)->series;
      if (auto labels = parse_series(last_series); !labels)
        return std::move(labels).error().with(file);
    }
    if (!(*sample)->exemplar_labels.empty()) {
      if (auto labels = parse_series((*sample)->exemplar_labels); !labels)
        return std::move(labels).error().with(file);
    }
    ++found.samples[window_of((*sample)->t)];
  }
  found.bytes = reader.bytes();
  return found;
}

model::Labels with_labels(const model::Labels& labels, const model::Labels& extra) {
  model::LabelsBuilder builder(labels);
  for (const auto& [name, value] : extra) {
    if (!labels.has(name)) builder.set(name, value);
  }
  return builder.build();
}

void add_sample(WriteRequest& request, const OpenMetricsSample& sample) {
  request.add_sample(sample.t, sample.value);
  if (sample.exemplar_labels.empty()) return;
  const auto labels = parse_series(sample.exemplar_labels);
  if (labels)
    request.add_exemplar(*labels, sample.exemplar_t.value_or(sample.t), sample.exemplar_value);
}

/// Sends what lies in the window that begins at `window`; metadata with the first one.
Status send_window(const std::string& file, model::TimestampMs window, bool with_metadata,
                   ImportJob& job) {
  auto in = open_file(file);
  if (!in) return std::move(in).error();
  OpenMetricsReader reader(*in);
  std::string last_series;  // of the request's current series; empty: none
  while (true) {
    auto sample = reader.next();
    if (!sample) return std::move(sample).error().with(file);
    if (with_metadata) {
      for (const OpenMetricsFamily& family : reader.take_families())
        job.sink.request().add_metadata(family);
    }
    if (!*sample) return job.sink.flush();
    if (window_of((*sample)->t) != window) continue;
    if (job.sink.request().samples() == 0 || (*sample)->series != last_series) {
      last_series = (*sample)->series;
      auto labels = parse_series(last_series);
      if (!labels) return std::move(labels).error().with(file);
      job.sink.request().begin_series(with_labels(*labels, job.labels));
    }
    add_sample(job.sink.request(), **sample);
    if (auto sent = job.sink.offer(); !sent) return sent;
  }
}

Status send_all(const std::string& file, const Survey& found, ImportJob& job) {
  ProgressLine line;
  uint64_t done = 0;
  uint64_t total = 0;
  for (const auto& [window, samples] : found.samples) total += samples;
  for (const auto& [window, samples] : found.samples) {
    done += samples;
    if (window < job.progress.done_before()) continue;
    const bool first = window == found.samples.begin()->first;
    if (auto sent = send_window(file, window, first, job); !sent) return sent;
    if (auto noted = job.progress.advance(window + kWindow); !noted) return noted;
    line.show(done, total, job.sink.sent_samples());
  }
  line.end();
  return {};
}

}  // namespace

int run_import_openmetrics(const std::string& file, const ImportOptions& options) {
  const auto found = survey(file);
  if (!found) {
    std::fprintf(stderr, "FAILED: %s\nNothing was sent.\n", found.error().message().c_str());
    return kFileIsWrong;
  }
  std::error_code ignored;  // the name then says less
  const auto path = std::filesystem::absolute(file, ignored).string();
  auto job = open_job(options, fmt::format("{} ({} bytes)", path, found->bytes));
  if (!job) {
    std::fprintf(stderr, "FAILED: %s\n", job.error().message().c_str());
    return 1;
  }
  return finish_job(**job, send_all(file, *found, **job));
}

}  // namespace aerie::cli
