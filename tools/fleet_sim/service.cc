#include "tools/fleet_sim/service.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <utility>

#include "http/json_writer.h"
#include "tools/fleet_sim/exposition.h"

namespace aerie::fleet_sim {

namespace {

namespace json = boost::json;
using http::Response;

struct Order {
  std::string cluster;
  std::string fault;
  std::string deployment;
  std::string image;
  int64_t replicas = -1;
  bool on = true;
};

Result<Order> parse_order(const std::string& body) {
  json::error_code failed;
  const json::value value = json::parse(body, failed);
  if (failed || !value.is_object()) {
    return Error(ErrorCode::InvalidArgument,
                 "expected a JSON object: " + (failed ? failed.message() : body));
  }
  Order order;
  for (const auto& [key, field] : value.as_object()) {
    const std::string name(key);
    if (name == "on" && field.is_bool()) {
      order.on = field.as_bool();
    } else if (name == "replicas" && field.is_int64()) {
      order.replicas = field.as_int64();
    } else if (field.is_string()) {
      const std::string text(field.as_string());
      if (name == "cluster")
        order.cluster = text;
      else if (name == "fault")
        order.fault = text;
      else if (name == "deployment")
        order.deployment = text;
      else if (name == "image")
        order.image = text;
      else
        return Error(ErrorCode::InvalidArgument, "unknown key " + name);
    } else {
      return Error(ErrorCode::InvalidArgument, "unknown key, or wrong type: " + name);
    }
  }
  return order;
}

Response refusal(const Error& error) {
  const int status = error.code() == ErrorCode::NotFound ? 404 : 400;
  return Response::text(status, error.message() + "\n");
}

constexpr std::string_view kPageHead =
    R"(<!doctype html><meta charset="utf-8"><title>fleet_sim</title>
<style>body{font:15px/1.5 system-ui;margin:2rem;max-width:70rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;
border-bottom:1px solid #ccc}button{font:inherit}.on{background:#fdd}</style>
<h1>A simulated fleet</h1><p>Each cluster is scraped at <code>/clusters/{name}/metrics</code>. Switch faults on and off and watch what aerie says.</p>
<script>function change(path,body){fetch(path,{method:'POST',body:JSON.stringify(body)}).then(()=>location.reload())}</script>
)";

std::string fault_button(const std::string& cluster, const std::string& deployment, Fault fault,
                         bool on) {
  return fmt::format(
      "<button class=\"{}\" "
      "onclick='change(\"/faults\",{{cluster:\"{}\",deployment:\"{}\",fault:\"{}\",on:{}}})'>{}{}</"
      "button> ",
      on ? "on" : "", cluster, deployment, fault_name(fault), !on, on ? "end " : "",
      fault_name(fault));
}

std::string cluster_section(const ClusterState& state) {
  std::string out = fmt::format("<h2>{}</h2><p>", state.name);
  out += fault_button(state.name, "", Fault::Silent, state.silent);
  out += fault_button(state.name, "", Fault::NodeDown, !state.nodes.front().ready);
  out += "</p><table><tr><th>Deployment<th>image<th>ready<th>updated<th>faults</tr>";
  for (const auto& d : state.deployments) {
    const std::string name = d.space + "/" + d.name;
    out += fmt::format("<tr><td>{}<td>{}<td>{}/{}<td>{}<td>", name, d.wanted().image,
                       d.status_ready, d.replicas, d.status_updated);
    for (const Fault fault :
         {Fault::Quota, Fault::BadImage, Fault::CrashLoop, Fault::Unschedulable}) {
      out += fault_button(state.name, name, fault, d.faults.contains(fault));
    }
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

}  // namespace

FleetService::FleetService(const std::vector<std::string>& clusters, uint64_t seed,
                           const Clock& clock)
    : clock_(clock) {
  for (const auto& name : clusters) {
    auto simulation = std::make_unique<Simulation>(name, seed, clock.now_ms());
    clusters_[name].with([&](auto& slot) { slot = std::move(simulation); });
  }
}

Status FleetService::play_scenario(const std::string& name) {
  if (name == "calm") return {};
  if (name != "demo" || clusters_.empty()) {
    return Error(ErrorCode::InvalidArgument,
                 "unknown scenario " + name + ", expected demo or calm");
  }
  return clusters_.rbegin()->second.with(
      [](auto& simulation) { return simulation->set_fault(Fault::Quota, "shop/nginx", true); });
}

Response FleetService::metrics(const std::string& cluster) {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end()) return Response::text(404, "no cluster " + cluster + "\n");
  return found->second.with([&](auto& simulation) {
    simulation->advance_to(clock_.now_ms());
    if (simulation->state().silent) return Response::text(503, "silent\n");
    Response response = Response::text(200, expose(simulation->state(), simulation->now()));
    response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return response;
  });
}

Response FleetService::change_fault(const std::string& body) {
  auto order = parse_order(body);
  if (!order) return refusal(order.error());
  const auto found = clusters_.find(order->cluster);
  if (found == clusters_.end()) return Response::text(404, "no cluster " + order->cluster + "\n");
  Fault fault{};
  if (!parse_fault(order->fault, fault)) {
    return Response::text(
        400, "unknown fault " + order->fault +
                 ", expected quota, bad_image, crash_loop, unschedulable, node_down or silent\n");
  }
  auto changed = found->second.with([&](auto& simulation) {
    simulation->advance_to(clock_.now_ms());
    return simulation->set_fault(fault, order->deployment, order->on);
  });
  return changed ? list_faults() : refusal(changed.error());
}

Response FleetService::list_faults() {
  std::string out;
  http::JsonWriter writer(out);
  writer.begin_object().key("faults").begin_array();
  for (auto& [name, cluster] : clusters_) {
    const auto faults = cluster.with([](auto& simulation) { return simulation->faults(); });
    for (const auto& [fault, deployment] : faults) {
      writer.begin_object().field("cluster", name).field("fault", fault_name(fault));
      writer.field("deployment", deployment).key("on").boolean(true).end_object();
    }
  }
  writer.end_array().end_object();
  return Response::json(200, out + "\n");
}

Response FleetService::change_rollout(const std::string& body) {
  auto order = parse_order(body);
  if (!order) return refusal(order.error());
  const auto found = clusters_.find(order->cluster);
  if (found == clusters_.end()) return Response::text(404, "no cluster " + order->cluster + "\n");
  if (order->image.empty() && order->replicas < 0)
    return Response::text(400, "expected an image or replicas\n");
  auto changed = found->second.with([&](auto& simulation) -> Status {
    simulation->advance_to(clock_.now_ms());
    if (order->replicas >= 0) {
      auto scaled = simulation->scale(order->deployment,
                                      static_cast<int>(std::min<int64_t>(order->replicas, 200)));
      if (!scaled || order->image.empty()) return scaled;
    }
    return simulation->rollout(order->deployment, order->image);
  });
  return changed ? Response::json(200, "{\"status\":\"ok\"}\n") : refusal(changed.error());
}

Response FleetService::page() {
  std::string out(kPageHead);
  for (auto& [name, cluster] : clusters_) {
    out += cluster.with([&](auto& simulation) {
      simulation->advance_to(clock_.now_ms());
      return cluster_section(simulation->state());
    });
  }
  Response response = Response::text(200, std::move(out));
  response.headers.set("Content-Type", "text/html; charset=utf-8");
  return response;
}

void FleetService::register_routes(http::Router& router, WorkPool& pool) {
  using http::Method;
  using http::Request;
  router.blocking({Method::Get}, "/", pool, [this](const Request&) { return page(); });
  router.blocking({Method::Get}, "/clusters/{name}/metrics", pool, [this](const Request& request) {
    return metrics(request.path_params.at("name"));
  });
  router.blocking({Method::Get}, "/faults", pool, [this](const Request&) { return list_faults(); });
  router.blocking({Method::Post}, "/faults", pool,
                  [this](const Request& request) { return change_fault(request.body); });
  router.blocking({Method::Post}, "/rollout", pool,
                  [this](const Request& request) { return change_rollout(request.body); });
}

}  // namespace aerie::fleet_sim
