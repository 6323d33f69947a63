#include "alerting/recording_rule.h"

#include <fmt/format.h>

#include <unordered_set>

namespace aerie::alerting {

Result<OwnSamples> evaluate_recording(const RuleSpec& rule, const Evaluation& evaluation) {
  auto vector = evaluate_expression(rule, evaluation);
  if (!vector) return std::move(vector).error();
  if (evaluation.limit > 0 && vector->size() > static_cast<uint64_t>(evaluation.limit)) {
    return Error(ErrorCode::Execution, fmt::format("exceeded limit of {} with {} series",
                                                   evaluation.limit, vector->size()));
  }
  OwnSamples samples;
  std::unordered_set<model::Labels, model::LabelsHash> seen;
  for (const query::VectorElement& element : *vector) {
    // TODO: write it as soon as the store's own samples can be histograms.
    if (element.histogram)
      return Error(ErrorCode::Execution, "native histograms cannot be recorded yet");
    model::LabelsBuilder labels(element.labels);
    labels.set(model::kMetricName, rule.name);
    for (const auto& [name, value] : rule.labels) labels.set(name, value.text());
    samples.push_back({labels.build(), evaluation.sample_time(), element.value});
    if (!seen.insert(samples.back().labels).second) {
      return Error(ErrorCode::Execution,
                   "vector contains metrics with the same labelset after applying rule labels");
    }
  }
  return samples;
}

}  // namespace aerie::alerting
