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
  router.blocking({Method::Put, Method::Post}, "/api/v1/admin/tsdb/snapshot", pool,
                  [this](const Request& request) { return answer_snapshot(request); });
  router.blocking({Method::Put, Method::Post}, "/api/v1/admin/tsdb/check", pool,
                  [this](const Request&) { return answer_check(); });
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

Response StatusApi::answer_snapshot(const Request& request) const {
  if (!flags_.enable_admin_api) return api_error(403, "unavailable", kDisabledAdmin);
  const std::string_view skip = request.params.get("skip_head");
  const bool known =
      skip.empty() || skip == "true" || skip == "1" || skip == "false" || skip == "0";
  if (!known)
    return api_error(400, "bad_data", "unable to parse boolean \"skip_head\": write true or false");
  const auto name =
      actions_.snapshot(skip == "true" || skip == "1" ? store::Store::SnapshotScope::WithoutHead
                                                      : store::Store::SnapshotScope::Everything);
  if (!name) return api_error(500, "internal", name.error().message());
  std::string data;
  http::JsonWriter json(data);
  json.begin_object().field("name", *name).end_object();
  return Response::json(200, http::success_envelope(data));
}

Response StatusApi::answer_check() const {
  if (!flags_.enable_admin_api) return api_error(403, "unavailable", kDisabledAdmin);
  const auto report = actions_.check([this](uint64_t) { return waiting_for_.copy().empty(); });
  if (!report) {
    const int status = report.error().code() == ErrorCode::Cancelled ? 503 : 500;
    return api_error(status, status == 503 ? "unavailable" : "internal", report.error().message());
  }
  std::string data;
  http::JsonWriter json(data);
  json.begin_object();
  json.key("sound").boolean(report->sound());
  json.field("text", report->text());
  json.key("problems").begin_array();
  for (const std::string& problem : report->problems) json.string(problem);
  json.end_array().end_object();
  return Response::json(200, http::success_envelope(data));
}

Response StatusApi::answer_config() const {
  std::string data;
  http::JsonWriter json(data);
  json.begin_object().field("yaml", actions_.config_text()).end_object();
  return Response::json(200, http::success_envelope(data));
}

}  // namespace aerie::server
