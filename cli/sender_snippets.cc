#include "cli/sender_snippets.h"

#include <fmt/core.h>

#include "http/json_writer.h"

namespace aerie::cli {
namespace {

// A JSON string is a YAML string.
std::string quoted(const std::string& text) {
  std::string out;
  http::append_json_string(out, text);
  return out;
}

std::string names_joined() {
  std::string all;
  for (const std::string& name : kube_series_needed())
    all.append(all.empty() ? "" : "|").append(name);
  return all;
}

struct RelabelKeys {
  const char* source_labels;
  const char* target_label;
};

// Keeps everything that is not of kube-state-metrics, and of that what is needed: RE2 cannot say
// "begins with, but is not", so the series are marked first.
std::string kube_filter(const RelabelKeys& keys, const std::string& indent) {
  const auto line = [&](const std::string& text) { return indent + text + "\n"; };
  std::string out;
  out += line("# Of kube-state-metrics only what aerie judges Deployments by.");
  out += line(fmt::format("- {}: [__name__]", keys.source_labels));
  out += line("  regex: kube_.*");
  out += line(fmt::format("  {}: __tmp_kube", keys.target_label));
  out += line("  replacement: drop");
  out += line(fmt::format("- {}: [__name__]", keys.source_labels));
  out += line(fmt::format("  regex: {}", names_joined()));
  out += line(fmt::format("  {}: __tmp_kube", keys.target_label));
  out += line("  replacement: keep");
  out += line(fmt::format("- {}: [__tmp_kube]", keys.source_labels));
  out += line("  regex: drop");
  out += line("  action: drop");
  out += line("- regex: __tmp_kube");
  out += line("  action: labeldrop");
  return out;
}

std::string labels_lines(const SenderOptions& options, const std::string& indent) {
  std::string out = indent + "cluster: " + quoted(options.cluster) + "\n";
  if (!options.environment.empty())
    out += indent + "environment: " + quoted(options.environment) + "\n";
  if (!options.zone.empty()) out += indent + "zone: " + quoted(options.zone) + "\n";
  return out;
}

std::string prometheus_snippet(const SenderOptions& options) {
  std::string out = "# prometheus.yml of cluster " + options.cluster +
                    ". Of a pair, give each server its own __replica__.\nglobal:\n"
                    "  external_labels:\n" +
                    labels_lines(options, "    ") +
                    "    __replica__: ${HOSTNAME}  # needs --enable-feature=expand-external-labels "
                    "before 3.0\nremote_write:\n";
  out += "  - url: " + quoted(options.aerie_url + "/api/v1/write") + "\n";
  if (options.version2) out += "    protobuf_message: io.prometheus.write.v2.Request\n";
  if (!options.token.empty()) {
    out += "    authorization:\n      credentials: " + quoted(options.token) +
           "  # or credentials_file\n";
  }
  out +=
      "    send_exemplars: true\n"
      "    send_native_histograms: true\n"
      "    queue_config:\n"
      "      max_samples_per_send: 2000\n"
      "      retry_on_http_429: true  # aerie's answer past limits.samples_per_second\n"
      "    metadata_config: {send: true}\n";
  if (options.filter_kube) {
    out +=
        "    write_relabel_configs:\n" + kube_filter({"source_labels", "target_label"}, "      ");
  }
  return out;
}

std::string operator_snippet(const SenderOptions& options) {
  std::string out;
  if (!options.token.empty()) {
    out +=
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: aerie-token\n"
        "  namespace: monitoring  # that of the Prometheus below\nstringData:\n  token: " +
        quoted(options.token) + "\n---\n";
  }
  out +=
      "# To be merged into the Prometheus resource. prometheus-operator adds prometheus and\n"
      "# prometheus_replica by itself; aerie tells the replicas apart by them.\n"
      "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata:\n  name: k8s\n"
      "  namespace: monitoring\nspec:\n  replicas: 2\n  externalLabels:\n" +
      labels_lines(options, "    ") +
      "  remoteWrite:\n    - url: " + quoted(options.aerie_url + "/api/v1/write") + "\n";
  if (options.version2) out += "      messageVersion: V2.0\n";
  if (!options.token.empty()) {
    out +=
        "      authorization:\n        credentials:\n          name: aerie-token\n"
        "          key: token\n";
  }
  out +=
      "      sendExemplars: true\n"
      "      sendNativeHistograms: true\n"
      "      queueConfig:\n"
      "        maxSamplesPerSend: 2000\n"
      "        retryOnRateLimit: true\n";
  if (options.filter_kube) {
    out +=
        "      writeRelabelConfigs:\n" + kube_filter({"sourceLabels", "targetLabel"}, "        ");
  }
  return out;
}

std::string vmagent_snippet(const SenderOptions& options) {
  std::string out = "# Arguments of vmagent in cluster " + options.cluster +
                    ". Of a pair, give each its own -remoteWrite.label=__replica__.\n"
                    "-remoteWrite.url=" +
                    options.aerie_url +
                    "/api/v1/write\n-remoteWrite.label=cluster=" + options.cluster + "\n";
  if (!options.environment.empty())
    out += "-remoteWrite.label=environment=" + options.environment + "\n";
  if (!options.zone.empty()) out += "-remoteWrite.label=zone=" + options.zone + "\n";
  out += "-remoteWrite.label=__replica__=%{HOSTNAME}\n";
  if (!options.token.empty())
    out += "-remoteWrite.bearerToken=" + options.token + "  # or -remoteWrite.bearerTokenFile\n";
  if (options.filter_kube) {
    out +=
        "-remoteWrite.urlRelabelConfig=/etc/vmagent/aerie-relabel.yml\n\n"
        "# /etc/vmagent/aerie-relabel.yml\n" +
        kube_filter({"source_labels", "target_label"}, "");
  }
  return out;
}

}  // namespace

const std::vector<std::string>& kube_series_needed() {
  static const std::vector<std::string> kNames = {
      "kube_deployment_created",
      "kube_deployment_deletion_timestamp",
      "kube_deployment_labels",
      "kube_deployment_metadata_generation",
      "kube_deployment_spec_paused",
      "kube_deployment_spec_replicas",
      "kube_deployment_status_condition",
      "kube_deployment_status_observed_generation",
      "kube_deployment_status_replicas",
      "kube_deployment_status_replicas_available",
      "kube_deployment_status_replicas_ready",
      "kube_deployment_status_replicas_unavailable",
      "kube_deployment_status_replicas_updated",
      "kube_deployment_status_terminating_replicas",
      "kube_horizontalpodautoscaler_info",
      "kube_horizontalpodautoscaler_spec_min_replicas",
      "kube_hpa_spec_min_replicas",
      "kube_namespace_created",
      "kube_namespace_status_phase",
      "kube_node_info",
      "kube_node_labels",
      "kube_node_spec_taint",
      "kube_node_spec_unschedulable",
      "kube_node_status_allocatable",
      "kube_node_status_condition",
      "kube_pod_container_resource_requests",
      "kube_pod_container_status_last_terminated_exitcode",
      "kube_pod_container_status_last_terminated_reason",
      "kube_pod_container_status_restarts_total",
      "kube_pod_container_status_terminated_reason",
      "kube_pod_container_status_waiting_reason",
      "kube_pod_deletion_timestamp",
      "kube_pod_info",
      "kube_pod_init_container_status_last_terminated_reason",
      "kube_pod_init_container_status_restarts_total",
      "kube_pod_init_container_status_waiting_reason",
      "kube_pod_owner",
      "kube_pod_status_phase",
      "kube_pod_status_ready",
      "kube_pod_status_reason",
      "kube_pod_status_scheduled",
      "kube_pod_status_unschedulable",
      "kube_replicaset_annotations",
      "kube_replicaset_created",
      "kube_replicaset_owner",
      "kube_replicaset_spec_replicas",
      "kube_replicaset_status_ready_replicas",
      "kube_replicaset_status_replicas",
      "kube_resourcequota"};
  return kNames;
}

Result<std::string> sender_snippet(const std::string& kind, const SenderOptions& options) {
  if (kind == "remote-write") return prometheus_snippet(options);
  if (kind == "prometheus-operator") return operator_snippet(options);
  if (kind == "vmagent") return vmagent_snippet(options);
  return Error(ErrorCode::InvalidArgument,
               "there are remote-write, prometheus-operator and vmagent, not " + kind);
}

}  // namespace aerie::cli
