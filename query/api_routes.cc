// Which handler answers which path, on which thread and with which view of the store.

#include <array>
#include <utility>

#include "query/api.h"
#include "query/api_answer.h"
#include "query/scoped_source.h"

namespace aerie::query {
namespace {

constexpr http::Method kGet = http::Method::Get;
constexpr http::Method kPost = http::Method::Post;

}  // namespace

void QueryApi::register_routes(http::Router& router, WorkPool& pool) {
  route_queries(router, pool);
  route_views(router, pool);
  route_plain(router, pool);
  route_activity(router);
}

http::Response QueryApi::with_view(const http::Request& request,
                                   const std::function<http::Response(const View&)>& handle) const {
  static const model::Matchers kEverything;
  if (!options_.scope) return handle({store_, kEverything});
  const auto scope = options_.scope(request);
  if (!scope) return error_answer(scope.error());
  const ScopedSource source(store_, *scope);
  return handle({source, *scope});
}

/// What may take long: waits its turn in the scheduler.
void QueryApi::route_queries(http::Router& router, WorkPool& pool) {
  const std::pair<std::string_view, QueryHandler> routes[] = {
      {"/api/v1/query", &QueryApi::instant},
      {"/api/v1/query_range", &QueryApi::range},
      {"/api/v1/explain", &QueryApi::explain},
  };
  for (const auto& [pattern, handler] : routes) {
    const auto work = [this, handler = handler](const http::Request& request, QueryRecord& record) {
      return with_view(request,
                       [&](const View& view) { return (this->*handler)(request, view, record); });
    };
    router.async({kGet, kPost}, pattern,
                 [this, &pool, work](http::Request request, http::Responder responder) {
                   scheduler_.submit(pool, std::move(request), std::move(responder), work);
                 });
  }
}

void QueryApi::route_views(http::Router& router, WorkPool& pool) const {
  const std::pair<std::string_view, ViewHandler> routes[] = {
      {"/api/v1/query_exemplars", &QueryApi::exemplars},
      {"/api/v1/series", &QueryApi::series},
      {"/api/v1/labels", &QueryApi::label_names},
      {"/api/v1/label/{name}/values", &QueryApi::label_values},
      {"/api/v1/metadata", &QueryApi::metadata},
      {"/api/v1/search/metric_names", &QueryApi::search_metric_names},
      {"/api/v1/search/label_names", &QueryApi::search_label_names},
      {"/api/v1/search/label_values", &QueryApi::search_label_values},
      {"/api/v1/read", &QueryApi::remote_read},
      {"/federate", &QueryApi::federate},
  };
  for (const auto& [pattern, handler] : routes) {
    const auto handle = [this, handler = handler](const http::Request& request) {
      return with_view(request, [&](const View& view) { return (this->*handler)(request, view); });
    };
    router.blocking({kGet, kPost}, pattern, pool, handle);
  }
}

void QueryApi::route_plain(http::Router& router, WorkPool& pool) const {
  struct Route {
    std::string_view pattern;
    PlainHandler handler;
    bool shows_everything;  // and is refused to a caller who may not see everything
  };
  const Route routes[] = {
      {"/api/v1/format_query", &QueryApi::format, false},
      {"/api/v1/parse_query", &QueryApi::parse, false},
      {"/api/v1/status/buildinfo", &QueryApi::build_info, false},
      {"/api/v1/status/runtimeinfo", &QueryApi::runtime_info, false},
      {"/api/v1/status/flags", &QueryApi::flags, true},
      {"/api/v1/status/tsdb", &QueryApi::storage_status, true},
      {"/api/v1/status/walreplay", &QueryApi::replay_status, false},
      {"/api/v1/features", &QueryApi::features, false},
  };
  for (const Route& route : routes) {
    const auto handle = [this, route](const http::Request& request) {
      if (!route.shows_everything) return (this->*route.handler)(request);
      return with_view(request, [&](const View& view) {
        if (view.scope.empty()) return (this->*route.handler)(request);
        return error_answer(Error(ErrorCode::PermissionDenied,
                                  "this shows every cluster, which the caller may not see"));
      });
    };
    router.blocking({kGet, kPost}, route.pattern, pool, handle);
  }
}

/// Answered by the io thread at once: they must work while all query threads are busy.
void QueryApi::route_activity(http::Router& router) {
  router.async(
      {kGet, kPost}, "/api/v1/status/queries",
      [this](http::Request request, http::Responder responder) { responder(queries(request)); });
  router.async({kPost, http::Method::Delete}, "/api/v1/status/queries/{id}",
               [this](http::Request request, http::Responder responder) {
                 responder(cancel_query(request));
               });
}

}  // namespace aerie::query
