#include "server/openapi.h"

#include <catch2/catch.hpp>

namespace aerie::server {

TEST_CASE("routes are described with their methods and parameters") {
  const std::string document =
      openapi_document({"GET /api/v1/labels", "POST /api/v1/labels", "GET /assets/{file...}",
                        "GET /api/v1/label/{name}/values"},
                       "0.1.0");
  CHECK(document.find("  \"/api/v1/labels\":\n    get:\n") != std::string::npos);
  CHECK(document.find("    post:\n      tags: [catalogue]\n") != std::string::npos);
  CHECK(document.find("        - name: \"name\"\n          in: path\n          required: true\n") !=
        std::string::npos);
  CHECK(document.find("- name: \"match[]\"\n          in: query\n          schema: {type: array") !=
        std::string::npos);
  CHECK(document.find("assets") == std::string::npos);
  CHECK(document.find("x-undocumented") == std::string::npos);
}

TEST_CASE("a route without words is marked") {
  CHECK(openapi_document({"GET /api/v1/new"}, "0.1.0").find("x-undocumented: true") !=
        std::string::npos);
}

}  // namespace aerie::server
