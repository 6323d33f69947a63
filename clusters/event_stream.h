#pragma once

#include "clusters/cluster_view.h"
#include "http/message.h"

namespace aerie::clusters {

/// Answers `GET /api/v1/events/stream` with server-sent events: `fleet` (version and time of the
/// evaluation, first and after every change), `deployment` (a row that changed), `timeline` (an
/// event, its number as id), `reset` (too much changed: ask again). Filters: cluster, namespace,
/// name. Last-Event-ID is heeded for `timeline`. Quick, for the io thread. 503 when too many
/// listen.
http::Response stream_events(ClusterView& view, const http::Request& request);

}  // namespace aerie::clusters
