// How long from a sample to its verdict, and what it costs, in a fleet of many clusters: a store,
// its tap and the fleet view in this process, one thread that "scrapes" cluster after cluster.
// Prints one table. Arguments: clusters (1000), deployments a cluster (20), pods a deployment (5),
// scrape interval in s (60), rounds after the first (2), share of Deployments changed a round in %
// (1).

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/work_pool.h"
#include "clusters/cluster_view.h"
#include "store/store.h"
#include "store/tap.h"

namespace {

using namespace aerie;
using Steady = std::chrono::steady_clock;
using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Options {
  int clusters = 1000;
  int deployments = 20;
  int pods = 5;
  int interval_s = 60;
  int rounds = 2;
  int change_percent = 1;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double resident_mib() {
  std::ifstream in("/proc/self/statm");
  double pages = 0;
  double resident = 0;
  in >> pages >> resident;
  return resident * 4096 / (1 << 20);
}

/// The series of one cluster, resolved once, and the values of now.
class SimulatedCluster {
 public:
  SimulatedCluster(store::Store& store, std::string name, const Options& options)
      : store_(store), name_(std::move(name)) {
    for (int d = 0; d < options.deployments; ++d) add_deployment(d, options.pods);
    add("up", {}, 1);
    other_ = store_.resolve(
        model::Labels{{"__name__", "node_load1"}, {"cluster", name_}, {"job", "node"}});
  }

  /// Another target of the cluster, scraped half an interval later: a cluster is rarely one target.
  void scrape_other(model::TimestampMs t) {
    store::WriteBatch batch;
    batch.floats.push_back({other_, t, 1});
    AERIE_CHECK(store_.append_and_wait(std::move(batch)).ok(), "a sample was not written");
    store_.arrivals().note(name_, t);
  }

  /// Takes one replica of a Deployment away, or gives it back.
  void toggle(int deployment) {
    double* const numbers = values_.data() + first_[static_cast<size_t>(deployment)];
    numbers[4] = numbers[5] = numbers[4] < replicas_ ? replicas_ : replicas_ - 1;
  }

  void scrape(model::TimestampMs t) {
    store::WriteBatch batch;
    batch.floats.reserve(handles_.size());
    for (size_t i = 0; i < handles_.size(); ++i)
      batch.floats.push_back({handles_[i], t, values_[i]});
    auto written = store_.append_and_wait(std::move(batch));
    AERIE_CHECK(written.ok() && written->stale_handles.empty(), "a scrape was not written");
    store_.arrivals().note(name_, t);
  }
  size_t series() const { return handles_.size(); }
  const std::string& name() const { return name_; }

 private:
  void add(const std::string& metric, Pairs more, double value) {
    std::vector<model::LabelView> labels{{"__name__", metric},     {"cluster", name_},
                                         {"environment", "bench"}, {"zone", "z1"},
                                         {"job", "ksm"},           {"instance", "10.0.0.1:8080"}};
    for (const auto& [key, text] : more) labels.push_back({key, text});
    handles_.push_back(store_.resolve(model::Labels::from_pairs(std::move(labels))));
    values_.push_back(value);
  }

  void add_deployment(int d, int pods) {
    replicas_ = pods;
    const std::string name = fmt::format("service-{}", d);
    const Pairs own{{"namespace", "shop"}, {"deployment", name}};
    first_.push_back(handles_.size());
    for (const char* metric :
         {"kube_deployment_spec_replicas", "kube_deployment_metadata_generation",
          "kube_deployment_status_observed_generation", "kube_deployment_status_replicas",
          "kube_deployment_status_replicas_ready", "kube_deployment_status_replicas_available",
          "kube_deployment_status_replicas_updated"}) {
      add(metric, own, std::string(metric).find("generation") == std::string::npos ? pods : 1);
    }
    const std::string set = name + "-7d9f8c6b5";
    add("kube_replicaset_owner",
        {{"namespace", "shop"},
         {"replicaset", set},
         {"owner_kind", "Deployment"},
         {"owner_name", name}},
        1);
    for (const char* metric : {"kube_replicaset_spec_replicas", "kube_replicaset_status_replicas",
                               "kube_replicaset_status_ready_replicas"})
      add(metric, {{"namespace", "shop"}, {"replicaset", set}}, pods);
    for (int p = 0; p < pods; ++p) add_pod(set, fmt::format("{}-{:05x}", set, d * 131 + p));
  }

  void add_pod(const std::string& set, const std::string& name) {
    const auto with = [&](Pairs more) {
      more.emplace_back("namespace", "shop");
      more.emplace_back("pod", name);
      return more;
    };
    add("kube_pod_owner", with({{"owner_kind", "ReplicaSet"}, {"owner_name", set}}), 1);
    add("kube_pod_info", with({{"node", "node-1"}}), 1);
    for (const char* phase : {"Pending", "Running", "Succeeded", "Failed", "Unknown"})
      add("kube_pod_status_phase", with({{"phase", phase}}), std::string(phase) == "Running");
    for (const char* condition : {"true", "false", "unknown"})
      add("kube_pod_status_ready", with({{"condition", condition}}),
          std::string(condition) == "true");
    add("kube_pod_container_status_restarts_total", with({{"container", "app"}}), 0);
    add("kube_pod_container_info", with({{"container", "app"}, {"image", "registry/shop:1"}}), 1);
    add("kube_pod_container_resource_requests", with({{"container", "app"}, {"resource", "cpu"}}),
        0.1);
    add("kube_pod_created", with({}), 1.7e9);
  }

  store::Store& store_;
  const std::string name_;
  double replicas_ = 0;
  store::SeriesHandle other_;
  std::vector<store::SeriesHandle> handles_;
  std::vector<double> values_;
  std::vector<size_t> first_;  // of each Deployment's numbers
};

/// Changes that were written and not judged yet, and how long the others took.
class Stopwatch {
 public:
  void wrote(const clusters::WorkloadKey& key) {
    const std::lock_guard lock(mutex_);
    waiting_[key] = Steady::now();
  }
  void judged(const clusters::FleetSnapshot& fleet) {
    const std::lock_guard lock(mutex_);
    for (const auto& row : fleet.deployments) {
      if (row->version <= version_) continue;
      const auto found = waiting_.find(row->key);
      if (found == waiting_.end()) continue;
      seconds_.push_back(std::chrono::duration<double>(Steady::now() - found->second).count());
      waiting_.erase(found);
    }
    version_ = fleet.version;
  }
  std::vector<double> sorted() {
    const std::lock_guard lock(mutex_);
    std::sort(seconds_.begin(), seconds_.end());
    return seconds_;
  }
  size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  std::mutex mutex_;
  std::map<clusters::WorkloadKey, Steady::time_point> waiting_;
  std::vector<double> seconds_;
  uint64_t version_ = 0;
};

void run(const Options& o, store::Store& store, store::Tap& tap, const Clock& clock,
         MetricRegistry& metrics) {
  const double memory_before = resident_mib();
  std::vector<std::unique_ptr<SimulatedCluster>> fleet;
  size_t series = 0;
  for (int c = 0; c < o.clusters; ++c) {
    fleet.push_back(std::make_unique<SimulatedCluster>(store, fmt::format("edge-{:04}", c), o));
    series += fleet.back()->series();
  }
  WorkPool pool{{.name = "background", .threads = 1}};
  const bool tapped = std::getenv("NO_TAP") == nullptr;
  clusters::ClusterViewPorts ports{
      .source = store,
      .arrivals = [&] { return store.arrivals().all(); },
      .write_own = [&](const auto& samples) { return store.write_own(samples); },
      .table = std::move(*store.table("clusters")),
      .pool = pool,
      .clock = clock,
      .metrics = metrics};
  if (tapped) ports.tapped = [&] { return tap.take(); };
  auto view = clusters::ClusterView::open({}, std::move(ports));
  AERIE_CHECK(view.ok(), "the view does not open");
  Stopwatch watch;
  (*view)->listen([&](const auto& snapshot) {
    watch.judged(*snapshot);
    return true;
  });
  (*view)->start();
  const auto pause = std::chrono::duration<double>(static_cast<double>(o.interval_s) / o.clusters);
  double cpu = 0;
  double idle_memory = 0;
  auto began = Steady::now();
  unsigned seed = 1;
  for (int round = 0; round <= o.rounds; ++round) {
    if (round == 1) {
      cpu = cpu_seconds();
      idle_memory = resident_mib();
    }
    began = round <= 1 ? Steady::now() : began;
    auto next = Steady::now();
    for (size_t i = 0; i < fleet.size(); ++i) {
      auto& cluster = fleet[i];
      if (round > 0) fleet[(i + fleet.size() / 2) % fleet.size()]->scrape_other(clock.now_ms());
      std::vector<int> changed;
      for (int d = 0; round > 0 && d < o.deployments; ++d) {
        seed = seed * 1664525u + 1013904223u;
        if (static_cast<int>((seed >> 8) % 100) >= o.change_percent) continue;
        cluster->toggle(d);
        changed.push_back(d);
      }
      for (const int d : changed)
        watch.wrote({"shop", fmt::format("service-{}", d), cluster->name()});
      cluster->scrape(clock.now_ms());
      next += std::chrono::duration_cast<Steady::duration>(pause);
      std::this_thread::sleep_until(next);
    }
    fmt::print("round {}: {:.0f} MiB resident, {} judged waiting, version {}\n", round,
               resident_mib(), watch.waiting(), (*view)->snapshot()->version);
    std::fflush(stdout);
  }
  const double wall = std::chrono::duration<double>(Steady::now() - began).count();
  const double used = cpu_seconds() - cpu;
  std::this_thread::sleep_for(std::chrono::seconds(6));
  (*view)->stop();
  pool.stop();
  const auto seconds = watch.sorted();
  const auto quantile = [&](double q) {
    return seconds.empty()
               ? 0.0
               : seconds[std::min(seconds.size() - 1,
                                  static_cast<size_t>(q * static_cast<double>(seconds.size())))];
  };
  std::map<std::string, int> phases;
  for (const auto& row : (*view)->snapshot()->deployments)
    ++phases[std::string(clusters::phase_name(row->verdict.phase))];
  fmt::print("{} clusters, {} series, {} Deployments, tap {}\n", o.clusters, series,
             (*view)->snapshot()->deployments.size(), tapped ? "on" : "off");
  for (const auto& [phase, n] : phases) fmt::print("  {} {}\n", phase, n);
  fmt::print(
      "sample to verdict: {} changes, p50 {:.2f} s, p99 {:.2f} s, max {:.2f} s, not seen {}\n",
      seconds.size(), quantile(0.5), quantile(0.99), seconds.empty() ? 0 : seconds.back(),
      watch.waiting());
  fmt::print("CPU of the whole process: {:.1f} s in {:.0f} s = {:.1f} % of a core\n", used, wall,
             100 * used / wall);
  fmt::print("resident: {:.0f} MiB before, {:.0f} MiB after one round (store included)\n",
             memory_before, idle_memory);
  for (const auto& line :
       {"aerie_clusters_judgements_total", "aerie_clusters_evaluation_seconds_sum",
        "aerie_clusters_evaluation_seconds_count"}) {
    const std::string text = metrics.expose();
    const size_t at = text.find(std::string("\n") + line);
    if (at != std::string::npos)
      fmt::print("{}\n", text.substr(at + 1, text.find('\n', at + 1) - at - 1));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  int* const fields[] = {&o.clusters,   &o.deployments, &o.pods,
                         &o.interval_s, &o.rounds,      &o.change_percent};
  for (int i = 1; i < argc && i <= 6; ++i) *fields[i - 1] = std::max(1, std::atoi(argv[i]));
  std::string folder = (std::filesystem::temp_directory_path() / "aerie-fleet-XXXXXX").string();
  AERIE_CHECK(::mkdtemp(folder.data()) != nullptr, "no temporary folder");
  {
    SystemClock clock;
    MetricRegistry metrics;
    store::PosixFileSystem files;
    store::Tap tap(clusters::interest_in);
    store::StoreOptions options;
    options.path = folder + "/data";
    options.tap = &tap;
    auto opened = store::Store::open(options, clock, files, metrics);
    AERIE_CHECK(opened.ok(), "the store does not open");
    run(o, **opened, tap, clock, metrics);
    (*opened)->close().ignore("the folder goes");
  }
  std::filesystem::remove_all(folder);
  return 0;
}
