#include "base/metrics.h"

#include <catch2/catch.hpp>

namespace aerie {
namespace {

TEST_CASE("the registry exposes counters, gauges, histograms and callbacks as Prometheus text") {
  MetricRegistry registry;
  registry.counter("aerie_test_total", "Tests.", {{"kind", "unit"}}).add(3);
  registry.gauge("aerie_test_bytes", "Bytes.").set(1.5);
  Histogram& histogram = registry.histogram("aerie_test_seconds", "Time.", {0.1, 1});
  histogram.observe(0.05);
  histogram.observe(0.1);
  histogram.observe(7);
  registry.gauge_callback("aerie_test_now", "Now.", {}, [] { return 42.0; });
  const std::string text = registry.expose();
  for (const char* line :
       {"aerie_test_total{kind=\"unit\"} 3\n", "# TYPE aerie_test_total counter\n",
        "aerie_test_bytes 1.5\n", "aerie_test_seconds_bucket{le=\"0.1\"} 2\n",
        "aerie_test_seconds_bucket{le=\"1\"} 2\n", "aerie_test_seconds_bucket{le=\"+Inf\"} 3\n",
        "aerie_test_seconds_count 3\n", "aerie_test_now 42\n", "process_resident_memory_bytes "}) {
    INFO(text << "\nwanted: " << line);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("the same name and labels give the same metric") {
  MetricRegistry registry;
  registry.counter("aerie_test_total", "Tests.").add();
  CHECK(registry.counter("aerie_test_total", "Tests.").value() == 1);
}

}  // namespace
}  // namespace aerie
