#include "clusters/kube_request.h"

#include <fmt/core.h>

#include <charconv>
#include <utility>
#include <vector>

namespace aerie::clusters {

namespace {

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    if (slash != 0) segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return segments;
}

template <class Number>
Result<Number> number_of(const http::Request& request, std::string_view name) {
  const std::string_view text = request.params.get(name);
  Number value = 0;
  if (text.empty()) return value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return Error(ErrorCode::InvalidArgument, fmt::format("{}: \"{}\" is no number", name, text));
  }
  return value;
}

bool is_true(std::string_view text) { return text == "true" || text == "1"; }

Status read_path(std::string_view rest, KubeRequest& out) {
  std::vector<std::string> parts = segments_of(rest);
  const auto unknown = [&] {
    return Error(ErrorCode::NotFound, "the server could not find the requested resource");
  };
  const bool namespaced = parts.size() >= 3 && parts[0] == "namespaces";
  if (namespaced) {
    out.scope.space = parts[1];
    parts.erase(parts.begin(), parts.begin() + 2);
  }
  if (parts.empty() || parts.size() > 2) return unknown();
  out.names = find_kube_resource(parts[0]);
  if (!out.names || (namespaced && !out.names->namespaced)) return unknown();
  if (parts.size() == 2) out.name = parts[1];
  if (!out.name.empty() && out.names->namespaced && !namespaced) return unknown();
  return {};
}

Status read_selectors(const http::Request& request, KubeRequest& out) {
  auto labels = KubeSelector::parse(request.params.get("labelSelector"));
  if (!labels) return std::move(labels).error();
  auto fields = KubeSelector::parse(request.params.get("fieldSelector"));
  if (!fields) return std::move(fields).error();
  for (const std::string& key : fields->keys()) {
    for (const char* known : {"metadata.name", "metadata.namespace", "status.phase",
                              "status.reason", "status.state", "status.event", "spec.cluster"}) {
      if (key == known) goto next;
    }
    return Error(ErrorCode::InvalidArgument, "field label not supported: " + key);
  next:;
  }
  out.labels = std::move(*labels);
  out.fields = std::move(*fields);
  return {};
}

}  // namespace

Result<KubeRequest> parse_kube_request(const http::Request& request, std::string_view rest,
                                       std::string cluster) {
  KubeRequest out;
  out.scope.cluster = std::move(cluster);
  if (auto path = read_path(rest, out); !path) return std::move(path).error();
  if (auto selectors = read_selectors(request, out); !selectors)
    return std::move(selectors).error();
  auto limit = number_of<size_t>(request, "limit");
  if (!limit) return std::move(limit).error();
  auto offset = number_of<size_t>(request, "continue");
  if (!offset) return std::move(offset).error();
  auto timeout = number_of<int64_t>(request, "timeoutSeconds");
  if (!timeout) return std::move(timeout).error();
  out.limit = *limit;
  out.offset = *offset;
  out.timeout_seconds = *timeout;
  out.watch = is_true(request.params.get("watch"));
  out.bookmarks = is_true(request.params.get("allowWatchBookmarks"));
  out.resource_version = request.params.get("resourceVersion");
  out.table = request.headers.get("Accept").find("as=Table") != std::string_view::npos;
  out.whole_objects = request.params.get("includeObject") == "Object";
  return out;
}

http::Response kube_failure(int status, std::string_view reason, const std::string& message) {
  std::string body;
  http::JsonWriter json(body);
  json.begin_object().field("kind", "Status").field("apiVersion", "v1");
  json.key("metadata").begin_object().end_object();
  json.field("status", "Failure").field("message", message).field("reason", reason);
  json.field("code", status).end_object();
  return http::Response::json(status, std::move(body));
}

bool selected(const KubeRequest& request, const KubeItem& item) {
  return (request.name.empty() || request.name == item.name) &&
         request.labels.matches(item.labels) && request.fields.matches(item.fields);
}

std::string kube_table(const KubeRequest& request, const FleetSnapshot& fleet,
                       std::span<const KubeItem> items, uint64_t version, const std::string& next) {
  std::string body;
  http::JsonWriter json(body);
  json.begin_object().field("kind", "Table").field("apiVersion", "meta.k8s.io/v1");
  json.key("metadata").begin_object().field("resourceVersion", std::to_string(version));
  if (!next.empty()) json.field("continue", next);
  json.end_object().key("columnDefinitions").begin_array();
  for (const KubeColumn& column : kube_columns(request.names->resource)) {
    json.begin_object().field("name", column.name).field("type", column.type);
    json.field("format", column.name == "Name" ? "name" : "").field("description", "");
    json.field("priority", column.wide ? 1 : 0).end_object();
  }
  json.end_array().key("rows").begin_array();
  for (const KubeItem& item : items) {
    json.begin_object().key("cells");
    write_kube_cells(json, request.names->resource, item, fleet);
    json.key("object");
    if (request.whole_objects) {
      write_kube_object(json, *request.names, item, fleet);
    } else {
      write_kube_metadata(json, item);
    }
    json.end_object();
  }
  json.end_array().end_object();
  return body;
}

}  // namespace aerie::clusters
