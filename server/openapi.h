#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aerie::server {

/// The OpenAPI 3.1 description of the routes, as YAML. `routes` are what http::Router::patterns()
/// lists, `GET /api/v1/labels`; those that have no words yet are marked `x-undocumented: true`,
/// which a test looks for.
std::string openapi_document(const std::vector<std::string>& routes, std::string_view version);

}  // namespace aerie::server
