#include "http/web_access.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "http/client.h"
#include "http/server.h"
#include "tests/http/support/certificates.h"
#include "tests/http/support/raw_client.h"
#include "tests/http/support/tls_client.h"

namespace aerie::http {
namespace {

using namespace test;

// Password "secret", cost 4.
constexpr const char* kHash = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
constexpr const char* kGood = "Basic YWxpY2U6c2VjcmV0";      // alice:secret
constexpr const char* kWrong = "Basic YWxpY2U6d3Jvbmc=";     // alice:wrong
constexpr const char* kStranger = "Basic Ym9iOnNlY3JldA==";  // bob:secret

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aerie-web-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

std::string error_of(const std::string& text) {
  const auto config = WebConfig::parse(text, "web.yml");
  return config ? std::string() : config.error().message();
}

// A server with one route for users and one for members; the token "eu-token" and the certificate
// name "uri:spiffe://eu" are those of cluster eu.
struct Fixture {
  explicit Fixture(const std::string& web_config_file) {
    const auto who = [](const Request& request) {
      std::string names;
      for (const std::string& name : request.peer_names) names += name + ";";
      return Response::text(200, "hello " + names);
    };
    router.blocking({Method::Get}, "/read", pool, who);
    router.blocking({Method::Post}, "/write", pool, who, {.open_to_members = true});
    router.identify_members([](const Request& request) -> std::string {
      if (request.bearer_token() == "eu-token") return "eu";
      for (const std::string& name : request.peer_names) {
        if (name == "uri:spiffe://eu") return "eu";
      }
      return {};
    });
    Server::Options options;
    options.listen_address = "127.0.0.1:0";
    options.web_config_file = web_config_file;
    auto started = Server::start(options, router, metrics);
    if (!started) FAIL(started.error().message());
    server = std::move(*started);
  }
  Response send(Method method, const std::string& path, const std::string& authorization) {
    ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server->port()) + path;
    if (!authorization.empty()) request.headers.set("Authorization", authorization);
    auto response = client.send(request);
    return response ? *response : Response::text(0, response.error().message());
  }
  int status(Method method, const std::string& path, const std::string& authorization) {
    return send(method, path, authorization).status;
  }

  MetricRegistry metrics;
  WorkPool pool{{.name = "test", .threads = 2}};
  Router router;
  Client client;
  std::unique_ptr<Server> server;
};

TEST_CASE("a web configuration in exporter-toolkit's schema") {
  const auto config = WebConfig::parse(R"(
tls_server_config:
  cert_file: server.crt
  key_file: /etc/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [a.example]
  min_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [CurveP256, X25519]
  prefer_server_cipher_suites: false
http_server_config:
  http2: true
  headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=3600}
basic_auth_users: {alice: ")" + std::string(kHash) +
                                           R"("}
)",
                                       "/etc/aerie/web.yml");
  REQUIRE(config.ok());
  REQUIRE(config->tls.has_value());
  CHECK(config->tls->cert_file == "/etc/aerie/server.crt");
  CHECK(config->tls->key_file == "/etc/server.key");
  CHECK(config->tls->client_auth == ClientAuth::RequireAndVerifyClientCert);
  CHECK(config->tls->min_version == "TLS13");
  CHECK(!config->tls->prefer_server_cipher_suites);
  CHECK(config->headers.size() == 2);
  CHECK(config->users.at("alice") == kHash);
  CHECK(WebConfig::parse("", "web.yml").value() == WebConfig{});

  CHECK(error_of("tls_server_config: {cert_file: a}").find("missing key_file") !=
        std::string::npos);
  CHECK(error_of("tls_server_config: {cert_file: a, key_file: b, client_auth_type: Sometimes}")
            .find("client_auth_type") != std::string::npos);
  CHECK(error_of("tls_server_config: {cert_file: a, key_file: b, client_auth_type: "
                 "RequireAndVerifyClientCert}")
            .find("client_ca_file") != std::string::npos);
  CHECK(error_of("tls_server_config: {cert_file: a, key_file: b, min_version: SSL3}") != "");
  CHECK(error_of("basic_auth_users: {alice: secret}").find("bcrypt") != std::string::npos);
  CHECK(error_of("http_server_config: {headers: {X-Other: y}}") != "");
  CHECK(error_of("basic_auth: {}") != "");
}

TEST_CASE("passwords, and a cluster's credential in their place") {
  const Folder folder;
  const std::string file = folder.file("web.yml");
  write_file(file, std::string("basic_auth_users: {alice: \"") + kHash +
                       "\"}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\n");
  Fixture fixture(file);
  for (const Method method : {Method::Get, Method::Post}) {
    const std::string path = method == Method::Get ? "/read" : "/write";
    CHECK(fixture.status(method, path, "") == 401);
    for (int i = 0; i < 2; ++i) {  // computed, then remembered
      CHECK(fixture.status(method, path, kGood) == 200);
      CHECK(fixture.status(method, path, kWrong) == 401);
      CHECK(fixture.status(method, path, kStranger) == 401);
    }
    CHECK(fixture.status(method, path, "Bearer other") == 401);
  }
  CHECK(fixture.status(Method::Get, "/nowhere", "") == 401);
  CHECK(fixture.status(Method::Get, "/nowhere", kGood) == 404);
  CHECK(fixture.status(Method::Post, "/write", "Bearer eu-token") == 200);
  const Response refused = fixture.send(Method::Get, "/read", "Bearer eu-token");
  CHECK(refused.status == 403);
  CHECK(refused.body.find("cluster eu") != std::string::npos);
  const Response asked = fixture.send(Method::Get, "/read", "");
  CHECK(asked.headers.get("WWW-Authenticate") == "Basic");
  CHECK(asked.headers.get("X-Frame-Options") == "deny");
}

TEST_CASE("without users everybody may read, but no cluster with its credential") {
  Fixture fixture("");
  CHECK(fixture.status(Method::Get, "/read", "") == 200);
  CHECK(fixture.status(Method::Post, "/write", "") == 200);
  CHECK(fixture.status(Method::Get, "/read", "Bearer other") == 200);
  CHECK(fixture.status(Method::Get, "/read", "Bearer eu-token") == 403);
  CHECK(fixture.status(Method::Post, "/write", "Bearer eu-token") == 200);
}

TEST_CASE("TLS, and certificates as credentials") {
  const Folder folder;
  Authority authority;
  Authority stranger;
  const auto write_pair = [&](const std::string& name, const KeyPair& pair) {
    write_file(folder.file(name + ".crt"), pair.certificate);
    write_file(folder.file(name + ".key"), pair.key);
  };
  write_file(folder.file("ca.crt"), authority.certificate());
  write_pair("server", authority.issue("localhost", "DNS:localhost,IP:127.0.0.1"));
  write_pair("eu", authority.issue("prometheus", "URI:spiffe://eu,DNS:prometheus.eu"));
  write_pair("other", authority.issue("other", ""));
  write_pair("forged", stranger.issue("prometheus", "URI:spiffe://eu"));
  const std::string base =
      "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
      "  client_ca_file: ca.crt\n  client_auth_type: ";
  const auto ask = [&](const Fixture& fixture, const std::string& line, const std::string& client) {
    TlsRequest request;
    request.bytes = line + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    request.authority_file = folder.file("ca.crt");
    if (!client.empty()) {
      request.certificate_file = folder.file(client + ".crt");
      request.key_file = folder.file(client + ".key");
    }
    const std::string answer = exchange_tls(fixture.server->port(), request);
    return answer.substr(0, answer.find('\r')) + "|" +
           answer.substr(std::min(answer.size(), answer.rfind("\r\n\r\n") + 4));
  };
  SECTION("whoever shows a certificate shows a good one") {
    write_file(folder.file("web.yml"), base + "VerifyClientCertIfGiven\n");
    const Fixture fixture(folder.file("web.yml"));
    CHECK(ask(fixture, "GET /read", "") == "HTTP/1.1 200 OK|hello ");
    CHECK(ask(fixture, "GET /read", "other") == "HTTP/1.1 200 OK|hello cn:other;");
    CHECK(ask(fixture, "POST /write", "eu") ==
          "HTTP/1.1 200 OK|hello uri:spiffe://eu;dns:prometheus.eu;cn:prometheus;");
    CHECK(ask(fixture, "GET /read", "eu").find("HTTP/1.1 403") == 0);
    CHECK(ask(fixture, "POST /write", "forged") == "|");
  }
  SECTION("nobody comes in without") {
    write_file(folder.file("web.yml"),
               base + "RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.eu]\n");
    const Fixture fixture(folder.file("web.yml"));
    CHECK(ask(fixture, "GET /read", "") == "|");
    CHECK(ask(fixture, "GET /read", "other") == "|");  // not an allowed name
    CHECK(ask(fixture, "POST /write", "eu").find("HTTP/1.1 200") == 0);
    // Plain HTTP on this port gets nothing, and hurts nobody.
    RawClient plain(fixture.server->port());
    plain.send("GET /read HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(!plain.read_response());
    CHECK(ask(fixture, "POST /write", "eu").find("HTTP/1.1 200") == 0);
  }
  SECTION("what nobody verified says nothing") {
    write_file(folder.file("web.yml"),
               "tls_server_config:\n  cert_file: server.crt\n"
               "  key_file: server.key\n"
               "  client_auth_type: RequestClientCert\n");
    const Fixture fixture(folder.file("web.yml"));
    CHECK(ask(fixture, "GET /read", "forged") == "HTTP/1.1 200 OK|hello ");
  }
}

TEST_CASE("new certificates and users are taken up without a restart, bad ones are not") {
  const Folder folder;
  const std::string file = folder.file("web.yml");
  write_file(file, std::string("basic_auth_users: {alice: \"") + kHash + "\"}\n");
  ManualClock clock{1'000'000};
  auto access = WebAccess::open(file, clock);
  REQUIRE(access.ok());
  const auto first = (*access)->settings();
  CHECK(first->config.users.size() == 1);
  CHECK((*access)->recall(*first, {"alice", "secret"}) == WebAccess::Password::Unknown);
  CHECK((*access)->check(*first, {"alice", "secret"}));
  CHECK((*access)->recall(*first, {"alice", "secret"}) == WebAccess::Password::Right);
  CHECK(!(*access)->check(*first, {"alice", std::string("secret\0x", 8)}));

  write_file(file, "");
  CHECK((*access)->settings() == first);  // not yet
  clock.advance(std::chrono::seconds(1));
  CHECK((*access)->settings()->config.users.empty());
  write_file(file, "tls_server_config: {cert_file: none.crt, key_file: none.key}\n");
  clock.advance(std::chrono::seconds(1));
  CHECK((*access)->settings()->tls == nullptr);
  Authority authority;
  const KeyPair pair = authority.issue("localhost", "DNS:localhost");
  write_file(folder.file("none.crt"), pair.certificate);
  write_file(folder.file("none.key"), pair.key);
  write_file(file, "tls_server_config: {cert_file: none.crt, key_file: none.key} # changed\n");
  clock.advance(std::chrono::seconds(1));
  CHECK((*access)->settings()->tls != nullptr);

  CHECK(!WebAccess::open(folder.file("missing.yml"), clock).ok());
  write_file(folder.file("none.key"), authority.issue("x", "").key);
  CHECK(!WebAccess::open(file, clock).ok());
}

}  // namespace
}  // namespace aerie::http
