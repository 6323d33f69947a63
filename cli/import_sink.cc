#include "cli/import_sink.h"

#include <fmt/core.h>
#include <snappy.h>

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

namespace aerie::cli {
namespace {

constexpr std::chrono::milliseconds kFirstWait{500};
constexpr std::chrono::milliseconds kLongestWait{30'000};

bool worth_retrying(int status) { return status / 100 == 5 || status == 429; }

/// What the server asks for, else twice as long as the last time.
std::chrono::milliseconds next_wait(const Result<http::Response>& answer,
                                    std::chrono::milliseconds last) {
  if (answer) {
    const std::string_view header = answer->headers.get("Retry-After");
    int seconds = 0;
    const auto [end, error] =
        std::from_chars(header.data(), header.data() + header.size(), seconds);
    if (error == std::errc() && end == header.data() + header.size() && seconds > 0)
      return std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds), kLongestWait);
  }
  return std::min(last * 2, kLongestWait);
}

}  // namespace

ImportSink::ImportSink(Options options)
    : options_([&] {
        if (!options.wait)
          options.wait = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); };
        return std::move(options);
      }()) {}

Status ImportSink::offer() {
  return request_.samples() < options_.samples_per_request ? Status() : flush();
}

Status ImportSink::flush() {
  if (request_.empty()) return {};
  const size_t samples = request_.samples();
  const std::string bytes = request_.finish();
  http::ClientRequest message;
  message.method = http::Method::Post;
  message.url = options_.url + "/api/v1/write";
  message.timeout = std::chrono::seconds(60);
  message.headers.set("Content-Type", "application/x-protobuf");
  message.headers.set("Content-Encoding", "snappy");
  message.headers.set("X-Prometheus-Remote-Write-Version", "0.1.0");
  message.headers.set("X-Aerie-Backfill", "true");  // history may lie behind what is live
  if (!options_.bearer_token.empty())
    message.headers.set("Authorization", "Bearer " + options_.bearer_token);
  snappy::Compress(bytes.data(), bytes.size(), &message.body);
  if (auto delivered = deliver(message); !delivered) return delivered;
  sent_ += samples;
  return {};
}

Status ImportSink::deliver(const http::ClientRequest& message) {
  std::chrono::milliseconds waited{0};
  for (std::chrono::milliseconds wait = kFirstWait;;) {
    const auto answer = client_.send(message);
    if (answer && answer->status / 100 == 2) return {};
    if (!answer && sent_ == 0 && waited.count() == 0)  // a wrong URL more likely than a restart
      return Error(answer.error()).with("is aerie running at " + options_.url + "?");
    if (answer && !worth_retrying(answer->status)) {
      const std::string text = fmt::format("{} answered {}: {}", message.url, answer->status,
                                           answer->body.substr(0, 500));
      if (refused_++ == 0) first_refusal_ = text;
      // Anything but 400 is about who asks or where, not about these samples.
      if (options_.keep_going && answer->status == 400) return {};
      return Error(ErrorCode::InvalidArgument, text);
    }
    if (waited >= options_.patience) {
      return Error(ErrorCode::Unavailable,
                   answer ? fmt::format("{} answered {} for {} s: {}", message.url, answer->status,
                                        waited.count() / 1000, answer->body.substr(0, 200))
                          : answer.error().message());
    }
    options_.wait(wait);
    waited += wait;
    wait = next_wait(answer, wait);
  }
}

}  // namespace aerie::cli
