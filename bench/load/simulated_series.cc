#include "bench/load/simulated_series.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "bench/load/plans.h"
#include "bench/load/write_request.h"

namespace aerie::bench {
namespace {

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

double unit_of(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

std::string_view job_of(Workload workload) {
  switch (workload) {
    case Workload::Node: return "node-exporter";
    case Workload::Kubernetes: return "kube-state-metrics";
    case Workload::Histograms: return "apiserver";
    case Workload::Dashboard: return "kubelet";
  }
  return "";
}

}  // namespace

const std::vector<SeriesPlan>& plans_of(Workload workload) {
  static const std::vector<SeriesPlan> kNode = node_plans();
  static const std::vector<SeriesPlan> kKubernetes = kubernetes_plans();
  static const std::vector<SeriesPlan> kHistograms = histogram_plans();
  static const std::vector<SeriesPlan> kDashboard = dashboard_plans();
  switch (workload) {
    case Workload::Dashboard: return kDashboard;
    case Workload::Kubernetes: return kKubernetes;
    case Workload::Histograms: return kHistograms;
    case Workload::Node: break;
  }
  return kNode;
}

SimulatedSeries::SimulatedSeries(Workload workload, uint32_t target, uint32_t index, uint64_t seed)
    : state_(mix(seed ^ mix(static_cast<uint64_t>(target) << 32 | index))) {
  const SeriesPlan& plan = plans_of(workload).at(index);
  value_class_ = plan.value_class;
  bucket_ = plan.bucket;
  histogram_seed_ = mix(mix(seed) ^ (static_cast<uint64_t>(target) << 16 | plan.histogram));
  // Sorted by name, as Prometheus sends them. Targets are spread over four clusters.
  std::vector<std::pair<std::string, std::string>> labels = {
      {"__name__", plan.name},
      {"cluster", fmt::format("prod-eu-{}", target % 4 + 1)},
      {"environment", "production"},
      {"instance", fmt::format("10.{}.{}.{}:9100", target % 4, target / 250, target % 250)},
      {"job", std::string(job_of(workload))},
      {"zone", fmt::format("eu-west-1{}", static_cast<char>('a' + target % 3))}};
  labels.insert(labels.end(), plan.labels.begin(), plan.labels.end());
  std::sort(labels.begin(), labels.end());
  for (const auto& [name, value] : labels) add_label(label_records_, name, value);
  start(plan);
}

void SimulatedSeries::start(const SeriesPlan& plan) {
  const double unit = unit_of(random());
  rate_ = 1 + unit * 1000;
  integer_ = static_cast<int64_t>(random() % 1'000'000'000);
  switch (value_class_) {
    case ValueClass::Constant:
      value_ = static_cast<double>(random() % 4 == 0 ? integer_ : integer_ % 2);
      break;
    case ValueClass::DecimalCounter:
      divisor_ = std::pow(10.0, plan.decimals);
      // Up to 15 s of work in a scrape of 15 s, in the counter's own units.
      rate_ = divisor_ * 0.1 * std::pow(75.0, unit);
      integer_ = static_cast<int64_t>(unit_of(random()) * 100'000 * divisor_);
      break;
    case ValueClass::RareChange: integer_ = static_cast<int64_t>(random() % 8); break;
    case ValueClass::BucketCounter:
    case ValueClass::BucketSum:
      // Two thirds of an API server's histograms see no request between two scrapes.
      rate_ =
          histogram_seed_ % 3 != 0 ? 0 : std::pow(300.0, unit_of(mix(histogram_seed_ ^ 0xa5a5)));
      integer_ = 0;
      break;
    case ValueClass::IntegerCounter:
    case ValueClass::IntegerGauge: break;
  }
}

uint64_t SimulatedSeries::random() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_;
}

int64_t SimulatedSeries::observations(uint32_t position) const {
  const auto mode = static_cast<int>(histogram_seed_ >> 8 & 7);  // the fullest bucket
  const double share = std::exp2(-std::abs(static_cast<int>(position) - mode));
  return static_cast<int64_t>(rate_ * share * 2 *
                              unit_of(mix(histogram_seed_ ^ (scrape_ << 6 | position))));
}

double SimulatedSeries::next_bucket_sum() {
  const std::vector<double>& bounds = bucket_bounds();
  for (uint32_t position = 0; position <= bounds.size(); ++position) {
    const double upper = position < bounds.size() ? bounds[position] : 2 * bounds.back();
    const int64_t count = observations(position);
    if (count > 0) value_ += static_cast<double>(count) * upper * (0.5 + 0.5 * unit_of(random()));
  }
  return value_;
}

void SimulatedSeries::set_label(std::string_view name, std::string_view value) {
  std::string kept;
  for (size_t at = 0; at < label_records_.size();) {
    const size_t size = 2 + static_cast<size_t>(label_records_[at + 1]);
    const auto name_size = static_cast<size_t>(label_records_[at + 3]);
    if (label_records_.compare(at + 4, name_size, name) != 0) kept.append(label_records_, at, size);
    at += size;
  }
  add_label(kept, name, value);
  label_records_ = std::move(kept);
}

double SimulatedSeries::next() {
  ++scrape_;
  switch (value_class_) {
    case ValueClass::Constant: return value_;
    case ValueClass::IntegerCounter:
      integer_ += static_cast<int64_t>(rate_ * 2 * unit_of(random()));
      return static_cast<double>(integer_);
    case ValueClass::IntegerGauge:
      integer_ += static_cast<int64_t>(rate_ * 8192 * (unit_of(random()) - 0.5)) / 4096 * 4096;
      if (integer_ < 0) integer_ = -integer_;
      return static_cast<double>(integer_);
    case ValueClass::DecimalCounter:
      integer_ += static_cast<int64_t>(rate_ * 2 * unit_of(random()));
      return static_cast<double>(integer_) / divisor_;
    case ValueClass::RareChange:
      if (random() % 400 == 0) ++integer_;
      return static_cast<double>(integer_);
    case ValueClass::BucketCounter:
      if (rate_ == 0) return 0;
      for (uint32_t position = 0; position <= bucket_; ++position)
        integer_ += observations(position);
      return static_cast<double>(integer_);
    case ValueClass::BucketSum: return rate_ == 0 ? 0 : next_bucket_sum();
  }
  return value_;
}

int64_t scrape_phase_ms(uint32_t target, int64_t interval_ms) {
  return static_cast<int64_t>(mix(target) % static_cast<uint64_t>(interval_ms));
}

}  // namespace aerie::bench
