#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace aerie::cli {

/// What a member cluster needs to know to send to aerie.
struct SenderOptions {
  std::string cluster;
  std::string environment;  ///< empty: not labelled
  std::string zone;         ///< the same
  std::string aerie_url = "http://aerie:9707";
  std::string token;         ///< empty: aerie takes everybody; else a Secret or a file holds it
  bool version2 = false;     ///< Remote-Write 2.0
  bool filter_kube = false;  ///< of kube-state-metrics only what aerie reads
};

/// `remote-write` (a part of prometheus.yml), `prometheus-operator` (Secret and Prometheus
/// resource) or `vmagent` (its flags and relabelling file), ready to paste. Errors: InvalidArgument
/// for another kind.
Result<std::string> sender_snippet(const std::string& kind, const SenderOptions& options);

/// The series of kube-state-metrics that verdicts about Deployments are made from.
const std::vector<std::string>& kube_series_needed();

}  // namespace aerie::cli
