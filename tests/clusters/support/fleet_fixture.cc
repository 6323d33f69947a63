#include "tests/clusters/support/fleet_fixture.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

namespace aerie::clusters::testing {

namespace {

model::Labels with(const std::string& cluster, std::vector<model::LabelView> more) {
  const std::string zone = "zone-of-" + cluster;
  more.push_back({"cluster", cluster});
  more.push_back({"environment", "production"});
  more.push_back({"zone", zone});
  return model::Labels::from_pairs(std::move(more));
}

}  // namespace

FleetFixture::FleetFixture() {
  std::string pattern = (std::filesystem::temp_directory_path() / "aerie-clusters-XXXXXX").string();
  folder = ::mkdtemp(pattern.data());
  restart();
}

FleetFixture::~FleetFixture() {
  view.reset();
  std::filesystem::remove_all(folder);
}

void FleetFixture::restart(ClusterViewOptions options) {
  view.reset();
  auto opened = ClusterView::open(
      std::move(options),
      ClusterViewPorts{source, [this] { return arrivals(); },
                       [this](const auto& samples) { return write_own(samples); }, table, pool_,
                       clock, metrics_, [this] { return watched; }, tapped});
  AERIE_CHECK(opened.ok(), opened.ok() ? "" : opened.error().message());
  view = std::move(*opened);
}

void FleetFixture::deploy(const std::string& cluster, const std::string& space,
                          const std::string& name, int replicas) {
  auto& series = clusters_[cluster][name];
  const auto number = [&](const std::string& field, double value) {
    const std::string metric = "kube_deployment_" + field;
    series.push_back({with(cluster, {{"__name__", metric},
                                     {"namespace", space},
                                     {"deployment", name},
                                     {"job", "ksm"},
                                     {"instance", "ksm:8080"}}),
                      value});
  };
  number("spec_replicas", replicas);
  number("metadata_generation", 1);
  number("status_observed_generation", 1);
  for (const std::string field : {"", "_ready", "_available", "_updated"}) {
    number("status_replicas" + field, replicas);
  }
}

void FleetFixture::deploy_small_fleet() {
  deploy("gondor", "shop", "nginx", 3);
  deploy("shire", "shop", "nginx", 2);
  deploy("shire", "infra", "dns", 1);
  run(30);
  set("shire", "nginx", "status_replicas_available", 1);
  set("shire", "nginx", "status_replicas_ready", 1);
  run(60);
}

void FleetFixture::set(const std::string& cluster, const std::string& name,
                       const std::string& field, double value) {
  for (auto& series : clusters_[cluster][name]) {
    if (series.labels.metric_name() == "kube_deployment_" + field) series.value = value;
  }
}

void FleetFixture::remove(const std::string& cluster, const std::string& name) {
  for (const auto& series : clusters_[cluster][name]) {
    source.add(series.labels, clock.now_ms(), model::stale_marker());
  }
  clusters_[cluster].erase(name);
}

void FleetFixture::scrape(const std::string& cluster) {
  const int64_t t = clock.now_ms();
  const bool down = down_.contains(cluster);
  source.add(with(cluster, {{"__name__", "up"}, {"job", "ksm"}, {"instance", "ksm:8080"}}), t,
             down ? 0 : 1);
  for (const auto& [name, series] : clusters_[cluster]) {
    for (const auto& one : series) {
      const auto last = source.newest(one.labels);
      if (down && (!last || model::is_stale(last->value))) continue;
      source.add(one.labels, t, down ? model::stale_marker() : one.value);
    }
  }
  arrived_[cluster] = {t, t};
}

void FleetFixture::run(int seconds) {
  for (int i = 0; i < seconds; i += 5) {
    clock.advance(std::chrono::seconds(5));
    if (clock.now_ms() % 15'000 == 5'000) {
      for (const auto& [cluster, deployments] : clusters_) {
        if (!silent_.contains(cluster)) scrape(cluster);
      }
    }
    view->evaluate();
  }
}

std::vector<store::ClusterArrival> FleetFixture::arrivals() const {
  std::vector<store::ClusterArrival> all;
  for (const auto& [cluster, arrived] : arrived_) {
    store::ClusterArrival arrival;
    arrival.cluster = cluster;
    arrival.last_arrival_ms = arrived.last_ms;
    arrival.watermark = arrived.watermark;
    arrival.silence = clock.now_ms() - arrived.last_ms;
    arrival.silent = arrival.silence > 60'000;
    all.push_back(arrival);
  }
  return all;
}

Status FleetFixture::write_own(const std::vector<store::Store::OwnSample>& samples) {
  if (write_fails) return Error(ErrorCode::Unavailable, "disk full");
  for (const auto& sample : samples) source.add(sample.labels, sample.t, sample.value);
  return {};
}

const DeploymentRow* FleetFixture::row(const std::string& cluster, const std::string& space,
                                       const std::string& name) const {
  static thread_local std::shared_ptr<const FleetSnapshot> kept;
  kept = fleet();
  for (const auto& row : kept->deployments) {
    if (row->key == WorkloadKey{space, name, cluster}) return row.get();
  }
  return nullptr;
}

std::string FleetFixture::phase(const std::string& cluster, const std::string& space,
                                const std::string& name) const {
  const auto* found = row(cluster, space, name);
  if (!found) return "none";
  const auto& verdict = found->verdict;
  return std::string(phase_name(verdict.phase)) +
         (verdict.reason.empty() ? "" : " " + verdict.reason);
}

std::string FleetFixture::own(const model::Labels& labels) const {
  const auto newest = source.newest(labels);
  if (!newest) return "none";
  return model::is_stale(newest->value) ? "stale" : fmt::format("{}", newest->value);
}

}  // namespace aerie::clusters::testing
