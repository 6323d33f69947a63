#include "query/admin_api.h"

#include <utility>

#include "query/api_answer.h"

namespace aerie::query {
namespace {

using http::Method;

http::Response disabled() {
  return error_answer(Error(ErrorCode::Unavailable, "admin APIs disabled"));
}

/// 204, or the failure.
http::Response outcome(const Status& status) {
  if (status) return http::Response::no_content();
  const Error& error = status.error();
  if (error.code() == ErrorCode::Unavailable) return error_answer(error);
  return error_answer(Error(ErrorCode::Internal, error.message()));
}

}  // namespace

void AdminApi::register_routes(http::Router& router, WorkPool& pool) {
  router.blocking({Method::Put, Method::Post}, "/api/v1/admin/tsdb/delete_series", pool,
                  [this](const http::Request& request) { return delete_series(request); });
  router.blocking({Method::Put, Method::Post}, "/api/v1/admin/tsdb/clean_tombstones", pool,
                  [this](const http::Request&) { return clean_tombstones(); });
}

http::Response AdminApi::delete_series(const http::Request& request) {
  if (!enabled_) return disabled();
  if (request.params.all("match[]").empty())
    return error_answer(Error(ErrorCode::InvalidArgument, "no match[] parameter provided"));
  const auto times = range_parameters(request.params);
  if (times.refusal) return *times.refusal;
  auto selectors = match_parameters(request.params);
  if (!selectors) return bad_parameter("match[]", selectors.error());
  return outcome(store_.delete_series(std::move(*selectors), times.range));
}

http::Response AdminApi::clean_tombstones() {
  if (!enabled_) return disabled();
  return outcome(store_.clean_tombstones());
}

}  // namespace aerie::query
