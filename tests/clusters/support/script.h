#pragma once

#include <map>
#include <string>
#include <vector>

#include "clusters/evidence_reader.h"
#include "clusters/kube_state.h"
#include "clusters/verdict.h"

namespace aerie::clusters::testing {

/// Runs one verdict script (tests/clusters/scripts/README.md): what kube-state-metrics would say,
/// step by step, and what is expected of the verdict. The series go through assemble(), so that
/// reading and judging are tested together.
class Script {
 public:
  /// One line per expectation that did not hold, `file:line: want …, got …`; empty: all held. Also
  /// the errors of the script.
  std::vector<std::string> run(const std::string& name, const std::string& text);
  size_t expectations() const { return expectations_; }

 private:
  using Fields = std::map<std::string, std::string>;
  struct Series {
    std::map<std::string, std::string> labels;
    double value = 0;
    model::TimestampMs frozen_at = -1;  // >= 0: does not come with later scrapes
  };

  void command(const std::vector<std::string>& words);
  void set_deployment(const Fields& fields);
  void set_condition(const std::string& type, const std::string& value);
  void set_replica_set(const std::string& name, const Fields& fields);
  void set_pod(const std::string& name, const Fields& fields);
  void put(const std::string& metric, const std::map<std::string, std::string>& labels,
           double value);
  void remove_object(const std::string& label, const std::string& name);
  void advance_to(model::TimestampMs t);
  void evaluate();
  void expect(const std::vector<std::string>& words);
  void restart();
  void fail(const std::string& what);

  std::string name_;
  size_t line_ = 0;
  std::vector<std::string> failures_;
  size_t expectations_ = 0;

  std::map<std::string, Series> series_;  // by their labels' text
  std::string space_ = "shop";
  std::string deployment_ = "web";
  Kind kind_ = Kind::Deployment;
  bool frozen_ = false;
  std::string events_;
  bool version_1_9_ = false;
  bool kube_state_gone_ = false;
  Witness witness_ = Witness::Sound;
  std::optional<Desired> desired_;
  bool namespace_missing_ = false;
  model::DurationMs interval_ = 15'000;
  model::TimestampMs start_ = 1'700'000'000'000;
  model::TimestampMs now_ = 1'700'000'000'000;
  std::map<std::string, double> restarts_;  // by pod
  Memory memory_;
  Verdict verdict_;
};

}  // namespace aerie::clusters::testing
