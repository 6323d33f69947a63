#include <fmt/core.h>

#include <string>
#include <utility>

#include "bench/load/plans.h"

namespace aerie::bench {

const std::vector<double>& bucket_bounds() {
  static const std::vector<double> bounds = {0.005, 0.025, 0.05, 0.1,  0.2,  0.4,  0.6, 0.8,
                                             1.0,   1.25,  1.5,  2.0,  3.0,  4.0,  5.0, 6.0,
                                             8.0,   10.0,  15.0, 20.0, 30.0, 45.0, 60.0};
  return bounds;
}

// 120 histograms of 24 buckets, a sum and a count: 3,120.
std::vector<SeriesPlan> histogram_plans() {
  const auto last = static_cast<uint8_t>(bucket_bounds().size());
  std::vector<SeriesPlan> plans;
  uint16_t histogram = 0;
  for (const char* verb : {"GET", "LIST", "PUT", "POST", "PATCH", "DELETE"}) {
    for (int resource = 0; resource < 20; ++resource, ++histogram) {
      const std::vector<std::pair<std::string, std::string>> labels = {
          {"verb", verb}, {"resource", fmt::format("resource-{}", resource)}};
      for (uint8_t bucket = 0; bucket <= last; ++bucket) {
        SeriesPlan plan{"apiserver_request_duration_seconds_bucket",
                        ValueClass::BucketCounter,
                        0,
                        histogram,
                        bucket,
                        labels};
        plan.labels.emplace_back(
            "le", bucket == last ? "+Inf" : fmt::format("{}", bucket_bounds()[bucket]));
        plans.push_back(std::move(plan));
      }
      plans.push_back({"apiserver_request_duration_seconds_sum", ValueClass::BucketSum, 0,
                       histogram, last, labels});
      plans.push_back({"apiserver_request_duration_seconds_count", ValueClass::BucketCounter, 0,
                       histogram, last, labels});
    }
  }
  return plans;
}

}  // namespace aerie::bench
