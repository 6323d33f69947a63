#include "ingest/status_routes.h"

#include <string>

#include "http/json_writer.h"

namespace aerie::ingest {
namespace {

void write_refused(http::JsonWriter& json, const ClusterIngest& counts) {
  json.key("rejected").begin_object();
  for (size_t i = 0; i < kRefusals; ++i) {
    if (counts.refused[i] == 0) continue;
    json.field(refusal_name(static_cast<Refusal>(i)), static_cast<int64_t>(counts.refused[i]));
  }
  json.end_object();
}

void write_limits(http::JsonWriter& json, const IngestStatus& status) {
  const ClusterLimits& limits = status.limits;
  json.field("activeSeries", static_cast<int64_t>(status.usage.active_series));
  json.key("usage").begin_object();
  json.field("activeSeries", static_cast<int64_t>(status.usage.active_series));
  json.key("newSeriesPerSecond").number(status.usage.new_series_per_second);
  json.key("samplesPerSecond").number(status.usage.samples_per_second);
  json.end_object();
  json.key("limits").begin_object();
  json.field("activeSeries", static_cast<int64_t>(limits.active_series));
  json.key("newSeriesPerSecond").number(limits.new_series_per_second);
  json.key("samplesPerSecond").number(limits.samples_per_second);
  json.field("labels", static_cast<int64_t>(limits.labels));
  json.field("labelNameBytes", static_cast<int64_t>(limits.label_name_bytes));
  json.field("labelValueBytes", static_cast<int64_t>(limits.label_value_bytes));
  json.end_object();
}

void write_elections(http::JsonWriter& json, const IngestStatus& status) {
  json.key("ha").begin_object();
  json.key("unlabelledPair").boolean(status.unlabelled_pair);
  json.key("groups").begin_array();
  for (const Election& election : status.elections) {
    json.begin_object();
    json.field("group", election.group.group);
    json.field("replica", election.replica);
    json.field("epoch", election.epoch);
    json.key("since").number(static_cast<double>(election.since_ms) / 1000);
    json.key("lastArrival").number(static_cast<double>(election.last_arrival_ms) / 1000);
    json.key("allowedSilenceSeconds").number(static_cast<double>(election.allowed_silence) / 1000);
    json.end_object();
  }
  json.end_array().end_object();
}

void write_status(http::JsonWriter& json, const IngestStatus& status,
                  const store::Arrivals& arrivals) {
  const ClusterIngest& counts = status.counts;
  json.begin_object();
  json.field("cluster", counts.cluster);
  json.field("onboarding", status.confirmed ? "Confirmed" : "Discovered");
  json.field("received", static_cast<int64_t>(counts.received));
  json.field("written", static_cast<int64_t>(counts.written));
  json.field("deduplicated", static_cast<int64_t>(counts.deduplicated));
  json.field("dropped", static_cast<int64_t>(counts.dropped));
  write_refused(json, counts);
  json.key("lastError");
  if (counts.last_error.empty()) {
    json.null();
  } else {
    json.begin_object().field("text", counts.last_error);
    json.key("at").number(static_cast<double>(counts.last_error_ms) / 1000).end_object();
  }
  if (const auto arrival = arrivals.find(counts.cluster)) {
    json.key("lastArrival").number(static_cast<double>(arrival->last_arrival_ms) / 1000);
    json.key("newestSample").number(static_cast<double>(arrival->watermark) / 1000);
    json.key("lagSeconds").number(static_cast<double>(arrival->lag) / 1000);
    json.key("clockSkewSeconds").number(static_cast<double>(arrival->clock_skew) / 1000);
    json.key("scrapeIntervalSeconds").number(static_cast<double>(arrival->interval) / 1000);
    json.key("silent").boolean(arrival->silent);
  }
  write_limits(json, status);
  write_elections(json, status);
  json.end_object();
}

}  // namespace

void register_status_routes(http::Router& router, WorkPool& pool, const RemoteWriteApi& api,
                            const store::Arrivals& arrivals) {
  const auto all = [&api, &arrivals](const http::Request&) {
    std::string data;
    http::JsonWriter json(data);
    json.begin_array();
    for (const IngestStatus& status : api.status()) write_status(json, status, arrivals);
    json.end_array();
    return http::Response::json(200, http::success_envelope(data));
  };
  const auto one = [&api, &arrivals](const http::Request& request) {
    const std::string& cluster = request.path_params.find("cluster")->second;
    for (const IngestStatus& status : api.status()) {
      if (status.counts.cluster != cluster) continue;
      std::string data;
      http::JsonWriter json(data);
      write_status(json, status, arrivals);
      return http::Response::json(200, http::success_envelope(data));
    }
    return http::Response::json(
        404, http::error_envelope("not_found", "cluster " + cluster + " has sent nothing"));
  };
  router.blocking({http::Method::Get}, "/api/v1/ingest", pool, all);
  router.blocking({http::Method::Get}, "/api/v1/clusters/{cluster}/ingest", pool, one);
}

}  // namespace aerie::ingest
