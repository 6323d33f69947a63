#include <fmt/core.h>
#include <snappy.h>

#include <chrono>
#include <cstdio>

#include "cli/import_command.h"
#include "cli/import_job.h"
#include "cli/remote_read.h"
#include "query/parser.h"

namespace aerie::cli {
namespace {

struct Plan {
  std::string url;
  std::vector<model::Matchers> selectors;
  model::TimeRange range;
  model::DurationMs window = 0;
};

/// A time, or a duration before now.
Result<model::TimestampMs> time_of(const std::string& text, model::TimestampMs now) {
  if (text.empty()) return now;
  if (const auto ago = model::parse_duration(text)) return now - *ago;
  return model::parse_timestamp(text);
}

Result<Plan> plan_of(const RemoteReadSource& source) {
  Plan plan;
  plan.url = source.url;
  if (plan.url.find("://") == std::string::npos) plan.url = "http://" + plan.url;
  while (!plan.url.empty() && plan.url.back() == '/') plan.url.pop_back();
  if (!plan.url.ends_with("/api/v1/read")) plan.url += "/api/v1/read";
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const auto from = time_of(source.from, now);
  if (!from) return Error(from.error()).with("--from " + source.from);
  const auto to = time_of(source.to, now);
  if (!to) return Error(to.error()).with("--to " + source.to);
  plan.range = {*from, *to};
  const auto window = model::parse_duration(source.window);
  if (!window) return Error(window.error()).with("--window " + source.window);
  if (*from > *to || *window <= 0)
    return Error(ErrorCode::InvalidArgument, "expected --from before --to and a --window above 0");
  plan.window = *window;
  for (const std::string& selector : source.selectors) {
    auto matchers = query::parse_selector(selector);
    if (!matchers) return std::move(matchers).error().with("--match " + selector);
    plan.selectors.push_back(std::move(*matchers));
  }
  if (plan.selectors.empty()) {
    auto everything =
        model::Matcher::make(model::MatchType::Regex, std::string(model::kMetricName), ".+");
    if (!everything) return std::move(everything).error();
    plan.selectors.push_back({std::move(*everything)});
  }
  return plan;
}

Result<std::string> read_window(http::Client& client, const Plan& plan,
                                const model::Matchers& matchers, model::TimeRange range) {
  const std::string bytes = encode_read_request(matchers, range);
  http::ClientRequest message;
  message.method = http::Method::Post;
  message.url = plan.url;
  message.timeout = std::chrono::minutes(5);
  message.headers.set("Content-Type", "application/x-protobuf");
  message.headers.set("Content-Encoding", "snappy");
  message.headers.set("X-Prometheus-Remote-Read-Version", "0.1.0");
  snappy::Compress(bytes.data(), bytes.size(), &message.body);
  const auto answer = client.send(message);
  if (!answer) return answer.error();
  if (answer->status != 200) {
    return Error(ErrorCode::Execution, fmt::format("{} answered {}: {}", plan.url, answer->status,
                                                   answer->body.substr(0, 300)));
  }
  std::string plain;
  if (!snappy::Uncompress(answer->body.data(), answer->body.size(), &plain))
    return Error(ErrorCode::Corruption, plan.url + " answered something that is not snappy");
  return plain;
}

Status forward(const std::string& response, ImportJob& job) {
  const auto series = series_of_read_response(response);
  if (!series) return series.error();
  for (const std::string_view one : *series) {
    const auto found = inspect_series(one);
    if (!found) return found.error();
    job.sink.request().add_encoded_series(one, found->samples,
                                          missing_labels(job.labels, found->label_names));
    if (auto sent = job.sink.offer(); !sent) return sent;
  }
  return {};
}

Status copy_all(const Plan& plan, ImportJob& job) {
  http::Client client;
  ProgressLine line;
  model::TimestampMs t = std::max(plan.range.first, job.progress.done_before());
  while (t <= plan.range.last) {
    const model::TimeRange range{t, std::min(plan.range.last, t + plan.window - 1)};
    for (const model::Matchers& matchers : plan.selectors) {
      const auto response = read_window(client, plan, matchers, range);
      if (!response) return response.error();
      if (auto sent = forward(*response, job); !sent) return sent;
    }
    if (auto sent = job.sink.flush(); !sent) return sent;
    t = range.last + 1;
    if (auto noted = job.progress.advance(t); !noted) return noted;
    line.show(static_cast<uint64_t>(t - plan.range.first),
              static_cast<uint64_t>(plan.range.last + 1 - plan.range.first),
              job.sink.sent_samples());
  }
  line.end();
  return {};
}

}  // namespace

int run_import_remote_read(const RemoteReadSource& source, const ImportOptions& options) {
  const auto plan = plan_of(source);
  if (!plan) {
    std::fprintf(stderr, "FAILED: %s\n", plan.error().message().c_str());
    return 2;
  }
  // A range given relative to now still names the same import.
  std::string name = fmt::format("{} from {} to {}", plan->url, source.from,
                                 source.to.empty() ? "now" : source.to);
  for (const std::string& selector : source.selectors) name += " " + selector;
  auto job = open_job(options, name);
  if (!job) {
    std::fprintf(stderr, "FAILED: %s\n", job.error().message().c_str());
    return 1;
  }
  return finish_job(**job, copy_all(*plan, **job));
}

}  // namespace aerie::cli
