#include "alerting/relay.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "alerting/relay_request.h"
#include "base/log.h"
#include "http/json_writer.h"
#include "store/byte_io.h"

namespace aerie::alerting {
namespace {

constexpr std::string_view kRowPrefix = "r";
constexpr model::DurationMs kResolvedRetention = 15LL * 60 * 1000;
constexpr std::chrono::seconds kTick{10};

std::string row_key(const model::Labels& labels, const std::string& replica) {
  std::string key(kRowPrefix);
  store::put_bytes(key, labels.encoded());
  key += replica;
  return key;
}

std::string replica_of_key(std::string_view key) {
  store::ByteReader in(key.substr(kRowPrefix.size()));
  (void)in.sized_bytes();
  return std::string(in.bytes(in.left()));
}

/// `name` is a literal: the builder keeps views. The value an application set itself stays as
/// `exported_<name>`, as Prometheus keeps it when a target's label collides.
void stamp(model::LabelsBuilder& labels, std::string_view name, const std::string& value,
           std::vector<std::string>& kept_names) {
  const std::string_view before = labels.get(name);
  if (value.empty() || before == value) return;
  if (!before.empty()) {
    std::string exported = "exported_" + std::string(name);
    while (!labels.get(exported).empty()) exported.insert(0, "exported_");
    kept_names.push_back(std::move(exported));  // the builder keeps a view of it
    labels.set(kept_names.back(), before);
  }
  labels.set(name, value);
}

/// The alert under its member's identity and without replica labels; tells which replica spoke.
OutgoingAlert identified(OutgoingAlert alert, const std::optional<ClusterIdentity>& identity,
                         const std::vector<std::string>& replica_labels, std::string& replica) {
  model::LabelsBuilder labels(alert.labels);
  for (const std::string& name : replica_labels) {
    const std::string_view value = labels.get(name);
    if (value.empty()) continue;
    replica += fmt::format("{}={};", name, value);
    labels.remove(name);
  }
  std::vector<std::string> kept_names;
  kept_names.reserve(3);
  if (identity) {
    stamp(labels, "cluster", identity->cluster, kept_names);
    stamp(labels, "environment", identity->environment, kept_names);
    stamp(labels, "zone", identity->zone, kept_names);
  }
  alert.labels = labels.build();
  return alert;
}

http::Response json_error(int status, int code, std::string_view message) {
  std::string body;
  http::JsonWriter(body).begin_object().field("code", code).field("message", message).end_object();
  return http::Response::json(status, std::move(body));
}

/// The same fact as before: nothing that must reach the disk.
bool only_renews(const OutgoingAlert& before, const OutgoingAlert& now) {
  return before.resolved == now.resolved && before.starts_at == now.starts_at &&
         before.annotations == now.annotations && before.generator_url == now.generator_url;
}

}  // namespace

AlertRelay::AlertRelay(Services services)
    : services_(std::move(services)),
      received_(services_.metrics.counter("aerie_alerting_relay_alerts_received_total",
                                          "Alerts taken from member Prometheuses.")),
      invalid_(services_.metrics.counter("aerie_alerting_relay_alerts_invalid_total",
                                         "Alerts of members that no Alertmanager would take.")),
      refused_(services_.metrics.counter("aerie_alerting_relay_requests_refused_total",
                                         "Requests of members that were refused as a whole.")),
      options_(std::make_shared<const RelayOptions>()) {
  if (services_.arrivals != nullptr)
    readiness_ = std::make_unique<ClusterReadiness>(*services_.arrivals);
}

AlertRelay::~AlertRelay() { stop(); }

void AlertRelay::configure(RelayOptions options) {
  auto next = std::make_shared<const RelayOptions>(std::move(options));
  const std::lock_guard lock(mutex_);
  options_ = std::move(next);
}

Status AlertRelay::load() {
  if (!services_.table) return {};
  auto rows = services_.table->scan(kRowPrefix);
  if (!rows) return std::move(rows).error().with("load relayed alerts");
  const model::TimestampMs now = services_.clock.now_ms();
  std::vector<OutgoingAlert> outgoing;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, bytes] : *rows) {
      auto alert = decode_outgoing(bytes);
      if (!alert) {
        AERIE_LOG(Error, "relayed alert dropped", {"reason", alert.error().message()});
        continue;
      }
      // Members speak every minute or two; until then what they said before holds.
      if (!alert->resolved) alert->ends_at = std::max(alert->ends_at, now + kDefaultLease);
      const model::Labels labels = alert->labels;
      votes_[labels][replica_of_key(key)] = Vote{std::move(*alert), now};
    }
    for (const auto& [labels, votes] : votes_) {
      if (auto alert = merged(votes, now)) outgoing.push_back(std::move(*alert));
    }
  }
  if (!outgoing.empty()) services_.notifier.submit(std::move(outgoing));
  return {};
}

http::Response AlertRelay::receive(const http::Request& request) {
  std::shared_ptr<const RelayOptions> options;
  {
    const std::lock_guard lock(mutex_);
    options = options_;
  }
  std::optional<ClusterIdentity> identity;
  if (options->identify) {
    identity = options->identify(request);
    if (!identity) {
      refused_.add();
      auto response = json_error(401, 401, "unknown or missing bearer token");
      response.headers.set("WWW-Authenticate", "Bearer");
      return response;
    }
  }
  auto parsed = parse_alert_request(request.body, services_.clock.now_ms());
  if (!parsed) {
    refused_.add();
    const bool shape = parsed.error().code() == ErrorCode::InvalidArgument;
    return shape ? json_error(422, 602, parsed.error().message())
                 : json_error(400, 400, parsed.error().message());
  }
  // Without a replica label the sender's address tells the replicas apart.
  const std::string sender =
      "@" + request.remote_address.substr(0, request.remote_address.rfind(':'));
  std::vector<Accepted> accepted;
  for (OutgoingAlert& alert : parsed->alerts) {
    std::string replica;
    OutgoingAlert own = identified(std::move(alert), identity, options->replica_labels, replica);
    accepted.push_back({std::move(own), replica.empty() ? sender : std::move(replica)});
  }
  received_.add(accepted.size());
  invalid_.add(parsed->problems.size());
  auto taken = take(std::move(accepted));
  if (!taken) {
    auto response = json_error(503, 503, taken.error().message());
    response.headers.set("Retry-After", "5");
    return response;
  }
  if (parsed->problems.empty()) return http::Response::json(200, "");
  std::string text;
  http::append_json_string(text, fmt::format("{}", fmt::join(parsed->problems, "; ")));
  return http::Response::json(400, std::move(text));
}

Status AlertRelay::take(std::vector<Accepted> accepted) {
  const model::TimestampMs now = services_.clock.now_ms();
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<OutgoingAlert> outgoing;
  {
    const std::lock_guard lock(mutex_);
    for (Accepted& one : accepted) {
      Votes& votes = votes_[one.alert.labels];
      const auto known = votes.find(one.replica);
      const bool news = known == votes.end() || !only_renews(known->second.alert, one.alert);
      if (news && services_.table) {
        puts.emplace_back(row_key(one.alert.labels, one.replica), encode_outgoing(one.alert));
      }
      const model::Labels labels = one.alert.labels;
      votes[one.replica] = Vote{std::move(one.alert), now};
      if (auto alert = merged(votes, now)) outgoing.push_back(std::move(*alert));
    }
  }
  if (!puts.empty()) {
    auto saved = services_.table->apply(puts, {});
    // The sender tries only once: the alert is forwarded all the same, but it learns that we may
    // forget it.
    if (!saved) {
      services_.notifier.submit(std::move(outgoing));
      return std::move(saved).error().with("save relayed alerts");
    }
  }
  services_.notifier.submit(std::move(outgoing));
  return {};
}

std::optional<OutgoingAlert> AlertRelay::merged(const Votes& votes, model::TimestampMs now) const {
  const Vote* firing = nullptr;
  const Vote* resolved = nullptr;
  model::TimestampMs starts_at = model::kMaxTimestamp;
  model::TimestampMs ends_at = model::kMinTimestamp;
  for (const auto& [replica, vote] : votes) {
    const bool fires = !vote.alert.resolved && vote.alert.ends_at > now;
    const Vote*& newest = fires ? firing : resolved;
    if (!fires && !vote.alert.resolved) continue;  // it has fallen silent
    if (newest == nullptr || newest->received <= vote.received) newest = &vote;
  }
  if (firing == nullptr && resolved == nullptr) return std::nullopt;
  OutgoingAlert alert = firing != nullptr ? firing->alert : resolved->alert;
  for (const auto& [replica, vote] : votes) {
    if (vote.alert.resolved != alert.resolved) continue;
    if (!alert.resolved && vote.alert.ends_at <= now) continue;
    starts_at = std::min(starts_at, vote.alert.starts_at);
    ends_at = std::max(ends_at, vote.alert.ends_at);
  }
  alert.starts_at = starts_at;
  // Renewed by the members long before; covers a lost request or two.
  alert.ends_at = alert.resolved ? ends_at : std::max(ends_at, now + kDefaultLease);
  return alert;
}

void AlertRelay::tick() {
  const model::TimestampMs now = services_.clock.now_ms();
  std::vector<std::string> rows;
  std::vector<OutgoingAlert> outgoing;
  {
    const std::lock_guard lock(mutex_);
    for (auto entry = votes_.begin(); entry != votes_.end();) {
      auto& [labels, votes] = *entry;
      for (auto vote = votes.begin(); vote != votes.end();) {
        OutgoingAlert& alert = vote->second.alert;
        // Renewed a minute ahead of its end: the Alertmanager must not see it end.
        const bool ends_soon = !alert.resolved && alert.ends_at <= now + 60'000;
        if (ends_soon && readiness_ && !readiness_->ready(labels.get("cluster"), now)) {
          alert.ends_at = now + kDefaultLease;
          outgoing.push_back(alert);
        }
        const model::DurationMs kept = alert.resolved ? kResolvedRetention : 0;
        if (alert.ends_at + kept > now) {
          ++vote;
          continue;
        }
        rows.push_back(row_key(labels, vote->first));
        vote = votes.erase(vote);
      }
      entry = votes.empty() ? votes_.erase(entry) : std::next(entry);
    }
  }
  if (services_.table && !rows.empty())
    services_.table->apply({}, rows).ignore("tried again at the next tick or start");
  if (!outgoing.empty()) services_.notifier.submit(std::move(outgoing));
}

void AlertRelay::start() {
  thread_ = std::thread([this] { run(); });
}

void AlertRelay::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AlertRelay::run() {
  pthread_setname_np(pthread_self(), "alert-relay");
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kTick, [this] { return stopping_; });
      if (stopping_) return;
    }
    tick();
  }
}

std::vector<OutgoingAlert> AlertRelay::firing() const {
  const model::TimestampMs now = services_.clock.now_ms();
  std::vector<OutgoingAlert> alerts;
  const std::lock_guard lock(mutex_);
  for (const auto& [labels, votes] : votes_) {
    auto alert = merged(votes, now);
    if (alert && !alert->resolved) alerts.push_back(std::move(*alert));
  }
  return alerts;
}

namespace {

/// What amtool and Prometheus ask of an Alertmanager before they trust it.
std::string status_json(model::TimestampMs started) {
  std::string body;
  http::JsonWriter json(body);
  json.begin_object();
  json.key("cluster")
      .begin_object()
      .field("status", "disabled")
      .key("peers")
      .begin_array()
      .end_array()
      .end_object();
  json.key("config")
      .begin_object()
      .field("original", "# aerie relays alerts to its Alertmanagers\n")
      .end_object();
  json.field("uptime", model::format_rfc3339(started));
  json.key("versionInfo").begin_object();
  for (const std::string_view name :
       {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}) {
    json.field(name, name == "version" ? "0.28.0" : "");
  }
  json.end_object().end_object();
  return body;
}

}  // namespace

void register_relay_routes(http::Router& router, WorkPool& pool, AlertRelay& relay,
                           const Clock& clock) {
  using http::Method;
  constexpr size_t kBodyLimit = 16u << 20;
  router.blocking({Method::Post}, "/api/v2/alerts", pool,
                  [&relay](const http::Request& request) { return relay.receive(request); },
                  {.body_limit_bytes = kBodyLimit, .open_to_members = true});
  const auto list = [&relay](const http::Request&) {
    std::string body = "[";
    for (const OutgoingAlert& alert : relay.firing())
      body += (body.size() > 1 ? "," : "") + outgoing_json(alert);
    return http::Response::json(200, body + "]");
  };
  router.blocking({Method::Get}, "/api/v2/alerts", pool, list);
  const model::TimestampMs started = clock.now_ms();
  router.blocking({Method::Get}, "/api/v2/status", pool, [started](const http::Request&) {
    return http::Response::json(200, status_json(started));
  });
}

}  // namespace aerie::alerting
