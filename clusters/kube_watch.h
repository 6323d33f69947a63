#pragma once

#include "clusters/cluster_view.h"
#include "clusters/kube_request.h"
#include "http/message.h"

namespace aerie::clusters {

/// Answers a watch: one JSON object per line, ADDED, MODIFIED, DELETED, BOOKMARK. From a
/// resourceVersion that lies before the last removal: 410, the client lists again. Quick, for the
/// io thread.
http::Response kube_watch(ClusterView& view, KubeRequest request);

}  // namespace aerie::clusters
