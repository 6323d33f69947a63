#include "cli/import_job.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <utility>

namespace aerie::cli {
namespace {

Result<model::Labels> labels_of(const std::vector<std::string>& texts) {
  std::vector<model::LabelView> views;
  for (const std::string_view text : texts) {
    const size_t equal = text.find('=');
    if (equal == 0 || equal == std::string_view::npos)
      return Error(ErrorCode::InvalidArgument,
                   fmt::format("--label {}: expected name=value", text));
    views.push_back({text.substr(0, equal), text.substr(equal + 1)});
  }
  return model::Labels::from_pairs(std::move(views));
}

Result<std::string> token_of(const std::string& file) {
  if (file.empty()) return std::string();
  std::ifstream in(file);
  std::string token;
  if (!in || !std::getline(in, token))
    return Error(ErrorCode::InvalidArgument, "cannot read a bearer token from " + file);
  return token;
}

}  // namespace

Result<std::unique_ptr<ImportJob>> open_job(const ImportOptions& options, const std::string& name) {
  auto labels = labels_of(options.labels);
  if (!labels) return std::move(labels).error();
  auto token = token_of(options.bearer_token_file);
  if (!token) return std::move(token).error();
  const std::string full_name =
      fmt::format("{} to {} with {}", name, options.url, labels->to_string());
  const std::string file =
      options.progress_file.empty()
          ? fmt::format("aeriectl-import-{:016x}.progress", std::hash<std::string>()(full_name))
          : options.progress_file;
  auto progress = ImportProgress::open(file, full_name);
  if (!progress) return std::move(progress).error();
  if (progress->resumed()) {
    std::fprintf(stderr, "Going on at %s, where %s says the last run stopped.\n",
                 model::format_rfc3339(progress->done_before()).c_str(), file.c_str());
  }
  ImportSink::Options sink;
  sink.url = options.url;
  sink.bearer_token = std::move(*token);
  sink.keep_going = options.keep_going;
  return std::make_unique<ImportJob>(std::move(sink), std::move(*progress), std::move(*labels));
}

model::Labels missing_labels(const model::Labels& labels,
                             const std::vector<std::string_view>& names) {
  model::LabelsBuilder builder(labels);
  for (const std::string_view name : names) builder.remove(name);
  return builder.build();
}

int finish_job(const ImportJob& job, const Status& status) {
  if (!status) {
    std::fprintf(stderr,
                 "FAILED: %s\n%llu samples were sent. The same command goes on where this one "
                 "stopped (%s).\n",
                 status.error().message().c_str(),
                 static_cast<unsigned long long>(job.sink.sent_samples()),
                 job.progress.file().c_str());
    return 1;
  }
  job.progress.remove();
  std::printf("Imported %llu samples.\n", static_cast<unsigned long long>(job.sink.sent_samples()));
  if (job.sink.refused_requests() == 0) return 0;
  std::fprintf(stderr, "%llu requests had samples refused. The first: %s\n",
               static_cast<unsigned long long>(job.sink.refused_requests()),
               job.sink.first_refusal().c_str());
  return 1;
}

}  // namespace aerie::cli
