#include "server/openapi.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace aerie::server {
namespace {

/// Parameters are separated by blanks: `name` optional, `name!` required, `name[]` repeated.
struct Operation {
  std::string_view pattern;
  std::string_view group;
  std::string_view summary;
  std::string_view parameters;
};

constexpr std::string_view kMatch = "match[] start end limit";
constexpr std::string_view kSearch =
    "match[] search[] fuzz_threshold fuzz_alg case_sensitive sort_by sort_dir include_score start "
    "end limit batch_size";

constexpr Operation kOperations[] = {
    {"/api/v1/query", "query", "Evaluates PromQL at one time.",
     "query! time timeout limit lookback_delta stats completeness"},
    {"/api/v1/query_range", "query", "Evaluates PromQL over a range of time.",
     "query! start! end! step! timeout limit lookback_delta stats completeness nocache"},
    {"/api/v1/query_exemplars", "query", "Exemplars of the series that a query selects.",
     "query! start end"},
    {"/api/v1/explain", "query", "Evaluates PromQL and tells what each part of it cost.",
     "query! time start end step timeout lookback_delta"},
    {"/api/v1/format_query", "query", "Indents PromQL.", "query!"},
    {"/api/v1/parse_query", "query", "The syntax tree of PromQL.", "query!"},
    {"/api/v1/series", "catalogue", "Label sets of series.", "match[]! start end limit"},
    {"/api/v1/labels", "catalogue", "Names of labels.", kMatch},
    {"/api/v1/label/{name}/values", "catalogue", "Values of a label.", kMatch},
    {"/api/v1/metadata", "catalogue", "Type, help and unit of metrics.",
     "metric limit limit_per_metric"},
    {"/api/v1/search/metric_names", "catalogue", "Metric names as lines of JSON, for completion.",
     "match[] search[] fuzz_threshold fuzz_alg case_sensitive sort_by sort_dir include_score "
     "include_metadata start end limit batch_size"},
    {"/api/v1/search/label_names", "catalogue", "Label names as lines of JSON.", kSearch},
    {"/api/v1/search/label_values", "catalogue", "Values of a label as lines of JSON.",
     "label! match[] search[] fuzz_threshold fuzz_alg case_sensitive sort_by sort_dir "
     "include_score start end limit batch_size"},
    {"/federate", "exchange", "Newest samples as text.", "match[]!"},
    {"/api/v1/read", "exchange", "Remote read: samples or streamed XOR chunks.", ""},
    {"/api/v1/write", "exchange", "Remote write.", ""},
    {"/api/v1/push", "exchange", "Remote write, as Mimir and Loki call it.", ""},
    {"/api/v1/receive", "exchange", "Remote write, as Thanos calls it.", ""},
    {"/api/v1/otlp/v1/metrics", "exchange", "OTLP metrics.", ""},
    {"/api/v1/rules", "alerting", "Alerting and recording rules with their state.",
     "type rule_name[] rule_group[] file[] match[] exclude_alerts group_limit group_next_token"},
    {"/api/v1/alerts", "alerting", "Active alerts.", ""},
    {"/api/v1/alertmanagers", "alerting", "Alertmanagers that alerts are sent to.", ""},
    {"/api/v2/alerts", "alerting", "Alerts of member clusters (Alertmanager's API).", ""},
    {"/api/v2/status", "alerting", "What this Alertmanager API is.", ""},
    {"/api/v1/clusters", "clusters", "All clusters and how they are.", ""},
    {"/api/v1/clusters/{cluster}", "clusters", "One cluster.", ""},
    {"/api/v1/clusters/{cluster}/deployments", "clusters", "The Deployments of one cluster.",
     "namespace name kind phase reason q limit offset sort groupBy"},
    {"/api/v1/clusters/{cluster}/ingest", "clusters", "What arrives from one cluster.", ""},
    {"/api/v1/ingest", "clusters", "What arrives from each cluster.", ""},
    {"/api/v1/deployments", "clusters", "Deployments of all clusters, the worst first.",
     "cluster namespace name kind phase reason environment zone q limit offset sort groupBy"},
    {"/api/v1/deployments/{namespace}/{name}", "clusters", "One Deployment in every cluster.",
     "kind"},
    {"/api/v1/deployments/{namespace}/{name}/timeline", "clusters",
     "What happened to a Deployment in every cluster.", "kind cluster"},
    {"/api/v1/namespaces/{namespace}", "clusters", "Whether any cluster has it, for kubectl.", ""},
    {"/api/v1/events", "clusters", "What happened to workloads, newest last.",
     "cluster namespace name event since limit"},
    {"/api/v1/events/stream", "clusters", "Changes as they happen, as server-sent events.",
     "cluster namespace name"},
    {"/api/v1/pods", "clusters", "Pods of all clusters by their workload.",
     "owner ownerKind cluster namespace node reason name limit offset"},
    {"/api/v1/status/buildinfo", "status", "Version and revision.", ""},
    {"/api/v1/status/runtimeinfo", "status", "Since when and where the server runs.", ""},
    {"/api/v1/status/config", "status", "The configuration in force.", ""},
    {"/api/v1/status/flags", "status", "All flags.", ""},
    {"/api/v1/status/tsdb", "status", "What the store holds.", "limit"},
    {"/api/v1/status/walreplay", "status", "How far the log is replayed.", ""},
    {"/api/v1/status/queries", "status", "Queries that wait or run, and the most costly.", ""},
    {"/api/v1/status/queries/{id}", "status", "Ends a query.", ""},
    {"/api/v1/features", "status", "What the server can do.", ""},
    {"/api/v1/openapi.yaml", "status", "This description.", ""},
    {"/api/v1/admin/tsdb/flush", "admin", "Seals everything in memory.", ""},
    {"/api/v1/admin/tsdb/snapshot", "admin", "Copies everything stored, by hard links.",
     "skip_head"},
    {"/api/v1/admin/tsdb/check", "admin", "Reads and compares everything stored.", ""},
    {"/api/v1/admin/tsdb/delete_series", "admin", "Deletes samples of series.",
     "match[]! start end"},
    {"/api/v1/admin/tsdb/clean_tombstones", "admin", "Takes what was deleted off the disk.", ""},
    {"/-/healthy", "process", "Whether the process lives.", ""},
    {"/-/ready", "process", "Whether it takes requests.", ""},
    {"/-/reload", "process", "Reads the configuration again.", ""},
    {"/-/quit", "process", "Stops the process.", ""},
    {"/metrics", "process", "Metrics of the server itself.", ""},
};

const Operation* find_operation(std::string_view pattern) {
  const auto found =
      std::find_if(std::begin(kOperations), std::end(kOperations),
                   [&](const Operation& operation) { return operation.pattern == pattern; });
  return found == std::end(kOperations) ? nullptr : found;
}

void append_parameter(std::string& out, std::string_view name, std::string_view where,
                      bool required, bool repeated) {
  out += fmt::format("        - name: \"{}\"\n          in: {}\n", name, where);
  if (required) out += "          required: true\n";
  out += repeated ? "          schema: {type: array, items: {type: string}}\n"
                  : "          schema: {type: string}\n";
}

void append_parameters(std::string& out, std::string_view pattern, std::string_view parameters) {
  std::string list;
  for (size_t open = pattern.find('{'); open != std::string_view::npos;
       open = pattern.find('{', open + 1))
    append_parameter(list, pattern.substr(open + 1, pattern.find('}', open) - open - 1), "path",
                     true, false);
  while (!parameters.empty()) {
    const size_t blank = std::min(parameters.find(' '), parameters.size());
    std::string_view name = parameters.substr(0, blank);
    parameters.remove_prefix(std::min(blank + 1, parameters.size()));
    const bool required = name.ends_with('!');
    if (required) name.remove_suffix(1);
    append_parameter(list, name, "query", required, name.ends_with("[]"));
  }
  if (!list.empty()) out += "      parameters:\n" + list;
}

std::string lower(std::string_view method) {
  std::string out(method);
  for (char& c : out) c = static_cast<char>(c - 'A' + 'a');
  return out;
}

void append_operation(std::string& out, std::string_view method, std::string_view pattern) {
  out += "    " + lower(method) + ":\n";
  if (const Operation* operation = find_operation(pattern)) {
    out += fmt::format("      tags: [{}]\n      summary: \"{}\"\n", operation->group,
                       operation->summary);
    append_parameters(out, pattern, operation->parameters);
  } else {
    out += "      summary: \"\"\n      x-undocumented: true\n";
    append_parameters(out, pattern, "");
  }
  out +=
      "      responses:\n"
      "        \"200\": {description: success}\n"
      "        default: {$ref: \"#/components/responses/Error\"}\n";
}

/// Pages for people are not part of the API.
bool is_page(std::string_view pattern) {
  return !pattern.starts_with("/api/") && !pattern.starts_with("/-/") && pattern != "/metrics" &&
         pattern != "/federate";
}

}  // namespace

std::string openapi_document(const std::vector<std::string>& routes, std::string_view version) {
  std::map<std::string, std::vector<std::string>> methods;
  for (const std::string& route : routes) {
    const size_t blank = route.find(' ');
    const std::string pattern = route.substr(blank + 1);
    if (!is_page(pattern)) methods[pattern].push_back(route.substr(0, blank));
  }
  std::string out = fmt::format(
      "openapi: 3.1.0\n"
      "info:\n"
      "  title: aerie\n"
      "  description: Prometheus's HTTP API, and what aerie knows of clusters.\n"
      "  version: \"{}\"\n"
      "  license: {{name: Apache-2.0}}\n"
      "paths:\n",
      version);
  for (const auto& [pattern, of_pattern] : methods) {
    out += fmt::format("  \"{}\":\n", pattern);
    for (const std::string& method : of_pattern) append_operation(out, method, pattern);
  }
  out +=
      "components:\n"
      "  responses:\n"
      "    Error:\n"
      "      description: status, errorType and error\n"
      "      content:\n"
      "        application/json:\n"
      "          schema:\n"
      "            type: object\n"
      "            properties:\n"
      "              status: {type: string}\n"
      "              errorType: {type: string}\n"
      "              error: {type: string}\n";
  return out;
}

}  // namespace aerie::server
