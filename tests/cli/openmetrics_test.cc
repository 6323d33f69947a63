#include "cli/openmetrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <sstream>

#include "model/sample.h"

namespace aerie::cli {
namespace {

struct Line {
  model::Labels labels;
  double value;
  model::TimestampMs t;
};

Result<std::vector<Line>> read_all(const std::string& text) {
  std::istringstream in(text);
  OpenMetricsReader reader(in);
  std::vector<Line> lines;
  while (true) {
    auto sample = reader.next();
    if (!sample) return std::move(sample).error();
    if (!*sample) return lines;
    auto labels = parse_series((*sample)->series);
    if (!labels) return std::move(labels).error();
    lines.push_back({std::move(*labels), (*sample)->value, (*sample)->t});
  }
}

std::string error_of(const std::string& text) {
  const auto read = read_all(text);
  return read ? "" : read.error().message();
}

TEST_CASE("samples have labels, values and times in milliseconds") {
  const auto lines = read_all(
      "# TYPE http_requests counter\n"
      "http_requests_total{code=\"200\",path=\"/a b\"} 1027 1395066363.5\n"
      "http_requests_total{code=\"\\\"4\\\\0\\n\"} 3 -1\n"
      "up NaN 1395066364\n"
      "up +Inf 1395066365\n"
      "{\"my.metric\",\"a.b\"=\"c\",} -0.5e-3 1.0005\n"
      "# EOF\n");
  REQUIRE(lines);
  REQUIRE(lines->size() == 5);
  CHECK((*lines)[0].labels ==
        model::Labels{{"__name__", "http_requests_total"}, {"code", "200"}, {"path", "/a b"}});
  CHECK((*lines)[0].value == 1027);
  CHECK((*lines)[0].t == 1395066363500);
  CHECK((*lines)[1].labels.get("code") == "\"4\\0\n");
  CHECK((*lines)[1].t == -1000);
  CHECK(std::isnan((*lines)[2].value));
  CHECK_FALSE(model::is_stale((*lines)[2].value));
  CHECK((*lines)[3].value == HUGE_VAL);
  CHECK((*lines)[4].labels == model::Labels{{"__name__", "my.metric"}, {"a.b", "c"}});
  CHECK((*lines)[4].value == -0.0005);
  CHECK((*lines)[4].t == 1001);
}

TEST_CASE("exemplars and what is said about families") {
  std::istringstream in(
      "# HELP a Something \\\\ else.\n"
      "# TYPE a histogram\n"
      "# UNIT a seconds\n"
      "a_bucket{le=\"1\"} 2 10 # {trace_id=\"x # y\"} 0.67 9.5\n"
      "a_bucket{le=\"+Inf\"} 2 10 # {} 3\n"
      "# TYPE b gauge\n"
      "b 1 11\n"
      "# EOF\n");
  OpenMetricsReader reader(in);
  auto sample = reader.next();
  REQUIRE(sample);
  REQUIRE(*sample);
  CHECK((*sample)->exemplar_labels == "{trace_id=\"x # y\"}");
  CHECK((*sample)->exemplar_value == 0.67);
  CHECK((*sample)->exemplar_t == 9500);
  CHECK(reader.take_families().empty());
  sample = reader.next();
  REQUIRE(sample);
  CHECK((*sample)->exemplar_labels == "{}");
  CHECK_FALSE((*sample)->exemplar_t);
  REQUIRE(reader.next());
  auto families = reader.take_families();
  REQUIRE(families.size() == 1);
  CHECK(families[0].name == "a");
  CHECK(families[0].metadata ==
        model::MetricMetadata{model::MetricType::Histogram, "Something \\ else.", "seconds"});
  sample = reader.next();
  REQUIRE(sample);
  CHECK_FALSE(*sample);
  families = reader.take_families();
  REQUIRE(families.size() == 1);
  CHECK(families[0].metadata.type == model::MetricType::Gauge);
}

TEST_CASE("what is wrong is named by its line") {
  CHECK(error_of("a 1 2\n").find("line 2: expected # EOF") == 0);
  CHECK(error_of("a 1\n# EOF\n").find("line 1: expected a timestamp in seconds") == 0);
  CHECK(error_of("a 1 2\nb x 2\n# EOF\n").find("line 2: expected a number") == 0);
  CHECK(error_of("a{b=\"c} 1 2\n# EOF\n").find("line 1: expected a closing }") == 0);
  CHECK(error_of("a 1 1e300\n# EOF\n").find("line 1: expected a timestamp") == 0);
  CHECK(error_of("a 1 2 3\n# EOF\n").find("line 1: expected the end of the line") == 0);
  CHECK(error_of("# TYPE a thing\n# EOF\n").find("line 1: expected a metric type") == 0);
  CHECK(error_of("a{b=\"1\",b=\"2\"} 1 2\n# EOF\n").find("the label b only once") !=
        std::string::npos);
  CHECK(error_of("a{1b=\"1\"} 1 2\n# EOF\n").find("a label name") != std::string::npos);
  CHECK(error_of("a{b=\"\xff\"} 1 2\n# EOF\n").find("UTF-8") != std::string::npos);
  CHECK(error_of("a-b 1 2\n# EOF\n").find("a metric name") != std::string::npos);
  CHECK(error_of("\n# EOF\n").find("line 1: expected a sample") == 0);
  CHECK(error_of("# EOF\nafter the end\n").empty());
}

}  // namespace
}  // namespace aerie::cli
