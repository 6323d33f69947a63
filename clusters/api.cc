#include "clusters/api.h"

#include <memory>
#include <string>

#include "http/json_writer.h"

namespace aerie::clusters {

namespace {

using http::JsonWriter;
using http::Method;
using http::Request;
using http::Response;

double seconds(model::DurationMs duration) { return static_cast<double>(duration) / 1000; }

void write_optional(JsonWriter& json, std::string_view name, const std::optional<int64_t>& value) {
  json.key(name);
  value ? json.integer(*value) : json.null();
}

void write_cluster(JsonWriter& json, const ClusterRow& row) {
  json.begin_object();
  json.field("cluster", row.cluster).field("environment", row.environment).field("zone", row.zone);
  json.field("state", cluster_state_name(row.state)).field("note", row.note);
  json.key("lastArrivalSeconds").number(seconds(row.silence));
  json.key("lagSeconds").number(seconds(row.lag));
  json.key("deployments").begin_object();
  for (size_t i = 0; i < kPhases; ++i) {
    json.field(phase_name(static_cast<Phase>(i)), row.deployments[i]);
  }
  json.end_object().end_object();
}

void write_fields(JsonWriter& json, const DeploymentRow& row) {
  json.field("cluster", row.key.cluster)
      .field("namespace", row.key.space)
      .field("name", row.key.name);
  json.field("phase", phase_name(row.verdict.phase)).field("reason", row.verdict.reason);
  json.field("message", row.verdict.message);
  write_optional(json, "desired", row.desired);
  write_optional(json, "updated", row.updated);
  write_optional(json, "ready", row.ready);
  write_optional(json, "available", row.available);
  json.key("since").number(seconds(row.verdict.since));
  json.key("evidenceAgeSeconds");
  row.evidence_age ? json.number(seconds(*row.evidence_age)) : json.null();
}

void write_causes(JsonWriter& json, const Verdict& verdict) {
  json.key("causes").begin_array();
  for (const auto& cause : verdict.causes) {
    json.begin_object();
    json.field("reason", cause.reason())
        .field("count", cause.count)
        .field("message", cause.message);
    json.end_object();
  }
  json.end_array();
}

bool selects(const DeploymentFilter& filter, const DeploymentRow& row) {
  const auto any_or = [](const std::string& wanted, std::string_view value) {
    return wanted.empty() || wanted == value;
  };
  const std::string& reason = row.verdict.reason;
  return any_or(filter.phase, phase_name(row.verdict.phase)) &&
         any_or(filter.cluster, row.key.cluster) && any_or(filter.space, row.key.space) &&
         any_or(filter.name, row.key.name) &&
         (any_or(filter.reason, reason) || filter.reason == reason.substr(0, reason.find('/')));
}

Response success(const std::string& data) {
  return Response::json(200, http::success_envelope(data));
}

Response not_found(const std::string& what) {
  return Response::json(404, http::error_envelope("not_found", what));
}

std::string path_param(const Request& request, std::string_view name) {
  const auto found = request.path_params.find(name);
  return found == request.path_params.end() ? std::string() : found->second;
}

Response list_deployments(const FleetSnapshot& fleet, const Request& request, std::string cluster) {
  DeploymentFilter filter;
  filter.phase = request.params.get("phase");
  filter.reason = request.params.get("reason");
  filter.cluster =
      cluster.empty() ? std::string(request.params.get("cluster")) : std::move(cluster);
  filter.space = request.params.get("namespace");
  filter.name = request.params.get("name");
  if (!filter.phase.empty() && !parse_phase(filter.phase)) {
    return Response::json(
        400, http::error_envelope("bad_data",
                                  "invalid parameter \"phase\": unknown phase " + filter.phase));
  }
  return success(deployments_json(fleet, filter));
}

}  // namespace

std::string cluster_json(const ClusterRow& row) {
  std::string out;
  JsonWriter json(out);
  write_cluster(json, row);
  return out;
}

std::string clusters_json(const FleetSnapshot& fleet) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("clusters").begin_array();
  for (const auto& row : fleet.clusters) write_cluster(json, row);
  json.end_array().end_object();
  return out;
}

std::string deployments_json(const FleetSnapshot& fleet, const DeploymentFilter& filter) {
  std::string out;
  JsonWriter json(out);
  int64_t total = 0;
  json.begin_object().key("deployments").begin_array();
  for (const auto& row : fleet.deployments) {
    if (!selects(filter, row)) continue;
    ++total;
    json.begin_object();
    write_fields(json, row);
    json.end_object();
  }
  json.end_array().field("total", total).end_object();
  return out;
}

std::string federated_json(const FederatedRow& row) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("namespace", row.space).field("name", row.name);
  json.field("phase", phase_name(row.phase)).field("reason", row.reason);
  json.field("desiredReplicas", row.desired).field("readyReplicas", row.ready);
  json.field("unknownReplicas", row.unknown);
  json.key("clusters").begin_array();
  for (const auto* each : row.clusters) {
    json.begin_object();
    write_fields(json, *each);
    json.field("desiredSource", each->desired_source);
    write_causes(json, each->verdict);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

void register_routes(http::Router& router, WorkPool& pool, const ClusterView& view) {
  router.blocking({Method::Get}, "/api/v1/clusters", pool,
                  [&view](const Request&) { return success(clusters_json(*view.snapshot())); });
  router.blocking({Method::Get}, "/api/v1/clusters/{cluster}", pool,
                  [&view](const Request& request) {
                    const auto fleet = view.snapshot();
                    const std::string name = path_param(request, "cluster");
                    const auto* row = fleet->find_cluster(name);
                    return row ? success(cluster_json(*row))
                               : not_found("no cluster " + name + " has ever written here");
                  });
  router.blocking({Method::Get}, "/api/v1/clusters/{cluster}/deployments", pool,
                  [&view](const Request& request) {
                    const auto fleet = view.snapshot();
                    const std::string name = path_param(request, "cluster");
                    if (!fleet->find_cluster(name))
                      return not_found("no cluster " + name + " has ever written here");
                    return list_deployments(*fleet, request, name);
                  });
  router.blocking({Method::Get}, "/api/v1/deployments", pool, [&view](const Request& request) {
    return list_deployments(*view.snapshot(), request, {});
  });
  router.blocking({Method::Get}, "/api/v1/deployments/{namespace}/{name}", pool,
                  [&view](const Request& request) {
                    const auto fleet = view.snapshot();
                    const std::string space = path_param(request, "namespace");
                    const std::string name = path_param(request, "name");
                    const auto row = roll_up(*fleet, space, name);
                    return row ? success(federated_json(*row))
                               : not_found("no cluster has a Deployment " + space + "/" + name);
                  });
}

}  // namespace aerie::clusters
