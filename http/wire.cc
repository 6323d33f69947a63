#include "http/wire.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace aerie::http {
namespace {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Entity";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    default: return "Status";
  }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
std::string http_date(int64_t now_s) {
  const auto seconds = static_cast<time_t>(now_s);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const size_t size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  std::replace_copy_if(
      value.begin(), value.end(), std::back_inserter(out),
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  out += "\r\n";
}

}  // namespace

Target split_target(std::string_view target) {
  if (!target.starts_with('/') && target != "*") {
    const size_t authority = target.find("://");
    if (authority == std::string_view::npos) return {};
    const size_t path = target.find_first_of("/?", authority + 3);
    if (path == std::string_view::npos) return {"/", {}};
    target.remove_prefix(path);
    if (target.front() == '?') return {"/", target.substr(1)};
  }
  const size_t question = std::min(target.find('?'), target.size());
  return {target.substr(0, question), target.substr(std::min(question + 1, target.size()))};
}

std::string_view strip_prefix(std::string_view path, std::string_view prefix) {
  if (prefix.empty() || !path.starts_with(prefix)) return path;
  const std::string_view rest = path.substr(prefix.size());
  if (rest.empty()) return "/";
  return rest.front() == '/' ? rest : path;
}

Method parse_method(std::string_view name) {
  constexpr std::array<Method, 6> kKnown{Method::Get, Method::Head,   Method::Post,
                                         Method::Put, Method::Delete, Method::Options};
  for (const Method method : kKnown) {
    if (method_name(method) == name) return method;
  }
  return Method::Other;
}

bool is_form(std::string_view content_type) {
  constexpr std::string_view kForm = "application/x-www-form-urlencoded";
  if (content_type.size() < kForm.size()) return false;
  const bool same =
      std::equal(kForm.begin(), kForm.end(), content_type.begin(),
                 [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
  return same && (content_type.size() == kForm.size() || content_type[kForm.size()] == ';' ||
                  content_type[kForm.size()] == ' ');
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string encode_head(const Response& response, AfterAnswer after, int64_t now_s) {
  std::string out;
  out.reserve(512);
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", response.status,
                 reason_phrase(response.status));
  for (const auto& [name, value] : response.headers.all()) append_field(out, name, value);
  append_field(out, "Date", http_date(now_s));
  if (!response.headers.has("X-Content-Type-Options")) {
    append_field(out, "X-Content-Type-Options", "nosniff");
  }
  if (response.stream) {
    append_field(out, "Transfer-Encoding", "chunked");
  } else if (may_have_body(response.status)) {
    append_field(out, "Content-Length", std::to_string(response.body.size()));
  }
  append_field(out, "Connection", after == AfterAnswer::KeepAlive ? "keep-alive" : "close");
  out += "\r\n";
  return out;
}

}  // namespace aerie::http
