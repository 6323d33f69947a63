#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "query/engine.h"
#include "tests/promql/storage.h"

namespace aerie::promqltest {

/// Every language feature on, as the suite of Prometheus runs.
query::EngineOptions suite_options();

/// Runs the cases of one script against an engine over a storage.
class Runner {
 public:
  using MakeStorage = std::function<Result<std::unique_ptr<Storage>>()>;
  explicit Runner(MakeStorage make_storage) : make_storage_(std::move(make_storage)) {}

  /// Fresh and empty. Errors: the storage cannot be made.
  Status clear();
  Status load(const Load& load) { return storage_->load(load); }

  /// One case and its re-runs: with `@` written into every selector, at other times, and as the
  /// middle of a range. The error says which form differed and how.
  Status run(const Eval& eval);

  /// How many evaluations beyond the one written were made so far.
  int reruns() const { return reruns_; }

 private:
  Status run_range(const Eval& eval);
  Status run_instant(const Eval& eval, const std::string& expr, model::TimestampMs t);
  Status run_as_range(const Eval& eval, const std::string& expr, model::TimestampMs t,
                      bool is_scalar);

  const MakeStorage make_storage_;
  ManualClock clock_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<query::Engine> engine_;
  int reruns_ = 0;
};

/// The expression with `@ t` on everything that can carry it and is not inside a subquery. Nothing
/// if it calls a function whose value depends on the time of evaluation.
std::optional<std::string> pinned_at(const std::string& expr, model::TimestampMs t);

}  // namespace aerie::promqltest
