#include "clusters/kube_watch.h"

#include <fmt/core.h>

#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "http/body_stream.h"

namespace aerie::clusters {

namespace {

constexpr model::DurationMs kBookmarkInterval = 60'000;

/// One watch: what its client has been told. Called on the evaluation's thread, at first on the io
/// thread.
class Watcher {
 public:
  Watcher(const ClusterView& view, std::weak_ptr<http::BodyStream> stream, KubeRequest request)
      : view_(view), stream_(std::move(stream)), request_(std::move(request)) {}
  ~Watcher() {
    if (const auto stream = stream_.lock()) stream->end();
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// What the client knows already (objects up to `from`) is not told again.
  void begin(const FleetSnapshot& fleet, uint64_t from) {
    began_at_ = bookmarked_at_ = fleet.evaluated_at;
    for (const KubeItem& item : items(fleet)) {
      if (item.version <= from) known_[key_of(item)] = item;
    }
    version_ = 0;
    tell(fleet);
  }

  bool tell(const FleetSnapshot& fleet) {
    const auto stream = stream_.lock();
    if (!stream || stream->ended()) return false;
    const std::string text = fleet.version == version_ ? bookmark(fleet) : news(fleet);
    version_ = fleet.version;
    if (!text.empty() && !stream->write(text)) return false;
    const bool over = request_.timeout_seconds > 0 &&
                      fleet.evaluated_at - began_at_ >= request_.timeout_seconds * 1000;
    return !over;
  }

 private:
  static std::string key_of(const KubeItem& item) { return item.space + '\0' + item.name; }

  std::vector<KubeItem> items(const FleetSnapshot& fleet) const {
    auto all = kube_items(request_.names->resource, fleet, view_.timeline(), request_.scope);
    std::erase_if(all, [this](const KubeItem& item) { return !selected(request_, item); });
    return all;
  }

  std::string event(std::string_view type, const KubeItem& item, const FleetSnapshot& fleet) const {
    std::string object;
    if (request_.table) {
      object = kube_table(request_, fleet, {&item, 1}, item.version, {});
    } else {
      http::JsonWriter json(object);
      write_kube_object(json, *request_.names, item, fleet);
    }
    return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
  }

  std::string news(const FleetSnapshot& fleet) {
    std::string text;
    std::map<std::string, KubeItem> gone = std::move(known_);
    known_.clear();
    for (KubeItem& item : items(fleet)) {
      const std::string key = key_of(item);
      const auto before = gone.find(key);
      if (before == gone.end()) {
        text += event("ADDED", item, fleet);
      } else {
        if (before->second.version != item.version) text += event("MODIFIED", item, fleet);
        gone.erase(before);
      }
      known_[key] = std::move(item);
    }
    for (const auto& [key, item] : gone) text += event("DELETED", item, fleet);
    return text;
  }

  std::string bookmark(const FleetSnapshot& fleet) {
    if (!request_.bookmarks || fleet.evaluated_at - bookmarked_at_ < kBookmarkInterval) return {};
    bookmarked_at_ = fleet.evaluated_at;
    return fmt::format(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"{}\",\"apiVersion\":\"{}/{}\","
        "\"metadata\":{{\"resourceVersion\":\"{}\",\"creationTimestamp\":null}}}}}}\n",
        request_.names->kind, kKubeGroup, kKubeVersion, fleet.version);
  }

  const ClusterView& view_;
  const std::weak_ptr<http::BodyStream> stream_;
  const KubeRequest request_;
  std::map<std::string, KubeItem> known_;
  uint64_t version_ = 0;
  model::TimestampMs began_at_ = 0;
  model::TimestampMs bookmarked_at_ = 0;
};

}  // namespace

http::Response kube_watch(ClusterView& view, KubeRequest request) {
  const auto fleet = view.snapshot();
  uint64_t from = 0;
  const std::string& text = request.resource_version;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), from);
  if (!text.empty() && (error != std::errc{} || end != text.data() + text.size()))
    return kube_failure(400, "BadRequest", "invalid resource version " + text);
  const bool resumes = from > 0 && request.names->resource != KubeResource::RolloutEvents;
  if (resumes && (from < fleet->last_removal || from > fleet->version))
    return kube_failure(410, "Expired", "too old resource version: " + text);
  http::Response response;
  response.stream = std::make_shared<http::BodyStream>();
  response.headers.set("Content-Type", "application/json");
  auto watcher = std::make_shared<Watcher>(view, response.stream, std::move(request));
  watcher->begin(*fleet, from);
  const bool taken = view.listen(
      [watcher](const std::shared_ptr<const FleetSnapshot>& news) { return watcher->tell(*news); });
  if (!taken) {
    http::Response busy = kube_failure(429, "TooManyRequests", "too many clients watch");
    busy.headers.set("Retry-After", "30");
    return busy;
  }
  return response;
}

}  // namespace aerie::clusters
