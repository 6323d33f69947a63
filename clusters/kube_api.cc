#include "clusters/kube_api.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "clusters/kube_objects.h"
#include "clusters/kube_request.h"
#include "clusters/kube_watch.h"

namespace aerie::clusters {

namespace {

using http::JsonWriter;
using http::Method;
using http::Request;
using http::Response;

std::string group_version() { return fmt::format("{}/{}", kKubeGroup, kKubeVersion); }

std::string path_param(const Request& request, std::string_view name) {
  const auto found = request.path_params.find(name);
  return found == request.path_params.end() ? std::string() : found->second;
}

void write_group(JsonWriter& json) {
  const auto version = [&] {
    json.begin_object().field("groupVersion", group_version());
    json.field("version", kKubeVersion).end_object();
  };
  json.field("name", kKubeGroup).key("versions").begin_array();
  version();
  json.end_array().key("preferredVersion");
  version();
}

Response core_versions(const Request&) {
  return Response::json(200,
                        R"({"kind":"APIVersions","versions":[],"serverAddressByClientCIDRs":[]})");
}

Response group_list(const Request&) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("kind", "APIGroupList").field("apiVersion", "v1");
  json.key("groups").begin_array().begin_object();
  write_group(json);
  json.end_object().end_array().end_object();
  return Response::json(200, std::move(body));
}

Response one_group(const Request&) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("kind", "APIGroup").field("apiVersion", "v1");
  write_group(json);
  json.end_object();
  return Response::json(200, std::move(body));
}

Response resource_list(const Request&) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("kind", "APIResourceList").field("apiVersion", "v1");
  json.field("groupVersion", group_version()).key("resources").begin_array();
  for (const KubeResourceNames& names : kube_resources()) {
    json.begin_object().field("name", names.plural).field("singularName", names.singular);
    json.key("namespaced").boolean(names.namespaced).field("kind", names.kind);
    json.key("verbs").begin_array().string("get").string("list").string("watch").end_array();
    json.key("shortNames").begin_array();
    if (!names.short_name.empty()) json.string(names.short_name);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return Response::json(200, std::move(body));
}

Response failure_of(const Error& error) {
  if (error.code() == ErrorCode::NotFound) return kube_failure(404, "NotFound", error.message());
  return kube_failure(400, "BadRequest", error.message());
}

Response get_one(const KubeRequest& request, const FleetSnapshot& fleet,
                 const std::vector<KubeItem>& items) {
  if (items.empty()) {
    return kube_failure(
        404, "NotFound",
        fmt::format("{}.{} \"{}\" not found", request.names->plural, kKubeGroup, request.name));
  }
  if (request.table)
    return Response::json(200, kube_table(request, fleet, items, fleet.version, {}));
  std::string body;
  JsonWriter json(body);
  write_kube_object(json, *request.names, items.front(), fleet);
  return Response::json(200, std::move(body));
}

Response get_list(const KubeRequest& request, const FleetSnapshot& fleet,
                  std::vector<KubeItem> items) {
  const size_t total = items.size();
  const size_t begin = std::min(request.offset, total);
  const size_t end = request.limit == 0 ? total : std::min(total, begin + request.limit);
  const std::string next = end < total ? std::to_string(end) : "";
  const std::span<const KubeItem> page(items.data() + begin, end - begin);
  if (request.table)
    return Response::json(200, kube_table(request, fleet, page, fleet.version, next));
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("apiVersion", group_version());
  json.field("kind", std::string(request.names->kind) + "List");
  json.key("metadata").begin_object().field("resourceVersion", std::to_string(fleet.version));
  if (!next.empty()) {
    json.field("continue", next).field("remainingItemCount", static_cast<int64_t>(total - end));
  }
  json.end_object().key("items").begin_array();
  for (const KubeItem& item : page) write_kube_object(json, *request.names, item, fleet);
  json.end_array().end_object();
  return Response::json(200, std::move(body));
}

Response answer(const ClusterView& view, const KubeRequest& request) {
  const auto fleet = view.snapshot();
  auto items = kube_items(request.names->resource, *fleet, view.timeline(), request.scope);
  std::erase_if(items, [&](const KubeItem& item) { return !selected(request, item); });
  return request.name.empty() ? get_list(request, *fleet, std::move(items))
                              : get_one(request, *fleet, items);
}

/// kubectl asks for the namespace when an object of it is not found, to tell which of the two is
/// missing.
Response one_namespace(const ClusterView& view, const Request& request) {
  const std::string name = path_param(request, "namespace");
  const auto fleet = view.snapshot();
  const bool known = std::any_of(fleet->deployments.begin(), fleet->deployments.end(),
                                 [&](const RowPtr& row) { return row->key.space == name; });
  if (!known)
    return kube_failure(404, "NotFound", fmt::format("namespaces \"{}\" not found", name));
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("kind", "Namespace").field("apiVersion", "v1");
  json.key("metadata").begin_object().field("name", name).end_object();
  json.key("status").begin_object().field("phase", "Active").end_object().end_object();
  return Response::json(200, std::move(body));
}

/// Registers one path form of the group.
class Form {
 public:
  Form(http::Router& router, WorkPool& pool, ClusterView& view)
      : router_(router), pool_(pool), view_(view) {}

  void discovery(const std::string& apis) const {
    get(apis, group_list);
    get(apis + "/status.aerie.io", one_group);
    get(apis + "/status.aerie.io/v1alpha1", resource_list);
  }

  void objects(const std::string& prefix) const {
    auto handler = [&view = view_, &pool = pool_](Request request, http::Responder respond) {
      serve(view, pool, std::move(request), std::move(respond));
    };
    router_.async({Method::Get}, prefix + "/status.aerie.io/v1alpha1/{rest...}",
                  std::move(handler));
  }

  void get(const std::string& pattern, http::BlockingHandler handler) const {
    router_.blocking({Method::Get}, pattern, pool_, std::move(handler));
  }

 private:
  static void serve(ClusterView& view, WorkPool& pool, Request request, http::Responder respond) {
    const std::string cluster = path_param(request, "cluster");
    if (!cluster.empty() && !view.snapshot()->find_cluster(cluster)) {
      return respond(kube_failure(
          404, "NotFound", fmt::format("clusters.{} \"{}\" not found", kKubeGroup, cluster)));
    }
    auto parsed = parse_kube_request(request, path_param(request, "rest"), cluster);
    if (!parsed) return respond(failure_of(parsed.error()));
    struct Job {
      KubeRequest request;
      http::Responder respond;
    };
    auto job = std::make_shared<Job>(Job{std::move(*parsed), std::move(respond)});
    auto work = [job, &view] {
      job->respond(job->request.watch ? kube_watch(view, std::move(job->request))
                                      : answer(view, job->request));
    };
    if (!pool.submit(std::move(work))) {
      Response busy = kube_failure(429, "TooManyRequests", "too many requests wait");
      busy.headers.set("Retry-After", "1");
      job->respond(std::move(busy));
    }
  }

  http::Router& router_;
  WorkPool& pool_;
  ClusterView& view_;
};

}  // namespace

void register_kube_routes(http::Router& router, WorkPool& pool, ClusterView& view) {
  const Form form(router, pool, view);
  form.get("/api", core_versions);
  form.get("/api/v1/namespaces/{namespace}",
           [&view](const Request& request) { return one_namespace(view, request); });
  form.discovery("/apis");
  form.objects("/apis");
  form.get("/clusters/{cluster}/api", core_versions);
  form.discovery("/clusters/{cluster}/apis");
  form.objects("/clusters/{cluster}/apis");
  // KubeSphere's older forms.
  form.objects("/apis/clusters/{cluster}");
  form.objects("/kapis/clusters/{cluster}");
}

}  // namespace aerie::clusters
