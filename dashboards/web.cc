#include "dashboards/web.h"

#include <fmt/format.h>

#include <array>
#include <random>

#include "base/check.h"
#include "dashboards/assets.h"
#include "http/compression.h"

namespace aerie::dashboards {
namespace {

using http::Method;
using http::Request;
using http::Response;

constexpr std::array<std::string_view, 7> kPages{"/",      "/index.html", "/fleet", "/deployments",
                                                 "/query", "/graph",      "/alerts"};
constexpr std::string_view kNonceMark = "%NONCE%";

/// 128 bits that nobody can guess: lets the page's own style elements pass the policy below.
std::string make_nonce() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

/// The page runs nothing but its own files, talks to nobody but this server and is framed by
/// nobody.
std::string content_security_policy(const std::string& nonce) {
  return "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
         "style-src 'self' 'nonce-" +
         nonce + "'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";
}

Response serve_page(const std::string& page) {
  const std::string nonce = make_nonce();
  std::string body = page;
  for (size_t at = 0; (at = body.find(kNonceMark, at)) != std::string::npos;) {
    body.replace(at, kNonceMark.size(), nonce);
  }
  Response response = Response::text(200, std::move(body));
  response.headers.set("Content-Type", "text/html; charset=utf-8")
      .set("Content-Security-Policy", content_security_policy(nonce))
      .set("Referrer-Policy", "same-origin")
      .set("X-Frame-Options", "DENY")
      .set("Cache-Control", "no-store");  // the nonce is for this answer only
  return response;
}

Response serve_file(const Request& request) {
  const Asset* asset = find_asset(request.path);
  if (asset == nullptr) return Response::text(404, "404 page not found\n");
  const std::string tag = fmt::format("\"{}\"", asset->hash);
  Response response{200, {}, {}};
  response.headers.set("ETag", tag).set("Vary", "Accept-Encoding");
  response.headers.set("Cache-Control", asset->named_by_content
                                            ? "public, max-age=31536000, immutable"
                                            : "no-cache");
  if (request.headers.get("If-None-Match") == tag) {
    response.status = 304;
    return response;
  }
  response.headers.set("Content-Type", asset->mime);
  if (http::accepts_gzip(request.headers.get("Accept-Encoding"))) {
    response.headers.set("Content-Encoding", "gzip");
    response.body = asset->gzip;
  } else {
    response.body = unpack(*asset);
  }
  return response;
}

}  // namespace

void register_web(http::Router& router, WorkPool& pool) {
  const Asset* index = find_asset("/index.html");
  AERIE_CHECK(index != nullptr, "the program was built without dashboards/web/dist");
  const http::BlockingHandler page = [html = unpack(*index)](const Request&) {
    return serve_page(html);
  };
  for (const std::string_view path : kPages) router.blocking({Method::Get}, path, pool, page);
  router.blocking({Method::Get}, "/assets/{file...}", pool, serve_file);
  router.blocking({Method::Get}, "/licenses.txt", pool, serve_file);
}

}  // namespace aerie::dashboards
