#include "clusters/api.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "clusters/event_stream.h"
#include "clusters/fleet_json.h"
#include "http/json_writer.h"
#include "model/time.h"

namespace aerie::clusters {

namespace {

using http::Method;
using http::Parameters;
using http::Request;
using http::Response;

constexpr size_t kMostRows = 100'000;

Response success(const std::string& data) {
  return Response::json(200, http::success_envelope(data));
}

Response not_found(const std::string& what) {
  return Response::json(404, http::error_envelope("not_found", what));
}

Response bad(std::string_view parameter, const std::string& why) {
  return Response::json(400, http::error_envelope("bad_data", fmt::format("invalid parameter "
                                                                          "\"{}\": {}",
                                                                          parameter, why)));
}

std::string path_param(const Request& request, std::string_view name) {
  const auto found = request.path_params.find(name);
  return found == request.path_params.end() ? std::string() : found->second;
}

/// All values of a parameter; one value may hold several, separated by commas. `*` is any.
std::vector<std::string> list_of(const Parameters& params, std::string_view name) {
  std::vector<std::string> values;
  for (const std::string& value : params.all(name)) {
    size_t begin = 0;
    while (begin <= value.size()) {
      const size_t end = std::min(value.find(',', begin), value.size());
      const std::string each = value.substr(begin, end - begin);
      if (each == "*") return {};
      if (!each.empty()) values.push_back(each);
      begin = end + 1;
    }
  }
  return values;
}

/// What the caller asked for wrongly, or nothing.
using Refusal = std::optional<Response>;

Refusal read_number(const Parameters& params, std::string_view name, size_t& out) {
  const std::string_view text = params.get(name);
  if (text.empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || out > kMostRows)
    return bad(name, fmt::format("expected a number from 0 to {}", kMostRows));
  return std::nullopt;
}

Refusal read_page(const Parameters& params, Page& page) {
  if (auto refusal = read_number(params, "limit", page.limit)) return refusal;
  if (auto refusal = read_number(params, "offset", page.offset)) return refusal;
  const std::string_view sort = params.get("sort");
  if (sort == "name") page.order = Order::Name;
  if (sort == "since") page.order = Order::Since;
  if (!sort.empty() && sort != "name" && sort != "since" && sort != "worst")
    return bad("sort", "expected worst, name or since");
  return std::nullopt;
}

Refusal read_filter(const Parameters& params, DeploymentFilter& filter) {
  filter.phases = list_of(params, "phase");
  filter.clusters = list_of(params, "cluster");
  for (const std::string& name : list_of(params, "kind")) {
    const auto kind = parse_kind(name);
    if (!kind) return bad("kind", "unknown kind " + name);
    filter.kinds.emplace_back(kind_name(*kind));
  }
  for (const std::string& phase : filter.phases) {
    if (!parse_phase(phase)) return bad("phase", "unknown phase " + phase);
  }
  filter.reason = params.get("reason");
  filter.space = params.get("namespace");
  filter.name = params.get("name");
  filter.environment = params.get("environment");
  filter.zone = params.get("zone");
  std::istringstream words{std::string(params.get("q"))};
  for (std::string word; words >> word;) filter.words.push_back(word);
  return std::nullopt;
}

Response list_deployments(const FleetSnapshot& fleet, const Request& request,
                          const std::string& cluster) {
  DeploymentFilter filter;
  Page page;
  if (auto refusal = read_filter(request.params, filter)) return std::move(*refusal);
  if (auto refusal = read_page(request.params, page)) return std::move(*refusal);
  if (!cluster.empty()) filter.clusters = {cluster};
  const std::string by(request.params.get("groupBy"));
  if (by.empty()) return success(deployments_json(fleet, filter, page));
  for (const char* known : {"zone", "environment", "cluster", "namespace", "workload"}) {
    if (by == known) return success(groups_json(fleet, filter, by, page));
  }
  return bad("groupBy", "expected zone, environment, cluster, namespace or workload");
}

Result<Kind> kind_of(const Request& request) {
  const std::string_view name = request.params.get("kind");
  if (name.empty()) return Kind::Deployment;
  const auto kind = parse_kind(name);
  if (!kind) return Error(ErrorCode::InvalidArgument, "unknown kind " + std::string(name));
  return *kind;
}

Response one_workload(const ClusterView& view, const Request& request) {
  const auto fleet = view.snapshot();
  const auto kind = kind_of(request);
  if (!kind) return bad("kind", kind.error().message());
  const std::string space = path_param(request, "namespace");
  const std::string name = path_param(request, "name");
  const auto row = roll_up(*fleet, space, name, *kind);
  return row ? success(federated_json(*fleet, *row))
             : not_found(fmt::format("no cluster has a {} {}/{}", kind_name(*kind), space, name));
}

Response timeline_of(const ClusterView& view, const Request& request) {
  const auto kind = kind_of(request);
  if (!kind) return bad("kind", kind.error().message());
  auto entries =
      view.timeline().of(path_param(request, "namespace"), path_param(request, "name"), *kind);
  const auto clusters = list_of(request.params, "cluster");
  if (!clusters.empty()) {
    std::erase_if(entries, [&](const EntryPtr& entry) {
      return std::find(clusters.begin(), clusters.end(), entry->key.cluster) == clusters.end();
    });
  }
  return success(events_json(entries));
}

Response list_events(const ClusterView& view, const Request& request) {
  Timeline::Filter filter;
  if (request.params.get("cluster") != "*") filter.cluster = request.params.get("cluster");
  filter.space = request.params.get("namespace");
  filter.name = request.params.get("name");
  filter.event = request.params.get("event");
  if (!filter.event.empty() && !parse_event(filter.event))
    return bad("event", "unknown event " + filter.event);
  if (auto refusal = read_number(request.params, "limit", filter.limit)) return std::move(*refusal);
  const std::string_view since = request.params.get("since");
  if (!since.empty()) {
    const auto at = model::parse_timestamp(since);
    if (!at) return bad("since", at.error().message());
    filter.since = *at;
  }
  return success(events_json(view.timeline().find(filter)));
}

Response list_pods(const ClusterView& view, const Request& request) {
  PodFilter filter;
  Page page;
  if (auto refusal = read_page(request.params, page)) return std::move(*refusal);
  filter.clusters = list_of(request.params, "cluster");
  filter.space = request.params.get("namespace");
  filter.owner = request.params.get("owner");
  filter.node = request.params.get("node");
  filter.reason = request.params.get("reason");
  filter.name = request.params.get("name");
  const std::string_view kind = request.params.get("ownerKind");
  if (!kind.empty()) {
    const auto parsed = parse_kind(kind);
    if (!parsed) return bad("ownerKind", "unknown kind " + std::string(kind));
    filter.owner_kind = kind_name(*parsed);
  }
  return success(pods_json(*view.snapshot(), filter, page));
}

}  // namespace

void register_routes(http::Router& router, WorkPool& pool, ClusterView& view) {
  const auto get = [&](std::string_view pattern, http::BlockingHandler handler) {
    router.blocking({Method::Get}, pattern, pool, std::move(handler));
  };
  const auto unknown = [](const std::string& name) {
    return not_found("no cluster " + name + " has ever written here");
  };
  get("/api/v1/clusters",
      [&view](const Request&) { return success(clusters_json(*view.snapshot())); });
  get("/api/v1/clusters/{cluster}", [&view, unknown](const Request& request) {
    const auto fleet = view.snapshot();
    const std::string name = path_param(request, "cluster");
    const auto* row = fleet->find_cluster(name);
    return row ? success(cluster_json(*row)) : unknown(name);
  });
  get("/api/v1/clusters/{cluster}/deployments", [&view, unknown](const Request& request) {
    const auto fleet = view.snapshot();
    const std::string name = path_param(request, "cluster");
    return fleet->find_cluster(name) ? list_deployments(*fleet, request, name) : unknown(name);
  });
  get("/api/v1/deployments",
      [&view](const Request& request) { return list_deployments(*view.snapshot(), request, {}); });
  get("/api/v1/deployments/{namespace}/{name}",
      [&view](const Request& request) { return one_workload(view, request); });
  get("/api/v1/deployments/{namespace}/{name}/timeline",
      [&view](const Request& request) { return timeline_of(view, request); });
  get("/api/v1/events", [&view](const Request& request) { return list_events(view, request); });
  get("/api/v1/pods", [&view](const Request& request) { return list_pods(view, request); });
  router.async({Method::Get}, "/api/v1/events/stream",
               [&view](const Request& request, http::Responder respond) {
                 respond(stream_events(view, request));
               });
}

}  // namespace aerie::clusters
