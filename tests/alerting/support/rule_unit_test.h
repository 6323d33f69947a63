#pragma once

#include <map>
#include <string>
#include <vector>

#include "alerting/alert.h"
#include "base/result.h"
#include "model/labels.h"
#include "model/time.h"

namespace aerie::alerting::testing {

using StringMap = std::map<std::string, std::string>;

/// An alert that fires, as promtool compares it: all labels with `alertname`, and the annotations.
struct ExpectedAlert {
  StringMap labels;
  StringMap annotations;
  auto operator<=>(const ExpectedAlert&) const = default;
};
struct ExpectedSample {
  model::Labels labels;
  double value = 0;
};

/// promtool's unit-test format (`promtool test rules`), as far as it goes without native
/// histograms.
struct RuleUnitTest {
  struct Series {
    std::string series;
    std::string values;
  };
  struct AlertCheck {
    model::DurationMs at = 0;
    std::string alert;
    std::vector<ExpectedAlert> expected;
    std::vector<ExpectedAlert> got;  ///< filled by run()
  };
  struct ExprCheck {
    model::DurationMs at = 0;
    std::string expr;
    std::vector<ExpectedSample> expected;
    std::vector<ExpectedSample> got;  ///< filled by run()
  };
  std::string name;
  model::DurationMs interval = 60'000;
  std::vector<Series> series;
  std::vector<AlertCheck> alert_checks;
  std::vector<ExprCheck> expr_checks;
  StringMap external_labels;
  std::string external_url;
};

struct RuleUnitTestFile {
  std::vector<std::string> rule_files;  ///< absolute
  model::DurationMs evaluation_interval = 60'000;
  std::vector<RuleUnitTest> tests;

  /// `rename` maps the name of a rule file as written to a path; empty: relative to the test file.
  static Result<RuleUnitTestFile> load(const std::string& path, const StringMap& rename = {});
  /// Runs all tests through our evaluator and fills in what it got.
  Status run();
  /// The same file with what we got as the expectations, for promtool to judge.
  std::string with_our_results() const;
  /// Differences between got and expected, one line each.
  std::vector<std::string> differences() const;
};

}  // namespace aerie::alerting::testing
