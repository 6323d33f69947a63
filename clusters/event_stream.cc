#include "clusters/event_stream.h"

#include <fmt/core.h>

#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "clusters/fleet_json.h"
#include "http/body_stream.h"
#include "http/json_writer.h"

namespace aerie::clusters {

namespace {

constexpr size_t kMostRows =
    500;  // of one evaluation; beyond it the reader asks for the list again
constexpr model::DurationMs kHeartbeat = 15'000;

std::string fleet_event(const FleetSnapshot& fleet) {
  return fmt::format("event: fleet\ndata: {{\"version\":{},\"evaluatedAt\":{}}}\n\n", fleet.version,
                     static_cast<double>(fleet.evaluated_at) / 1000);
}

/// One reader of the stream: what it has been told so far. Called on the evaluation's thread.
class Subscriber {
 public:
  Subscriber(const ClusterView& view, std::weak_ptr<http::BodyStream> stream,
             Timeline::Filter filter)
      : view_(view), stream_(std::move(stream)), filter_(std::move(filter)) {}
  ~Subscriber() {
    if (const auto stream = stream_.lock()) stream->end();
  }
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  void begin(uint64_t version, model::TimestampMs now) {
    version_ = version;
    spoke_at_ = now;
  }

  bool tell(const FleetSnapshot& fleet) {
    const auto stream = stream_.lock();
    if (!stream) return false;
    std::string text = news(fleet);
    if (text.empty() && fleet.evaluated_at - spoke_at_ < kHeartbeat) return !stream->ended();
    if (text.empty()) text = ": alive\n\n";
    spoke_at_ = fleet.evaluated_at;
    return stream->write(text);
  }

 private:
  bool wanted(const WorkloadKey& key) const {
    return (filter_.cluster.empty() || filter_.cluster == key.cluster) &&
           (filter_.space.empty() || filter_.space == key.space) &&
           (filter_.name.empty() || filter_.name == key.name);
  }

  std::string news(const FleetSnapshot& fleet) {
    if (fleet.version == version_) return {};
    std::string text = fleet_event(fleet);
    std::string rows;
    size_t count = 0;
    for (const auto& row : fleet.deployments) {
      if (row->version <= version_ || !wanted(row->key)) continue;
      if (++count > kMostRows) break;
      rows += "event: deployment\ndata: " + row_json(fleet, *row) + "\n\n";
    }
    version_ = fleet.version;
    text += count > kMostRows ? "event: reset\ndata: {}\n\n" : rows;
    for (const auto& entry : view_.timeline().find(filter_)) {
      filter_.after = entry->number;
      text +=
          fmt::format("event: timeline\nid: {}\ndata: {}\n\n", entry->number, event_json(*entry));
    }
    return text;
  }

  const ClusterView& view_;
  const std::weak_ptr<http::BodyStream> stream_;
  Timeline::Filter filter_;
  uint64_t version_ = 0;
  model::TimestampMs spoke_at_ = 0;
};

uint64_t last_number(const ClusterView& view, const http::Request& request) {
  uint64_t number = 0;
  const std::string_view id = request.headers.get("Last-Event-ID");
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (!id.empty() && error == std::errc{} && end == id.data() + id.size()) return number;
  Timeline::Filter newest;
  newest.limit = 1;
  const auto entries = view.timeline().find(newest);
  return entries.empty() ? 0 : entries.back()->number;
}

}  // namespace

http::Response stream_events(ClusterView& view, const http::Request& request) {
  Timeline::Filter filter;
  filter.cluster = request.params.get("cluster");
  filter.space = request.params.get("namespace");
  filter.name = request.params.get("name");
  filter.after = last_number(view, request);
  http::Response response;
  response.stream = std::make_shared<http::BodyStream>();
  auto subscriber = std::make_shared<Subscriber>(view, response.stream, std::move(filter));
  const auto fleet = view.snapshot();
  subscriber->begin(fleet->version, fleet->evaluated_at);
  response.stream->write("retry: 2000\n" + fleet_event(*fleet));
  const bool taken = view.listen([subscriber](const std::shared_ptr<const FleetSnapshot>& news) {
    return subscriber->tell(*news);
  });
  if (!taken) {
    http::Response busy = http::Response::json(
        503, http::error_envelope("unavailable", "too many clients follow the events"));
    busy.headers.set("Retry-After", "30");
    return busy;
  }
  response.headers.set("Content-Type", "text/event-stream; charset=utf-8");
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("X-Accel-Buffering", "no");
  return response;
}

}  // namespace aerie::clusters
