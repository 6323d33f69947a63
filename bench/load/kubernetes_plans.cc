#include <fmt/core.h>

#include <string>
#include <utility>

#include "bench/load/plans.h"

namespace aerie::bench {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

constexpr int kDeployments = 24;
constexpr int kPodsPerDeployment = 5;

void add(std::vector<SeriesPlan>& plans, std::string_view name, ValueClass value_class,
         Labels labels) {
  plans.push_back({std::string(name), value_class, 0, 0, 0, std::move(labels)});
}

void add_deployment(std::vector<SeriesPlan>& plans, const std::string& space,
                    const std::string& deployment) {
  const Labels labels = {{"namespace", space}, {"deployment", deployment}};
  for (const char* name :
       {"kube_deployment_created", "kube_deployment_spec_replicas", "kube_deployment_spec_paused",
        "kube_deployment_metadata_generation", "kube_deployment_status_observed_generation",
        "kube_deployment_spec_strategy_rollingupdate_max_surge"})
    add(plans, name, ValueClass::Constant, labels);
  for (const char* name :
       {"kube_deployment_status_replicas", "kube_deployment_status_replicas_ready",
        "kube_deployment_status_replicas_available", "kube_deployment_status_replicas_updated",
        "kube_deployment_status_replicas_unavailable"})
    add(plans, name, ValueClass::RareChange, labels);
  for (const char* condition : {"Available", "Progressing"}) {
    for (const char* status : {"true", "false", "unknown"}) {
      Labels all = labels;
      all.emplace_back("condition", condition);
      all.emplace_back("status", status);
      add(plans, "kube_deployment_status_condition", ValueClass::Constant, std::move(all));
    }
  }
}

void add_pod(std::vector<SeriesPlan>& plans, const std::string& space, const std::string& pod,
             int number) {
  const Labels labels = {{"namespace", space}, {"pod", pod}};
  const auto with = [&](std::string_view name, const std::string& value) {
    Labels all = labels;
    all.emplace_back(name, value);
    return all;
  };
  Labels info = labels;
  info.emplace_back("node", fmt::format("node-{}", number % 12));
  info.emplace_back("pod_ip", fmt::format("10.244.{}.{}", number / 200, number % 200));
  add(plans, "kube_pod_info", ValueClass::Constant, std::move(info));
  for (const char* name : {"kube_pod_created", "kube_pod_start_time"})
    add(plans, name, ValueClass::Constant, labels);
  for (const char* phase : {"Pending", "Running", "Succeeded", "Failed", "Unknown"})
    add(plans, "kube_pod_status_phase", ValueClass::Constant, with("phase", phase));
  for (const char* condition : {"true", "false", "unknown"})
    add(plans, "kube_pod_status_ready", ValueClass::Constant, with("condition", condition));
  for (const char* name : {"kube_pod_container_status_ready", "kube_pod_container_status_running",
                           "kube_pod_container_status_waiting"})
    add(plans, name, ValueClass::Constant, with("container", "main"));
  add(plans, "kube_pod_container_status_restarts_total", ValueClass::RareChange,
      with("container", "main"));
  for (const char* resource : {"cpu", "memory"}) {
    for (const char* name :
         {"kube_pod_container_resource_requests", "kube_pod_container_resource_limits"}) {
      Labels all = with("container", "main");
      all.emplace_back("resource", resource);
      add(plans, name, ValueClass::Constant, std::move(all));
    }
  }
}

}  // namespace

// 24 x 17 + 120 x 19 = 2,688.
std::vector<SeriesPlan> kubernetes_plans() {
  std::vector<SeriesPlan> plans;
  for (int d = 0; d < kDeployments; ++d) {
    const std::string space = fmt::format("team-{}", d % 6);
    const std::string deployment = fmt::format("service-{}", d);
    add_deployment(plans, space, deployment);
    for (int p = 0; p < kPodsPerDeployment; ++p)
      add_pod(plans, space, fmt::format("{}-7d9f8b6c5d-{:05x}", deployment, d * 977 + p * 131),
              d * kPodsPerDeployment + p);
  }
  return plans;
}

}  // namespace aerie::bench
