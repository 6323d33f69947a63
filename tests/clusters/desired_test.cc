#include "clusters/desired.h"

#include <catch2/catch.hpp>

using aerie::clusters::DesiredFile;
using aerie::clusters::WorkloadKey;

namespace {
std::string error_of(const std::string& text) {
  auto file = DesiredFile::parse("d.yaml", text, 0);
  return file ? "none" : file.error().message();
}
}  // namespace

TEST_CASE("clusters by list, by map with their own numbers, and by environment") {
  auto file = DesiredFile::parse("d.yaml", R"(
deployments:
  - namespace: shop
    name: nginx
    replicas: 3
    clusters: [gondor, rohan]
  - namespace: shop
    name: api
    clusters:
      gondor: {replicas: 4}
      shire: {}
  - namespace: infra
    name: dns
    environment: production
    replicas: 2
)",
                                 77);
  REQUIRE(file);
  CHECK(file->size() == 3);
  const auto nginx = file->find({"shop", "nginx", "rohan"}, "");
  REQUIRE(nginx);
  CHECK(nginx->replicas == 3);
  CHECK(nginx->binding);
  CHECK(nginx->source == "file d.yaml");
  CHECK(nginx->as_of == 77);
  CHECK_FALSE(file->find({"shop", "nginx", "shire"}, "production"));
  CHECK(file->find({"shop", "api", "gondor"}, "")->replicas == 4);
  CHECK_FALSE(file->find({"shop", "api", "shire"}, "")->replicas);
  CHECK(file->find({"infra", "dns", "anywhere"}, "production")->replicas == 2);
  CHECK(file->in_cluster("gondor", "production").size() == 3);
  CHECK(file->in_cluster("shire", "lab").size() == 1);
}

TEST_CASE("what is wrong is named with its place") {
  CHECK(error_of("deployments: []") == "none");
  CHECK(error_of("").empty() == false);
  CHECK(error_of("oops: 1").find("d.yaml:1:1: ") == 0);
  CHECK(error_of("deployments:\n- {namespace: a, name: b}").find("d.yaml:2:3: names no cluster") ==
        0);
  CHECK(error_of("deployments:\n- {namespace: a, name: b, clusters: [x], replicas: -1}")
            .find("d.yaml:2:") == 0);
  CHECK(error_of("deployments:\n- {namespace: a, clusters: [x]}").find("name") !=
        std::string::npos);
  CHECK(error_of("deployments:\n- {namespace: a, name: b, clusters: [x, x]}").find("twice") !=
        std::string::npos);
  CHECK(error_of("deployments:\n- {namespace: a, name: b, clusters: [x]}\n- {namespace: a, name: "
                 "b, clusters: [y]}")
            .find("listed twice") != std::string::npos);
}
