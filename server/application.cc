#include "server/application.h"

#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <utility>

#include "alerting/api.h"
#include "alerting/notifier.h"
#include "alerting/relay.h"
#include "alerting/rule_manager.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "clusters/api.h"
#include "clusters/cluster_view.h"
#include "clusters/kube_api.h"
#include "dashboards/web.h"
#include "http/server.h"
#include "ingest/identity.h"
#include "ingest/remote_write_api.h"
#include "ingest/status_routes.h"
#include "query/admin_api.h"
#include "query/api.h"
#include "query/engine.h"
#include "server/machine_memory.h"
#include "server/openapi.h"
#include "server/status_api.h"
#include "store/file_system.h"
#include "store/store.h"
#include "store/tap.h"

namespace aerie::server {
namespace {

// Stopping must fit into 5 s: half of it for requests that are still being answered.
constexpr std::chrono::milliseconds kDrainGrace{2500};

store::SyncMode sync_mode(std::string_view name) {
  if (name == "off") return store::SyncMode::Off;
  return name == "interval" ? store::SyncMode::Interval : store::SyncMode::Always;
}

query::LanguageFeatures language_features(const std::vector<std::string>& names) {
  query::LanguageFeatures features;
  for (const std::string& name : names) {
    if (name == "promql-experimental-functions") {
      features.experimental_functions = true;
    } else if (name == "promql-extended-range-selectors") {
      features.extended_range_selectors = true;
    } else if (name == "promql-binop-fill-modifiers") {
      features.binop_fill_modifiers = true;
    } else if (name == "promql-delayed-name-removal") {
      features.delayed_name_removal = true;
    } else if (name == "type-and-unit-labels") {
      features.type_and_unit_labels = true;
    } else if (name == "use-start-timestamps") {
      features.use_start_timestamps = true;
    } else if (name != "promql-duration-expr" && name != "native-histograms" &&
               name != "exemplar-storage") {
      AERIE_LOG(Warn, "Unknown option for --enable-feature", {"option", name});
    }
  }
  return features;
}

query::EngineOptions engine_options(const Flags& flags) {
  query::EngineOptions options;
  options.lookback = flags.lookback;
  options.max_samples = flags.query_max_samples;
  options.timeout = std::chrono::milliseconds(flags.query_timeout);
  options.max_memory_bytes = flags.query_max_memory;
  options.max_total_memory_bytes = flags.query_max_total_memory;
  options.features = language_features(flags.features);
  return options;
}

query::QueryApiOptions query_api_options(const Flags& flags) {
  query::QueryApiOptions options;
  options.revision = revision();
  options.flags = {flags.all.begin(), flags.all.end()};
  options.storage_retention = model::format_duration(flags.retention);
  options.search_max_limit = flags.search_max_limit;
  options.cache_bytes = flags.query_cache_size;
  if (flags.retention_bytes > 0) options.storage_retention += " or " + flags.retention_size;
  return options;
}

/// The links in alerts lead here unless the operator names another address.
std::string default_external_url(uint16_t port) {
  char host[256] = {};
  const bool known = gethostname(host, sizeof(host) - 1) == 0;
  return fmt::format("http://{}:{}", known ? host : "localhost", port);
}

alerting::AlertingOptions alerting_options(const Flags& flags, const Config& config,
                                           uint16_t port) {
  alerting::AlertingOptions options;
  options.rule_files = config.rule_files;
  options.evaluation_interval = config.evaluation_interval;
  for (const AlertmanagerConfig& target : config.alertmanagers) {
    options.alertmanagers.push_back(
        {.url = target.url, .timeout = std::chrono::milliseconds(target.timeout)});
  }
  std::vector<model::LabelView> labels;
  for (const auto& [name, value] : config.external_labels) labels.push_back({name, value});
  options.external_labels = model::Labels::from_pairs(std::move(labels));
  options.external_url =
      flags.external_url.empty() ? default_external_url(port) : flags.external_url;
  while (!options.external_url.empty() && options.external_url.back() == '/')
    options.external_url.pop_back();
  options.resend_delay = flags.resend_delay;
  options.for_outage_tolerance = flags.for_outage_tolerance;
  return options;
}

/// Members prove who they are with the same tokens as on the write path; without bindings everybody
/// may relay.
Result<alerting::RelayOptions> relay_options(const Config& config) {
  alerting::RelayOptions options;
  options.replica_labels = config.ha.replica_labels;
  if (config.clusters.empty()) return options;
  auto created = ingest::BindingTable::create(config.clusters);
  if (!created) return std::move(created).error();
  const auto bindings = std::make_shared<const ingest::BindingTable>(std::move(*created));
  options.identify =
      [bindings](const http::Request& request) -> std::optional<alerting::ClusterIdentity> {
    const ingest::ClusterBinding* binding = bindings->find_caller(request);
    if (binding == nullptr) return std::nullopt;
    alerting::ClusterIdentity identity;
    for (const auto& [name, value] : binding->labels) {
      if (name == "cluster") identity.cluster = value;
      if (name == "environment") identity.environment = value;
      if (name == "zone") identity.zone = value;
    }
    return identity;
  };
  return options;
}

ingest::IngestOptions ingest_options(const Config& config) {
  ingest::IngestOptions options;
  options.clusters = config.clusters;
  options.ha = config.ha;
  options.limits = config.limits;
  return options;
}

/// The parts that are made anew when the configuration they were built from changes, and the routes
/// that lead to them. A request that was matched before a reload may still reach the old ones, so
/// they are stopped but kept.
struct Generation {
  std::shared_ptr<const Config> config;
  std::unique_ptr<ingest::RemoteWriteApi> remote_write;
  std::unique_ptr<clusters::kubernetes::ApiWatcher> watcher;  // outlives the view that reads it
  std::unique_ptr<clusters::ClusterView> clusters;
  http::Router routes;

  void stop() {
    if (remote_write) remote_write->stop();
    if (clusters) clusters->stop();
    watcher.reset();  // nobody reads it any more, and what it has seen may be large
  }
};

bool needs_new_generation(const Config& a, const Config& b) {
  return a.ha != b.ha || a.desired_state_file != b.desired_state_file ||
         a.kubernetes != b.kubernetes;
}

/// The parts in the order in which they are made; members are destroyed in reverse.
class RunningApplication final : public Application {
 public:
  RunningApplication(const Flags& flags, Config config)
      : flags_(flags),
        config_(std::make_shared<const Config>(std::move(config))),
        status_(flags, status_actions(), metrics_),
        reload_successful_(metrics_.gauge("aerie_config_last_reload_successful",
                                          "Whether the last configuration reload was successful.")),
        query_pool_(
            {.name = "query", .threads = flags.query_concurrency, .queue_limit = 1024, .nice = 5}) {
  }
  ~RunningApplication() override { stop().ignore("the destructor has nobody to tell"); }

  Status open();
  Status reload() override;
  Status stop() override;

 private:
  StatusApi::Actions status_actions();
  Status open_port();
  Status open_store();
  Status open_subjects();
  Status open_rules();
  Status open_relay();
  /// Makes a generation that serves nothing yet. Errors: what in the configuration could not be
  /// used.
  Result<std::unique_ptr<Generation>> make_generation(std::shared_ptr<const Config> config);
  Status open_clusters(Generation& generation);
  /// Serves it and stops the one before.
  void serve(std::unique_ptr<Generation> generation);
  void publish_build_info();

  const Flags& flags_;
  SystemClock clock_;
  MetricRegistry metrics_;
  store::PosixFileSystem files_;
  Guarded<std::shared_ptr<const Config>> config_;
  std::mutex lifecycle_;  // reload() and stop(), one at a time
  bool stopped_ = false;  // guarded by lifecycle_, like generations_
  StatusApi status_;
  Gauge& reload_successful_;

  WorkPool api_pool_{{.name = "api", .threads = 2}};
  WorkPool ingest_pool_{{.name = "ingest", .threads = 2, .queue_limit = 4096}};
  WorkPool query_pool_;
  WorkPool rules_pool_{{.name = "rules", .threads = 2}};
  WorkPool background_pool_{{.name = "background", .threads = 1, .nice = 10}};

  http::Router starting_routes_;
  std::unique_ptr<http::Server> server_;
  store::Tap tap_{clusters::interest_in};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<query::Engine> engine_;
  std::unique_ptr<query::QueryApi> query_api_;
  std::unique_ptr<query::AdminApi> admin_api_;
  std::unique_ptr<alerting::Notifier> notifier_;
  std::unique_ptr<alerting::RuleManager> rules_;
  std::unique_ptr<alerting::AlertRelay> relay_;
  std::vector<std::unique_ptr<Generation>> generations_;  // the last one serves
};

StatusApi::Actions RunningApplication::status_actions() {
  return {.reload = [this] { return reload(); },
          // The same way an operator stops it, so that there is one way.
          .quit = [] { kill(getpid(), SIGTERM); },
          .flush = [this] { return store_->flush(); },
          .snapshot = [this](store::Store::SnapshotScope scope) -> Result<std::string> {
            auto taken = store_->snapshot(scope);
            if (!taken) return std::move(taken).error();
            return taken->name;
          },
          .check = [this](const store::CheckPace& pace) { return store_->check(pace); },
          .config_text = [this] { return config_.copy()->text; }};
}

void RunningApplication::publish_build_info() {
  metrics_
      .gauge("aerie_build_info", "Constant 1, labelled with the version.",
             {{"version", std::string(version_number())}, {"revision", std::string(revision())}})
      .set(1);
  reload_successful_.set(1);
}

Status RunningApplication::open() {
  publish_build_info();
  if (Status opened = open_port(); !opened) return opened;
  if (Status opened = open_store(); !opened) return opened;
  if (Status opened = open_subjects(); !opened) return opened;
  status_.ready();
  AERIE_LOG(Info, "Server is ready to receive web requests.", {"address", flags_.listen_address},
            {"port", server_->port()}, {"series", store_->active_series()});
  return {};
}

Status RunningApplication::open_port() {
  http::Server::Options options;
  options.listen_address = flags_.listen_address;
  options.max_connections = flags_.max_connections;
  options.read_timeout = std::chrono::milliseconds(flags_.read_timeout);
  options.cors_origin = flags_.cors_origin;
  options.web_config_file = flags_.web_config_file;
  options.route_prefix = flags_.route_prefix;
  status_.register_starting_routes(starting_routes_, api_pool_);
  auto server = http::Server::start(std::move(options), starting_routes_, metrics_);
  if (!server) return std::move(server).error();
  server_ = std::move(*server);
  AERIE_LOG(Info, "Listening", {"address", flags_.listen_address}, {"port", server_->port()});
  return {};
}

Status RunningApplication::open_store() {
  status_.waiting_for("replaying the log of " + flags_.storage_path);
  store::StoreOptions options;
  options.path = flags_.storage_path;
  options.retention = flags_.retention;
  options.retention_bytes = flags_.retention_bytes;
  options.sync = sync_mode(flags_.log_sync);
  options.skip_corrupt_log = flags_.skip_corrupt_log;
  const auto config = config_.copy();
  options.out_of_order_window = config->out_of_order_time_window;
  options.backfill_days_per_hour = config->backfill_days_per_hour;
  options.tap = &tap_;
  options.head_memory_bytes = config->head_memory_limit_mib > 0
                                  ? config->head_memory_limit_mib << 20
                                  : usable_memory_bytes() / 2;
  auto store = store::Store::open(std::move(options), clock_, files_, metrics_);
  if (!store) return std::move(store).error().with("open --storage.path " + flags_.storage_path);
  store_ = std::move(*store);
  store_->set_cluster_retention(config_.copy()->cluster_retention);
  AERIE_LOG(Info, "Store is open", {"path", flags_.storage_path},
            {"series", store_->active_series()},
            {"retention", model::format_duration(flags_.retention)});
  return {};
}

Status RunningApplication::open_subjects() {
  status_.waiting_for("starting rules and verdicts");
  engine_ = std::make_unique<query::Engine>(engine_options(flags_), *store_, clock_);
  query::QueryApiOptions api = query_api_options(flags_);
  api.arrivals = [this] { return store_->arrivals().all(); };
  api.metrics = &metrics_;
  const auto config = config_.copy();
  api.external_labels = {config->external_labels.begin(), config->external_labels.end()};
  query_api_ = std::make_unique<query::QueryApi>(std::move(api), *engine_, *store_, clock_);
  admin_api_ = std::make_unique<query::AdminApi>(flags_.enable_admin_api, *store_);
  if (Status opened = open_rules(); !opened) return opened;
  auto generation = make_generation(config_.copy());
  if (!generation) return std::move(generation).error();
  serve(std::move(*generation));
  notifier_->start();
  rules_->start();
  relay_->start();
  return {};
}

Status RunningApplication::open_rules() {
  auto table = store_->table("notifications");
  if (!table) return std::move(table).error();
  notifier_ = std::make_unique<alerting::Notifier>(clock_, metrics_, std::move(*table));
  if (Status loaded = notifier_->load(); !loaded)
    return std::move(loaded).error().with("load undelivered alerts");
  auto services = alerting::RuleManager::services_of(*store_, *engine_, *notifier_, rules_pool_,
                                                     clock_, metrics_);
  if (!services) return std::move(services).error();
  rules_ = std::make_unique<alerting::RuleManager>(std::move(*services));
  if (Status opened = open_relay(); !opened) return opened;
  return rules_->reload(alerting_options(flags_, *config_.copy(), server_->port()));
}

Status RunningApplication::open_relay() {
  auto options = relay_options(*config_.copy());
  if (!options) return std::move(options).error();
  auto table = store_->table("relayed_alerts");
  if (!table) return std::move(table).error();
  relay_ = std::make_unique<alerting::AlertRelay>(
      alerting::AlertRelay::Services{.clock = clock_,
                                     .metrics = metrics_,
                                     .notifier = *notifier_,
                                     .table = std::move(*table),
                                     .arrivals = &store_->arrivals()});
  relay_->configure(std::move(*options));
  return relay_->load();
}

Result<std::unique_ptr<Generation>> RunningApplication::make_generation(
    std::shared_ptr<const Config> config) {
  auto generation = std::make_unique<Generation>();
  generation->config = config;
  auto remote_write = ingest::RemoteWriteApi::create(
      ingest_options(*config), {.store = *store_,
                                .pool = ingest_pool_,
                                .clock = clock_,
                                .metrics = metrics_,
                                .files = files_,
                                .standby_folder = flags_.storage_path + "/standby"});
  if (!remote_write) return std::move(remote_write).error();
  generation->remote_write = std::move(*remote_write);

  if (Status opened = open_clusters(*generation); !opened) return std::move(opened).error();

  http::Router& routes = generation->routes;
  status_.register_routes(routes, api_pool_);
  query_api_->register_routes(routes, query_pool_);
  admin_api_->register_routes(routes, api_pool_);
  generation->remote_write->register_routes(routes);
  routes.identify_members(
      [remote_write = generation->remote_write.get()](const http::Request& request) {
        return remote_write->member_of(request);
      });
  ingest::register_status_routes(routes, api_pool_, *generation->remote_write, store_->arrivals());
  clusters::register_routes(routes, api_pool_, *generation->clusters);
  clusters::register_kube_routes(routes, api_pool_, *generation->clusters);
  alerting::register_routes(routes, api_pool_, *rules_);
  alerting::register_relay_routes(routes, api_pool_, *relay_, clock_);
  dashboards::register_web(routes, api_pool_);
  routes.blocking({http::Method::Get, http::Method::Post}, "/api/v1/openapi.yaml", api_pool_,
                  [&routes](const http::Request&) {
                    http::Response response = http::Response::text(
                        200, openapi_document(routes.patterns(), version_number()));
                    response.headers.set("Content-Type", "application/yaml; charset=utf-8");
                    return response;
                  });
  return Result<std::unique_ptr<Generation>>(std::move(generation));
}

/// The view of the fleet, and the watcher of API servers that it may read.
Status RunningApplication::open_clusters(Generation& generation) {
  const Config& config = *generation.config;
  auto watcher = clusters::kubernetes::ApiWatcher::open(config.kubernetes, clock_, metrics_);
  if (!watcher) return std::move(watcher).error();
  generation.watcher = std::move(*watcher);
  auto table = store_->table("clusters");
  if (!table) return std::move(table).error();
  clusters::ClusterViewPorts ports{
      .source = *store_,
      .arrivals = [this] { return store_->arrivals().all(); },
      .write_own = [this](const auto& samples) { return store_->write_own(samples); },
      .table = std::move(*table),
      .pool = background_pool_,
      .clock = clock_,
      .metrics = metrics_,
      .watched = [own = generation.watcher.get()] { return own->clusters(); },
      .tapped = [this] { return tap_.take(); }};
  clusters::ClusterViewOptions options;
  options.desired_file = config.desired_state_file;
  auto view = clusters::ClusterView::open(std::move(options), std::move(ports));
  if (!view) return std::move(view).error();
  generation.clusters = std::move(*view);
  return {};
}

void RunningApplication::serve(std::unique_ptr<Generation> generation) {
  server_->use(generation->routes);
  if (!generations_.empty()) generations_.back()->stop();
  generation->watcher->start();
  generation->clusters->start();
  generations_.push_back(std::move(generation));
}

Status RunningApplication::reload() {
  const std::lock_guard lock(lifecycle_);
  if (stopped_) return Error(ErrorCode::Unavailable, "aerie is stopping");
  if (flags_.config_file.empty()) return {};
  reload_successful_.set(0);
  auto loaded = load_config(flags_.config_file);
  if (!loaded) return std::move(loaded).error();
  const auto config = std::make_shared<const Config>(std::move(*loaded));
  std::unique_ptr<Generation> generation;
  std::shared_ptr<const ingest::Settings> settings;
  if (needs_new_generation(*config, *generations_.back()->config)) {
    auto made = make_generation(config);
    if (!made) return std::move(made).error();
    generation = std::move(*made);
  } else {
    auto compiled = generations_.back()->remote_write->compile(ingest_options(*config));
    if (!compiled) return std::move(compiled).error();
    settings = std::move(*compiled);
  }
  auto relaying = relay_options(*config);
  if (!relaying) return std::move(relaying).error();
  // The last step that can fail: after it everything takes effect.
  if (Status switched = rules_->reload(alerting_options(flags_, *config, server_->port()));
      !switched)
    return switched;
  relay_->configure(std::move(*relaying));
  store_->set_cluster_retention(config->cluster_retention);
  if (generation) serve(std::move(generation));
  if (settings) generations_.back()->remote_write->use(std::move(settings));
  config_.with([&](auto& current) { current = config; });
  reload_successful_.set(1);
  AERIE_LOG(Info, "Completed loading of configuration file", {"file", flags_.config_file});
  return {};
}

Status RunningApplication::stop() {
  const std::lock_guard lock(lifecycle_);
  if (stopped_) return {};
  stopped_ = true;
  status_.stopping();
  if (server_) server_->stop(kDrainGrace);
  if (rules_) rules_->stop();
  if (relay_) relay_->stop();
  if (notifier_) notifier_->stop();
  if (!generations_.empty()) generations_.back()->stop();
  for (WorkPool* pool : {&rules_pool_, &background_pool_, &query_pool_, &ingest_pool_, &api_pool_})
    pool->stop();
  if (!store_) return {};
  Status closed = store_->close();
  if (closed) AERIE_LOG(Info, "Store is closed; everything acknowledged is on disk");
  return closed;
}

}  // namespace

Result<std::unique_ptr<Application>> Application::start(const Flags& flags, Config config) {
  auto application = std::make_unique<RunningApplication>(flags, std::move(config));
  if (Status opened = application->open(); !opened) return std::move(opened).error();
  return Result<std::unique_ptr<Application>>(std::move(application));
}

}  // namespace aerie::server
