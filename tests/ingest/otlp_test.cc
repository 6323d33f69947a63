#include <libdeflate.h>

#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <map>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <vector>

#include "ingest/body_buffer.h"
#include "ingest/otlp_decoder.h"
#include "ingest/otlp_names.h"
#include "ingest/write_answer.h"

using namespace aerie;
using namespace aerie::ingest;

namespace {

using Writer = protozero::pbf_writer;
using Fill = std::function<void(Writer&)>;

constexpr uint64_t kTime = 1'763'640'000'000'000'000;
constexpr uint64_t kStarted = 1'763'630'000'000'000'000;
constexpr model::TimestampMs kMs = 1'763'640'000'000;

std::string message(const Fill& fill) {
  std::string bytes;
  Writer writer(bytes);
  fill(writer);
  return bytes;
}

std::string attribute(const std::string& key, const std::string& value) {
  return message([&](Writer& pair) {
    pair.add_string(1, key);
    pair.add_message(2, message([&](Writer& any) { any.add_string(1, value); }));
  });
}

// A request of one resource with these metrics.
std::string request(const std::vector<std::pair<std::string, std::string>>& resource,
                    const std::vector<std::string>& metrics) {
  return message([&](Writer& root) {
    root.add_message(1, message([&](Writer& group) {
                       group.add_message(1, message([&](Writer& attributes) {
                                           for (const auto& [key, value] : resource)
                                             attributes.add_message(1, attribute(key, value));
                                         }));
                       group.add_message(2, message([&](Writer& scope) {
                                           for (const std::string& metric : metrics)
                                             scope.add_message(2, metric);
                                         }));
                     }));
  });
}

std::string metric(const std::string& name, const std::string& unit, int data_tag,
                   const Fill& data) {
  return message([&](Writer& one) {
    one.add_string(1, name);
    one.add_string(2, "Help of " + name);
    one.add_string(3, unit);
    one.add_message(static_cast<uint32_t>(data_tag), message(data));
  });
}

std::string number(double value, const std::vector<std::string>& attributes = {}) {
  return message([&](Writer& point) {
    for (const std::string& one : attributes) point.add_message(7, one);
    point.add_fixed64(2, kStarted);
    point.add_fixed64(3, kTime);
    point.add_double(4, value);
  });
}

const std::vector<std::pair<std::string, std::string>> kResource = {
    {"service.name", "shop"},
    {"service.namespace", "prod"},
    {"service.instance.id", "pod-1"},
    {"k8s.cluster.name", "eu"}};

// Series text to value; native histograms with their sum.
std::map<std::string, double> decode(OtlpDecoder& decoder, const std::string& body) {
  if (const auto status = decoder.decode(body); !status) FAIL(status.error().message());
  std::map<std::string, double> found;
  for (uint32_t i = 0; i < decoder.series().size(); ++i) {
    const DecodedSeries& series = decoder.series()[i];
    const std::string text = model::Labels::from_pairs(decoder.labels(i).value()).to_string();
    if (series.defect != nullptr) {
      found[text] = -1;
    } else if (series.has_histograms) {
      found[text] = std::get<DecodedHistogram>(decoder.histograms(i).value()[0]).histogram->sum;
    } else {
      CHECK(decoder.samples()[series.first_sample].t == kMs);
      found[text] = decoder.samples()[series.first_sample].value;
    }
  }
  return found;
}

using Found = std::map<std::string, double>;

}  // namespace

TEST_CASE("OTLP: names as Prometheus makes them") {
  CHECK(otlp_metric_name("http.server.duration", "ms", OtlpKind::Other) ==
        "http_server_duration_milliseconds");
  CHECK(otlp_metric_name("system.io", "foo/bar", OtlpKind::Other) == "system_io_foo_per_bar");
  CHECK(otlp_metric_name("system.filesystem.usage", "By", OtlpKind::Gauge) ==
        "system_filesystem_usage_bytes");
  CHECK(otlp_metric_name("system.network.dropped", "{packets}", OtlpKind::MonotonicSum) ==
        "system_network_dropped_total");
  CHECK(otlp_metric_name("requests_total", "1", OtlpKind::MonotonicSum) == "requests_total");
  CHECK(otlp_metric_name("total_requests", "", OtlpKind::MonotonicSum) == "requests_total");
  CHECK(otlp_metric_name("memory.usage_after_last_gc", "By", OtlpKind::Gauge) ==
        "memory_usage_after_last_gc_bytes");
  CHECK(otlp_metric_name("cpu.utilization", "1", OtlpKind::Gauge) == "cpu_utilization_ratio");
  CHECK(otlp_metric_name("cpu.utilization", "1", OtlpKind::Other) == "cpu_utilization");
  CHECK(otlp_metric_name("speed_bytes", "By/s", OtlpKind::Gauge) == "speed_bytes_per_second");
  CHECK(otlp_metric_name("2xx  responses!!", "", OtlpKind::Gauge) == "_2xx_responses");
  CHECK(otlp_metric_name("fan.speed", "rpm", OtlpKind::Gauge) == "fan_speed_rpm");
  CHECK(otlp_metric_name("load", "%", OtlpKind::Gauge) == "load_percent");
  CHECK(otlp_unit("By/s") == "bytes_per_second");
  CHECK(otlp_unit("{request}") == "");
  CHECK(otlp_label_name("http.method") == "http_method");
  CHECK(otlp_label_name("0key") == "key_0key");
  CHECK(otlp_label_name("_private") == "key_private");
  CHECK(otlp_label_name("__name") == "__name");
  CHECK(otlp_label_name("\xc3\xa4") == "key_");
  CHECK(otlp_label_name("a\xc3\xa4z") == "a_z");
}

TEST_CASE("OTLP: gauges, sums, and who sent them") {
  OtlpDecoder decoder;
  const std::string body = request(
      kResource, {metric("queue.length", "1", 5,
                         [](Writer& gauge) {
                           gauge.add_message(
                               1, number(7, {attribute("http.route", "/"), attribute("a_b", "y"),
                                             attribute("a.b", "x")}));
                         }),
                  metric("jobs", "", 7,
                         [](Writer& sum) {
                           sum.add_message(1, message([](Writer& point) {
                                             point.add_fixed64(2, kStarted);
                                             point.add_fixed64(3, kTime);
                                             point.add_sfixed64(6, -5);
                                           }));
                           sum.add_enum(2, 2);
                           sum.add_bool(3, true);
                         }),
                  metric("level", "m", 7, [](Writer& sum) {
                    sum.add_message(1, number(2.5));
                    sum.add_enum(2, 2);
                  })});
  CHECK(decode(decoder, body) ==
        Found{{"queue_length_ratio{a_b=\"x;y\", http_route=\"/\", instance=\"pod-1\", "
               "job=\"prod/shop\"}",
               7},
              {"jobs_total{instance=\"pod-1\", job=\"prod/shop\"}", -5},
              {"level_meters{instance=\"pod-1\", job=\"prod/shop\"}", 2.5},
              {"target_info{instance=\"pod-1\", job=\"prod/shop\", k8s_cluster_name=\"eu\"}", 1}});
  REQUIRE(decoder.metadata().size() == 3);
  CHECK(decoder.metadata()[1].metric_family == "jobs_total");
  CHECK(decoder.metadata()[1].type == model::MetricType::Counter);
  CHECK(decoder.metadata()[1].help == "Help of jobs");
  CHECK(decoder.metadata()[2].type == model::MetricType::Gauge);
  CHECK(decoder.metadata()[2].unit == "meters");
  CHECK(decoder.starts()[0] == 1'763'630'000'000);
  // Keys follow the labels.
  std::vector<SeriesKey> keys;
  decoder.series_keys(1, keys);
  std::vector<SeriesKey> again;
  OtlpDecoder other;
  decode(other, body);
  other.series_keys(1, again);
  CHECK(keys == again);
  CHECK(keys[0] != keys[1]);
}

TEST_CASE("OTLP: what is not cumulative is refused point by point, and the rest is taken") {
  OtlpDecoder decoder;
  const auto sum = [](int temporality) {
    return [temporality](Writer& data) {
      data.add_message(1, number(1));
      data.add_enum(2, temporality);
      data.add_bool(3, true);
    };
  };
  const auto found =
      decode(decoder, request({}, {metric("delta", "", 7, sum(1)), metric("good", "", 7, sum(2)),
                                   metric("none", "", 7, sum(0))}));
  CHECK(found == Found{{"delta_total", -1}, {"good_total", 1}, {"none_total", -1}});
  CHECK(decoder.defect_reason() == Refusal::UnsupportedPoint);
}

TEST_CASE("OTLP: histograms with explicit bounds become classic ones") {
  OtlpDecoder decoder;
  const std::string body = request(
      {}, {metric("latency", "s", 9, [](Writer& data) {
        data.add_message(1, message([](Writer& point) {
                           point.add_message(9, attribute("code", "200"));
                           point.add_fixed64(3, kTime);
                           point.add_fixed64(4, 6);
                           point.add_double(5, 12.5);
                           const uint64_t counts[] = {1, 2, 3};
                           point.add_packed_fixed64(6, std::begin(counts), std::end(counts));
                           point.add_double(7, 0.00001);
                           point.add_double(7, 2);
                           point.add_message(8, message([](Writer& exemplar) {
                                               exemplar.add_fixed64(2, kTime);
                                               exemplar.add_double(3, 1.5);
                                               exemplar.add_string(5, "\x01\xab");
                                             }));
                         }));
        data.add_enum(2, 2);
      })});
  CHECK(decode(decoder, body) == Found{{"latency_seconds_sum{code=\"200\"}", 12.5},
                                       {"latency_seconds_count{code=\"200\"}", 6},
                                       {"latency_seconds_bucket{code=\"200\", le=\"0.00001\"}", 1},
                                       {"latency_seconds_bucket{code=\"200\", le=\"2\"}", 3},
                                       {"latency_seconds_bucket{code=\"200\", le=\"+Inf\"}", 6}});
  REQUIRE(decoder.series()[3].has_exemplars);
  const auto exemplars = decoder.exemplars(3);
  REQUIRE(exemplars->size() == 1);
  CHECK((*exemplars)[0].labels[0] == model::LabelView{"trace_id", "01ab"});
  CHECK((*exemplars)[0].value == 1.5);
}

TEST_CASE("OTLP: exponential histograms become native ones") {
  const auto histogram = [](int scale, int offset, std::vector<uint64_t> counts) {
    return request({}, {metric("size", "By", 10, [&](Writer& data) {
                     data.add_message(1, message([&](Writer& point) {
                                        point.add_fixed64(3, kTime);
                                        point.add_fixed64(4, 10);
                                        point.add_double(5, 42);
                                        point.add_sint32(6, scale);
                                        point.add_fixed64(7, 2);
                                        point.add_message(8, message([&](Writer& buckets) {
                                                            buckets.add_sint32(1, offset);
                                                            buckets.add_packed_uint64(
                                                                2, counts.begin(), counts.end());
                                                          }));
                                      }));
                     data.add_enum(2, 2);
                   })});
  };
  OtlpDecoder decoder;
  CHECK(decode(decoder, histogram(1, -2, {1, 0, 3, 4})) == Found{{"size_bytes", 42}});
  auto native = std::get<DecodedHistogram>(decoder.histograms(0).value()[0]).histogram;
  CHECK(native->schema == 1);
  CHECK(native->zero_count == 2);
  CHECK(native->zero_threshold == 1e-128);
  CHECK(native->positive_spans == std::vector<model::BucketSpan>{{-1, 1}, {1, 2}});
  CHECK(native->positive_buckets == std::vector<double>{1, 3, 4});
  // Finer than Prometheus knows: neighbours are joined.
  decode(decoder, histogram(9, 3, {1, 2, 3}));
  native = std::get<DecodedHistogram>(decoder.histograms(0).value()[0]).histogram;
  CHECK(native->schema == 8);
  CHECK(native->positive_spans == std::vector<model::BucketSpan>{{2, 2}});
  CHECK(native->positive_buckets == std::vector<double>{1, 5});
  CHECK(decode(decoder, histogram(-5, 0, {1})) == Found{{"size_bytes", -1}});
}

TEST_CASE("OTLP: summaries, and series that have ended") {
  OtlpDecoder decoder;
  const std::string summary = metric("wait", "", 11, [](Writer& data) {
    data.add_message(1, message([](Writer& point) {
                       point.add_fixed64(3, kTime);
                       point.add_fixed64(4, 3);
                       point.add_double(5, 9);
                       point.add_message(6, message([](Writer& quantile) {
                                           quantile.add_double(1, 0.99);
                                           quantile.add_double(2, 5);
                                         }));
                     }));
  });
  CHECK(decode(decoder, request({}, {summary})) ==
        Found{{"wait_sum", 9}, {"wait_count", 3}, {"wait{quantile=\"0.99\"}", 5}});
  const std::string ended = metric("gone", "", 5, [](Writer& data) {
    data.add_message(1, message([](Writer& point) {
                       point.add_fixed64(3, kTime);
                       point.add_uint32(8, 1);
                     }));
  });
  REQUIRE(decoder.decode(request({}, {ended})).ok());
  CHECK(model::is_stale(decoder.samples()[0].value));
}

TEST_CASE("OTLP: broken requests, and gzip") {
  OtlpDecoder decoder;
  const std::string good = request(
      kResource, {metric("a", "", 5, [](Writer& data) { data.add_message(1, number(1)); })});
  for (size_t length = 1; length < good.size(); ++length) {
    if (decoder.decode(good.substr(0, length)).ok()) FAIL("cut at " << length);
  }
  std::string compressed(good.size() + 100, '\0');
  libdeflate_compressor* deflate = libdeflate_alloc_compressor(6);
  compressed.resize(libdeflate_gzip_compress(deflate, good.data(), good.size(), compressed.data(),
                                             compressed.size()));
  libdeflate_free_compressor(deflate);
  BodyBuffer buffer;
  CHECK(BodyBuffer::declared_length(compressed, 1 << 20, BodyEncoding::Gzip).value() ==
        good.size());
  CHECK(buffer.uncompress(compressed, 1 << 20, BodyEncoding::Gzip).value() == good);
  CHECK(!buffer.uncompress(compressed, good.size() - 1, BodyEncoding::Gzip).ok());
  CHECK(!buffer.uncompress(compressed + "x", 1 << 20, BodyEncoding::Gzip).ok());
  CHECK(!buffer.uncompress(good, 1 << 20, BodyEncoding::Gzip).ok());
  CHECK(!buffer.uncompress("", 1 << 20, BodyEncoding::Gzip).ok());
  CHECK(buffer.uncompress(good, 1 << 20, BodyEncoding::Identity).value() == good);
  CHECK(!buffer.uncompress(good, 3, BodyEncoding::Identity).ok());
}

TEST_CASE("OTLP: refusals are a partial success") {
  WriteTotals totals;
  CHECK(write_answer(totals, WireFormat::Otlp, 400).status == 200);
  CHECK(write_answer(totals, WireFormat::Otlp, 400).body.empty());
  totals.refused[static_cast<size_t>(Refusal::UnsupportedPoint)] = 3;
  totals.first_refusal = "why";
  const auto response = write_answer(totals, WireFormat::Otlp, 400);
  CHECK(response.status == 200);
  CHECK(response.headers.get("Content-Type") == "application/x-protobuf");
  CHECK(response.body.find("unsupported_point=3") != std::string::npos);
}
