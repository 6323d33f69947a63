#include "cli/api.h"

#include <fmt/core.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>

namespace aerie::cli {
namespace {

std::string normalised(std::string url) {
  if (url.find("://") == std::string::npos) url = "http://" + url;
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

std::string as_text(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_null()) return {};
  return boost::json::serialize(value);
}

}  // namespace

Api::Api(std::string base_url) : base_url_(normalised(std::move(base_url))) {}

Result<boost::json::value> Api::get(std::string_view path, const Query& query) {
  http::ClientRequest request;
  request.timeout = std::chrono::minutes(2);
  return ask(std::move(request), path, query);
}

Result<boost::json::value> Api::post(std::string_view path, const Query& query) {
  http::ClientRequest request;
  request.method = http::Method::Post;
  request.timeout = std::chrono::hours(2);
  return ask(std::move(request), path, query);
}

Result<boost::json::value> Api::ask(http::ClientRequest request, std::string_view path,
                                    const Query& query) {
  request.url = base_url_ + std::string(path);
  char separator = '?';
  for (const auto& [name, value] : query) {
    request.url +=
        fmt::format("{}{}={}", separator, http::percent_encode(name), http::percent_encode(value));
    separator = '&';
  }
  auto response = client_.send(request);
  if (!response) return std::move(response).error().with("is aerie running at " + base_url_ + "?");
  boost::json::error_code parse_error;
  boost::json::value body = boost::json::parse(response->body, parse_error);
  if (parse_error || !body.is_object()) {
    return Error(ErrorCode::Internal, fmt::format("{} answered {} without JSON: {}", base_url_,
                                                  response->status, response->body.substr(0, 200)));
  }
  for (const boost::json::value& warning : items_of(body, "warnings")) {
    std::fprintf(stderr, "warning: %s\n", as_text(warning).c_str());
  }
  if (text_of(body, "status") != "success") {
    const ErrorCode code = response->status == 404 ? ErrorCode::NotFound : ErrorCode::Execution;
    return Error(code, text_of(body, "errorType") + ": " + text_of(body, "error"));
  }
  const boost::json::value* data = body.get_object().if_contains("data");
  return data == nullptr ? boost::json::value() : *data;
}

std::string text_of(const boost::json::value& object, std::string_view name) {
  if (!object.is_object()) return {};
  const boost::json::value* member = object.get_object().if_contains(name);
  return member == nullptr ? std::string{} : as_text(*member);
}

double number_of(const boost::json::value& object, std::string_view name, double fallback) {
  if (!object.is_object()) return fallback;
  const boost::json::value* member = object.get_object().if_contains(name);
  if (member == nullptr || !member->is_number()) return fallback;
  boost::json::error_code error;
  const double value = member->to_number<double>(error);
  return error ? fallback : value;
}

const boost::json::array& items_of(const boost::json::value& object, std::string_view name) {
  static const boost::json::array kNone;
  if (!object.is_object()) return kNone;
  const boost::json::value* member = object.get_object().if_contains(name);
  return member != nullptr && member->is_array() ? member->get_array() : kNone;
}

}  // namespace aerie::cli
