#include <fmt/core.h>

#include <string>
#include <utility>

#include "bench/load/plans.h"

namespace aerie::bench {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr int kPods = 90;
constexpr int kPodsPerWorkload = 6;
constexpr int kServices = 6;

Labels with(Labels labels, std::string_view name, std::string value) {
  labels.emplace_back(name, std::move(value));
  return labels;
}

void add(std::vector<SeriesPlan>& plans, std::string_view name, ValueClass value_class,
         Labels labels, uint8_t decimals = 0) {
  plans.push_back({std::string(name), value_class, decimals, 0, 0, std::move(labels)});
}

/// What the kubelet says of its containers.
void add_container(std::vector<SeriesPlan>& plans, const Labels& labels) {
  add(plans, "container_cpu_usage_seconds_total", ValueClass::DecimalCounter, labels, 9);
  for (const char* name :
       {"container_memory_working_set_bytes", "container_memory_rss", "container_memory_cache"})
    add(plans, name, ValueClass::IntegerGauge, labels);
  for (const char* name :
       {"container_cpu_cfs_periods_total", "container_cpu_cfs_throttled_periods_total",
        "container_network_receive_bytes_total", "container_network_transmit_bytes_total"})
    add(plans, name, ValueClass::IntegerCounter, labels);
}

/// What kube-state-metrics says of the pod.
void add_pod(std::vector<SeriesPlan>& plans, const Labels& labels, const std::string& workload,
             const std::string& node) {
  add(plans, "kube_pod_info", ValueClass::Constant, with(labels, "node", node));
  add(plans, "kube_pod_owner", ValueClass::Constant, with(labels, "workload", workload));
  add(plans, "kube_pod_status_phase", ValueClass::Constant, with(labels, "phase", "Running"));
  add(plans, "kube_pod_container_status_restarts_total", ValueClass::RareChange, labels);
  for (const char* resource : {"cpu", "memory"}) {
    for (const char* name :
         {"kube_pod_container_resource_requests", "kube_pod_container_resource_limits"})
      add(plans, name, ValueClass::Constant, with(labels, "resource", resource));
  }
}

void add_service(std::vector<SeriesPlan>& plans, uint16_t number) {
  const Labels labels = {{"service", fmt::format("service-{}", number)}};
  const auto last = static_cast<uint8_t>(bucket_bounds().size());
  for (uint8_t bucket = 0; bucket <= last; bucket = static_cast<uint8_t>(bucket + 1)) {
    const std::string le = bucket == last ? "+Inf" : fmt::format("{}", bucket_bounds()[bucket]);
    plans.push_back({"http_request_duration_seconds_bucket", ValueClass::BucketCounter, 0, number,
                     bucket, with(labels, "le", le)});
  }
  plans.push_back(
      {"http_request_duration_seconds_sum", ValueClass::BucketSum, 0, number, last, labels});
  plans.push_back(
      {"http_request_duration_seconds_count", ValueClass::BucketCounter, 0, number, last, labels});
  for (const char* code : {"200", "404", "500"})
    add(plans, "http_requests_total", ValueClass::IntegerCounter, with(labels, "code", code));
}

}  // namespace

// 90 x 16 + 6 x 29 = 1,614.
std::vector<SeriesPlan> dashboard_plans() {
  std::vector<SeriesPlan> plans;
  for (int p = 0; p < kPods; ++p) {
    const int number = p / kPodsPerWorkload;
    const std::string workload = fmt::format("workload-{}", number);
    const Labels labels = {{"namespace", fmt::format("team-{}", number % 5)},
                           {"pod", fmt::format("{}-{:04x}", workload, p * 131)},
                           {"container", "main"}};
    add_container(plans, labels);
    add_pod(plans, labels, workload, fmt::format("node-{}", p % 8));
  }
  for (uint16_t service = 0; service < kServices; ++service) add_service(plans, service);
  return plans;
}

}  // namespace aerie::bench
