#include "tools/fleet_sim/exposition.h"

#include <fmt/core.h>

#include <initializer_list>
#include <unordered_map>
#include <utility>
#include <vector>

namespace aerie::fleet_sim {

namespace {

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::vector<Label>;

struct Family {
  std::string_view name;
  std::string_view help;
  bool counter = false;
};

constexpr Family kFamilies[] = {
    {"kube_deployment_created", "Unix creation timestamp"},
    {"kube_deployment_status_replicas", "The number of replicas per deployment."},
    {"kube_deployment_status_replicas_ready", "The number of ready replicas per deployment."},
    {"kube_deployment_status_replicas_available",
     "The number of available replicas per deployment."},
    {"kube_deployment_status_replicas_unavailable",
     "The number of unavailable replicas per deployment."},
    {"kube_deployment_status_replicas_updated", "The number of updated replicas per deployment."},
    {"kube_deployment_status_observed_generation",
     "The generation observed by the deployment controller."},
    {"kube_deployment_status_condition", "The current status conditions of a deployment."},
    {"kube_deployment_spec_replicas", "Number of desired pods for a deployment."},
    {"kube_deployment_spec_paused", "Whether the deployment is paused."},
    {"kube_deployment_spec_strategy_rollingupdate_max_unavailable",
     "Most unavailable replicas during a rolling update."},
    {"kube_deployment_spec_strategy_rollingupdate_max_surge",
     "Most replicas above the desired number during a rolling update."},
    {"kube_deployment_metadata_generation", "Sequence number of the desired state."},
    {"kube_replicaset_created", "Unix creation timestamp"},
    {"kube_replicaset_status_replicas", "The number of replicas per ReplicaSet."},
    {"kube_replicaset_status_fully_labeled_replicas",
     "The number of fully labeled replicas per ReplicaSet."},
    {"kube_replicaset_status_ready_replicas", "The number of ready replicas per ReplicaSet."},
    {"kube_replicaset_status_observed_generation",
     "The generation observed by the ReplicaSet controller."},
    {"kube_replicaset_spec_replicas", "Number of desired pods for a ReplicaSet."},
    {"kube_replicaset_metadata_generation", "Sequence number of the desired state."},
    {"kube_replicaset_owner", "Information about the ReplicaSet's owner."},
    {"kube_pod_info", "Information about pod."},
    {"kube_pod_owner", "Information about the Pod's owner."},
    {"kube_pod_created", "Unix creation timestamp"},
    {"kube_pod_start_time", "Start time in unix timestamp for a pod."},
    {"kube_pod_deletion_timestamp", "Unix deletion timestamp"},
    {"kube_pod_status_phase", "The pod's current phase."},
    {"kube_pod_status_ready", "Whether the pod is ready to serve requests."},
    {"kube_pod_status_scheduled", "The status of the scheduling process for the pod."},
    {"kube_pod_status_unschedulable", "The unschedulable status for the pod."},
    {"kube_pod_status_scheduled_time", "Unix timestamp when pod moved into scheduled status"},
    {"kube_pod_status_ready_time", "Readiness achieved time in unix timestamp for a pod."},
    {"kube_pod_container_info", "Information about a container in a pod."},
    {"kube_pod_container_status_waiting", "Whether the container is currently in waiting state."},
    {"kube_pod_container_status_waiting_reason",
     "The reason the container is currently in waiting state."},
    {"kube_pod_container_status_running", "Whether the container is currently in running state."},
    {"kube_pod_container_state_started", "Start time in unix timestamp for a pod container."},
    {"kube_pod_container_status_terminated",
     "Whether the container is currently in terminated state."},
    {"kube_pod_container_status_last_terminated_reason",
     "The last reason the container was in terminated state."},
    {"kube_pod_container_status_last_terminated_exitcode",
     "The exit code for the last container in terminated state."},
    {"kube_pod_container_status_ready", "Whether the containers readiness check succeeded."},
    {"kube_pod_container_status_restarts_total", "The number of container restarts per container.",
     true},
    {"kube_pod_container_resource_requests",
     "The number of requested request resource by a container."},
    {"kube_node_info", "Information about a cluster node."},
    {"kube_node_created", "Unix creation timestamp"},
    {"kube_node_role", "The role of a cluster node."},
    {"kube_node_spec_unschedulable", "Whether a node can schedule new pods."},
    {"kube_node_status_condition", "The condition of a cluster node."},
    {"kube_node_status_capacity", "The total amount of resources available for a node."},
    {"kube_node_status_allocatable", "The amount of resources allocatable for pods."},
    {"kube_resourcequota", "Information about resource quota."},
    {"kube_resourcequota_created", "Unix creation timestamp"},
    {"kube_horizontalpodautoscaler_info", "Information about this autoscaler."},
    {"kube_horizontalpodautoscaler_spec_min_replicas",
     "Lower limit for the number of pods the autoscaler may set."},
    {"kube_horizontalpodautoscaler_spec_max_replicas",
     "Upper limit for the number of pods the autoscaler may set."},
    {"kube_horizontalpodautoscaler_status_desired_replicas",
     "Desired number of replicas of pods managed by this autoscaler."},
    {"kube_namespace_created", "Unix creation timestamp"},
    {"kube_namespace_status_phase", "Kubernetes namespace status phase."},
};

/// Series by family; every name that is added must stand in kFamilies.
class Page {
 public:
  void add(std::string_view family, const Labels& labels, double value) {
    std::string& body = bodies_[family];
    body += family;
    char separator = '{';
    for (const auto& [name, text] : labels) {
      body += separator;
      body += name;
      body += "=\"";
      for (const char c : text) {
        if (c == '\\' || c == '"') body += '\\';
        body += c;
      }
      body += '"';
      separator = ',';
    }
    body += fmt::format("{} {}\n", labels.empty() ? "" : "}", value);
  }
  /// One series per option, 1 for the one that holds.
  void choose(std::string_view family, Labels labels, std::string_view name,
              std::initializer_list<std::string_view> options, std::string_view holds) {
    labels.emplace_back(name, "");
    for (const std::string_view option : options) {
      labels.back().second = option;
      add(family, labels, option == holds ? 1 : 0);
    }
  }
  std::string text() const {
    std::string out;
    for (const auto& family : kFamilies) {
      out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", family.name, family.help, family.name,
                         family.counter ? "counter" : "gauge");
      const auto body = bodies_.find(family.name);
      if (body != bodies_.end()) out += body->second;
    }
    return out;
  }

 private:
  std::unordered_map<std::string_view, std::string> bodies_;
};

double seconds(TimestampMs t) { return static_cast<double>(t / 1000); }

Labels operator+(Labels labels, std::initializer_list<Label> more) {
  labels.insert(labels.end(), more.begin(), more.end());
  return labels;
}

void expose_deployment(Page& page, const Deployment& d) {
  const Labels own{{"namespace", d.space}, {"deployment", d.name}};
  page.add("kube_deployment_created", own, seconds(d.created));
  page.add("kube_deployment_status_replicas", own, d.status_replicas);
  page.add("kube_deployment_status_replicas_ready", own, d.status_ready);
  page.add("kube_deployment_status_replicas_available", own, d.status_available);
  page.add("kube_deployment_status_replicas_unavailable", own,
           std::max(0, std::max(d.replicas, d.status_replicas) - d.status_available));
  page.add("kube_deployment_status_replicas_updated", own, d.status_updated);
  page.add("kube_deployment_status_observed_generation", own, d.observed_generation);
  page.add("kube_deployment_spec_replicas", own, d.replicas);
  page.add("kube_deployment_spec_paused", own, d.paused ? 1 : 0);
  page.add("kube_deployment_spec_strategy_rollingupdate_max_unavailable", own, d.max_unavailable());
  page.add("kube_deployment_spec_strategy_rollingupdate_max_surge", own, d.max_surge());
  page.add("kube_deployment_metadata_generation", own, d.generation);
  const auto condition = [&](std::string_view type, const DeploymentCondition& value) {
    if (value.status.empty()) return;
    // Reasons outside its list are written as "unknown"; FailedCreate is one of those.
    const std::string_view reason =
        value.reason == "FailedCreate" ? "unknown" : std::string_view(value.reason);
    page.choose("kube_deployment_status_condition",
                own + std::initializer_list<Label>{{"reason", reason}, {"condition", type}},
                "status", {"true", "false", "unknown"}, value.status);
  };
  condition("Progressing", d.progressing);
  condition("Available", d.available);
  condition("ReplicaFailure", d.replica_failure);
  if (!d.autoscaled) return;
  const Labels scaler{{"namespace", d.space}, {"horizontalpodautoscaler", d.name}};
  page.add("kube_horizontalpodautoscaler_info",
           scaler + std::initializer_list<Label>{{"scaletargetref_api_version", "apps/v1"},
                                                 {"scaletargetref_kind", "Deployment"},
                                                 {"scaletargetref_name", d.name}},
           1);
  page.add("kube_horizontalpodautoscaler_spec_min_replicas", scaler, 2);
  page.add("kube_horizontalpodautoscaler_spec_max_replicas", scaler, 10);
  page.add("kube_horizontalpodautoscaler_status_desired_replicas", scaler, d.replicas);
}

void expose_set(Page& page, const Deployment& d, const ReplicaSet& set) {
  const Labels own{{"namespace", d.space}, {"replicaset", set.name}};
  page.add("kube_replicaset_created", own, seconds(set.created));
  page.add("kube_replicaset_status_replicas", own, set.alive());
  page.add("kube_replicaset_status_fully_labeled_replicas", own, set.alive());
  page.add("kube_replicaset_status_ready_replicas", own, set.ready());
  page.add("kube_replicaset_status_observed_generation", own, set.generation);
  page.add("kube_replicaset_spec_replicas", own, set.spec);
  page.add("kube_replicaset_metadata_generation", own, set.generation);
  page.add("kube_replicaset_owner",
           own + std::initializer_list<Label>{{"owner_kind", "Deployment"},
                                              {"owner_name", d.name},
                                              {"owner_is_controller", "true"}},
           1);
}

void expose_container(Page& page, const Labels& pod_labels, const Pod& pod, const ReplicaSet& set,
                      const std::string& container) {
  const Labels own = pod_labels + std::initializer_list<Label>{{"container", container}};
  const bool pulled = pod.started > 0;
  const std::string id = pulled ? "containerd://" + pod.uid : "";
  page.add("kube_pod_container_info",
           own + std::initializer_list<Label>{{"image_spec", set.made_of.image},
                                              {"image", set.made_of.image},
                                              {"image_id",
                                               pulled ? set.made_of.image : std::string_view()},
                                              {"container_id", id}},
           1);
  const std::string requests_node = pod.node;
  page.add("kube_pod_container_resource_requests",
           own + std::initializer_list<Label>{{"node", requests_node},
                                              {"resource", "cpu"},
                                              {"unit", "core"}},
           set.made_of.cpu);
  page.add("kube_pod_container_resource_requests",
           own + std::initializer_list<Label>{{"node", requests_node},
                                              {"resource", "memory"},
                                              {"unit", "byte"}},
           set.made_of.memory);
  if (pod.node.empty()) return;  // the kubelet has not reported any container yet
  page.add("kube_pod_container_status_waiting", own, pod.running ? 0 : 1);
  page.add("kube_pod_container_status_running", own, pod.running ? 1 : 0);
  page.add("kube_pod_container_status_terminated", own, 0);
  if (!pod.running) {
    page.add("kube_pod_container_status_waiting_reason",
             own + std::initializer_list<Label>{{"reason", pod.waiting}}, 1);
  } else {
    page.add("kube_pod_container_state_started", own, seconds(pod.started));
  }
  page.add("kube_pod_container_status_ready", own, pod.ready() ? 1 : 0);
  page.add("kube_pod_container_status_restarts_total", own, pod.restarts);
  if (pod.last_terminated.empty()) return;
  page.add("kube_pod_container_status_last_terminated_reason",
           own + std::initializer_list<Label>{{"reason", pod.last_terminated}}, 1);
  page.add("kube_pod_container_status_last_terminated_exitcode", own, pod.last_exit_code);
}

void expose_pod(Page& page, const ClusterState& state, const Deployment& d, const ReplicaSet& set,
                const Pod& pod) {
  const Labels own{{"namespace", d.space}, {"pod", pod.name}, {"uid", pod.uid}};
  std::string host;
  for (const auto& node : state.nodes) {
    if (node.name == pod.node) host = node.ip;
  }
  page.add("kube_pod_info",
           own +
               std::initializer_list<Label>{
                   {"host_ip", host},
                   {"pod_ip", pod.node.empty() ? std::string_view() : std::string_view(pod.ip)},
                   {"node", pod.node},
                   {"created_by_kind", "ReplicaSet"},
                   {"created_by_name", set.name},
                   {"priority_class", ""},
                   {"host_network", "false"}},
           1);
  page.add("kube_pod_owner",
           own + std::initializer_list<Label>{{"owner_kind", "ReplicaSet"},
                                              {"owner_name", set.name},
                                              {"owner_is_controller", "true"}},
           1);
  page.add("kube_pod_created", own, seconds(pod.created));
  const bool ran = pod.started > 0;
  page.choose("kube_pod_status_phase", own, "phase",
              {"Pending", "Succeeded", "Failed", "Unknown", "Running"},
              ran ? "Running" : "Pending");
  if (pod.terminating()) page.add("kube_pod_deletion_timestamp", own, seconds(pod.gone_at));
  const bool bound = !pod.node.empty();
  page.choose("kube_pod_status_scheduled", own, "condition", {"true", "false", "unknown"},
              bound ? "true" : "false");
  if (!bound && pod.unschedulable) page.add("kube_pod_status_unschedulable", own, 1);
  if (bound) {
    page.add("kube_pod_start_time", own, seconds(pod.scheduled));
    page.add("kube_pod_status_scheduled_time", own, seconds(pod.scheduled));
    page.choose("kube_pod_status_ready", own, "condition", {"true", "false", "unknown"},
                pod.ready() ? "true" : "false");
    if (pod.ready()) page.add("kube_pod_status_ready_time", own, seconds(pod.ready_at));
  }
  expose_container(page, own, pod, set, d.name);
}

void expose_node(Page& page, const ClusterState& state, const Node& node) {
  const Labels own{{"node", node.name}};
  page.add("kube_node_info",
           own + std::initializer_list<Label>{{"kernel_version", "6.1.0"},
                                              {"os_image", "Debian GNU/Linux 12 (bookworm)"},
                                              {"container_runtime_version", "containerd://1.6.20"},
                                              {"kubelet_version", "v1.30.4"},
                                              {"kubeproxy_version", "v1.30.4"},
                                              {"provider_id", ""},
                                              {"pod_cidr", "10.244.0.0/24"},
                                              {"system_uuid", node.name},
                                              {"internal_ip", node.ip}},
           1);
  page.add("kube_node_created", own, seconds(state.created));
  page.add("kube_node_role", own + std::initializer_list<Label>{{"role", "worker"}}, 1);
  page.add("kube_node_spec_unschedulable", own, 0);
  page.choose("kube_node_status_condition",
              own + std::initializer_list<Label>{{"condition", "Ready"}}, "status",
              {"true", "false", "unknown"}, node.ready ? "true" : "unknown");
  page.choose("kube_node_status_condition",
              own + std::initializer_list<Label>{{"condition", "MemoryPressure"}}, "status",
              {"true", "false", "unknown"}, node.ready ? "false" : "unknown");
  for (const std::string_view family :
       {"kube_node_status_capacity", "kube_node_status_allocatable"}) {
    page.add(family, own + std::initializer_list<Label>{{"resource", "cpu"}, {"unit", "core"}},
             node.cpu);
    page.add(family, own + std::initializer_list<Label>{{"resource", "memory"}, {"unit", "byte"}},
             node.memory);
    page.add(family, own + std::initializer_list<Label>{{"resource", "pods"}, {"unit", "integer"}},
             node.pods);
  }
}

}  // namespace

std::string expose(const ClusterState& state, TimestampMs) {
  Page page;
  std::set<std::string> spaces;
  for (const auto& deployment : state.deployments) {
    spaces.insert(deployment.space);
    expose_deployment(page, deployment);
    for (const auto& set : deployment.sets) {
      expose_set(page, deployment, set);
      for (const auto& pod : set.pods) expose_pod(page, state, deployment, set, pod);
    }
  }
  for (const auto& node : state.nodes) expose_node(page, state, node);
  for (const auto& [space, hard] : state.pod_quotas) {
    const Labels own{{"resourcequota", "compute"}, {"namespace", space}};
    page.add("kube_resourcequota",
             own + std::initializer_list<Label>{{"resource", "pods"}, {"type", "hard"}}, hard);
    page.add("kube_resourcequota",
             own + std::initializer_list<Label>{{"resource", "pods"}, {"type", "used"}},
             state.pods_in(space));
    page.add("kube_resourcequota_created", own, seconds(state.created));
  }
  for (const auto& space : spaces) {
    page.add("kube_namespace_created", {{"namespace", space}}, seconds(state.created));
    page.choose("kube_namespace_status_phase", {{"namespace", space}}, "phase",
                {"Active", "Terminating"}, "Active");
  }
  return page.text();
}

}  // namespace aerie::fleet_sim
