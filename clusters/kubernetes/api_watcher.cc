#include "clusters/kubernetes/api_watcher.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "base/guarded.h"
#include "base/log.h"
#include "clusters/kubernetes/cluster_state.h"
#include "clusters/kubernetes/kubeconfig.h"
#include "clusters/kubernetes/reflector.h"

namespace aerie::clusters::kubernetes {
namespace {

constexpr int64_t kProbeEvery = 5'000;
constexpr std::chrono::milliseconds kProbeTimeout{5'000};
constexpr uint32_t kProbesLost = 2;  // then the connection is given up
constexpr int64_t kReadAccessEvery = 30'000;
constexpr size_t kMostLists = 8;  // at a time, over all clusters: a list is megabytes
constexpr std::chrono::milliseconds kIdle{1'000};

}  // namespace

/// One cluster: its reflectors, the probe, and what they have seen. Owned by the watcher's thread,
/// but for what is guarded.
class ApiWatcher::Cluster final : public WatchedCluster {
 public:
  Cluster(WatchedApi api, ApiAccess access, uint64_t seed, MetricRegistry& metrics);

  /// Asks what is due. `lists` counts those under way over all clusters. Returns when to come
  /// again.
  int64_t tick(http::StreamClient& client, const Clock& clock, size_t& lists);
  void cancel_all(http::StreamClient& client);

  const std::string& name() const override { return api_.cluster; }
  Standing standing() const override;
  std::vector<WorkloadKey> workloads() const override;
  std::vector<WorkloadKey> take_changed() override;
  std::optional<DeploymentEvidence> evidence(const WorkloadKey& key,
                                             model::TimestampMs now) const override;
  bool lacks_namespace(const std::string& space) const override;

 private:
  struct Follower {
    Collection collection = Collection::Deployments;
    std::unique_ptr<Reflector> reflector;
    std::optional<uint64_t> request;
  };
  struct Seen {
    explicit Seen(const std::string& cluster) : state(cluster) {}
    ClusterState state;
    model::TimestampMs seen_at = 0;  // 0: not yet whole
  };

  ObjectSink sink_of(Collection collection);
  void ask(Follower& follower, const Reflector::Ask& ask, http::StreamClient& client, int64_t now);
  void probe(http::StreamClient& client, const Clock& clock, int64_t now);
  void probed(const Result<http::StreamEnd>& end, model::TimestampMs asked_at, int64_t now);
  void give_up(http::StreamClient& client, int64_t now);
  void read_access(int64_t now);
  void tell_trouble();
  bool whole() const;
  http::StreamRequest request_to(const std::string& target,
                                 std::chrono::milliseconds timeout) const;
  static int64_t milliseconds(const Clock& clock) { return clock.monotonic_ns() / 1'000'000; }

  const WatchedApi api_;
  ApiAccess access_;
  Counter& requests_;
  Gauge& current_;
  Gauge& pods_;
  const Clock* clock_ = nullptr;
  std::vector<Follower> followers_;
  std::optional<uint64_t> probe_;
  int64_t probe_due_ = 0;
  int64_t access_due_ = 0;
  uint32_t probes_lost_ = 0;
  bool give_up_ = false;
  bool was_whole_ = false;
  std::string told_;  // the trouble that was logged last; "-": nothing was yet
  Guarded<std::unique_ptr<Seen>> seen_;
};

ApiWatcher::Cluster::Cluster(WatchedApi api, ApiAccess access, uint64_t seed,
                             MetricRegistry& metrics)
    : api_(std::move(api)),
      access_(std::move(access)),
      requests_(metrics.counter("aerie_clusters_api_requests_total",
                                "Requests to the API servers of watched clusters.",
                                {{"cluster", api_.cluster}})),
      current_(metrics.gauge("aerie_clusters_api_current",
                             "1 while all that verdicts need of the cluster is being watched.",
                             {{"cluster", api_.cluster}})),
      pods_(metrics.gauge("aerie_clusters_api_pods", "Pods that are followed.",
                          {{"cluster", api_.cluster}})),
      seen_(std::make_unique<Seen>(api_.cluster)) {
  for (size_t i = 0; i < kCollections; ++i) {
    Follower follower;
    follower.collection = static_cast<Collection>(i);
    Reflector::Options options;
    options.path = collection_path(follower.collection);
    if (follower.collection == Collection::Events) options.field_selector = "type!=Normal";
    options.seed = seed * kCollections + i;
    follower.reflector =
        std::make_unique<Reflector>(std::move(options), sink_of(follower.collection));
    followers_.push_back(std::move(follower));
  }
}

ObjectSink ApiWatcher::Cluster::sink_of(Collection collection) {
  const auto with = [this](auto use) {
    seen_.with([&](std::unique_ptr<Seen>& seen) { use(seen->state); });
  };
  return {.begin = [=] { with([&](ClusterState& state) { state.begin_list(collection); }); },
          .put =
              [=, this](const boost::json::object& object) {
                const int64_t now = clock_->now_ms();
                with([&](ClusterState& state) { state.put(collection, object, now); });
              },
          .remove =
              [=](const boost::json::object& object) {
                with([&](ClusterState& state) { state.remove(collection, object); });
              },
          .end = [=] { with([&](ClusterState& state) { state.end_list(collection); }); }};
}

http::StreamRequest ApiWatcher::Cluster::request_to(const std::string& target,
                                                    std::chrono::milliseconds timeout) const {
  http::StreamRequest request;
  request.url = access_.server + target;
  request.tls = access_.tls;
  request.timeout = timeout;
  request.headers.add("Accept", "application/json");
  std::string token = access_.token;
  if (!access_.token_file.empty()) {
    std::ifstream in(access_.token_file);
    token.assign(std::istreambuf_iterator<char>(in), {});
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  }
  if (!token.empty()) request.headers.add("Authorization", "Bearer " + token);
  return request;
}

void ApiWatcher::Cluster::ask(Follower& follower, const Reflector::Ask& ask,
                              http::StreamClient& client, int64_t) {
  requests_.add();
  Follower* const own = &follower;  // followers_ does not grow
  const auto on_data = [this, own, &client](int status, std::string_view bytes) {
    if (!own->reflector->data(status, bytes, milliseconds(*clock_))) return;
    client.cancel(*std::exchange(own->request, std::nullopt));
    own->reflector->abandoned(milliseconds(*clock_));
  };
  const auto on_end = [this, own](Result<http::StreamEnd> end) {
    own->request.reset();
    own->reflector->ended(std::move(end), milliseconds(*clock_));
  };
  follower.request =
      client.start(request_to(ask.target, std::chrono::milliseconds(ask.timeout)), on_data, on_end);
}

bool ApiWatcher::Cluster::whole() const {
  return std::all_of(followers_.begin(), followers_.end(), [](const Follower& follower) {
    return !is_required(follower.collection) || follower.reflector->current();
  });
}

/// Watches that say nothing for minutes look the same whether nothing happens or nobody is there: a
/// small question on the same connection tells.
void ApiWatcher::Cluster::probe(http::StreamClient& client, const Clock& clock, int64_t now) {
  if (probe_ || now < probe_due_) return;
  probe_due_ = now + kProbeEvery;
  requests_.add();
  const model::TimestampMs asked_at = clock.now_ms();
  const auto on_end = [this, asked_at](const Result<http::StreamEnd>& end) {
    probe_.reset();
    probed(end, asked_at, milliseconds(*clock_));
  };
  probe_ = client.start(
      request_to("/version", kProbeTimeout), [](int, std::string_view) {}, on_end);
}

void ApiWatcher::Cluster::probed(const Result<http::StreamEnd>& end, model::TimestampMs asked_at,
                                 int64_t now) {
  // Whoever answers, even with 403, is there.
  if (end.ok() && (*end).status < 500) {
    if (probes_lost_ > 0) {
      for (Follower& follower : followers_) follower.reflector->hasten(now);
    }
    probes_lost_ = 0;
    if (!whole()) return;
    seen_.with([&](std::unique_ptr<Seen>& seen) {
      seen->seen_at = std::max(seen->seen_at, asked_at);
      pods_.set(static_cast<double>(seen->state.pods()));
    });
    return;
  }
  if (++probes_lost_ == kProbesLost) give_up_ = true;
}

void ApiWatcher::Cluster::give_up(http::StreamClient& client, int64_t now) {
  give_up_ = false;
  for (Follower& follower : followers_) {
    if (!follower.request) continue;
    client.cancel(*std::exchange(follower.request, std::nullopt));
    follower.reflector->abandoned(now);
  }
}

void ApiWatcher::Cluster::read_access(int64_t now) {
  if (now < access_due_) return;
  access_due_ = now + kReadAccessEvery;
  auto access = load_kubeconfig(api_.kubeconfig, api_.context);
  if (access) {
    const bool same = access->tls->authorities == access_.tls->authorities &&
                      access->tls->certificate == access_.tls->certificate &&
                      access->tls->key == access_.tls->key;
    if (same) access->tls = access_.tls;
    access_ = std::move(*access);
  } else {
    AERIE_LOG(Warn, "the kubeconfig of before stays in force", {"cluster", api_.cluster},
              {"err", access.error().message()});
  }
}

void ApiWatcher::Cluster::tell_trouble() {
  std::string trouble;
  for (const Follower& follower : followers_) {
    if (trouble.empty() && !follower.reflector->current()) trouble = follower.reflector->trouble();
  }
  if (probes_lost_ >= kProbesLost) trouble = "its API server does not answer";
  current_.set(whole() && probes_lost_ < kProbesLost ? 1 : 0);
  if (trouble == told_ || trouble == "not asked yet") return;
  if (trouble.empty()) {
    AERIE_LOG(Info, "Cluster is being watched", {"cluster", api_.cluster},
              {"server", access_.server});
  } else {
    AERIE_LOG(Warn, "Cluster cannot be watched as a whole", {"cluster", api_.cluster},
              {"err", trouble});
  }
  told_ = std::move(trouble);
}

int64_t ApiWatcher::Cluster::tick(http::StreamClient& client, const Clock& clock, size_t& lists) {
  clock_ = &clock;
  const int64_t now = milliseconds(clock);
  read_access(now);
  if (give_up_) give_up(client, now);
  // What has just become whole need not wait for its first answer.
  if (!std::exchange(was_whole_, whole()) && was_whole_) probe_due_ = now;
  probe(client, clock, now);
  int64_t again = probe_due_;
  for (Follower& follower : followers_) {
    Reflector& reflector = *follower.reflector;
    if (follower.request && reflector.stalled(now)) {
      client.cancel(*std::exchange(follower.request, std::nullopt));
      reflector.abandoned(now);
    }
    if (follower.request) {
      if (!reflector.current()) ++lists;
      continue;
    }
    if (!reflector.current() && lists >= kMostLists) continue;
    if (auto wanted = reflector.next(now)) {
      if (!reflector.current()) ++lists;
      ask(follower, *wanted, client, now);
    } else if (const auto due = reflector.due()) {
      again = std::min(again, *due);
    }
  }
  tell_trouble();
  return again;
}

void ApiWatcher::Cluster::cancel_all(http::StreamClient& client) {
  if (probe_) client.cancel(*std::exchange(probe_, std::nullopt));
  for (Follower& follower : followers_) {
    if (follower.request) client.cancel(*std::exchange(follower.request, std::nullopt));
  }
}

WatchedCluster::Standing ApiWatcher::Cluster::standing() const {
  const model::TimestampMs seen_at = seen_.with([](const auto& seen) { return seen->seen_at; });
  return {seen_at, api_.environment, api_.zone};
}

std::vector<WorkloadKey> ApiWatcher::Cluster::workloads() const {
  return seen_.with([](const auto& seen) { return seen->state.workloads(); });
}

std::vector<WorkloadKey> ApiWatcher::Cluster::take_changed() {
  return seen_.with([](const auto& seen) { return seen->state.take_changed(); });
}

std::optional<DeploymentEvidence> ApiWatcher::Cluster::evidence(const WorkloadKey& key,
                                                                model::TimestampMs now) const {
  return seen_.with([&](const auto& seen) { return seen->state.evidence(key, now, now); });
}

bool ApiWatcher::Cluster::lacks_namespace(const std::string& space) const {
  return seen_.with([&](const auto& seen) { return seen->state.lacks_namespace(space); });
}

ApiWatcher::ApiWatcher(const Clock& clock) : clock_(clock) {}

ApiWatcher::~ApiWatcher() { stop(); }

Result<std::unique_ptr<ApiWatcher>> ApiWatcher::open(std::vector<WatchedApi> clusters,
                                                     const Clock& clock, MetricRegistry& metrics) {
  std::unique_ptr<ApiWatcher> watcher(new ApiWatcher(clock));
  for (WatchedApi& api : clusters) {
    auto access = load_kubeconfig(api.kubeconfig, api.context);
    if (!access) return std::move(access).error().with("kubernetes: cluster " + api.cluster);
    const auto seed = static_cast<uint64_t>(clock.monotonic_ns()) + watcher->clusters_.size();
    watcher->clusters_.push_back(
        std::make_shared<Cluster>(std::move(api), std::move(*access), seed, metrics));
  }
  return watcher;
}

void ApiWatcher::start() {
  if (clusters_.empty() || thread_.joinable()) return;
  thread_ = std::thread([this] { run(); });
}

void ApiWatcher::stop() {
  stopping_.store(true);
  client_.wake();
  if (thread_.joinable()) thread_.join();
}

void ApiWatcher::run() {
  while (!stopping_.load()) {
    const int64_t now = clock_.monotonic_ns() / 1'000'000;
    int64_t again = now + kIdle.count();
    size_t lists = 0;
    for (const auto& cluster : clusters_)
      again = std::min(again, cluster->tick(client_, clock_, lists));
    client_.wait(std::chrono::milliseconds(std::clamp<int64_t>(again - now, 1, kIdle.count())));
  }
  for (const auto& cluster : clusters_) cluster->cancel_all(client_);
}

std::vector<std::shared_ptr<WatchedCluster>> ApiWatcher::clusters() const {
  return {clusters_.begin(), clusters_.end()};
}

}  // namespace aerie::clusters::kubernetes
