#include "clusters/kubernetes/kubeconfig.h"

#include <catch2/catch.hpp>
#include <string>

namespace aerie::clusters::kubernetes {
namespace {

const std::string kConfig = R"(apiVersion: v1
kind: Config
current-context: admin@one
clusters:
  - name: one
    cluster: {server: "https://10.0.0.1:6443/", certificate-authority-data: "Q0E="}
  - name: two
    cluster: {server: "https://two:6443", insecure-skip-tls-verify: true}
users:
  - name: token
    user: {token: abc}
  - name: certificate
    user: {client-certificate-data: "Q0VSVA==", client-key-data: "S0VZ"}
  - name: rotated
    user: {tokenFile: token}
  - name: program
    user: {exec: {command: aws}}
  - name: half
    user: {client-certificate-data: "Q0VSVA=="}
contexts:
  - name: admin@one
    context: {cluster: one, user: token}
  - name: certificate@two
    context: {cluster: two, user: certificate, namespace: apps}
  - name: rotated@one
    context: {cluster: one, user: rotated}
  - name: program@one
    context: {cluster: one, user: program}
  - name: half@one
    context: {cluster: one, user: half}
  - name: nobody@one
    context: {cluster: one, user: nobody}
)";

Result<ApiAccess> read(const std::string& context) {
  return parse_kubeconfig(kConfig, "/etc/aerie/member.kubeconfig", context);
}

TEST_CASE("the current context gives server, authorities and token") {
  const auto access = read("");
  REQUIRE(access);
  CHECK(access->server == "https://10.0.0.1:6443");
  CHECK(access->token == "abc");
  CHECK(access->tls->authorities == "CA");
  CHECK(access->tls->certificate.empty());
  CHECK(access->tls->verify);
}

TEST_CASE("a named context gives its client certificate") {
  const auto access = read("certificate@two");
  REQUIRE(access);
  CHECK(access->server == "https://two:6443");
  CHECK(access->token.empty());
  CHECK(access->tls->certificate == "CERT");
  CHECK(access->tls->key == "KEY");
  CHECK_FALSE(access->tls->verify);
}

TEST_CASE("files are looked for beside the kubeconfig") {
  const auto access = read("rotated@one");
  REQUIRE(access);
  CHECK(access->token_file == "/etc/aerie/token");
}

TEST_CASE("what cannot be used is refused with its place") {
  CHECK_THAT(read("program@one").error().message(),
             Catch::Matchers::Contains("member.kubeconfig:17:") &&
                 Catch::Matchers::Contains("exec is not supported"));
  CHECK_THAT(read("half@one").error().message(), Catch::Matchers::Contains("go together"));
  CHECK_THAT(read("nobody@one").error().message(),
             Catch::Matchers::Contains("there is no user 'nobody'"));
  CHECK_THAT(read("other").error().message(),
             Catch::Matchers::Contains("there is no context 'other'"));
  CHECK(load_kubeconfig("/nonexistent/kubeconfig", "").error().code() == ErrorCode::NotFound);
}

TEST_CASE("base64 in one line or several") {
  CHECK(*decode_base64("") == "");
  CHECK(*decode_base64("Zg==") == "f");
  CHECK(*decode_base64("Zm9v\nYmFy\n") == "foobar");
  CHECK_FALSE(decode_base64("Z").ok());
  CHECK_FALSE(decode_base64("Zg=x").ok());
  CHECK_FALSE(decode_base64("Zm9v!").ok());
}

}  // namespace
}  // namespace aerie::clusters::kubernetes
