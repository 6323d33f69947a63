#include "server/status_api.h"

#include <utility>

#include "http/json_writer.h"

namespace aerie::server {
namespace {

using http::Method;
using http::Request;
using http::Response;

constexpr const char* kDisabledLifecycle =
    "Lifecycle API is not enabled. Start aerie with --web.enable-lifecycle.\n";
constexpr const char* kDisabledAdmin =
    "admin APIs disabled; start aerie with --web.enable-admin-api";

Response api_error(int status, std::string_view type, std::string_view message) {
  return Response::json(status, http::error_envelope(type, message));
}

}  // namespace

StatusApi::StatusApi(const Flags& flags, Actions actions, MetricRegistry& metrics)
    : flags_(flags),
      actions_(std::move(actions)),
      metrics_(metrics),
      waiting_for_(std::string("starting")) {}

void StatusApi::waiting_for(std::string what) {
  waiting_for_.with([&](std::string& text) { text = std::move(what); });
}

void StatusApi::ready() { waiting_for({}); }

void StatusApi::stopping() { waiting_for("stopping"); }

void StatusApi::register_health(http::Router& router, WorkPool& pool) {
  router.blocking({Method::Get}, "/-/healthy", pool,
                  [](const Request&) { return Response::text(200, "aerie is healthy.\n"); });
  router.blocking({Method::Get}, "/-/ready", pool,
                  [this](const Request&) { return answer_ready(); });
  router.blocking({Method::Get}, "/metrics", pool, [this](const Request&) {
    Response response = Response::text(200, metrics_.expose());
    response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return response;
  });
}

void StatusApi::register_starting_routes(http::Router& router, WorkPool& pool) {
  register_health(router, pool);
  const auto refuse = [this](const Request&) {
    Response response = answer_ready();
    response.status = 503;
    response.headers.set("Retry-After", "2");
    return response;
  };
  router.blocking({Method::Get, Method::Post, Method::Put, Method::Delete}, "/{path...}", pool,
                  refuse);
}

void StatusApi::register_routes(http::Router& router, WorkPool& pool) {
  register_health(router, pool);
  router.blocking({Method::Put, Method::Post}, "/-/reload", pool,
                  [this](const Request&) { return answer_reload(); });
  router.blocking({Method::Put, Method::Post}, "/-/quit", pool,
                  [this](const Request&) { return answer_quit(); });
  router.blocking({Method::Put, Method::Post}, "/api/v1/admin/tsdb/flush", pool,
                  [this](const Request&) { return answer_flush(); });
  router.blocking({Method::Get, Method::Post}, "/api/v1/status/config", pool,
                  [this](const Request&) { return answer_config(); });
}

Response StatusApi::answer_ready() const {
  const std::string waiting = waiting_for_.copy();
  if (waiting.empty()) return Response::text(200, "aerie is ready.\n");
  return Response::text(503, "aerie is not ready: " + waiting + ".\n");
}

Response StatusApi::answer_reload() {
  if (!flags_.enable_lifecycle) return Response::text(403, kDisabledLifecycle);
  if (const Status reloaded = actions_.reload(); !reloaded) {
    return Response::text(500, "failed to reload config: " + reloaded.error().message() + "\n");
  }
  return Response::text(200, "");
}

Response StatusApi::answer_quit() {
  if (!flags_.enable_lifecycle) return Response::text(403, kDisabledLifecycle);
  actions_.quit();
  return Response::text(200, "Requesting termination... Goodbye!\n");
}

Response StatusApi::answer_flush() const {
  if (!flags_.enable_admin_api) return api_error(403, "unavailable", kDisabledAdmin);
  if (const Status flushed = actions_.flush(); !flushed) {
    return api_error(500, "internal", flushed.error().message());
  }
  return Response::no_content();
}

Response StatusApi::answer_config() const {
  std::string data;
  http::JsonWriter json(data);
  json.begin_object().field("yaml", actions_.config_text()).end_object();
  return Response::json(200, http::success_envelope(data));
}

}  // namespace aerie::server
