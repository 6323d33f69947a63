#include "ingest/remote_write_api.h"

#include <fmt/core.h>
#include <snappy.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/log.h"
#include "ingest/body_buffer.h"
#include "ingest/negotiation.h"
#include "ingest/remote_write_call.h"
#include "ingest/write_answer.h"

namespace aerie::ingest {
namespace {

constexpr int64_t kUnauthorizedLogIntervalMs = 60'000;
// A handle goes stale when its series leaves the head; that it does so again and again within one
// request is overload.
constexpr int kMaxResends = 3;
constexpr size_t kKeptWorkspaces = 8;
constexpr size_t kKeptWorkspaceBytes = 8u << 20;

bool is_retriable(ErrorCode code) {
  return code == ErrorCode::Unavailable || code == ErrorCode::IoError ||
         code == ErrorCode::ResourceExhausted || code == ErrorCode::DeadlineExceeded;
}

// vmagent 1.88 to 1.115 asks whether zstd is understood before it sends any.
bool is_handshake(const http::Request& request) {
  return request.params.get("get_vm_proto_version") == "1";
}

http::Response answer_handshake(const http::Request& request) {
  if (is_handshake(request)) return http::Response::text(200, "1");
  http::Response response =
      http::Response::text(405, "send samples with POST; see docs/remote-write.md\n");
  response.headers.set("Allow", "POST");
  return response;
}

// Whose turn it is in the queue. Before a body is read its labels are not known.
std::string queue_name(const Caller& caller, const http::Request& request) {
  if (caller.binding != nullptr) return caller.binding->name;
  return request.remote_address.substr(0, request.remote_address.rfind(':'));
}

uint64_t random_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

Result<std::unique_ptr<RemoteWriteApi>> RemoteWriteApi::create(IngestOptions options, Parts parts) {
  auto settings = Settings::compile(std::move(options), random_seed());
  if (!settings) return std::move(settings).error();
  auto standby = StandbyRing::open(
      {.limit_bytes = (*settings)->options.ha.standby_bytes, .folder = parts.standby_folder},
      parts.files, parts.clock.now_ms());
  if (!standby) return std::move(standby).error();
  std::unique_ptr<RemoteWriteApi> api(
      new RemoteWriteApi(std::move(*settings), std::move(parts), std::move(*standby)));
  if (auto loaded = api->load_elections(); !loaded)
    return std::move(loaded).error().with("read HA elections");
  return api;
}

RemoteWriteApi::RemoteWriteApi(std::shared_ptr<const Settings> settings, Parts parts,
                               std::unique_ptr<StandbyRing> standby)
    : parts_(std::move(parts)),
      settings_(settings),
      first_options_(settings->options),
      ha_(first_options_.ha, parts_.clock),
      standby_(std::move(standby)),
      unread_(parts_.clock),
      accounting_(first_options_.max_clusters, parts_.metrics, parts_.clock),
      limits_(parts_.clock),
      processor_(
          {parts_.store, ha_, pairs_, limits_, parts_.clock, first_options_.series_cache_entries}),
      seconds_(parts_.metrics.histogram(
          "aerie_ingest_request_duration_seconds",
          "From the whole request to its answer, the wait for the disk included",
          {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})),
      ha_switches_(
          parts_.metrics.counter("aerie_ingest_ha_switches_total", "A standby replica took over")),
      ha_last_switch_(parts_.metrics.gauge("aerie_ingest_ha_last_switch_timestamp_seconds",
                                           "When a standby replica last took over; 0: never")),
      queue_({.limit_bytes = first_options_.inflight_limit_bytes}, parts_.clock) {
  MetricRegistry& metrics = parts_.metrics;
  metrics.gauge_callback("aerie_ingest_inflight_bytes",
                         "Decoded bytes of requests not yet answered", {},
                         [this] { return static_cast<double>(queue_.in_flight_bytes()); });
  metrics.gauge_callback("aerie_ingest_waiting_requests",
                         "Requests that wait for memory or a thread", {},
                         [this] { return static_cast<double>(queue_.waiting()); });
  metrics.gauge_callback("aerie_ingest_standby_bytes",
                         "Compressed requests of standby replicas that are kept", {},
                         [this] { return static_cast<double>(standby_->bytes()); });
  metrics.counter_callback("aerie_ingest_standby_dropped_total",
                           "Requests of standby replicas that did not fit into the memory for them",
                           {}, [this] { return static_cast<double>(standby_->dropped()); });
  metrics.counter_callback("aerie_ingest_standby_unread_total",
                           "Requests of standby replicas that were kept without reading them", {},
                           [this] { return static_cast<double>(unread_requests_.value()); });
  metrics.gauge_callback("aerie_ingest_series_cache_entries", "Series whose label bytes are known",
                         {}, [this] { return static_cast<double>(processor_.cached_series()); });
  metrics.counter_callback("aerie_ingest_series_cache_misses_total",
                           "Series whose labels had to be parsed", {},
                           [this] { return static_cast<double>(processor_.cache_misses()); });
}

RemoteWriteApi::~RemoteWriteApi() { stop(); }

void RemoteWriteApi::stop() {
  queue_.close();
  gate_.close();
}

void RemoteWriteApi::register_routes(http::Router& router) {
  http::RouteOptions route;
  // Whatever a body within the decoded limit can measure: larger ones cannot be good. The limit
  // that senders meet is ours and is answered 400, because vmagent repeats everything else for
  // ever, 413 included.
  route.body_limit_bytes = snappy::MaxCompressedLength(first_options_.decoded_limit_bytes) + 1;
  route.open_to_members = true;
  for (const char* path : {"/api/v1/write", "/api/v1/push", "/api/v1/receive"}) {
    const auto handler = [this](http::Request request, http::Responder responder) {
      handle(std::move(request), std::move(responder), Protocol::RemoteWrite);
    };
    router.async({http::Method::Post}, path, handler, route);
    const auto handshake = [](http::Request request, http::Responder responder) {
      responder(answer_handshake(request));
    };
    router.async({http::Method::Get}, path, handshake, {.open_to_members = true});
  }
  const auto otlp = [this](http::Request request, http::Responder responder) {
    handle(std::move(request), std::move(responder), Protocol::Otlp);
  };
  router.async({http::Method::Post}, "/api/v1/otlp/v1/metrics", otlp, route);
}

Result<std::shared_ptr<const Settings>> RemoteWriteApi::compile(IngestOptions options) const {
  options.ha = first_options_.ha;
  return Settings::compile(std::move(options), settings_.copy()->process_seed);
}

void RemoteWriteApi::use(std::shared_ptr<const Settings> settings) {
  settings_.with([&](auto& current) { current = std::move(settings); });
}

std::string RemoteWriteApi::member_of(const http::Request& request) const {
  const auto settings = settings_.copy();
  const ClusterBinding* binding = settings->bindings.find_caller(request);
  return binding == nullptr ? std::string() : binding->name;
}

void RemoteWriteApi::handle(http::Request request, http::Responder responder, Protocol protocol) {
  auto call = std::make_shared<Call>(
      Call{.request = std::move(request), .responder = std::move(responder)});
  call->started_ns = parts_.clock.monotonic_ns();
  call->pass = gate_.enter();
  if (!call->pass) {
    answer(*call, try_later(call->request, Error(ErrorCode::Unavailable, "aerie is stopping")));
    return;
  }
  call->caller.settings = settings_.copy();
  call->caller.binding = call->caller.settings->bindings.find_caller(call->request);
  if (call->caller.binding == nullptr && !call->caller.settings->bindings.open_to_all()) {
    answer(*call, unauthorized(call->request));
    return;
  }
  if (protocol == Protocol::RemoteWrite && is_handshake(call->request)) {
    answer(*call, answer_handshake(call->request));
    return;
  }
  const http::Headers& headers = call->request.headers;
  const auto kind =
      protocol == Protocol::Otlp
          ? negotiate_otlp(headers.get("Content-Type"), headers.get("Content-Encoding"))
          : negotiate(headers.get("Content-Type"), headers.get("Content-Encoding"));
  if (!kind) {
    answer(*call, http::Response::text(415, kind.error().message()));
    return;
  }
  call->kind = *kind;
  const auto declared = BodyBuffer::declared_length(
      call->request.body, first_options_.decoded_limit_bytes, call->kind.encoding);
  if (!declared) {
    answer(*call, http::Response::text(call->permanent_status(), declared.error().message()));
    return;
  }
  wait_for_turn(call, *declared);
}

void RemoteWriteApi::wait_for_turn(const std::shared_ptr<Call>& call, size_t decoded_bytes) {
  auto start = [this, call](Admission::Permit permit) {
    call->permit = std::move(permit);
    call->running = true;
    if (parts_.pool.submit([this, call] { run(call); })) return;
    answer(*call, try_later(call->request, Error(ErrorCode::Unavailable, "ingest queue is full")));
  };
  auto give_up = [this, call](const Error& why) { answer(*call, try_later(call->request, why)); };
  queue_.submit({queue_name(call->caller, call->request), decoded_bytes, std::move(start),
                 std::move(give_up)});
}

void RemoteWriteApi::run(const std::shared_ptr<Call>& call) {
  if (limits_.recount_due()) refresh_usage();
  auto workspace = take_workspace();
  if (call->origin == Origin::Sender && keep_unread(*call, *workspace)) {
    give_back(std::move(workspace));
    return;
  }
  auto prepared = processor_.prepare(call->body(), call->caller, call->origin, *workspace);
  give_back(std::move(workspace));
  if (!prepared) {
    answer(*call, http::Response::text(call->permanent_status(), prepared.error().message()));
    return;
  }
  call->prepared = std::move(*prepared);
  call->totals.floats_written = call->prepared.floats_settled;
  call->totals.histograms_written = call->prepared.histograms_settled;
  call->totals.exemplars_written = call->prepared.exemplars_settled;
  call->totals.refused = call->prepared.refused;
  call->totals.first_refusal = call->prepared.first_refusal;
  if (call->origin == Origin::Sender) {
    save_elections(call->prepared.senders);
    note_read(*call);  // before this request is kept as well
    settle_standbys(call);
    if (!within_rate(*call)) return;
  }
  if (call->prepared.batch.empty()) {
    finish(call);
    return;
  }
  append(call, std::move(call->prepared.batch));
}

// The whole request or nothing: half of it would be sent again.
bool RemoteWriteApi::within_rate(Call& call) {
  for (const SenderShare& share : call.prepared.senders) {
    if (share.rows == 0) continue;
    const std::string cluster = accounting_.book_name(share.who->cluster);
    const ClusterLimits& limits = call.caller.settings->limits_of(cluster);
    const auto wait = limits_.admit_samples(cluster, limits, share.rows);
    if (!wait) continue;
    http::Response response = http::Response::text(
        429, fmt::format("cluster \"{}\" sends more than {} samples a second; raise "
                         "limits.samples_per_second, and set retry_on_http_429 at the sender, "
                         "which drops the samples otherwise\n",
                         cluster, limits.samples_per_second));
    response.headers.set("Retry-After",
                         std::to_string(std::clamp(static_cast<int>(*wait) + 1, 1, 60)));
    accounting_.add(cluster, {.received = share.rows, .first_error = response.body});
    answer(call, std::move(response));
    return false;
  }
  return true;
}

void RemoteWriteApi::append(const std::shared_ptr<Call>& call, store::WriteBatch batch) {
  call->float_rows = static_cast<uint32_t>(batch.floats.size());
  call->replicas = batch.replicas;
  // An import of history: bounded by the retention and the store's budget of past days.
  if (call->request.headers.get("X-Aerie-Backfill") == "true")
    batch.late_window = store::WriteBatch::kBackfill;
  leave_thread(*call);
  parts_.store.append(std::move(batch), [this, call](Result<store::WriteOutcome> outcome) {
    on_stored(call, std::move(outcome));
  });
}

// On the applier's thread: counts only; what takes longer goes back to the pool.
void RemoteWriteApi::on_stored(const std::shared_ptr<Call>& call,
                               Result<store::WriteOutcome> outcome) {
  if (!outcome) {
    answer(*call, is_retriable(outcome.error().code())
                      ? try_later(call->request, outcome.error())
                      : http::Response::text(500, outcome.error().message()));
    return;
  }
  WriteTotals& totals = call->totals;
  totals.floats_written += outcome->floats_written + outcome->deduplicated;
  totals.histograms_written += outcome->histograms_written;
  totals.exemplars_written += outcome->exemplars_written;
  call->deduplicated_by_store += outcome->deduplicated;
  for (size_t i = 0; i < store::kRejectReasons; ++i) totals.refused[i] += outcome->rejected[i];
  if (totals.first_refusal.empty()) totals.first_refusal = outcome->first_rejection;
  call->try_later = call->try_later || outcome->try_later;
  if (outcome->stale_handles.empty()) {
    finish(call);
    return;
  }
  call->stale = std::move(outcome->stale_handles);
  const bool again =
      ++call->resends <= kMaxResends && parts_.pool.submit([this, call] { run_again(call); });
  if (!again)
    answer(*call,
           try_later(call->request, Error(ErrorCode::Unavailable, "series are being resealed")));
}

void RemoteWriteApi::run_again(const std::shared_ptr<Call>& call) {
  std::sort(call->stale.begin(), call->stale.end());
  const StaleRows stale{std::move(call->stale), call->float_rows, call->prepared.senders};
  auto workspace = take_workspace();
  auto prepared = processor_.prepare_again(call->body(), call->caller, stale, *workspace);
  give_back(std::move(workspace));
  if (!prepared) {
    answer(*call, http::Response::text(call->permanent_status(), prepared.error().message()));
    return;
  }
  prepared->batch.replicas = call->replicas;
  append(call, std::move(prepared->batch));
}

void RemoteWriteApi::finish(const std::shared_ptr<Call>& call) {
  book(*call);
  processor_.remember(call->prepared.metadata_keys);
  if (call->try_later) {  // what is stored already is then a repeat, and counts as written
    answer(*call, try_later(call->request, Error(ErrorCode::Unavailable,
                                                 refusal_summary(call->totals.refused,
                                                                 call->totals.first_refusal))));
    return;
  }
  answer(*call, write_answer(call->totals, call->kind.format, call->permanent_status()));
}

// The store counts per batch. Nearly all requests are of one sender; in a mixed one what the store
// says is booked on the sender with the most rows.
void RemoteWriteApi::book(Call& call) {
  auto& senders = call.prepared.senders;
  if (senders.empty()) return;
  const auto most = std::max_element(senders.begin(), senders.end(),
                                     [](const auto& a, const auto& b) { return a.rows < b.rows; });
  uint32_t refused_by_store = 0;
  for (size_t i = 0; i < store::kRejectReasons; ++i) {
    most->counts.refused[i] += call.totals.refused[i];
    refused_by_store += call.totals.refused[i];
  }
  if (refused_by_store > 0 && most->counts.first_error.empty())
    most->counts.first_error = call.totals.first_refusal;
  most->counts.deduplicated += call.deduplicated_by_store;
  const model::TimestampMs now = parts_.clock.now_ms();
  const bool ahead = call.totals.refused[static_cast<size_t>(Refusal::TooFarInFuture)] > 0;
  for (SenderShare& share : senders) {
    // Counted when it came.
    if (call.origin == Origin::Standby) share.counts.received = share.counts.deduplicated = 0;
    const uint32_t lost =
        &share == &*most ? std::min(share.rows, refused_by_store + call.deduplicated_by_store) : 0;
    share.counts.written = share.rows - lost;
    const std::string cluster = accounting_.book_name(share.who->cluster);
    accounting_.add(cluster, share.counts);
    if (share.rows == lost || share.newest == model::kMinTimestamp) continue;
    // A refused timestamp from the future must not pass for data up to then.
    parts_.store.arrivals().note(cluster, ahead ? std::min(share.newest, now) : share.newest);
  }
}

void RemoteWriteApi::answer(Call& call, http::Response response) {
  requests_.fetch_add(1, std::memory_order_relaxed);
  if (call.origin == Origin::Standby) {
    if (response.status / 100 == 5) {
      AERIE_LOG(Error, "samples that a standby had sent are lost", {"reason", response.body});
    }
    return;
  }
  parts_.metrics
      .counter("aerie_ingest_requests_total", "Remote-write requests answered",
               {{"code", std::to_string(response.status)}})
      .add();
  seconds_.observe(static_cast<double>(parts_.clock.monotonic_ns() - call.started_ns) * 1e-9);
  // Memory and gate are given back before the answer: whoever has it may rely on both.
  const bool held = call.permit.bytes() > 0;
  call.permit.release();
  leave_thread(call);
  if (held) queue_.bytes_freed();
  call.responder(std::move(response));
}

// The next request may have the thread. Once per call.
void RemoteWriteApi::leave_thread(Call& call) {
  if (std::exchange(call.running, false)) queue_.done_running();
}

http::Response RemoteWriteApi::unauthorized(const http::Request& request) {
  const int64_t now = parts_.clock.monotonic_ns() / 1'000'000;
  int64_t last = last_unauthorized_log_ms_.load();
  if ((last == 0 || now - last >= kUnauthorizedLogIntervalMs) &&
      last_unauthorized_log_ms_.compare_exchange_strong(last, now)) {
    AERIE_LOG(Warn, "remote write refused: no cluster has this credential",
              {"peer", request.remote_address},
              {"credential", request.bearer_token().empty() ? "missing" : "unknown"});
  }
  http::Response response = http::Response::text(401, "no cluster is bound to this credential");
  response.headers.set("WWW-Authenticate", "Bearer realm=\"aerie\"");
  return response;
}

http::Response RemoteWriteApi::try_later(const http::Request& request, const Error& why) {
  http::Response response = http::Response::text(503, why.message());
  const uint64_t random = (requests_.load() + 1) * 0x9e3779b97f4a7c15 >> 32;
  const int seconds = retry_after_seconds(request.headers.get("Retry-Attempt"), random);
  response.headers.set("Retry-After", std::to_string(seconds));
  return response;
}

void RemoteWriteApi::refresh_usage() {
  std::map<std::string, uint64_t, std::less<>> stored;
  for (const ClusterIngest& counts : accounting_.snapshot())
    stored.emplace(counts.cluster, counts.written);
  limits_.recount(processor_.active_series(), stored);
  MetricRegistry& metrics = parts_.metrics;
  const auto settings = settings_.copy();
  for (const auto& [cluster, usage] : limits_.usage()) {
    // `sender`, not `cluster`: docs/decisions/0082.
    metrics
        .gauge("aerie_ingest_active_series", "Series with a sample in the last ten minutes",
               {{"sender", cluster}})
        .set(static_cast<double>(usage.active_series));
    const std::pair<const char*, double> rates[] = {
        {"new_series_per_second", usage.new_series_per_second},
        {"samples_per_second", usage.samples_per_second}};
    for (const auto& [limit, rate] : rates) {
      metrics
          .gauge("aerie_ingest_usage", "What a cluster uses of a limit, over the last minute",
                 {{"limit", limit}, {"sender", cluster}})
          .set(rate);
    }
    const ClusterLimits& limits = settings->limits_of(cluster);
    const std::pair<const char*, double> in_force[] = {
        {"active_series", static_cast<double>(limits.active_series)},
        {"new_series_per_second", limits.new_series_per_second},
        {"samples_per_second", limits.samples_per_second}};
    for (const auto& [limit, value] : in_force) {
      metrics
          .gauge("aerie_ingest_limit", "What a cluster may use; 0: no limit",
                 {{"limit", limit}, {"sender", cluster}})
          .set(value);
    }
    const auto arrival = parts_.store.arrivals().find(cluster);
    if (!arrival) continue;
    metrics
        .gauge("aerie_ingest_lag_seconds", "How old samples are when they come, median",
               {{"sender", cluster}})
        .set(static_cast<double>(arrival->lag) / 1000);
    metrics
        .gauge("aerie_ingest_clock_skew_seconds", "How far a cluster's clock is ahead of ours",
               {{"sender", cluster}})
        .set(static_cast<double>(arrival->clock_skew) / 1000);
  }
}

std::vector<IngestStatus> RemoteWriteApi::status() const {
  std::vector<IngestStatus> all;
  const std::vector<Election> elections = ha_.elections();
  const auto usage = limits_.usage();
  const auto settings = settings_.copy();
  for (ClusterIngest& counts : accounting_.snapshot()) {
    IngestStatus& row = all.emplace_back();
    for (const Election& election : elections) {
      if (election.group.cluster == counts.cluster) row.elections.push_back(election);
    }
    row.unlabelled_pair = pairs_.is_pair(counts.cluster);
    const auto used = usage.find(counts.cluster);
    if (used != usage.end()) row.usage = used->second;
    row.confirmed = settings->names(counts.cluster);
    row.limits = settings->limits_of(counts.cluster);
    row.counts = std::move(counts);
  }
  return all;
}

std::unique_ptr<Workspace> RemoteWriteApi::take_workspace() {
  auto kept = workspaces_.with([](auto& workspaces) -> std::unique_ptr<Workspace> {
    if (workspaces.empty()) return nullptr;
    auto last = std::move(workspaces.back());
    workspaces.pop_back();
    return last;
  });
  return kept != nullptr ? std::move(kept) : std::make_unique<Workspace>();
}

void RemoteWriteApi::give_back(std::unique_ptr<Workspace> workspace) {
  // What a monstrous request has made of it goes.
  if (workspace->kept_bytes() > kKeptWorkspaceBytes) return;
  workspaces_.with([&](auto& workspaces) {
    if (workspaces.size() < kKeptWorkspaces) workspaces.push_back(std::move(workspace));
  });
}

}  // namespace aerie::ingest
