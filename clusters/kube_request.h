#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "clusters/kube_objects.h"
#include "clusters/kube_selector.h"
#include "http/message.h"

namespace aerie::clusters {

/// One get, list or watch of the API group, taken apart.
struct KubeRequest {
  const KubeResourceNames* names = nullptr;
  KubeScope scope;
  std::string name;  ///< of one object; empty: a list
  KubeSelector labels;
  KubeSelector fields;
  bool table = false;
  bool whole_objects = false;  ///< rows of tables carry the object, not only its metadata
  bool watch = false;
  bool bookmarks = false;
  size_t limit = 0;
  size_t offset = 0;             ///< from the continue token
  std::string resource_version;  ///< empty or "0": from what is
  int64_t timeout_seconds = 0;   ///< of a watch; 0: none
};

/// `rest` is the path behind the version: `clusters/gondor`, `namespaces/shop/federatedworkloads`.
/// Errors: NotFound for resources that do not exist, InvalidArgument for what cannot be read.
Result<KubeRequest> parse_kube_request(const http::Request& request, std::string_view rest,
                                       std::string cluster);

/// A `kind: Status` answer, as Kubernetes writes failures.
http::Response kube_failure(int status, std::string_view reason, const std::string& message);

/// True if the item is what the request selects.
bool selected(const KubeRequest& request, const KubeItem& item);

/// A table of the items; `version` is the list's resourceVersion, `next` its continue token.
std::string kube_table(const KubeRequest& request, const FleetSnapshot& fleet,
                       std::span<const KubeItem> items, uint64_t version, const std::string& next);

}  // namespace aerie::clusters
